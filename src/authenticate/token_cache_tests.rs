//! Tokens with equal hashes, and limits.

use std::hash::BuildHasherDefault;
use std::time::Duration;

use super::*;
use crate::authenticate::issuers::{IssuerState, Issuers};
use crate::bearer::BearerToken;
use crate::crypto::AlgorithmSet;
use crate::jwt::ConfiguredNames;
use crate::jwt::claims::{ClaimsPolicy, OptionalClaims};
use crate::jwt::header::HeaderPolicy;

/// Gives every token the same hash.
#[derive(Default)]
struct Same;

impl Hasher for Same {
    fn write(&mut self, _: &[u8]) {}

    fn finish(&self) -> u64 {
        7
    }
}

fn issuer() -> Arc<TrustedIssuer> {
    Arc::new(TrustedIssuer {
        header: HeaderPolicy { algorithms: AlgorithmSet::ALL, types: Vec::new(), untyped: true },
        claims: ClaimsPolicy {
            issuer: "https://login.example.com".into(),
            audiences: vec!["api".into()],
            leeway: Duration::ZERO,
            scope_claims: Vec::new(),
            required: Vec::new(),
            required_values: Vec::new(),
            max_age: None,
            max_lifetime: None,
            client_claims: vec!["client_id".into()],
            clients: None,
            audience_claim: None,
            role_claims: Vec::new(),
            scope_implies: None,
            accepts_id_token_claims: false,
            validators: Vec::new(),
            optional: OptionalClaims::default(),
        },
        names: ConfiguredNames::default(),
        keys: None,
        introspection: None,
        state: IssuerState::default(),
    })
}

fn opaque(text: &str, issuer: &Arc<TrustedIssuer>) -> CachedToken {
    let token = BearerToken::parse(text.as_bytes()).unwrap();
    CachedToken::without_claims(token, issuer, 0)
}

/// The text of the cached token that is found for `text`.
fn cached<S: BuildHasher>(tokens: &TokenStore<S>, text: &str) -> Option<Arc<str>> {
    let issuers = IssuerRegistry::new(Issuers::default());
    let now = || NumericDate::from_secs(0).unwrap();
    tokens.get(text.as_bytes(), &issuers, now, |token| Arc::clone(&token.text))
}

#[test]
fn tokens_with_equal_hashes_are_never_confused() {
    let limits = CacheLimits { entries: 100, bytes: 1 << 20 };
    let cache = BoundedCache::with_hasher(limits, BuildHasherDefault::<Same>::default());
    let tokens = TokenStore { tokens: Some(cache) };
    let issuer = issuer();
    let texts: Vec<String> = (0..6).map(|number| format!("{number}.claims.signature")).collect();
    for (number, text) in texts.iter().enumerate() {
        assert_eq!(cached(&tokens, text), None, "before it is inserted");
        tokens.insert(opaque(text, &issuer));
        assert_eq!(tokens.len(), number + 1);
        for text in texts.iter().take(number + 1) {
            assert_eq!(cached(&tokens, text).as_deref(), Some(&**text));
        }
    }
    for text in ["", "0.claims.signatur", "0.claims.signature=", "0.claims.signaturf", "9.claims.signature"] {
        assert_eq!(cached(&tokens, text), None, "{text}");
    }
}

#[test]
fn tokens_with_equal_ends_are_all_cached_and_never_confused() {
    let tokens = TokenStore::new(Some(CacheLimits { entries: 10_000, bytes: 1 << 25 }));
    let issuer = issuer();
    // Like tokens whose footer names the key.
    let text = |number: u32| format!("v4.public.{number:080}.eyJraWQiOiJrZXktMSJ9Cg");
    (0..1_000).for_each(|number| tokens.insert(opaque(&text(number), &issuer)));
    let all: Vec<u32> = (0..1_000).filter(|number| cached(&tokens, &text(*number)).is_some()).collect();
    assert!(all.len() > 990, "{}", all.len());
    for number in all {
        assert_eq!(cached(&tokens, &text(number)).as_deref(), Some(&*text(number)));
    }
    assert_eq!(cached(&tokens, &text(1_000)), None);
}

#[test]
fn a_cache_without_limits_stores_nothing() {
    let tokens = TokenStore::new(None);
    tokens.insert(opaque("a", &issuer()));
    assert_eq!((cached(&tokens, "a"), tokens.len()), (None, 0));
}
