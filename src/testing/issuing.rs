//! How the test issuer issues tokens that it knows again.

use std::fmt;

use super::draft::{UnsignedToken, compact};
use super::state::State;
use super::tokens::{FamilyId, Grant, TokenForm};

/// An access token and the refresh token that came with it (RFC 6749 section 5.1).
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

    /// The refresh token, which is good for one use (RFC 9700 section 4.14.2).
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
    /// An access token, in that form.
    pub(super) fn issue(&self, draft: &UnsignedToken, form: TokenForm, family: Option<FamilyId>) -> String {
        match form {
            TokenForm::Jwt => self.issue_jwt(draft, family),
            TokenForm::Opaque => self.issue_opaque(draft, family),
        }
    }

    /// An access token with this text.
    pub(super) fn issue_as(&self, draft: &UnsignedToken, token: &str) {
        self.lock().tokens.add_opaque(token, &draft.claims, None);
    }

    /// The first tokens of a family.
    pub(super) fn issue_set(&self, draft: &UnsignedToken, form: TokenForm) -> TokenSet {
        let draft = draft.renamed(self.now(), self.unused_number());
        let family = self.lock().tokens.add_family(Grant { draft: draft.clone(), form });
        self.issue_set_of(&draft, form, family)
    }

    /// The next tokens of a family.
    pub(super) fn issue_set_of(&self, draft: &UnsignedToken, form: TokenForm, family: FamilyId) -> TokenSet {
        let access_token = self.issue(draft, form, Some(family));
        let tokens = &mut self.lock().tokens;
        let refresh_token = tokens.unused_text(self.identifier());
        tokens.add_refresh(&refresh_token, family);
        TokenSet { access_token, refresh_token }
    }

    /// A number that no token has yet.
    pub(super) fn unused_number(&self) -> u64 {
        self.lock().tokens.unused_number()
    }

    /// A compact JWS of the draft with these octets for the claims. The empty text when there is no such key.
    pub(super) fn sign_claims(&self, draft: &UnsignedToken, claims: &[u8]) -> String {
        let Some((kid, key)) = self.signing_key(draft.key_id.as_deref()) else { return String::new() };
        let header = draft.full_header(&kid, &key).to_string();
        compact(&key, header.as_bytes(), claims)
    }

    /// The same with these octets for the header.
    pub(super) fn sign_header(&self, draft: &UnsignedToken, header: &[u8]) -> String {
        let Some((_, key)) = self.signing_key(draft.key_id.as_deref()) else { return String::new() };
        compact(&key, header, draft.claims_json().as_bytes())
    }

    fn issue_jwt(&self, draft: &UnsignedToken, family: Option<FamilyId>) -> String {
        let token = self.sign_claims(draft, draft.claims_json().as_bytes());
        self.lock().tokens.add_jwt(&token, family);
        token
    }

    fn issue_opaque(&self, draft: &UnsignedToken, family: Option<FamilyId>) -> String {
        let tokens = &mut self.lock().tokens;
        let token = tokens.unused_text(self.identifier());
        tokens.add_opaque(&token, &draft.claims, family);
        token
    }
}
