//! huskarl-resource-server: a validator without a layer, called by an adapter that follows its guide.
//!
//! Its backend is RustCrypto.

use std::sync::Arc;

use http::{Request, Response, Uri};
use huskarl_reqwest::ReqwestClient;
use huskarl_resource_server::core::server_metadata::AuthorizationServerMetadata;
use huskarl_resource_server::validator::rfc9068::Rfc9068Validator;
use tower::service_fn;

use super::{Body, Built, handle, sender};
use crate::fixture::{API, Fixture};

pub(super) async fn build(fixture: &Fixture) -> Built {
    let client = ReqwestClient::builder().build().await?;
    let metadata = AuthorizationServerMetadata::fetch()
        .http_client(&client)
        .issuer(fixture.issuer.identifier())
        .call()
        .await?;
    let validator =
        Rfc9068Validator::builder_from_metadata(&metadata).audience(API).jwks_source(client).build().await?;
    let url = Uri::from_static(API);
    let shared = Arc::new((validator.validator_metadata(Some(API)), validator, url));
    Ok(sender(service_fn(move |mut request: Request<Body>| {
        let shared = Arc::clone(&shared);
        async move {
            let (metadata, validator, url) = &*shared;
            let result = validator.validate_request(request.headers(), request.method(), url, None).await;
            if let Some(rejection) = result.rejection(metadata, None) {
                let response = rejection.apply(Response::builder()).body(Body::default());
                return Ok(response.expect("valid headers"));
            }
            if let Ok(Some(validated)) = result.outcome {
                request.extensions_mut().insert(Arc::new(validated));
            }
            handle(request).await
        }
    })))
}
