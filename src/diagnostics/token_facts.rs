//! Reads the parts of an untrusted token, for log events and hints.
//!
//! Does not check: anything. Why: a token that is rejected early has no checked claims.

use serde_json::Value;

use crate::encoding::json;
use crate::jwt::claims::CLIENT_CLAIMS;
use crate::jwt::compact::Compact;
use crate::time::NumericDate;

/// The claims that only ID tokens have.
const ID_TOKEN_CLAIMS: [&str; 4] = ["nonce", "at_hash", "c_hash", "s_hash"];

/// The parts of a token that a log may show, if the user wants that. All are empty for a token that is no
/// JWT.
#[derive(Default)]
pub(super) struct TokenFacts {
    pub(super) issuer: Option<String>,
    pub(super) audiences: Vec<String>,
    pub(super) client: Option<String>,
    pub(super) token_id: Option<String>,
    pub(super) key_id: Option<String>,
    pub(super) algorithm: Option<String>,
    pub(super) issued_at: Option<NumericDate>,
    pub(super) not_before: Option<NumericDate>,
    pub(super) expires_at: Option<NumericDate>,
    /// It has a claim that only ID tokens have, or its audience is its client.
    pub(super) resembles_id_token: bool,
}

impl TokenFacts {
    /// `client_claims` returns the claims that can name the client, for the `iss` of the token. `None` if its
    /// issuer is not known; then every claim counts that often names one.
    pub(super) fn read<'i>(
        token: &[u8],
        client_claims: impl FnOnce(Option<&str>) -> Option<&'i [Box<str>]>,
    ) -> Self {
        let Ok(compact) = Compact::parse(token) else { return Self::default() };
        let header: Value =
            compact.header().ok().and_then(|header| json::parse(&header).ok()).unwrap_or_default();
        let claims = compact.claims().ok();
        let claims: Value = claims.and_then(|claims| json::parse(claims.as_bytes()).ok()).unwrap_or_default();
        let audiences = texts(&claims, "aud");
        let issuer = text(&claims, "iss");
        let client = match client_claims(issuer.as_deref()) {
            Some(names) => names.iter().find_map(|name| text(&claims, name)),
            None => CLIENT_CLAIMS.into_iter().find_map(|name| text(&claims, name)),
        };
        let is_for_client = audiences.len() == 1 && audiences.first() == client.as_ref();
        Self {
            issuer,
            token_id: text(&claims, "jti"),
            key_id: text(&header, "kid"),
            algorithm: text(&header, "alg"),
            issued_at: date(&claims, "iat"),
            not_before: date(&claims, "nbf"),
            expires_at: date(&claims, "exp"),
            resembles_id_token: is_for_client
                || ID_TOKEN_CLAIMS.iter().any(|name| claims.get(name).is_some()),
            audiences,
            client,
        }
    }
}

fn text(members: &Value, name: &str) -> Option<String> {
    members.get(name)?.as_str().map(str::to_owned)
}

fn texts(members: &Value, name: &str) -> Vec<String> {
    match members.get(name) {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => {
            items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

fn date(members: &Value, name: &str) -> Option<NumericDate> {
    NumericDate::from_secs_f64(members.get(name)?.as_f64()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> Vec<u8> {
        use base64::Engine as _;
        use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
        format!("{}.{}.AA", BASE64.encode(header), BASE64.encode(claims)).into_bytes()
    }

    fn facts(header: &str, claims: &str) -> TokenFacts {
        TokenFacts::read(&token(header, claims), |_| None)
    }

    #[test]
    fn the_client_is_in_the_claims_that_the_issuer_names() {
        let names: [Box<str>; 2] = ["cid".into(), "azp".into()];
        for (claims, client) in [
            (r#"{"iss":"okta","cid":"a","azp":"b","client_id":"c"}"#, Some("a")),
            (r#"{"iss":"okta","azp":"b","client_id":"c"}"#, Some("b")),
            (r#"{"iss":"okta","client_id":"c"}"#, None),
            (r#"{"iss":"other","cid":"a","client_id":"c"}"#, Some("c")),
            (r#"{"iss":"other","cid":"a"}"#, Some("a")),
            (r#"{"sub":"a"}"#, None),
        ] {
            let client_claims = |iss: Option<&str>| (iss == Some("okta")).then_some(&names[..]);
            let facts = TokenFacts::read(&token("{}", claims), client_claims);
            assert_eq!(facts.client.as_deref(), client, "{claims}");
        }
    }

    #[test]
    fn parts_are_read_whatever_the_rest_of_the_token_is() {
        let facts = facts(
            r#"{"alg":"HS256","kid":"1","crit":["x"]}"#,
            r#"{"iss":"https://a.example","aud":["x",5,"y"],"azp":"app","jti":7,"exp":1.5,"iat":"now"}"#,
        );
        assert_eq!((facts.algorithm.as_deref(), facts.key_id.as_deref()), (Some("HS256"), Some("1")));
        assert_eq!(facts.issuer.as_deref(), Some("https://a.example"));
        assert_eq!((facts.audiences.join(" ").as_str(), facts.client.as_deref()), ("x y", Some("app")));
        assert_eq!((facts.token_id, facts.issued_at), (None, None));
        assert_eq!(facts.expires_at.map(NumericDate::as_secs), Some(1));
        assert!(!facts.resembles_id_token);
    }

    #[test]
    fn id_tokens_are_told_by_their_claims_or_their_audience() {
        for (claims, expected) in [
            (r#"{"aud":"app","azp":"app"}"#, true),
            (r#"{"aud":["app"],"client_id":"app"}"#, true),
            (r#"{"aud":"api","nonce":"n"}"#, true),
            (r#"{"aud":"api","at_hash":"h"}"#, true),
            (r#"{"aud":"api","azp":"app"}"#, false),
            (r#"{"aud":["app","api"],"azp":"app"}"#, false),
            ("{}", false),
            ("[]", false),
            ("", false),
        ] {
            assert_eq!(facts("{}", claims).resembles_id_token, expected, "{claims}");
        }
    }

    #[test]
    fn a_token_that_is_no_jwt_presents_nothing() {
        for token in ["", "opaque", "a.b.c", "....", "e30.e30.e30"] {
            let facts = TokenFacts::read(token.as_bytes(), |_| None);
            assert!(
                facts.issuer.is_none() && facts.audiences.is_empty() && facts.algorithm.is_none(),
                "{token}"
            );
        }
    }
}
