//! The tokens that the test issuer has issued, and which of them still count.
//!
//! Checks: whether a token was issued here and not revoked since, alone or with its family.
//! Does not check: dates; [`introspection`](super::introspection) does.
//!
//! Why: what a refresh token has led to is one family. A refresh token that comes a second time was
//! copied by somebody, and the server cannot tell by whom, so that the whole family ends
//! (RFC 9700 section 4.14.2).

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::draft::UnsignedToken;
use super::fingerprint::{Fingerprint, octets};
use crate::encoding::base64url;
use crate::jwt::compact::Compact;

/// Which family a token belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct FamilyId(usize);

/// What a family's access tokens are made from.
pub(super) struct Grant {
    pub(super) draft: UnsignedToken,
    pub(super) form: TokenForm,
}

/// What a token is as a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TokenForm {
    /// A compact JWS with the claims in it.
    Jwt,
    /// A text that says nothing.
    Opaque,
}

/// Every token ever issued, in little room.
#[derive(Default)]
pub(super) struct Tokens {
    access: HashMap<Fingerprint, Access>,
    refresh: HashMap<Fingerprint, Refresh>,
    families: Vec<Family>,
    /// Of names and texts that were given away.
    made: u64,
}

struct Access {
    claims: KnownClaims,
    family: Option<FamilyId>,
}

enum KnownClaims {
    /// They stand in the token itself.
    InToken,
    /// As JSON.
    Slot(Box<str>),
    /// There are none to tell any more.
    Revoked,
}

struct Refresh {
    family: FamilyId,
    used: bool,
}

struct Family {
    grant: Arc<Grant>,
    revoked: bool,
}

impl Tokens {
    /// Takes down a JWT. One that was revoked before stays so: with some algorithms the same claims
    /// give the same text.
    pub(super) fn add_jwt(&mut self, token: &str, family: Option<FamilyId>) {
        let claims = KnownClaims::InToken;
        self.access.entry(Fingerprint::of(token)).or_insert(Access { claims, family });
    }

    /// Takes down an opaque token, in place of one with the same text.
    pub(super) fn add_opaque(&mut self, token: &str, claims: &Map<String, Value>, family: Option<FamilyId>) {
        let claims = serde_json::to_string(claims).unwrap_or_default();
        let claims = KnownClaims::Slot(claims.into_boxed_str());
        self.access.insert(Fingerprint::of(token), Access { claims, family });
    }

    /// The claims of an access token that still counts.
    pub(super) fn claims(&self, token: &str) -> Option<Map<String, Value>> {
        let access = self.access.get(&Fingerprint::of(token))?;
        if access.family.is_some_and(|family| self.has_ended(family)) {
            return None;
        }
        match &access.claims {
            KnownClaims::InToken => serde_json::from_str(&Compact::parse(token).ok()?.claims().ok()?).ok(),
            KnownClaims::Slot(claims) => serde_json::from_str(claims).ok(),
            KnownClaims::Revoked => None,
        }
    }

    /// Ends a token; a refresh token with its family (RFC 7009 section 2.1). An unknown one is no error.
    pub(super) fn revoke(&mut self, token: &str) {
        let fingerprint = Fingerprint::of(token);
        if let Some(access) = self.access.get_mut(&fingerprint) {
            access.claims = KnownClaims::Revoked;
        }
        if let Some(family) = self.refresh.get(&fingerprint).map(|refresh| refresh.family) {
            self.end(family);
        }
    }

    /// A family without tokens.
    pub(super) fn add_family(&mut self, grant: Grant) -> FamilyId {
        let id = FamilyId(self.families.len());
        self.families.push(Family { grant: Arc::new(grant), revoked: false });
        id
    }

    /// Takes down a refresh token.
    pub(super) fn add_refresh(&mut self, token: &str, family: FamilyId) {
        self.refresh.insert(Fingerprint::of(token), Refresh { family, used: false });
    }

    /// What a refresh token stands for. One that was used before ends its family, and stands for
    /// nothing; so does one of a family that has ended.
    pub(super) fn granted(&mut self, refresh_token: &str) -> Option<(FamilyId, Arc<Grant>)> {
        let refresh = self.refresh.get(&Fingerprint::of(refresh_token))?;
        let (family, used) = (refresh.family, refresh.used);
        if used {
            self.end(family);
        }
        let granted = self.families.get(family.0).filter(|family| !family.revoked)?;
        Some((family, Arc::clone(&granted.grant)))
    }

