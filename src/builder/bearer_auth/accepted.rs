//! The settings for accepted requests: what the inner service sees of them.

use std::sync::Arc;

use http::request::Parts;

use super::BearerAuthBuilder;
use crate::access_token::AccessToken;

/// Accepted requests.
impl BearerAuthBuilder {
    /// Sets a function that is called with the token and the head of each accepted request, before the inner
    /// service. Default: none.
    ///
    /// It may change the head: insert extensions, or set headers for a service behind a proxy. It cannot
    /// reject; use [`Require::check`](crate::Require::check) for that. It is not called for requests without
    /// a token, and not for [`BearerAuth::authenticate`](crate::BearerAuth::authenticate).
    ///
    /// The function runs on the task of the request and must not block. The credentials in the head are
    /// marked as sensitive, or [removed](Self::strip_credentials). A client can send any header: a function
    /// that sets one must replace it in every case, and requests without a token
    /// ([`optional`](Self::optional)) keep what the client sent.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    ///
    /// /// The key of a user in this API's own database.
    /// #[derive(Clone)]
    /// struct UserKey(String, String);
    ///
    /// let builder = BearerAuth::builder("https://api.example.com").on_accept(|token, head| {
    ///     if let Some(subject) = token.subject() {
    ///         head.extensions.insert(UserKey(token.issuer().to_owned(), subject.to_owned()));
    ///     }
    /// });
    /// ```
    pub fn on_accept<F>(mut self, on_accept: F) -> Self
    where
        F: Fn(&AccessToken, &mut Parts) + Send + Sync + 'static,
    {
        self.on_accept = Some(Arc::new(on_accept));
        self
    }

    /// Removes the credentials of an accepted request from its headers before the inner service sees it.
    ///
    /// This covers the `Authorization` header and headers added with
    /// [`TokenSource::header`](crate::TokenSource::header). A token in a cookie, the query, a form or a
    /// WebSocket subprotocol stays. Default: keep the headers and mark them as sensitive, so that `Debug`
    /// does not print them.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    ///
    /// // The inner service forwards all headers to another host.
    /// let builder = BearerAuth::builder("https://api.example.com").strip_credentials();
    /// ```
    pub fn strip_credentials(mut self) -> Self {
        self.strip_credentials = true;
        self
    }
}
