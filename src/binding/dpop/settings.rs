//! The settings for DPoP, and their checks.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;

use super::nonce::Nonces;
use super::replay::{Replay, ReplayMemory, ReplayStore};
use super::target::{Base, Target, TargetFrom, TargetPolicy};
use super::verifier::{Verifier, Window, max_proof_lifetime};
use crate::binding::SettingFault;
use crate::crypto::{Algorithm, AlgorithmSet};
use crate::fetch_url::redacted;
use crate::jwt::header::HeaderPolicy;

const DEFAULT_MAX_PROOF_AGE: Duration = Duration::from_secs(60);
const LONGEST_MAX_PROOF_AGE: Duration = Duration::from_secs(5 * 60);

/// Accepts tokens that are bound to a key of the client (RFC 9449), for
/// [`BearerAuthBuilder::dpop`](crate::BearerAuthBuilder::dpop).
///
/// ```
/// use tower_bearer::dpop::{Dpop, Nonces};
///
/// let dpop = Dpop::at("https://api.example.com/v2") // clients call https://api.example.com/v2/orders
///     .required() // reject tokens that are not bound
///     .nonces(Nonces::required());
/// # drop(dpop);
/// ```
#[derive(Clone)]
#[must_use]
pub struct Dpop {
    bases: Vec<String>,
    is_required: bool,
    /// `None` for all that are allowed.
    algorithms: Option<AlgorithmSet>,
    /// `None` for the default.
    max_proof_age: Option<Duration>,
    max_proofs: Option<usize>,
    nonces: Option<Nonces>,
    replay_store: Option<Arc<dyn ReplayStore>>,
    target_from: Option<TargetFrom>,
    web_socket_urls: bool,
}

impl Dpop {
    /// Accepts proofs for the URLs below `base`: the scheme, the host and, if there is one, the path prefix
    /// under which clients reach this API.
    ///
    /// Tokens that are not bound are still accepted with the scheme `Bearer`.
    ///
    /// `build` reports a [`ConfigError`](crate::ConfigError) if `base` is not an absolute `https` URL (`http`
    /// for loopback addresses), or has a user name, a query or a fragment.
    ///
    /// ```
    /// use tower_bearer::dpop::Dpop;
    ///
    /// // The router sees /orders. Clients call https://api.example.com/shop/orders.
    /// let dpop = Dpop::at("https://api.example.com/shop");
    /// # drop(dpop);
    /// ```
    pub fn at(base: impl Into<String>) -> Self {
        Self {
            bases: vec![base.into()],
            is_required: false,
            algorithms: None,
            max_proof_age: None,
            max_proofs: None,
            nonces: None,
            replay_store: None,
            target_from: None,
            web_socket_urls: false,
        }
    }

    /// Accepts proofs for URLs below `base` as well. A proof is valid under any of the base URLs.
    ///
    /// ```
    /// use tower_bearer::dpop::Dpop;
    ///
    /// let dpop = Dpop::at("https://api.example.com").and_at("https://eu.api.example.com");
    /// # drop(dpop);
    /// ```
    pub fn and_at(mut self, base: impl Into<String>) -> Self {
        self.bases.push(base.into());
        self
    }

    /// Rejects tokens that are not bound to a key, and the scheme `Bearer`. Default: both are accepted.
    ///
    /// A token outside of the `Authorization` header has no proof. So a
    /// [`TokenSource`](crate::TokenSource) is a [`ConfigError`](crate::ConfigError) then, and a token in a
    /// form body is rejected.
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// Requires a nonce of this API in each proof (RFC 9449 section 9). Default: no nonces.
    ///
    /// A client without a valid nonce gets 401 `use_dpop_nonce` and a nonce, and repeats its request. Clients
    /// may then have a wrong clock, and cannot sign proofs in advance.
    ///
    /// ```
    /// use tower_bearer::dpop::{Dpop, Nonces};
    ///
    /// let dpop = Dpop::at("https://api.example.com").nonces(Nonces::required());
    /// # drop(dpop);
    /// ```
    pub fn nonces(mut self, nonces: Nonces) -> Self {
        self.nonces = Some(nonces);
        self
    }

