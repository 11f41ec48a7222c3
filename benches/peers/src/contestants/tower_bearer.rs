//! tower-bearer, as its README begins.

use tower::{Layer, service_fn};
use tower_bearer::{BearerAuth, Issuer};

use super::{Built, handle, sender};
use crate::trial::{API, Trial};

pub(super) async fn build(trial: &Trial) -> Built {
    let auth = BearerAuth::builder(API).issuer(Issuer::discover(trial.issuer.identifier())).build()?;
    Ok(sender(auth.layer(service_fn(handle))))
}
