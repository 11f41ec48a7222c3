//! OpenTelemetry: the spans of `BearerAuth` in the trace of the request, and the trace context on the
//! requests to the authorization server.
//!
//! ```text
//! cargo run -p tower-bearer-examples --example opentelemetry    # prints curl lines, then each span
//! ```

use std::error::Error;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tower_bearer::testing::TestIssuer;
use tower_bearer::transport::{FetchFuture, FetchRequest, HttpClient, ReqwestClient};
use tower_bearer::{AccessToken, BearerAuth, Issuer};
use tower_bearer_examples::{listen, print_curl};
use tower_http::trace::TraceLayer;
use tracing::field::Empty;
use tracing::{Level, Span, Subscriber, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};

/// The audience: tokens for this API have it in `aud`.
const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // In production: `with_batch_exporter`, an exporter of `opentelemetry-otlp`, and `shutdown` at the end.
    let exporter = opentelemetry_stdout::SpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter).build();
    tracing::subscriber::set_global_default(subscriber(&provider))?;

    let idp = TestIssuer::start().await?;
    let app = app(idp.issuer().introspect(idp.introspection()))?;
    let (listener, origin) = listen().await?;
    let orders = format!("{origin}/orders");
    print_curl("200: the keys are fetched, in a trace of their own", Some(&idp.token(API).sign()), &orders);
    print_curl("200: the introspection request is in the trace", Some(&idp.token(API).opaque()), &orders);
    print_curl("401: `kind` says why", Some(&idp.token(API).expired().sign()), &orders);
    axum::serve(listener, app).await?;
    Ok(())
}

/// Exports the spans of this program and of `BearerAuth`.
fn subscriber(provider: &SdkTracerProvider) -> impl Subscriber + Send + Sync + use<> {
    let filter = Targets::new().with_default(Level::INFO).with_target("tower_bearer", Level::DEBUG);
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("orders"));
    tracing_subscriber::registry().with(traces.with_filter(filter))
}

fn app(issuer: Issuer) -> Result<Router, Box<dyn Error>> {
    let client = Propagating(ReqwestClient::build(|client| client)?);
    let auth = BearerAuth::builder(API).issuer(issuer).http_client(client).build()?;
    let trace = TraceLayer::new_for_http().make_span_with(request_span).on_response(
        |response: &Response, _, span: &Span| {
            // OpenTelemetry has no unsigned integers.
            span.record("http.response.status_code", i64::from(response.status().as_u16()));
        },
    );
    // The span of the request is outside, so that it is the parent of the decision.
    Ok(Router::new().route("/orders", get(orders)).layer(auth).layer(trace))
}

async fn orders(token: AccessToken) -> String {
    format!("orders of {}\n", token.subject().unwrap_or("the client"))
}

/// The span of a request, in the trace of the client if that sends `traceparent`.
fn request_span(request: &Request) -> Span {
    let span = info_span!(
        "request",
        "otel.kind" = "server",
        "http.request.method" = request.method().as_str(),
        "url.path" = request.uri().path(),
        "http.response.status_code" = Empty,
    );
    let client = TraceContextPropagator::new().extract(&HeaderExtractor(request.headers()));
    // Fails if no subscriber exports the span.
    let _ = span.set_parent(client);
    span
}

/// Sends each request to an authorization server with the trace context of its span.
struct Propagating<C>(C);

impl<C: HttpClient> HttpClient for Propagating<C> {
    fn fetch(&self, mut request: FetchRequest) -> FetchFuture {
        let context = Span::current().context();
        let headers = request.request_mut().headers_mut();
        TraceContextPropagator::new().inject_context(&context, &mut HeaderInjector(headers));
        self.0.fetch(request)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::body::Body;
    use axum::http::{HeaderMap, StatusCode};
    use opentelemetry::Value;
    use opentelemetry::trace::{SpanId, SpanKind};
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData};
    use tower::ServiceExt;
    use tracing::subscriber::DefaultGuard;

    use super::*;

    const DECISION: &str = "validate access token";
    /// The trace and the span of a client (W3C Trace Context section 3.2).
    const CLIENT_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const CLIENT_SPAN: &str = "b7ad6b7169203331";

