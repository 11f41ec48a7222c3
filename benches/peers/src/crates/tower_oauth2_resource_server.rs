//! tower-oauth2-resource-server, configured as in its documentation, with its feature for aws-lc-rs.

use tower::{Layer, service_fn};
use tower_oauth2_resource_server::server::OAuth2ResourceServer;
use tower_oauth2_resource_server::tenant::TenantConfiguration;

use super::{Body, Built, handle, sender};
use crate::fixture::{API, Fixture};

pub(super) async fn build(fixture: &Fixture) -> Built {
    let tenant = TenantConfiguration::builder(fixture.issuer.identifier()).audiences(&[API]).build().await?;
    let server = <OAuth2ResourceServer>::builder().add_tenant(tenant).build().await?;
    Ok(sender(server.into_layer::<Body>().layer(service_fn(handle))))
}
