//! The summary of a configuration in the start event: the issuers, the audiences and what is turned on.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::authenticate::{Authenticator, JwtIntrospection, TrustedIssuer};
use crate::encoding::shown::listed;
use crate::event;

impl Authenticator {
    /// Reports that the configuration was built. `turned_on` are settings of other parts.
    pub(crate) fn report_start(&self, turned_on: &[&str]) {
        if !event::is_start_reported() {
            return;
        }
        let issuers = self.issuers.load().sorted();
        let mut enabled = self.enabled(&issuers);
        enabled.extend(turned_on.iter().map(|setting| (*setting).to_owned()));
        event::configured(&event::Configured {
            issuers: listed(issuers.iter().map(|issuer| &**issuer.identifier())),
            audiences: audiences(&issuers),
            enabled: if enabled.is_empty() { "nothing".to_owned() } else { enabled.join(", ") },
            bounds: self.bounds().to_string().trim_end().replace('\n', "; "),
        });
    }

    fn enabled(&self, issuers: &[Arc<TrustedIssuer>]) -> Vec<String> {
        let introspects_jwts = issuers.iter().filter_map(|issuer| issuer.introspection.as_ref());
        let introspects_jwts =
            introspects_jwts.into_iter().any(|used| !matches!(used.jwts, JwtIntrospection::None));
        let settings = [
            ("introspection", self.issuers.load().any_introspection()),
            ("introspection of JWTs", introspects_jwts),
            ("optional", self.optional),
            ("allow_preflight", self.allow_preflight),
            ("dpop", self.senders.dpop.is_some()),
            ("certificates", self.senders.certificates.is_some()),
        ];
        let settings = settings.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name.to_owned());
        settings.chain(self.sources.iter().map(|source| format!("token in {source}"))).collect()
    }
}

/// The audiences of all issuers, each once.
fn audiences(issuers: &[Arc<TrustedIssuer>]) -> String {
    let audiences: BTreeSet<&str> =
        issuers.iter().flat_map(|issuer| &issuer.claims.audiences).map(|audience| &**audience).collect();
    listed(audiences)
}
