//! Where the credentials of a client come from: from the configuration, or from a provider.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::method::Method;
use crate::fetch_url::PlainHttp;
use crate::introspection::error::IntrospectionError;
use crate::time::Clock;
use crate::transport::{FetchLimits, HttpClient};

/// The credentials of a client: during a rotation, two of them.
#[derive(Clone)]
pub(in crate::introspection) struct Candidates {
    pub(in crate::introspection) first: Method,
    /// Used if the authorization server rejects the other.
    pub(in crate::introspection) second: Option<Method>,
}

/// Where the credentials come from.
#[derive(Clone)]
pub(in crate::introspection) enum Source {
    Fixed(Candidates),
    Provided(Arc<dyn Provide>),
}

/// Provides credentials that change.
pub(in crate::introspection) trait Provide: Send + Sync {
    /// The credentials of now. Runs in a task of its own, so that no request cancels it.
    fn provide(&self, cx: ProvideContext) -> ProvideFuture;

    /// The name of the method, as in [`Method::name`].
    fn method(&self) -> &'static str;

    /// The client identifier. It is the same for all credentials.
    fn client_id(&self) -> Option<&str>;

    /// Why the configuration is invalid, or `None` if it is valid.
    fn fault(&self) -> Option<&'static str>;

    /// The URL that it sends requests to.
    fn token_endpoint(&self) -> Option<&str> {
        None
    }

    /// The most requests to the authorization server that one call of [`provide`](Self::provide) sends.
    fn max_requests(&self) -> u32 {
        0
    }

    /// Whether the HTTP client needs a client certificate.
    fn is_mtls(&self) -> bool {
        false
    }
}

/// The result of [`Provide::provide`].
pub(in crate::introspection) type ProvideFuture =
    Pin<Box<dyn Future<Output = Result<Provided, IntrospectionError>> + Send>>;

/// Credentials from a provider.
pub(in crate::introspection) struct Provided {
    pub(in crate::introspection) candidates: Candidates,
    /// When they expire. `None` if that is unknown.
    pub(in crate::introspection) expires_in: Option<Duration>,
}

/// The context of a provider's requests to the authorization server.
#[derive(Clone)]
pub(in crate::introspection) struct ProvideContext {
    pub(in crate::introspection) issuer: Arc<str>,
    pub(in crate::introspection) client: Arc<dyn HttpClient>,
    pub(in crate::introspection) plain_http: PlainHttp,
    pub(in crate::introspection) limits: FetchLimits,
    pub(in crate::introspection) clock: Arc<dyn Clock>,
}

impl Candidates {
    pub(super) fn one(method: Method) -> Self {
        Self { first: method, second: None }
    }

    /// The credentials to use, and those to use if they are rejected.
    pub(in crate::introspection) fn in_order(&self, second_first: bool) -> (&Method, Option<&Method>) {
        match &self.second {
            Some(second) if second_first => (second, Some(&self.first)),
            second => (&self.first, second.as_ref()),
        }
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.first.is_same(&other.first)
    }

    /// Why the credentials cannot be used, or `None` if they can.
    pub(super) fn fault(&self) -> Option<&'static str> {
        self.first.fault().or_else(|| {
            let second = self.second.as_ref()?;
            second.fault().or_else(|| match second {
                _ if second.client_id() != self.first.client_id() => {
                    Some("with_fallback has the credentials of another client")
                }
                _ if second.is_mtls() || self.first.is_mtls() => Some(
                    "with_fallback cannot replace ClientAuth::mtls, whose certificate is in the HTTP client",
                ),
                _ => None,
            })
        })
    }
}