    /// Sets the algorithms that proofs may be signed with. Default: all, or those of FAPI 2.0 with
    /// [`fapi2`](crate::BearerAuthBuilder::fapi2). The challenges list them in `algs`.
    ///
    /// An empty list is a [`ConfigError`](crate::ConfigError).
    ///
    /// ```
    /// use tower_bearer::Algorithm;
    /// use tower_bearer::dpop::Dpop;
    ///
    /// let dpop = Dpop::at("https://api.example.com").algorithms([Algorithm::ES256, Algorithm::Ed25519]);
    /// # drop(dpop);
    /// ```
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// Accepts a proof for this long after its `iat`, plus the leeway
    /// ([`BearerAuthBuilder::leeway`](crate::BearerAuthBuilder::leeway)). Default: 60 s. Maximum: 5 min.
    ///
    /// With [`nonces`](Self::nonces), the age of the nonce counts instead, so both together are a
    /// [`ConfigError`](crate::ConfigError).
    pub fn max_proof_age(mut self, age: Duration) -> Self {
        self.max_proof_age = Some(age);
        self
    }

    /// Sets how many used proofs the replay store of this process holds. Default: 262 144, about 9 MB if it
    /// is full. [`BearerAuth::bounds`](crate::BearerAuth::bounds) says how many proofs per second fit.
    ///
    /// Each proof is held until it expires. While the store is full, requests with a proof get 503
    /// `proofs_too_many`. Once it is half full, so do requests with a key that has used 1/16 of it. Together
    /// with [`replay_store`](Self::replay_store) it is a [`ConfigError`](crate::ConfigError).
    pub fn max_proofs(mut self, proofs: usize) -> Self {
        self.max_proofs = Some(proofs);
        self
    }

    /// Records used proofs in `store`, which several processes can share. Default: each `BearerAuth` that is
    /// built has a replay store of its own, and does not notice a proof that another one has accepted.
    ///
    /// The time limit for the store needs a tokio runtime with timers.
    pub fn replay_store(mut self, store: impl ReplayStore) -> Self {
        self.replay_store = Some(Arc::new(store));
        self
    }

    /// Sets how to compute the method and the URL that the client used, if a proxy changes them. Default: the
    /// method of the request, and the base URL followed by the path of the request.
    ///
    /// The URL must be below one of the base URLs. If it is not, or `target` returns `None`, the request is
    /// rejected with `proof_url_mismatch`.
    ///
    /// Read only headers that your proxy sets on every request. A client that can choose its target can use
    /// a proof that was made for another one.
    ///
    /// ```
    /// use http::Method;
    /// use tower_bearer::dpop::{Dpop, Target};
    ///
    /// // A proxy asks this API whether it may forward a request (forward authentication).
    /// let dpop = Dpop::at("https://api.example.com").target_from(|head| {
    ///     let header = |name| head.headers.get(name)?.to_str().ok();
    ///     let method: Method = header("x-forwarded-method")?.parse().ok()?;
    ///     let path = header("x-forwarded-uri")?;
    ///     Some(Target::new(method, format!("https://api.example.com{path}")))
    /// });
    /// # drop(dpop);
    /// ```
    pub fn target_from(mut self, target: impl Fn(&Parts) -> Option<Target> + Send + Sync + 'static) -> Self {
        self.target_from = Some(Arc::new(target));
        self
    }

    /// Accepts an `htu` with the scheme `wss` in place of `https`, if the request opens a WebSocket (RFC
    /// 6455, RFC 8441). Default: only the URL of the HTTP request, with `https`.
    pub fn accept_web_socket_urls(mut self) -> Self {
        self.web_socket_urls = true;
        self
    }

    /// Whether tokens that are not bound to a key are rejected.
    pub(crate) fn is_required(&self) -> bool {
        self.is_required
    }