    /// Uses a refresh token up. `false` when somebody else was faster, and the family has ended.
    pub(super) fn use_up(&mut self, refresh_token: &str) -> bool {
        let Some(refresh) = self.refresh.get_mut(&Fingerprint::of(refresh_token)) else { return false };
        let (family, used) = (refresh.family, std::mem::replace(&mut refresh.used, true));
        if used {
            self.end(family);
        }
        !used
    }

    /// A number that was not given away before.
    pub(super) fn unused_number(&mut self) -> u64 {
        self.made = self.made.saturating_add(1);
        self.made
    }

    /// A text of 43 characters that was not given away before, by this issuer or one of another name.
    pub(super) fn unused_text(&mut self, issuer: &str) -> String {
        base64url::encode(&octets((issuer, self.unused_number())))
    }

    fn end(&mut self, family: FamilyId) {
        self.families.get_mut(family.0).into_iter().for_each(|family| family.revoked = true);
    }

    fn has_ended(&self, family: FamilyId) -> bool {
        self.families.get(family.0).is_some_and(|family| family.revoked)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(subject: &str) -> Map<String, Value> {
        Map::from_iter([("sub".to_owned(), json!(subject))])
    }

    fn family(tokens: &mut Tokens) -> FamilyId {
        let draft = UnsignedToken::new("https://issuer.test", json!("api"), 0, 0);
        tokens.add_family(Grant { draft, form: TokenForm::Opaque })
    }

    #[test]
    fn unknown_and_revoked_tokens_have_no_claims() {
        let mut tokens = Tokens::default();
        tokens.add_opaque("a", &claims("alice"), None);
        tokens.add_opaque("b", &claims("bob"), None);
        tokens.revoke("a");
        tokens.revoke("unknown");
        assert_eq!([tokens.claims("unknown"), tokens.claims("a")], [None, None]);
        assert_eq!(tokens.claims("b"), Some(claims("bob")));
    }

    #[test]
    fn a_jwt_that_was_revoked_stays_revoked_when_it_is_issued_again() {
        let mut tokens = Tokens::default();
        let jwt = "e30.eyJzdWIiOiJhbGljZSJ9.AA";
        tokens.add_jwt(jwt, None);
        assert_eq!(tokens.claims(jwt), Some(claims("alice")));
        tokens.revoke(jwt);
        tokens.add_jwt(jwt, None);
        assert_eq!(tokens.claims(jwt), None);
    }

    #[test]
    fn a_refresh_token_that_comes_twice_ends_its_family_and_no_other() {
        let mut tokens = Tokens::default();
        for name in ["one", "two"] {
            let family = family(&mut tokens);
            tokens.add_opaque(name, &claims(name), Some(family));
            tokens.add_refresh(&format!("refresh {name}"), family);
        }
        assert!(tokens.granted("refresh one").is_some() && tokens.use_up("refresh one"));
        assert!(tokens.claims("one").is_some());
        assert!(tokens.granted("refresh one").is_none());
        assert!(tokens.claims("one").is_none());
        assert!(tokens.claims("two").is_some() && tokens.granted("refresh two").is_some());
        assert!(tokens.granted("one").is_none(), "an access token is no refresh token");
    }

    #[test]
    fn a_revoked_refresh_token_ends_its_family() {
        let mut tokens = Tokens::default();
        let family = family(&mut tokens);
        tokens.add_opaque("access", &claims("alice"), Some(family));
        tokens.add_refresh("refresh", family);
        tokens.revoke("refresh");
        assert!(tokens.claims("access").is_none() && tokens.granted("refresh").is_none());
    }

    #[test]
    fn texts_are_long_and_differ() {
        let mut tokens = Tokens::default();
        let texts = ["a", "a", "b"].map(|issuer| tokens.unused_text(issuer));
        assert!(texts.iter().all(|text| text.len() == 43));
        assert!(texts[0] != texts[1] && texts[1] != texts[2]);
        assert_eq!(Tokens::default().unused_text("a"), texts[0]);
    }
}