    #[tokio::test]
    async fn decision_and_introspection_are_in_the_trace_of_the_client() {
        let traces = Traces::start();
        let idp = TestIssuer::start().await.unwrap();
        let token = idp.token(API).subject("alice").opaque();

        assert_eq!(send(idp.issuer().introspect(idp.introspection()), &token).await, StatusCode::OK);

        let request = traces.only("request");
        assert_eq!(request.span_context.trace_id().to_string(), CLIENT_TRACE);
        assert_eq!(request.parent_span_id.to_string(), CLIENT_SPAN);
        assert_eq!(attribute(&request, "http.response.status_code"), Value::I64(200));

        let decision = traces.only(DECISION);
        assert_eq!(decision.parent_span_id, request.span_context.span_id());
        assert_eq!(attribute(&decision, "kind"), Value::from("accepted"));

        let introspection = traces.only("POST");
        assert_eq!(introspection.parent_span_id, decision.span_context.span_id());
        assert_eq!(introspection.span_context.trace_id().to_string(), CLIENT_TRACE);
        assert_eq!(introspection.span_kind, SpanKind::Client);
        assert_eq!(attribute(&introspection, "http.request.method"), Value::from("POST"));
        assert_eq!(attribute(&introspection, "server.address"), Value::from("127.0.0.1"));
        let port = idp.identifier().rsplit(':').next().unwrap().parse().unwrap();
        assert_eq!(attribute(&introspection, "server.port"), Value::I64(port));
        assert_eq!(attribute(&introspection, "issuer"), Value::from(idp.identifier().to_owned()));
        assert_eq!(attribute(&introspection, "http.response.status_code"), Value::I64(200));
        traces.assert_hide(&[&token, "alice", TestIssuer::CLIENT_SECRET]);
    }

    #[tokio::test]
    async fn authorization_server_gets_the_trace_context_of_the_key_fetch() {
        let traces = Traces::start();
        let idp = TestIssuer::start().await.unwrap();
        let (listener, origin) = listen().await.unwrap();
        let received = Arc::<Mutex<Vec<HeaderMap>>>::default();
        let (record, keys) = (Arc::clone(&received), idp.jwks());
        let jwks = Router::new().route(
            "/jwks",
            get(async move |headers: HeaderMap| {
                record.lock().unwrap().push(headers);
                keys
            }),
        );
        tokio::spawn(async move { axum::serve(listener, jwks).await });
        let issuer = Issuer::with_jwks_url(idp.identifier(), format!("{origin}/jwks"));
        let token = idp.token(API).subject("alice").sign();

        assert_eq!(send(issuer, &token).await, StatusCode::OK);

        let fetch = traces.only("GET");
        // All requests share the keys, so their fetch belongs to none.
        assert_eq!(fetch.parent_span_id, SpanId::INVALID);
        let (trace, span) = (fetch.span_context.trace_id(), fetch.span_context.span_id());
        let received = received.lock().unwrap();
        assert_eq!(received[0]["traceparent"], format!("00-{trace}-{span}-01"));
        traces.assert_hide(&[&token, "alice"]);
    }

    #[tokio::test]
    async fn rejection_is_the_kind_of_the_decision() {
        let traces = Traces::start();
        let idp = TestIssuer::start().await.unwrap();
        let token = idp.token(API).subject("alice").expired().sign();

        assert_eq!(send(idp.issuer(), &token).await, StatusCode::UNAUTHORIZED);

        assert_eq!(attribute(&traces.only("request"), "http.response.status_code"), Value::I64(401));
        assert_eq!(attribute(&traces.only(DECISION), "kind"), Value::from("token_expired"));
        traces.assert_hide(&[&token, "alice"]);
    }

    /// Sends a request within the trace of a client.
    async fn send(issuer: Issuer, token: &str) -> StatusCode {
        let request = Request::get("/orders")
            .header("Authorization", format!("Bearer {token}"))
            .header("traceparent", format!("00-{CLIENT_TRACE}-{CLIENT_SPAN}-01"));
        app(issuer).unwrap().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    }

    fn attribute(span: &SpanData, name: &str) -> Value {
        span.attributes.iter().find(|of| of.key.as_str() == name).unwrap().value.clone()
    }

    /// The spans that this thread has exported.
    struct Traces {
        exporter: InMemorySpanExporter,
        _guard: DefaultGuard,
    }

    impl Traces {
        fn start() -> Self {
            let exporter = InMemorySpanExporter::default();
            let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
            Self { exporter, _guard: tracing::subscriber::set_default(subscriber(&provider)) }
        }

        /// The span with this name, which must be the only one.
        fn only(&self, name: &str) -> SpanData {
            let mut spans = self.exporter.get_finished_spans().unwrap();
            spans.retain(|span| span.name == name);
            assert_eq!(spans.len(), 1, "{name}");
            spans.remove(0)
        }

        fn assert_hide(&self, secrets: &[&str]) {
            let spans = format!("{:?}", self.exporter.get_finished_spans().unwrap());
            for secret in secrets {
                assert!(!spans.contains(secret), "{secret}");
            }
        }
    }
}