    /// The checked settings, for an API that allows these algorithms. `None` if a setting cannot work.
    pub(crate) fn build(
        &self,
        leeway: Duration,
        allowed: AlgorithmSet,
        faults: &mut Vec<SettingFault>,
    ) -> Option<Verifier> {
        let before = faults.len();
        let algorithms = self.algorithms.unwrap_or(allowed);
        let bases = self.parse_bases(faults);
        self.check_algorithms(allowed, faults);
        self.check_limits(faults);
        let nonces = self.nonces.as_ref().map(|nonces| nonces.build(faults));
        if faults.len() > before {
            return None;
        }
        let window = Window { max_age: self.max_proof_age.unwrap_or(DEFAULT_MAX_PROOF_AGE), leeway };
        Some(Verifier {
            is_required: self.is_required,
            headers: HeaderPolicy { algorithms, types: vec!["dpop+jwt".into()], untyped: false },
            algs: algorithms.iter().map(Algorithm::as_str).collect::<Vec<_>>().join(" ").into(),
            targets: TargetPolicy {
                bases: bases.into(),
                target_from: self.target_from.clone(),
                web_socket_urls: self.web_socket_urls,
            },
            window,
            nonces: nonces.flatten(),
            replay: self.replay(window),
        })
    }

    fn parse_bases(&self, faults: &mut Vec<SettingFault>) -> Vec<Base> {
        let mut bases: Vec<Base> = Vec::new();
        for (index, url) in self.bases.iter().enumerate() {
            let setting = if index == 0 { "Dpop::at" } else { "Dpop::and_at" };
            match Base::parse(url) {
                Ok(base) if bases.iter().any(|other| base.is_same(other)) => {
                    faults.push(fault(setting, redacted(url), "is given twice"));
                }
                Ok(base) => bases.push(base),
                Err(reason) => faults.push(fault(setting, redacted(url), reason)),
            }
        }
        bases
    }

    fn check_algorithms(&self, allowed: AlgorithmSet, faults: &mut Vec<SettingFault>) {
        let Some(algorithms) = self.algorithms else { return };
        if algorithms.is_empty() {
            faults.push(fault("Dpop::algorithms", "[]", "allows no algorithm"));
        }
        if algorithms.intersection(allowed) != algorithms {
            let names: Vec<&str> = algorithms.iter().map(Algorithm::as_str).collect();
            let reason = "allows other algorithms than PS256, ES256 and EdDSA, the ones of FAPI 2.0";
            faults.push(fault("Dpop::algorithms", names.join(" "), reason));
        }
    }

    fn check_limits(&self, faults: &mut Vec<SettingFault>) {
        if let Some(age) = self.max_proof_age {
            let reasons = [
                ("rejects every proof", age.is_zero()),
                ("is longer than 5 min", age > LONGEST_MAX_PROOF_AGE),
                ("has no effect with nonces", self.nonces.is_some()),
            ];
            for (reason, _) in reasons.into_iter().filter(|(_, is_fault)| *is_fault) {
                faults.push(fault("Dpop::max_proof_age", format!("{age:?}"), reason));
            }
        }
        let Some(max_proofs) = self.max_proofs else { return };
        if max_proofs == 0 {
            faults.push(fault("Dpop::max_proofs", "0", "rejects every proof"));
        }
        if self.replay_store.is_some() {
            let reason = "has no effect with replay_store";
            faults.push(fault("Dpop::max_proofs", max_proofs.to_string(), reason));
        }
    }

    fn replay(&self, window: Window) -> Replay {
        if let Some(store) = &self.replay_store {
            return Replay::Store(Arc::clone(store));
        }
        let retention = max_proof_lifetime(window, self.nonces.is_some());
        let max_proofs = self.max_proofs.unwrap_or(ReplayMemory::DEFAULT_MAX_PROOFS);
        Replay::Memory(Arc::new(ReplayMemory::new(max_proofs, retention)))
    }
}

fn fault(setting: &'static str, value: impl Into<String>, reason: &'static str) -> SettingFault {
    SettingFault { setting, value: value.into(), reason }
}

impl fmt::Debug for Dpop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bases: Vec<String> = self.bases.iter().map(|base| redacted(base)).collect();
        f.debug_struct("Dpop")
            .field("bases", &bases)
            .field("required", &self.is_required)
            .field("algorithms", &self.algorithms)
            .field("max_proof_age", &self.max_proof_age)
            .field("nonces", &self.nonces.is_some())
            .finish_non_exhaustive()
    }
}
