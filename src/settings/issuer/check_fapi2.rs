//! Checks that an issuer meets the FAPI 2.0 Security Profile (sections 5.3.3 and 5.4.1).

use super::{Issuer, KeyOrigin};
use crate::crypto::AlgorithmSet;
use crate::settings::config_error::ConfigProblem;

impl Issuer {
    pub(super) fn check_fapi2(&self, problems: &mut Vec<ConfigProblem>) {
        let is_allowed =
            |algorithms: AlgorithmSet| algorithms.intersection(AlgorithmSet::FAPI2) == algorithms;
        let has_keys = !matches!(self.keys, KeyOrigin::None);
        let introspects_all = self
            .introspection
            .as_ref()
            .is_some_and(|introspection| introspection.decides_about_all(has_keys));
        let faults = [
            ("allows other algorithms than PS256, ES256 and EdDSA", !self.algorithms.is_none_or(is_allowed)),
            (
                "does not introspect each token, so a revoked token is accepted until it expires",
                !introspects_all,
            ),
        ];
        problems.extend(
            faults.into_iter().filter(|(_, is_fault)| *is_fault).map(|(reason, _)| {
                ConfigProblem::Fapi2Unmet { issuer: Some(self.identifier.clone()), reason }
            }),
        );
    }
}
