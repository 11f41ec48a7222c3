//! Turns a rejection into a response (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9110 section 11.6.1).
//!
//! Checks: a body of the user's own replaces the default one, but never the status, the challenge,
//! `Cache-Control: no-store` or `Retry-After`.
//! Does not check: why the request was rejected; see `Rejection`.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    LAST_MODIFIED, RETRY_AFTER, TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::body::ResponseBody;
use super::grpc::{self, GrpcProtocol};
use super::response_settings::ResponseSettings;
use crate::bearer::{DPOP_NONCE, Scheme, Schemes};
use crate::rejection::{Rejection, RejectionKind};

/// Headers that describe a body, and would be wrong for the one that replaces it.
const BODY_HEADERS: [HeaderName; 9] = [
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    ETAG,
    LAST_MODIFIED,
    TRANSFER_ENCODING,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// The responses of one `BearerAuth`, one prepared for each kind of rejection.
pub(crate) struct Responder {
    settings: ResponseSettings,
    prepared: Vec<((RejectionKind, Scheme), Prepared)>,
}

/// What the responses of one kind have in common.
#[derive(Clone)]
struct Prepared {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Responder {
    pub(crate) fn new(settings: ResponseSettings) -> Self {
        let mut responder = Self { settings, prepared: Vec::new() };
        let used = |kind| responder.settings.schemes.iter().map(move |scheme| (kind, scheme));
        let all = RejectionKind::ALL.iter().copied().flat_map(used);
        let prepared = all.map(|(kind, scheme)| ((kind, scheme), responder.prepare(kind, scheme))).collect();
        responder.prepared = prepared;
        responder
    }

    /// The settings that it was made of.
    pub(crate) fn settings(&self) -> &ResponseSettings {
        &self.settings
    }

    /// Whether the user's code sees the head of a rejected request.
    pub(super) fn has_on_reject(&self) -> bool {
        self.settings.on_reject.is_some()
    }

    /// The response to the request with `head`, with the rejection in its extensions.
    pub(super) fn respond(&self, rejection: Rejection, head: &Parts) -> Response<Bytes> {
        let prepared = self.prepared(&rejection);
        let grpc = self.settings.grpc.then(|| GrpcProtocol::of(head)).flatten();
        let mut response = match (grpc, &self.settings.on_reject) {
            (Some(protocol), _) => protocol.respond(&rejection, self.settings.omit_error_descriptions),
            (None, Some(on_reject)) => {
                let mut response = on_reject(&rejection, head);
                *response.status_mut() = rejection.status();
                response
            }
            (None, None) => return self.finish(rejection, prepared.response()),
        };
        for name in [CACHE_CONTROL, WWW_AUTHENTICATE, RETRY_AFTER, DPOP_NONCE] {
            replace(response.headers_mut(), &name, &prepared.headers);
        }
        self.finish(rejection, response)
    }

    /// Completes the `response` that a handler made of `rejection`: with this realm and this body. A response
    /// whose status a layer in between changed is that layer's, and stays as it is.
    pub(super) fn complete<B>(
        &self,
        rejection: Rejection,
        response: Response<B>,
    ) -> Response<ResponseBody<B>> {
        if response.status() != rejection.status() {
            return response.map(ResponseBody::inner);
        }
        let prepared = self.prepared(&rejection);
        // Keeps what layers in between added, such as a request id.
        let (mut head, _) = response.into_parts();
        for name in BODY_HEADERS {
            head.headers.remove(name);
        }
        for name in prepared.headers.keys() {
            replace(&mut head.headers, name, &prepared.headers);
        }
        let body = ResponseBody::rejection(prepared.body.clone());
        self.finish(rejection, Response::from_parts(head, body))
    }

    /// Gives the rejection of a layer further in a gRPC status, if a layer in between translates gRPC-Web
    /// calls. Over HTTP/1 the layer further in sees no gRPC call, so its response has a status of HTTP.
    pub(super) fn translate<B>(&self, response: Response<B>) -> Response<ResponseBody<B>> {
        let rejection = response.extensions().get::<Rejection>().filter(|rejection| {
            rejection.status() == response.status() && self.settings.grpc && grpc::is_web(response.headers())
        });
        let Some(rejection) = rejection.cloned() else { return response.map(ResponseBody::inner) };
        let (mut head, _) = response.into_parts();
        head.status = StatusCode::OK;
        for name in BODY_HEADERS.into_iter().filter(|name| name != CONTENT_TYPE) {
            head.headers.remove(name);
        }
        grpc::put_status(&rejection, self.settings.omit_error_descriptions, &mut head.headers);
        Response::from_parts(head, ResponseBody::rejection(Bytes::new()))
    }

    fn finish<B>(&self, rejection: Rejection, mut response: Response<B>) -> Response<B> {
        self.add_details(&rejection, response.headers_mut());
        response.extensions_mut().insert(rejection);
        response
    }

    /// Adds the headers that differ between rejections of one kind.
    fn add_details(&self, rejection: &Rejection, headers: &mut HeaderMap) {
        let needs = Some(rejection).filter(|rejection| rejection.names_needs());
        if needs.is_some() {
            self.put_challenges(rejection.kind(), self.used_scheme(rejection), needs, headers);
        }
        if let Some(nonce) = rejection.fresh_nonce() {
            headers.insert(DPOP_NONCE, nonce.clone());
        }
        if let Some(wait) = rejection.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
    }

    fn prepared(&self, rejection: &Rejection) -> Cow<'_, Prepared> {
        let key = (rejection.kind(), self.used_scheme(rejection));
        let prepared = self.prepared.iter().find(|(prepared, _)| *prepared == key);
        prepared
            .map_or_else(|| Cow::Owned(self.prepare(key.0, key.1)), |(_, prepared)| Cow::Borrowed(prepared))
    }

    /// The scheme that the request used. The first accepted one if it used none of them.
    fn used_scheme(&self, rejection: &Rejection) -> Scheme {
        let schemes = self.settings.schemes;
        let used = rejection.scheme().filter(|scheme| schemes.contains(*scheme));
        used.or_else(|| schemes.iter().next()).unwrap_or(Scheme::Bearer)
    }

    fn prepare(&self, kind: RejectionKind, used: Scheme) -> Prepared {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.put_challenges(kind, used, None, &mut headers);
        Prepared { status: kind.status(), headers, body: self.body(kind) }
    }

    /// Writes the challenges of this kind, in place of earlier ones.
    fn put_challenges(
        &self,
        kind: RejectionKind,
        used: Scheme,
        needs: Option<&Rejection>,
        headers: &mut HeaderMap,
    ) {
        headers.remove(WWW_AUTHENTICATE);
        for challenge in self.settings.challenges(kind, used, needs) {
            headers.append(WWW_AUTHENTICATE, challenge);
        }
    }

    fn body(&self, kind: RejectionKind) -> Bytes {
        let row = kind.row();
        let error = match (row.error, row.status) {
            (Some(error), _) => error.as_str(),
            (None, StatusCode::UNAUTHORIZED) => "unauthorized",
            (None, StatusCode::SERVICE_UNAVAILABLE) => "temporarily_unavailable",
            (None, _) => "server_error",
        };
        let text = if self.settings.omit_error_descriptions {
            format!(r#"{{"error":"{error}"}}"#)
        } else {
            format!(r#"{{"error":"{error}","error_description":"{}"}}"#, row.text)
        };
        Bytes::from(text)
    }
}

impl Rejection {
    /// The response to this rejection, for a handler that has no axum: return it, and the [`BearerAuth`]
    /// around the handler completes it with its realm and reports it. The body is the default one,
    /// [`on_reject`](crate::BearerAuthBuilder::on_reject) does not apply, nor does the gRPC form.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::Response;
    /// use tower_bearer::AccessToken;
    ///
    /// fn delete_orders(token: &AccessToken) -> Response<Bytes> {
    ///     match token.require("orders:delete") {
    ///         Ok(()) => Response::new(Bytes::from("deleted")),
    ///         Err(rejection) => rejection.into_http_response(),
    ///     }
    /// }
    /// ```
    ///
    /// [`BearerAuth`]: crate::BearerAuth
    #[must_use]
    pub fn into_http_response(self) -> Response<Bytes> {
        let mut response = uncovered().prepared(&self).response();
        uncovered().add_details(&self, response.headers_mut());
        self.put_from_handler(&mut response);
        response
    }
}

impl Prepared {
    fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(self.body.clone());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("realm", &self.settings.realm)
            .field("omit_error_descriptions", &self.settings.omit_error_descriptions)
            .finish_non_exhaustive()
    }
}

/// Responses for requests that no `BearerAuth` handled.
pub(super) fn uncovered() -> &'static Responder {
    static UNCOVERED: OnceLock<Responder> = OnceLock::new();
    UNCOVERED.get_or_init(|| {
        Responder::new(ResponseSettings {
            realm: "api".to_owned(),
            schemes: Schemes::Bearer,
            dpop_algs: None,
            omit_error_descriptions: false,
            grpc: true,
            on_reject: None,
            resource_metadata: None,
        })
    })
}

/// Replaces the lines of one header with those in `prepared`.
fn replace(headers: &mut HeaderMap, name: &HeaderName, prepared: &HeaderMap) {
    headers.remove(name);
    for value in prepared.get_all(name) {
        headers.append(name.clone(), value.clone());
    }
}
