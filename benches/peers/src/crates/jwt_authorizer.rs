//! jwt-authorizer, configured as in its README. Its only backend is ring, through `jsonwebtoken` 9.

use std::future::ready;

use axum_07::response::Response;
use http::Request;
use jwt_authorizer::{Authorizer, IntoLayer, JwtAuthorizer, Validation};
use tower::{Layer, service_fn};

use super::{Body, Built, sender};
use crate::fixture::{API, Fixture};

pub(super) async fn build(fixture: &Fixture) -> Built {
    let validation = Validation::new().iss(&[fixture.issuer.identifier()]).aud(&[API]);
    let authorizer: Authorizer =
        JwtAuthorizer::from_jwks_url(&fixture.issuer.jwks_url()).validation(validation).build().await?;
    // The layer needs the response type of axum 0.7.
    let handler = service_fn(|_: Request<Body>| ready(Ok(Response::default())));
    Ok(sender(authorizer.into_layer().layer(handler)))
}
