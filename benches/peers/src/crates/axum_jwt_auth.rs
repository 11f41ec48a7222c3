//! axum-jwt-auth: an extractor, called by a small service without a router.
//!
//! Its default backend is RustCrypto, whose RSA takes about ten times as long as that of aws-lc-rs. A program
//! can choose aws-lc-rs, and this one does.

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::response::{IntoResponse, Response};
use axum_jwt_auth::{Claims, Decoder, RemoteJwksDecoder};
use http::Request;
use jsonwebtoken::crypto::aws_lc;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use tower::service_fn;

use super::{Body, Built, sender};
use crate::fixture::{API, Fixture};

/// The claims of the example in its README.
#[derive(Deserialize)]
#[expect(dead_code, reason = "the handler does not read them")]
struct MyClaims {
    sub: String,
    exp: usize,
}

#[derive(Clone)]
struct State(Decoder<MyClaims>);

impl FromRef<State> for Decoder<MyClaims> {
    fn from_ref(state: &State) -> Self {
        Arc::clone(&state.0)
    }
}

pub(super) async fn build(fixture: &Fixture) -> Built {
    // Fails if an earlier algorithm has installed it.
    let _ = aws_lc::DEFAULT_PROVIDER.install_default();
    let mut validation = Validation::new(Algorithm::from_str(fixture.algorithm.as_str())?);
    validation.set_audience(&[API]);
    validation.set_issuer(&[fixture.issuer.identifier()]);
    let decoder =
        RemoteJwksDecoder::builder().jwks_url(fixture.issuer.jwks_url()).validation(validation).build()?;
    decoder.initialize().await?;
    let state = Arc::new(State(Arc::new(decoder)));
    Ok(sender(service_fn(move |request: Request<Body>| {
        let state = Arc::clone(&state);
        async move {
            let (mut parts, _) = request.into_parts();
            Ok(match Claims::<MyClaims>::from_request_parts(&mut parts, &*state).await {
                Ok(_) => Response::default(),
                Err(rejection) => rejection.into_response(),
            })
        }
    })))
}
