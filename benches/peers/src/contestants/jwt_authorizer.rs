//! jwt-authorizer, as its README builds it. It has ring for a backend, by `jsonwebtoken` 9, and no choice.

use std::future::ready;

use axum_07::response::Response;
use http::Request;
use jwt_authorizer::{Authorizer, IntoLayer, JwtAuthorizer, Validation};
use tower::{Layer, service_fn};

use super::{Body, Built, sender};
use crate::trial::{API, Trial};

pub(super) async fn build(trial: &Trial) -> Built {
    let validation = Validation::new().iss(&[trial.issuer.identifier()]).aud(&[API]);
    let authorizer: Authorizer =
        JwtAuthorizer::from_jwks_url(&trial.issuer.jwks_url()).validation(validation).build().await?;
    // It answers in the types of axum 0.7.
    let handler = service_fn(|_: Request<Body>| ready(Ok(Response::default())));
    Ok(sender(authorizer.into_layer().layer(handler)))
}
