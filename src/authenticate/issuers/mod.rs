//! The trusted issuers, each with its own keys, algorithms and rules (RFC 8725 section 3.8).
//!
//! - `set` holds them, and finds the issuer of a token.
//! - `opaque` says which issuer an opaque token belongs to, and `names` which claims any issuer needs.
//! - `registry` publishes the set to requests, and changes it while they run.
//!
//! Why: keys are never pooled. A token is validated by the one issuer that it names. A key of another issuer,
//! even under the same `kid`, is not tried. An opaque token names no issuer: the configuration says which
//! issuer it may belong to, and no other issuer sees it.

mod names;
mod opaque;
mod registry;
mod set;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::access_token::AccessToken;
use crate::introspection::Introspector;
use crate::jwks::Keys;
use crate::jwt::ConfiguredNames;
use crate::jwt::claims::ClaimsPolicy;
use crate::jwt::header::HeaderPolicy;

pub(crate) use registry::{CurrentIssuers, InsertError, IssuerChange, IssuerRegistry};
pub(crate) use set::Issuers;

/// One issuer, as configured.
pub(crate) struct TrustedIssuer {
    pub(crate) header: HeaderPolicy,
    pub(crate) claims: ClaimsPolicy,
    /// The claims that its settings name.
    pub(crate) names: ConfiguredNames,
    /// `None` for an issuer whose tokens are all introspected.
    pub(crate) keys: Option<Keys>,
    pub(crate) introspection: Option<IssuerIntrospection>,
    pub(crate) state: IssuerState,
}

/// Whether an issuer is still trusted, and in use. Cached tokens refer to it, so they need no lookup. Zero
/// for an issuer that is both, so that a cached token costs one load.
#[derive(Default)]
pub(crate) struct IssuerState(AtomicU8);

const REMOVED: u8 = 1;

/// No valid token has been seen since the eviction of idle issuers looked last.
const UNUSED: u8 = 2;

/// An event has said that a route requires introspection, which the issuer does not have.
const REPORTED: u8 = 4;

/// A resolver has found the issuer.
const RESOLVED: u8 = 8;

impl IssuerState {
    /// Whether the issuer was not removed. Counts as a use.
    pub(in crate::authenticate) fn count_use_if_trusted(&self) -> bool {
        let state = self.0.load(Ordering::Relaxed);
        if state & UNUSED != 0 {
            self.mark_used();
        }
        state & REMOVED == 0
    }

    /// Records that a valid token was seen.
    pub(in crate::authenticate) fn mark_used(&self) {
        if self.0.load(Ordering::Relaxed) & UNUSED != 0 {
            self.0.fetch_and(!UNUSED, Ordering::Relaxed);
        }
    }

    /// Records that the log says that a route requires introspection. Returns whether this is the first time.
    pub(in crate::authenticate) fn mark_reported(&self) -> bool {
        self.0.fetch_or(REPORTED, Ordering::Relaxed) & REPORTED == 0
    }

    /// Records that a resolver has found the issuer.
    pub(in crate::authenticate) fn mark_resolved(&self) {
        self.0.fetch_or(RESOLVED, Ordering::Relaxed);
    }

    /// Waits for the next use. Returns whether there was none since the last call.
    pub(in crate::authenticate) fn mark_unused(&self) -> bool {
        self.0.fetch_or(UNUSED, Ordering::Relaxed) & UNUSED != 0
    }
}

/// The introspection of one issuer's tokens.
pub(crate) struct IssuerIntrospection {
    pub(crate) introspector: Introspector,
    pub(crate) jwts: JwtIntrospection,
    pub(crate) opaque: OpaqueTokens,
}

/// Which JWTs are introspected, once they passed every other check.
#[derive(Clone)]
pub(crate) enum JwtIntrospection {
    None,
    All,
    /// Those for which this function returns `true`.
    When(Arc<dyn Fn(&AccessToken) -> bool + Send + Sync>),
}

/// Which opaque tokens belong to an issuer.
#[derive(Clone)]
pub(crate) enum OpaqueTokens {
    None,
    /// Those with this prefix.
    Prefix(Box<str>),
    /// Those for which this function returns `true`.
    When(Arc<dyn Fn(&str) -> bool + Send + Sync>),
    /// Those that no other issuer claims.
    Others,
}

impl TrustedIssuer {
    pub(crate) fn identifier(&self) -> &Arc<str> {
        &self.claims.issuer
    }

    pub(crate) fn introspector(&self) -> Option<&Introspector> {
        self.introspection.as_ref().map(|introspection| &introspection.introspector)
    }

    /// Whether this JWT is introspected as well.
    pub(crate) fn introspects(&self, jwt: &AccessToken) -> bool {
        match self.introspection.as_ref().map(|introspection| &introspection.jwts) {
            None | Some(JwtIntrospection::None) => false,
            Some(JwtIntrospection::All) => true,
            Some(JwtIntrospection::When(rule)) => rule(jwt),
        }
    }

    /// Whether it was removed or replaced. Then none of its tokens is accepted any more.
    pub(crate) fn is_removed(&self) -> bool {
        self.state.0.load(Ordering::Relaxed) & REMOVED != 0
    }

    /// Whether a resolver has found it, so that the configuration does not name it.
    pub(crate) fn is_resolved(&self) -> bool {
        self.state.0.load(Ordering::Relaxed) & RESOLVED != 0
    }

    /// Keeps its keys refreshed. False if their source is closed.
    fn attach(&self) -> bool {
        self.keys.as_ref().is_none_or(Keys::attach)
    }

    /// Voids its cached tokens. Ends the refresh task of its keys, unless another issuer uses them.
    fn remove(&self) {
        self.state.0.fetch_or(REMOVED, Ordering::Relaxed);
        if let Some(keys) = &self.keys {
            keys.detach();
        }
    }

    fn opaque_tokens(&self) -> &OpaqueTokens {
        self.introspection.as_ref().map_or(&OpaqueTokens::None, |introspection| &introspection.opaque)
    }
}
