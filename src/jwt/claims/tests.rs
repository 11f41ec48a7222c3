//! The dates of a cached token are checked as on first use.

use std::fmt::Write as _;

use super::*;
use crate::jwt::ConfiguredNames;

struct Trusted<'c>(&'c UnverifiedClaims<'c>);

impl<'c> TrustedClaims<'c> for Trusted<'c> {
    fn claims(&self) -> &'c UnverifiedClaims<'c> {
        self.0
    }
}

fn policy(leeway: u64, max_age: Option<u64>) -> ClaimsPolicy {
    ClaimsPolicy {
        issuer: "https://login.example.com".into(),
        audiences: vec!["api".into()],
        leeway: Duration::from_secs(leeway),
        scope_claims: Vec::new(),
        required: Vec::new(),
        required_values: Vec::new(),
        max_age: max_age.map(Duration::from_secs),
        max_lifetime: None,
        client_claims: vec!["client_id".into(), "azp".into()],
        clients: None,
        audience_claim: None,
        role_claims: Vec::new(),
        scope_implies: None,
        accepts_id_token_claims: false,
        validators: Vec::new(),
        optional: OptionalClaims::default(),
    }
}

#[test]
fn dates_are_valid_agrees_with_check_at_every_time() {
    let mut random = fastrand::Rng::with_seed(9068);
    let mut accepted = 0;
    for _ in 0..2_000 {
        let leeway = random.u64(0..4);
        let max_age = random.bool().then(|| random.u64(0..8));
        let policy = policy(leeway, max_age);
        let mut json = format!(r#"{{"iss":"{}","aud":"api","exp":{}.5"#, policy.issuer, random.u64(0..20));
        for name in ["nbf", "iat"] {
            if random.bool() {
                write!(json, r#","{name}":{}"#, random.u64(0..20)).unwrap();
            }
        }
        json.push('}');
        let claims = UnverifiedClaims::parse(&json, ConfiguredNames::NONE).unwrap();
        let times: Vec<NumericDate> = (0..120_u8)
            .map(|quarter| NumericDate::from_secs_f64(f64::from(quarter) / 4.0).unwrap())
            .collect();
        let results: Vec<_> = times.iter().map(|now| check(&Trusted(&claims), &policy, *now)).collect();
        let Some(grant) = results.iter().find_map(|result| result.as_ref().ok()) else { continue };
        accepted += 1;
        for (now, result) in times.iter().zip(&results) {
            let valid = dates_are_valid(grant, &policy, *now);
            assert_eq!(valid, result.is_ok(), "{json} at {now:?}, leeway {leeway} s, max_age {max_age:?} s");
        }
    }
    assert!(accepted > 500, "{accepted}");
}
