//! oauth-resource-server, as its README builds it, by its layer for tower. It has ring for a backend, by
//! `jsonwebtoken` 9, and no choice.

use std::sync::Arc;

use oauth_resource_server::http_layer::HttpAuthLayer;
use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator};
use tower::{Layer, service_fn};

use super::{Built, handle, sender};
use crate::trial::{API, Trial};

pub(super) async fn build(trial: &Trial) -> Built {
    let config = OAuthConfig {
        enabled: true,
        issuer: trial.issuer.identifier().to_owned(),
        audience: API.to_owned(),
        resource: API.to_owned(),
        // Without a scope it wants a dangerous setting.
        required_scope: Some("orders:read".to_owned()),
        ..OAuthConfig::default()
    };
    let config = config.resolve(KeyNaming::Dotted("oauth"))?.ok_or("it is enabled")?;
    let validator = Arc::new(OAuthValidator::new(&config)?);
    validator.spawn_background_refresh();
    validator.refresh_now().await?;
    let layer = HttpAuthLayer::builder().oauth(validator).build()?;
    Ok(sender(layer.layer(service_fn(handle))))
}
