//! tower-oauth2-resource-server, as its documentation builds it; with aws-lc-rs, by a feature.

use tower::{Layer, service_fn};
use tower_oauth2_resource_server::server::OAuth2ResourceServer;
use tower_oauth2_resource_server::tenant::TenantConfiguration;

use super::{Body, Built, handle, sender};
use crate::trial::{API, Trial};

pub(super) async fn build(trial: &Trial) -> Built {
    let tenant = TenantConfiguration::builder(trial.issuer.identifier()).audiences(&[API]).build().await?;
    let server = <OAuth2ResourceServer>::builder().add_tenant(tenant).build().await?;
    Ok(sender(server.into_layer::<Body>().layer(service_fn(handle))))
}
