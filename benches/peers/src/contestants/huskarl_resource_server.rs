//! huskarl-resource-server: it has no layer of its own, so this adapter does what its guide says.
//!
//! Its backend is RustCrypto.

use std::sync::Arc;

use http::{Request, Response, Uri};
use huskarl_reqwest::ReqwestClient;
use huskarl_resource_server::core::server_metadata::AuthorizationServerMetadata;
use huskarl_resource_server::validator::rfc9068::Rfc9068Validator;
use tower::service_fn;

use super::{Body, Built, handle, sender};
use crate::trial::{API, Trial};

pub(super) async fn build(trial: &Trial) -> Built {
    let client = ReqwestClient::builder().build().await?;
    let metadata = AuthorizationServerMetadata::fetch()
        .http_client(&client)
        .issuer(trial.issuer.identifier())
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
                return Ok(response.expect("headers that it has checked"));
            }
            if let Ok(Some(validated)) = result.outcome {
                request.extensions_mut().insert(Arc::new(validated));
            }
            handle(request).await
        }
    })))
}
