//! Credentials from a function of the user: a secret store, or a file that is rotated.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::ClientAuth;
use super::method::id_fault;
use super::provider::{Candidates, Provide, ProvideContext, ProvideFuture, Provided, Source};
use crate::introspection::error::{IntrospectionError, IntrospectionErrorKind};

/// Credentials that the function of [`ClientAuth::from_fn`] returns, with their lifetime.
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::ClientAuth;
/// use tower_bearer::client_auth::ProvidedAuth;
///
/// let auth = ProvidedAuth::from(ClientAuth::bearer("2YotnFZFEjr1zCsicMWpAA"))
///     .expires_in(Duration::from_secs(3600));
/// # let _ = auth;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ProvidedAuth {
    auth: ClientAuth,
    expires_in: Option<Duration>,
}

impl ProvidedAuth {
    /// Sets the time until the credentials expire. Default: unknown.
    ///
    /// They are renewed in the background once three quarters of this time have passed. They are not used in
    /// the last 30 s of it, or in the last tenth if that is shorter. Credentials without it are renewed after
    /// 60 s, and used until the function has returned others.
    pub fn expires_in(mut self, duration: Duration) -> Self {
        self.expires_in = Some(duration);
        self
    }
}

impl From<ClientAuth> for ProvidedAuth {
    fn from(auth: ClientAuth) -> Self {
        Self { auth, expires_in: None }
    }
}

impl ClientAuth {
    /// Credentials of the client `client_id` from an async function: for secrets that rotate.
    ///
    /// The function returns a `ClientAuth` or a [`ProvidedAuth`]. It is called for the first introspection
    /// request, and then in the background at most once per 60 s or when [`ProvidedAuth::expires_in`] says
    /// so. If the authorization server rejects the credentials (those of
    /// [`with_fallback`](Self::with_fallback), too), it is called once more, at most once per 5 s, and the
    /// introspection request is sent again. Concurrent calls are coalesced.
    ///
    /// A request waits for the function no longer than [`timeout`](crate::Introspection::timeout). An error,
    /// a panic or the timeout gives 503 `introspection_unavailable`, unless earlier credentials have not
    /// expired. After an error the function is not called for 1 s. The call itself continues after the
    /// timeout of a request. If it has not returned after 30 s, or after 10 times `timeout` if that is
    /// longer, it is cancelled and counts as failed.
    ///
    /// All credentials must be those of `client_id`. Cached introspection responses belong to this
    /// identifier, so they outlive a rotation. [`mtls`](Self::mtls) and other providers are errors.
    ///
    /// ```
    /// use std::io;
    /// use tower_bearer::ClientAuth;
    ///
    /// # async fn read_secret(name: &str) -> io::Result<String> { Ok(name.to_owned()) }
    /// let auth = ClientAuth::from_fn("orders-api", || async {
    ///     let current = read_secret("orders-api/current").await?;
    ///     let previous = read_secret("orders-api/previous").await?;
    ///     Ok::<_, io::Error>(
    ///         ClientAuth::secret_basic("orders-api", current)
    ///             .with_fallback(ClientAuth::secret_basic("orders-api", previous)),
    ///     )
    /// });
    /// # let _ = auth;
    /// ```
    pub fn from_fn<F, Fut, A, E>(client_id: impl Into<String>, provider: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<A, E>> + Send + 'static,
        A: Into<ProvidedAuth>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self::provided(FromFn { client_id: client_id.into().into(), provider })
    }
}

struct FromFn<F> {
    client_id: Arc<str>,
    provider: F,
}

impl<F, Fut, A, E> Provide for FromFn<F>
where
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = Result<A, E>> + Send + 'static,
    A: Into<ProvidedAuth>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    fn provide(&self, _: ProvideContext) -> ProvideFuture {
        let (client_id, provided) = (Arc::clone(&self.client_id), (self.provider)());
        Box::pin(async move {
            let provided = provided.await.map_err(|error| {
                IntrospectionError::with_source(IntrospectionErrorKind::CredentialsUnavailable, error)
            })?;
            let ProvidedAuth { auth, expires_in } = provided.into();
            let candidates = checked(auth, &client_id).map_err(|fault| {
                IntrospectionError::with_source(IntrospectionErrorKind::CredentialsUnusable, fault)
            })?;
            Ok(Provided { candidates, expires_in })
        })
    }

    fn method(&self) -> &'static str {
        "provided"
    }

    fn client_id(&self) -> Option<&str> {
        Some(&self.client_id)
    }

    fn fault(&self) -> Option<&'static str> {
        id_fault(&self.client_id)
    }
}

fn checked(auth: ClientAuth, client_id: &str) -> Result<Candidates, &'static str> {
    if let Some(fault) = auth.fault() {
        return Err(fault);
    }
    match auth.source {
        Source::Provided(_) => Err("the function returned credentials that come from a provider themselves"),
        Source::Fixed(candidates) if candidates.first.is_mtls() => {
            Err("the function returned ClientAuth::mtls, which must be configured")
        }
        Source::Fixed(candidates) if candidates.first.client_id().is_none_or(|id| id == client_id) => {
            Ok(candidates)
        }
        Source::Fixed(_) => Err("the function returned the credentials of another client"),
    }
}
