//! oauth-resource-server with its tower layer, configured as in its README. Its only backend is ring, through
//! `jsonwebtoken` 9.

use std::sync::Arc;

use oauth_resource_server::http_layer::HttpAuthLayer;
use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator};
use tower::{Layer, service_fn};

use super::{Built, handle, sender};
use crate::fixture::{API, Fixture};

pub(super) async fn build(fixture: &Fixture) -> Built {
    let config = OAuthConfig {
        enabled: true,
        issuer: fixture.issuer.identifier().to_owned(),
        audience: API.to_owned(),
        resource: API.to_owned(),
        // Without a required scope, the crate needs its setting `allow_unscoped_tokens`.
        required_scope: Some("orders:read".to_owned()),
        ..OAuthConfig::default()
    };
    let config = config.resolve(KeyNaming::Dotted("oauth"))?.ok_or("the configuration is disabled")?;
    let validator = Arc::new(OAuthValidator::new(&config)?);
    validator.spawn_background_refresh();
    validator.refresh_now().await?;
    let layer = HttpAuthLayer::builder().oauth(validator).build()?;
    Ok(sender(layer.layer(service_fn(handle))))
}
