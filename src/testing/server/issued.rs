//! The tokens that the test issuer has issued, and whether they are revoked.
//!
//! Checks: whether this issuer has issued a token, and whether the token or its family is revoked.
//!
//! Does not check: dates. The introspection endpoint checks them.
//!
//! Why: all tokens of one sign-in are a family. A second use of a refresh token means that somebody has
//! copied it. The server cannot tell the client from the thief, so it revokes the family (RFC 9700 section
//! 4.14.2).

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::fingerprint::{Fingerprint, octets};
use super::unsigned_token::UnsignedToken;
use crate::encoding::base64url;
use crate::jwt::compact::Compact;

/// The number of a family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct FamilyId(usize);

/// The template for the access tokens of a family.
pub(crate) struct Grant {
    pub(crate) token: UnsignedToken,
    pub(crate) form: TokenForm,
}

/// The form of an access token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TokenForm {
    /// A compact JWS that contains the claims.
    Jwt,
    /// A random-looking text without claims.
    Opaque,
}

/// Every issued token. Stores fingerprints instead of texts, to save memory.
#[derive(Default)]
pub(crate) struct IssuedTokens {
    access: HashMap<Fingerprint, Access>,
    refresh: HashMap<Fingerprint, Refresh>,
    families: Vec<Family>,
    /// The last number that [`next_number`](Self::next_number) returned.
    last_number: u64,
}

struct Access {
    claims: StoredClaims,
    family: Option<FamilyId>,
}

enum StoredClaims {
    /// The token is a JWT and contains them.
    InToken,
    /// JSON.
    Json(Box<str>),
    /// The token is revoked.
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

impl IssuedTokens {
    /// Records a JWT.
    ///
    /// A revoked JWT stays revoked: with a deterministic signature algorithm, the same claims give the same
    /// text.
    pub(crate) fn add_jwt(&mut self, token: &str, family: Option<FamilyId>) {
        let claims = StoredClaims::InToken;
        self.access.entry(Fingerprint::of(token)).or_insert(Access { claims, family });
    }

    /// Records an opaque token. It replaces a token with the same text.
    pub(crate) fn add_opaque(&mut self, token: &str, claims: &Map<String, Value>, family: Option<FamilyId>) {
        let claims = serde_json::to_string(claims).unwrap_or_default();
        let claims = StoredClaims::Json(claims.into_boxed_str());
        self.access.insert(Fingerprint::of(token), Access { claims, family });
    }

    /// The claims of an access token that was issued and is not revoked.
    pub(crate) fn claims(&self, token: &str) -> Option<Map<String, Value>> {
        let access = self.access.get(&Fingerprint::of(token))?;
        if access.family.is_some_and(|family| self.is_family_revoked(family)) {
            return None;
        }
        match &access.claims {
            StoredClaims::InToken => serde_json::from_str(&Compact::parse(token).ok()?.claims().ok()?).ok(),
            StoredClaims::Json(claims) => serde_json::from_str(claims).ok(),
            StoredClaims::Revoked => None,
        }
    }

    /// Revokes a token. A refresh token takes its family with it (RFC 7009 section 2.1). Ignores unknown
    /// tokens.
    pub(crate) fn revoke(&mut self, token: &str) {
        let fingerprint = Fingerprint::of(token);
        if let Some(access) = self.access.get_mut(&fingerprint) {
            access.claims = StoredClaims::Revoked;
        }
        if let Some(family) = self.refresh.get(&fingerprint).map(|refresh| refresh.family) {
            self.revoke_family(family);
        }
    }

    /// Adds a family without tokens.
    pub(crate) fn add_family(&mut self, grant: Grant) -> FamilyId {
        let id = FamilyId(self.families.len());
        self.families.push(Family { grant: Arc::new(grant), revoked: false });
        id
    }

    /// Records a refresh token.
    pub(crate) fn add_refresh(&mut self, token: &str, family: FamilyId) {
        self.refresh.insert(Fingerprint::of(token), Refresh { family, used: false });
    }

