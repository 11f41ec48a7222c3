//! axum-jwt-auth: an extractor, called here by a service of our own so that it need not pay for a router.
//!
//! It asks `jsonwebtoken` for RustCrypto, whose RSA takes about ten times as long; a program can
//! choose aws-lc-rs all the same, and this one does.

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
use crate::trial::{API, Trial};

/// The claims of the README.
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

pub(super) async fn build(trial: &Trial) -> Built {
    // Fails when it was done before, for another algorithm.
    let _ = aws_lc::DEFAULT_PROVIDER.install_default();
    let mut validation = Validation::new(Algorithm::from_str(trial.algorithm.as_str())?);
    validation.set_audience(&[API]);
    validation.set_issuer(&[trial.issuer.identifier()]);
    let decoder =
        RemoteJwksDecoder::builder().jwks_url(trial.issuer.jwks_url()).validation(validation).build()?;
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
