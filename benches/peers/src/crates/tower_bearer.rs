//! tower-bearer, configured as in its README.

use tower::{Layer, service_fn};
use tower_bearer::{BearerAuth, Issuer};

use super::{Built, handle, sender};
use crate::fixture::{API, Fixture};

pub(super) async fn build(fixture: &Fixture) -> Built {
    let auth = BearerAuth::builder(API).issuer(Issuer::discover(fixture.issuer.identifier())).build()?;
    Ok(sender(auth.layer(service_fn(handle))))
}
