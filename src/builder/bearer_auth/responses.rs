//! The settings for the responses to rejected requests, and for their log events: realm, descriptions, body
//! and details of the token.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;

use super::BearerAuthBuilder;
use crate::rejection::Rejection;

/// Responses to rejected requests.
impl BearerAuthBuilder {
    /// Sets the realm of challenges (RFC 9110 section 11.5), in printable ASCII. Default: the audience given
    /// to [`BearerAuth::builder`](crate::BearerAuth::builder), or `api` if that is not printable ASCII.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com").realm("orders");
    /// // WWW-Authenticate: Bearer realm="orders"
    /// ```
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// Omits `error_description` from challenges and bodies. Default: both have it. Clients still receive the
    /// error codes of RFC 6750.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com").omit_error_descriptions();
    /// // WWW-Authenticate: Bearer realm="https://api.example.com", error="invalid_token"
    /// ```
    pub fn omit_error_descriptions(mut self) -> Self {
        self.omit_error_descriptions = true;
        self
    }

    /// Whether rejected gRPC and gRPC-Web calls get gRPC responses. Default: `true`.
    ///
    /// A gRPC response has status 200, the `grpc-status` of the rejection, and no body. These requests get
    /// one:
    ///
    /// | protocol | request |
    /// |---|---|
    /// | gRPC | `POST` over HTTP/2 with `te: trailers` and the content type `application/grpc`, or one such as `application/grpc+proto` |
    /// | gRPC-Web | `POST` with the content type `application/grpc-web` or `application/grpc-web-text`, or one such as `application/grpc-web+proto` |
    ///
    /// Turn it off where a proxy asks this service whether a request is allowed and reads the status alone,
    /// as `auth_request` of nginx or `ext_authz` of Envoy do. To them, 200 means that the request is
    /// allowed. A rejected call then gets the same status and body as any other request.
    ///
    /// A route with [`Require`](crate::Require) that no `BearerAuth` covers knows no setting, and responds
    /// with the gRPC form.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com").grpc(false);
    /// // a rejected call: HTTP/2 401, not HTTP/2 200 with grpc-status: 16
    /// ```
    pub fn grpc(mut self, is_on: bool) -> Self {
        self.grpc = is_on;
        self
    }

    /// Adds to the log event of each rejected request what its token presents: `token.iss`, `token.aud`,
    /// `token.client_id`, `token.jti` and `token.kid`, each escaped and cut to 64 bytes. The hint then also
    /// says how many seconds a date is off. Default: no value of a token is logged.
    ///
    /// Even without it, an event has what the configuration expects, and a hint for the frequent causes.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com").log_token_details();
    /// // INFO tower_bearer: request rejected kind="audience_mismatch" expected="https://api.example.com" ...
    /// //     token.iss="https://login.example.com" token.aud="https://api.example.com/" ...
    /// ```
    ///
    /// # Risk
    /// Clients write these values, and a rejected token need not be genuine: treat them as untrusted text. A
    /// client id or a `jti` can identify a person or a session, so the log may become personal data, with the
    /// duties that follow. Neither the subject nor any other claim, and no part of the token itself, is
    /// logged.
    pub fn log_token_details(mut self) -> Self {
        self.log_token_details = true;
        self
    }

    /// Sets how many events of rejected requests are logged per kind and second. Default: 1.
    ///
    /// The first 10 events of a kind are always logged, or the first `events` if that is more: so few
    /// rejections are logged in full. Unused events are saved up to that number. Above the limit, the events
    /// of the kind are counted. Its next event has the number in the field `suppressed`. If the flood ends
    /// first, the event `rejections suppressed` has it: with the next rejected request of any kind, once the
    /// kind was quiet for 10 s (for `10 / events` seconds, at least 1 s).
    ///
    /// Each [kind](crate::RejectionKind) has its own limit, so that a flood of one cannot hide another. A
    /// [view](crate::BearerAuth::view) shares the limits of its `BearerAuth`. `u32::MAX` logs every event.
    /// Zero is a [`ConfigError`](crate::ConfigError): to hide these events, filter the target `tower_bearer`
    /// in your subscriber.
    ///
    /// Rejections that no `BearerAuth` covers (`not_covered`) have the default limit, in each thread.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    ///
    /// // For an API whose log is sampled elsewhere.
    /// let builder = BearerAuth::builder("https://api.example.com").max_rejection_events_per_second(100);
    /// ```
    pub fn max_rejection_events_per_second(mut self, events: u32) -> Self {
        self.max_rejection_events_per_second = events;
        self
    }

    /// Sets the function that writes the body and the headers of rejections, given the rejection and the head
    /// of the request. Default: a JSON body with `error` and `error_description`.
    ///
    /// `BearerAuth` sets the status, `WWW-Authenticate`, `Cache-Control` and `Retry-After` afterwards. It
    /// does not call `on_reject` for [gRPC requests](Self::grpc), because their responses have no body. The
    /// head may contain the token: do not log it and do not return it.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::Response;
    /// use http::header::{ACCEPT, CONTENT_TYPE};
    /// use tower_bearer::BearerAuth;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com").on_reject(|rejection, head| {
    ///     let accept = head.headers.get(ACCEPT).map_or(&b""[..], |value| value.as_bytes());
    ///     let (content_type, body) = if accept.starts_with(b"text/html") {
    ///         ("text/html", "<p>Please sign in.</p>".to_owned())
    ///     } else {
    ///         ("application/problem+json", format!(r#"{{"title":"{}"}}"#, rejection.description()))
    ///     };
    ///     Response::builder().header(CONTENT_TYPE, content_type).body(Bytes::from(body)).unwrap()
    /// });
    /// ```
    pub fn on_reject<F>(mut self, on_reject: F) -> Self
    where
        F: Fn(&Rejection, &Parts) -> Response<Bytes> + Send + Sync + 'static,
    {
        self.on_reject = Some(Arc::new(on_reject));
        self
    }
}
