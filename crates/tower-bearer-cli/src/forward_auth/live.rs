//! The configuration in use, and how another one takes its place.
//!
//! Checks: a request is allowed only if the issuers have not changed between its start and its end, so that
//! no request is allowed with the issuers of one file and the rules of another.
//!
//! Why a number instead of a lock: requests wait for keys and introspection, and a change must not wait for
//! them. While the issuers change, new requests wait, which takes no I/O.
//!
//! Why a request is decided once more: its client has done nothing wrong. With a DPoP proof it cannot be,
//! because the first decision has used the proof.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use http::Response;
use http::request::Parts;
use tokio::sync::watch;
use tower_bearer::BearerAuth;

use super::authorizer::{Authorizer, Body, Policy};
use super::refusal::Refusal;

/// The configuration in use.
#[derive(Debug)]
pub(crate) struct Live {
    authorizer: ArcSwap<Authorizer>,
    replaced: watch::Sender<()>,
}

/// The state of the issuers that the rules of one file were made for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Epoch {
    number: u64,
    latest: Arc<AtomicU64>,
}

impl Live {
    pub(crate) fn new(auth: BearerAuth, policy: Policy) -> Self {
        let authorizer = Authorizer::new(auth, policy, Epoch::default());
        Self { authorizer: ArcSwap::from_pointee(authorizer), replaced: watch::Sender::new(()) }
    }

    /// The response to the proxy at `peer`, whose request has this `head`. If the issuers change meanwhile,
    /// the request is decided once more.
    pub(crate) async fn respond(&self, peer: IpAddr, head: &Parts) -> Response<Body> {
        let mut authorizer = self.load().await;
        let mut decision = authorizer.decide(peer, head).await;
        if matches!(decision, Err(Refusal::Reloaded)) && !head.headers.contains_key("dpop") {
            authorizer = self.load().await;
            decision = authorizer.decide(peer, head).await;
        }
        authorizer.respond(decision)
    }

    /// The configuration for a new request. Waits while the issuers change.
    async fn load(&self) -> Arc<Authorizer> {
        let authorizer = self.latest();
        if authorizer.epoch().is_latest() {
            return authorizer;
        }
        // Subscribed before the next look, so that no change is missed.
        let mut replaced = self.replaced.subscribe();
        loop {
            let authorizer = self.latest();
            if authorizer.epoch().is_latest() || replaced.changed().await.is_err() {
                return authorizer;
            }
        }
    }

    /// The configuration, also while its issuers change.
    pub(crate) fn latest(&self) -> Arc<Authorizer> {
        self.authorizer.load_full()
    }

    /// Uses another policy, and `auth`, which is the former one or shares no issuer with it.
    pub(crate) fn replace(&self, auth: BearerAuth, policy: Policy) {
        let epoch = self.latest().epoch().clone();
        self.store(Authorizer::new(auth, policy, epoch));
    }

    /// Uses another policy, and the result of `change`, which may change the issuers that are in use.
    pub(crate) fn replace_with(&self, policy: Policy, change: impl FnOnce() -> BearerAuth) {
        let epoch = self.latest().epoch().start_next();
        self.store(Authorizer::new(change(), policy, epoch));
    }

    fn store(&self, authorizer: Authorizer) {
        self.authorizer.store(Arc::new(authorizer));
        self.replaced.send_replace(());
    }
}

impl Epoch {
    /// Whether the issuers are still those of this epoch.
    pub(crate) fn is_latest(&self) -> bool {
        self.latest.load(Ordering::SeqCst) == self.number
    }

    /// Ends this epoch, before the issuers change.
    fn start_next(&self) -> Self {
        let former = self.latest.fetch_add(1, Ordering::SeqCst);
        Self { number: former.wrapping_add(1), latest: Arc::clone(&self.latest) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use http::Request;
    use tower_bearer::inspector::Inspector;
    use tower_bearer::testing::TestIssuer;

    use super::super::config::Config;
    use super::*;

    const API: &str = "api";
    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn config(rules: &str) -> Config {
        let text = format!(
            r#"
            listen = "127.0.0.1:0"
            trusted_proxies = ["127.0.0.1"]
            mode = "envoy"
            auth = {{ audience = "{API}", issuers = [], allow_no_issuer = true }}
            rules = [{rules}]
            "#
        );
        Config::parse(&text, None, &Inspector::new()).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    fn head(issuer: &TestIssuer) -> Parts {
        let token = issuer.token(API).sign();
        let request = Request::get("/orders").header("authorization", format!("Bearer {token}"));
        request.body(()).unwrap().into_parts().0
    }

    /// The response to a request that waits for keys while `rules` and another issuer come into use.
    async fn respond_during_change(change: impl FnOnce(&mut Parts), rules: &str) -> Response<Body> {
        let issuer = TestIssuer::start().await.unwrap();
        let before = config(r#"{ path = "/**" }"#);
        let auth = before.auth.clone();
        auth.issuers().add(issuer.issuer()).unwrap();
        let live = Live::new(before.auth, before.policy);
        let mut head = head(&issuer);
        change(&mut head);
        let mut response = pin!(live.respond(PEER, &head));
        let mut context = Context::from_waker(Waker::noop());
        assert!(response.as_mut().poll(&mut context).is_pending());
        live.replace_with(config(rules).policy, || {
            auth.issuers().add(TestIssuer::new().issuer()).unwrap();
            auth.clone()
        });
        response.await
    }

    #[tokio::test]
    async fn a_request_that_started_before_its_issuer_was_added_is_not_allowed() {
        let issuer = TestIssuer::start().await.unwrap();
        let before = config(r#"{ path = "/**" }"#);
        let auth = before.auth.clone();
        let live = Live::new(before.auth, before.policy);
        let started = live.load().await;

        let after = config(r#"{ path = "/**", scopes = ["admin"] }"#);
        live.replace_with(after.policy, || {
            auth.issuers().add(issuer.issuer()).unwrap();
            // The new issuer is trusted, and its rules are not yet in use.
            assert!(!live.latest().epoch().is_latest());
            auth.clone()
        });

        let head = head(&issuer);
        let response = started.respond(started.decide(PEER, &head).await);
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &1.into()));
        assert_eq!(live.respond(PEER, &head).await.status(), 403);
    }

    #[tokio::test]
    async fn a_request_whose_issuers_change_meanwhile_is_decided_with_the_new_rules() {
        for (rules, status) in
            [(r#"{ path = "/**" }"#, 200), (r#"{ path = "/**", scopes = ["admin"] }"#, 403)]
        {
            assert_eq!(respond_during_change(|_| {}, rules).await.status(), status, "{rules}");
        }
    }

    #[tokio::test]
    async fn a_request_with_a_dpop_proof_is_decided_only_once() {
        let add_proof = |head: &mut Parts| drop(head.headers.insert("dpop", "proof".parse().unwrap()));
        let response = respond_during_change(add_proof, r#"{ path = "/**" }"#).await;
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &1.into()));
    }

    #[tokio::test]
    async fn a_request_waits_while_the_issuers_change() {
        let config = config(r#"{ path = "/**" }"#);
        let auth = config.auth.clone();
        let live = Live::new(config.auth, config.policy);
        let next = live.latest().epoch().start_next();
        let mut load = pin!(live.load());
        let mut context = Context::from_waker(Waker::noop());
        assert!(load.as_mut().poll(&mut context).is_pending());
        live.store(Authorizer::new(auth, self::config(r#"{ path = "/a" }"#).policy, next));
        assert!(load.poll(&mut context).is_ready());
    }
}
