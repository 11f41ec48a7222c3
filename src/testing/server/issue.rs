//! Issues tokens and records them, so that the test issuer can introspect, refresh and revoke them.

use std::fmt;

use super::issued::{FamilyId, Grant, TokenForm};
use super::state::State;
use super::unsigned_token::{UnsignedToken, compact};

/// An access token with its refresh token (RFC 6749 section 5.1).
///
/// [`TokenBuilder::sign_in`](super::super::TokenBuilder::sign_in) returns it. `Debug` shows no token.
///
/// ```
/// use tower_bearer::testing::TestIssuer;
///
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
/// let idp = TestIssuer::new();
/// let tokens = idp.token("https://api.example.com").subject("alice").sign_in();
/// assert_eq!(tokens.access_token().split('.').count(), 3); // a JWT
/// assert_eq!(tokens.refresh_token().len(), 43); // an opaque text
/// # }
/// ```
#[derive(Clone)]
pub struct TokenSet {
    access_token: String,
    refresh_token: String,
}

impl TokenSet {
    /// The access token.
    #[must_use]
    pub fn access_token(&self) -> &str {
        &self.access_token
    }

    /// The refresh token. It can be used once (RFC 9700 section 4.14.2).
    #[must_use]
    pub fn refresh_token(&self) -> &str {
        &self.refresh_token
    }
}

impl fmt::Debug for TokenSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSet").finish_non_exhaustive()
    }
}

impl State {
    /// Issues an access token in the given form.
    pub(crate) fn issue(&self, token: &UnsignedToken, form: TokenForm, family: Option<FamilyId>) -> String {
        match form {
            TokenForm::Jwt => self.issue_jwt(token, family),
            TokenForm::Opaque => self.issue_opaque(token, family),
        }
    }

    /// Issues an opaque access token with the given text.
    pub(crate) fn issue_as(&self, token: &UnsignedToken, text: &str) {
        self.lock().tokens.add_opaque(text, &token.claims, None);
    }

    /// Issues the first tokens of a new family.
    pub(crate) fn issue_set(&self, token: &UnsignedToken, form: TokenForm) -> TokenSet {
        let token = token.with_new_jti(self.now(), self.next_number());
        let family = self.lock().tokens.add_family(Grant { token: token.clone(), form });
        self.issue_set_of(&token, form, family)
    }

    /// Issues the next tokens of a family.
    pub(crate) fn issue_set_of(&self, token: &UnsignedToken, form: TokenForm, family: FamilyId) -> TokenSet {
        let access_token = self.issue(token, form, Some(family));
        let tokens = &mut self.lock().tokens;
        let refresh_token = tokens.new_opaque_text(self.identifier());
        tokens.add_refresh(&refresh_token, family);
        TokenSet { access_token, refresh_token }
    }

    /// A number that no token has yet.
    pub(crate) fn next_number(&self) -> u64 {
        self.lock().tokens.next_number()
    }

    /// A compact JWS with these octets as claims. Empty if the issuer has no such key.
    pub(crate) fn sign_claims(&self, token: &UnsignedToken, claims: &[u8]) -> String {
        let Some((kid, key)) = self.signing_key(token.key_id.as_deref()) else { return String::new() };
        let header = token.full_header(&kid, &key).to_string();
        compact(&key, header.as_bytes(), claims)
    }

    /// A compact JWS with these octets as header. Empty if the issuer has no such key.
    pub(crate) fn sign_header(&self, token: &UnsignedToken, header: &[u8]) -> String {
        let Some((_, key)) = self.signing_key(token.key_id.as_deref()) else { return String::new() };
        compact(&key, header, token.claims_json().as_bytes())
    }

    fn issue_jwt(&self, token: &UnsignedToken, family: Option<FamilyId>) -> String {
        let jwt = self.sign_claims(token, token.claims_json().as_bytes());
        self.lock().tokens.add_jwt(&jwt, family);
        jwt
    }

    fn issue_opaque(&self, token: &UnsignedToken, family: Option<FamilyId>) -> String {
        let tokens = &mut self.lock().tokens;
        let text = tokens.new_opaque_text(self.identifier());
        tokens.add_opaque(&text, &token.claims, family);
        text
    }
}