    /// The grant of a refresh token, or `None` if the token is unknown or its family is revoked.
    ///
    /// A refresh token that was used before revokes its family.
    pub(crate) fn grant_of(&mut self, refresh_token: &str) -> Option<(FamilyId, Arc<Grant>)> {
        let refresh = self.refresh.get(&Fingerprint::of(refresh_token))?;
        let (family, used) = (refresh.family, refresh.used);
        if used {
            self.revoke_family(family);
        }
        let granted = self.families.get(family.0).filter(|family| !family.revoked)?;
        Some((family, Arc::clone(&granted.grant)))
    }

    /// Marks a refresh token as used. Returns `false` and revokes the family if it was used before.
    pub(crate) fn consume_refresh(&mut self, refresh_token: &str) -> bool {
        let Some(refresh) = self.refresh.get_mut(&Fingerprint::of(refresh_token)) else { return false };
        let (family, used) = (refresh.family, std::mem::replace(&mut refresh.used, true));
        if used {
            self.revoke_family(family);
        }
        !used
    }

    /// A new number on every call.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.last_number = self.last_number.saturating_add(1);
        self.last_number
    }

    /// A new text of 43 characters on every call. Issuers with different identifiers return different texts.
    pub(crate) fn new_opaque_text(&mut self, issuer: &str) -> String {
        base64url::encode(&octets((issuer, self.next_number())))
    }

    fn revoke_family(&mut self, family: FamilyId) {
        self.families.get_mut(family.0).into_iter().for_each(|family| family.revoked = true);
    }

    fn is_family_revoked(&self, family: FamilyId) -> bool {
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

    fn family(tokens: &mut IssuedTokens) -> FamilyId {
        let token = UnsignedToken::new("https://issuer.test", json!("api"), 0, 0);
        tokens.add_family(Grant { token, form: TokenForm::Opaque })
    }

    #[test]
    fn unknown_and_revoked_tokens_have_no_claims() {
        let mut tokens = IssuedTokens::default();
        tokens.add_opaque("a", &claims("alice"), None);
        tokens.add_opaque("b", &claims("bob"), None);
        tokens.revoke("a");
        tokens.revoke("unknown");
        assert_eq!([tokens.claims("unknown"), tokens.claims("a")], [None, None]);
        assert_eq!(tokens.claims("b"), Some(claims("bob")));
    }

    #[test]
    fn a_revoked_jwt_stays_revoked_when_it_is_issued_again() {
        let mut tokens = IssuedTokens::default();
        let jwt = "e30.eyJzdWIiOiJhbGljZSJ9.AA";
        tokens.add_jwt(jwt, None);
        assert_eq!(tokens.claims(jwt), Some(claims("alice")));
        tokens.revoke(jwt);
        tokens.add_jwt(jwt, None);
        assert_eq!(tokens.claims(jwt), None);
    }

    #[test]
    fn a_reused_refresh_token_revokes_its_family_and_no_other() {
        let mut tokens = IssuedTokens::default();
        for name in ["one", "two"] {
            let family = family(&mut tokens);
            tokens.add_opaque(name, &claims(name), Some(family));
            tokens.add_refresh(&format!("refresh {name}"), family);
        }
        assert!(tokens.grant_of("refresh one").is_some() && tokens.consume_refresh("refresh one"));
        assert!(tokens.claims("one").is_some());
        assert!(tokens.grant_of("refresh one").is_none());
        assert!(tokens.claims("one").is_none());
        assert!(tokens.claims("two").is_some() && tokens.grant_of("refresh two").is_some());
        assert!(tokens.grant_of("one").is_none(), "an access token is not a refresh token");
    }

    #[test]
    fn a_revoked_refresh_token_revokes_its_family() {
        let mut tokens = IssuedTokens::default();
        let family = family(&mut tokens);
        tokens.add_opaque("access", &claims("alice"), Some(family));
        tokens.add_refresh("refresh", family);
        tokens.revoke("refresh");
        assert!(tokens.claims("access").is_none() && tokens.grant_of("refresh").is_none());
    }

    #[test]
    fn opaque_texts_have_43_characters_and_differ() {
        let mut tokens = IssuedTokens::default();
        let texts = ["a", "a", "b"].map(|issuer| tokens.new_opaque_text(issuer));
        assert!(texts.iter().all(|text| text.len() == 43));
        assert!(texts[0] != texts[1] && texts[1] != texts[2]);
        assert_eq!(IssuedTokens::default().new_opaque_text("a"), texts[0]);
    }
}
