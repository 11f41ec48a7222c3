//! The settings for sender-constrained tokens: DPoP, client certificates and FAPI 2.0.

use std::sync::Arc;
use std::time::Duration;

use super::BearerAuthBuilder;
use crate::bearer::TokenSource;
use crate::binding::certificates::Certificates;
use crate::binding::dpop::Dpop;
use crate::binding::{SenderPolicy, SettingFault};
use crate::crypto::AlgorithmSet;
use crate::settings::ConfigProblem;

/// The longest leeway of FAPI 2.0 (Security Profile section 5.3.2.1 for dates in the future).
const MAX_FAPI_LEEWAY: Duration = Duration::from_secs(10);

/// Sender-constrained tokens.
impl BearerAuthBuilder {
    /// Accepts tokens that are bound to a key of the client, with a DPoP proof for each request (RFC 9449).
    /// Default: such tokens are rejected, kind `sender_not_proven`.
    ///
    /// Bearer tokens are accepted beside them, unless [`Dpop::required`] is set. The module
    /// [`dpop`](crate::dpop) says what is checked.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    /// use tower_bearer::dpop::Dpop;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com")
    ///     .dpop(Dpop::at("https://api.example.com"));
    /// ```
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.dpop = Some(dpop);
        self
    }

    /// Accepts tokens that are bound to the client certificate of the connection (RFC 8705 section 3).
    /// Default: such tokens are rejected, kind `sender_not_proven`.
    ///
    /// Bearer tokens are accepted beside them; [`Require::sender_bound`](crate::Require::sender_bound)
    /// rejects them on a route. The module [`certificates`](crate::certificates) says where the certificate
    /// comes from.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    /// use tower_bearer::certificates::Certificates;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com")
    ///     .certificates(Certificates::client_cert_header().from_proxy("10.0.0.7"));
    /// ```
    pub fn certificates(mut self, certificates: Certificates) -> Self {
        self.certificates = Some(certificates);
        self
    }

    /// Requires what the FAPI 2.0 Security Profile (sections 5.3.3 and 5.4) requires of a resource server.
    /// Default: off.
    ///
    /// - Tokens come in the `Authorization` header only. Add no [`FormBodyToken`](crate::FormBodyToken)
    ///   layer: `build` cannot see it.
    /// - Tokens are sender-constrained: set [`dpop`](Self::dpop), [`certificates`](Self::certificates) or
    ///   both. A bearer token is rejected, kind `token_not_bound`.
    /// - JWTs are signed with PS256, ES256 or EdDSA, and so are DPoP proofs. These become the defaults of
    ///   [`Issuer::algorithms`](crate::Issuer::algorithms) and [`Dpop::algorithms`].
    /// - A revoked token is rejected once the cached introspection response about it expires, after 30 s by
    ///   default: each issuer introspects all of its tokens
    ///   ([`Introspection::also_jwts`](crate::Introspection::also_jwts)).
    /// - The [`leeway`](Self::leeway) is at most 10 s, which is its default here.
    ///
    /// A setting that contradicts one of these is a [`ConfigError`](crate::ConfigError).
    ///
    /// FAPI 2.0 Message Signing, that is HTTP message signatures of requests and responses, is not part of
    /// it.
    ///
    /// ```
    /// # #[cfg(feature = "reqwest")] {
    /// use tower_bearer::dpop::{Dpop, Nonces};
    /// use tower_bearer::{BearerAuth, ClientAuth, ConfigError, Introspection, Issuer};
    ///
    /// fn auth(client: ClientAuth) -> Result<BearerAuth, ConfigError> {
    ///     BearerAuth::builder("https://api.example.com")
    ///         .issuer(
    ///             Issuer::discover("https://login.example.com")
    ///                 .introspect(Introspection::with(client).also_jwts()),
    ///         )
    ///         .dpop(Dpop::at("https://api.example.com").nonces(Nonces::required()))
    ///         .fapi2()
    ///         .build()
    /// }
    /// # assert!(auth(ClientAuth::secret_basic("a", "b")).is_ok());
    /// # }
    /// ```
    pub fn fapi2(mut self) -> Self {
        self.fapi2 = true;
        self
    }

    /// The tolerated clock difference: as set, else the default of the profile.
    pub(super) fn effective_leeway(&self) -> Duration {
        let default = if self.fapi2 { MAX_FAPI_LEEWAY } else { Self::DEFAULT_LEEWAY };
        self.leeway.unwrap_or(default)
    }

    pub(super) fn build_senders(&self, problems: &mut Vec<ConfigProblem>) -> SenderPolicy {
        let mut faults = Vec::new();
        let allowed = if self.fapi2 { AlgorithmSet::FAPI2 } else { AlgorithmSet::ALL };
        let dpop = self.dpop.as_ref();
        let requires_dpop = dpop.is_some_and(Dpop::is_required);
        let senders = SenderPolicy {
            dpop: dpop
                .and_then(|dpop| dpop.build(self.effective_leeway(), allowed, &mut faults))
                .map(Arc::new),
            certificates: self
                .certificates
                .as_ref()
                .and_then(|settings| settings.build(&mut faults))
                .map(Arc::new),
            requires_binding: self.fapi2 || requires_dpop,
        };
        problems.extend(faults.into_iter().map(|SettingFault { setting, value, reason }| {
            ConfigProblem::SenderSettingUnusable { setting, value, reason }
        }));
        check_bound_sources(&self.sources, requires_dpop, self.fapi2, problems);
        if self.fapi2 {
            self.check_fapi2(problems);
        }
        senders
    }

    fn check_fapi2(&self, problems: &mut Vec<ConfigProblem>) {
        let mut unmet = |reason| problems.push(ConfigProblem::Fapi2Unmet { issuer: None, reason });
        if self.dpop.is_none() && self.certificates.is_none() {
            unmet("no sender-constrained token is accepted");
        }
        if self.effective_leeway() > MAX_FAPI_LEEWAY {
            unmet("the leeway is longer than 10 s");
        }
    }
}

/// Checks that tokens from these `sources`, which have no DPoP proof, may be accepted.
pub(super) fn check_bound_sources(
    sources: &[TokenSource],
    requires_dpop: bool,
    is_fapi2: bool,
    problems: &mut Vec<ConfigProblem>,
) {
    if is_fapi2 && !sources.is_empty() {
        let reason = "tokens come from other places than the `Authorization` header";
        problems.push(ConfigProblem::Fapi2Unmet { issuer: None, reason });
    } else if requires_dpop {
        let names = sources.iter().map(ToString::to_string);
        problems.extend(names.map(|source| ConfigProblem::TokenSourceWithoutProof { source }));
    }
}
