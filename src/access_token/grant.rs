//! The validated claims of a token, as `AccessToken` stores them.

use std::sync::Arc;
use std::time::Duration;

use super::confirmation::Confirmation;
use super::scope_implies::ScopeImplies;
use crate::bearer::ScopeSet;
use crate::crypto::Algorithm;
use crate::time::NumericDate;

/// The validated claims.
#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) issuer: Arc<str>,
    pub(crate) subject: Option<ClaimText>,
    pub(crate) client_id: Option<ClaimText>,
    pub(crate) audiences: Vec<ClaimText>,
    pub(crate) scopes: ScopeSet,
    /// The rule of the issuer for scopes that include others.
    pub(crate) scope_implies: Option<ScopeImplies>,
    /// Boxed, because most tokens have none.
    pub(crate) roles: Box<[ClaimText]>,
    pub(crate) expires_at: NumericDate,
    pub(crate) not_before: Option<NumericDate>,
    pub(crate) issued_at: Option<NumericDate>,
    pub(crate) auth_time: Option<NumericDate>,
    /// The leeway of the issuer, for routes that check `auth_time`.
    pub(crate) leeway: Duration,
    pub(crate) token_id: Option<ClaimText>,
    /// `acr`. Boxed, because most tokens have none.
    pub(crate) acr: Option<Box<ClaimText>>,
    /// `sid`. Boxed, because most tokens have none.
    pub(crate) session_id: Option<Box<ClaimText>>,
    /// `cnf`. Boxed, because most tokens have none.
    pub(crate) confirmation: Option<Box<Confirmation>>,
    /// Whether the claims come from a JWT rather than from an introspection response.
    pub(crate) is_jwt: bool,
    /// The algorithm of the verified signature.
    pub(crate) algorithm: Option<Algorithm>,
    /// The `kid` of the key that verified the signature, if it has one. Not the text of the token.
    pub(crate) key_id: Option<Arc<KeyId>>,
    /// Only in introspection responses. Boxed, because most tokens have none.
    pub(crate) username: Option<Box<ClaimText>>,
}

/// The `kid` of a published key. A type of its own, so that a reference to it takes one word.
#[derive(Debug)]
pub(crate) struct KeyId(pub(crate) Box<str>);

/// A string claim: its span in the JSON text, or a copy if the JSON text has escapes.
///
/// Why: a copy per claim would cost an allocation each for every token.
#[derive(Clone)]
pub(crate) enum ClaimText {
    Span { start: u32, len: u32 },
    Owned(Box<str>),
}

impl ClaimText {
    /// Takes `text`, which was parsed from `json`.
    pub(crate) fn of(text: &str, json: &str) -> Self {
        Self::span(text, json).unwrap_or_else(|| Self::Owned(text.into()))
    }

    fn span(text: &str, json: &str) -> Option<Self> {
        let start = text.as_ptr().addr().checked_sub(json.as_ptr().addr())?;
        let span = Self::Span { start: start.try_into().ok()?, len: text.len().try_into().ok()? };
        // A text with escapes is not a slice of `json`, and its address has no meaning here.
        (span.resolve(json) == text).then_some(span)
    }

    /// Returns the text, given the `json` that it was parsed from.
    pub(super) fn resolve<'j>(&'j self, json: &'j str) -> &'j str {
        match self {
            Self::Owned(text) => text,
            Self::Span { start, len } => {
                let slice = || {
                    let start = usize::try_from(*start).ok()?;
                    json.get(start..start.checked_add(usize::try_from(*len).ok()?)?)
                };
                slice().unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claim_text_is_a_span_of_the_json_or_a_copy() {
        let json = r#"{"sub":"alice","azp":"al\u0069ce","x":""}"#;
        let alice = &json[8..13];
        assert!(matches!(ClaimText::of(alice, json), ClaimText::Span { start: 8, len: 5 }));
        let empty = json.len() - 2;
        assert!(matches!(ClaimText::of(&json[empty..empty], json), ClaimText::Span { len: 0, .. }));
        for text in ["alice".to_owned(), "\u{e9}".to_owned(), String::new(), "x".repeat(100)] {
            assert_eq!(ClaimText::of(&text, json).resolve(json), text);
        }
        assert_eq!(ClaimText::of(alice, json).resolve(json), "alice");
    }
}
