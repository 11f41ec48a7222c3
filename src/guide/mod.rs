//! The guide: how to configure, test, operate and troubleshoot a resource server.
//!
//! This module is documentation only; it exists in the docs and not in builds.
//!
//! | page | read it to |
//! |---|---|
//! | [Getting started](getting_started) | protect a router or another tower service |
//! | [Choosing](choosing) | decide between JWT validation and introspection, or revoke tokens immediately |
//! | [Scopes and policies](scopes_and_policies) | require scopes, roles or your own checks on a route |
//! | [Several issuers](several_issuers) | accept tokens of more than one authorization server |
//! | [Sender-constrained tokens](sender_constrained) | choose between DPoP and mutual TLS, or comply with FAPI 2.0 |
//! | [Client certificates](client_certificates) | accept certificate-bound tokens, behind haproxy, nginx, Envoy and others |
//! | [Providers](providers) | configure Keycloak, Auth0, Entra ID, Okta, ZITADEL, Cognito, Dex and others |
//! | [Operations](operations) | rotate keys, survive outages, set up probes, logs, metrics and alerts |
//! | [Troubleshooting](troubleshooting) | find out why a token was rejected |
//! | [FAQ](faq) | find a short answer to a common question |
//! | [Testing](testing) | test your API with an authorization server in memory |
//! | [Security](security) | review the threat model and the limits of the crate |
//! | [Migration](migration) | replace another crate, or map the terms of Spring Security |
//! | [Design choices](design_choices) | see why the crate is built as it is, with figures |

// The pages are not an API that a feature adds.
#![cfg_attr(docsrs, doc(auto_cfg = false))]

#[doc = include_str!("choosing.md")]
pub mod choosing {}

#[doc = include_str!("client_certificates.md")]
pub mod client_certificates {}

#[doc = include_str!("design_choices.md")]
pub mod design_choices {}

#[doc = include_str!("faq.md")]
pub mod faq {}

#[doc = include_str!("getting_started.md")]
pub mod getting_started {}

#[doc = include_str!("migration.md")]
pub mod migration {}

#[doc = include_str!("operations.md")]
pub mod operations {}

#[doc = include_str!("providers.md")]
pub mod providers {}

#[doc = include_str!("scopes_and_policies.md")]
pub mod scopes_and_policies {}

#[doc = include_str!("security.md")]
pub mod security {}

#[doc = include_str!("sender_constrained.md")]
pub mod sender_constrained {}

#[doc = include_str!("several_issuers.md")]
pub mod several_issuers {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("troubleshooting.md")]
pub mod troubleshooting {}
