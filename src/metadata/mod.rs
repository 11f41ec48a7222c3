//! Finds the endpoints of an authorization server in its metadata document.
//!
//! RFC 8414 section 3 and OpenID Connect Discovery 1.0 section 4.
//!
//! - `discoverable` knows the well-known URLs of an issuer.
//! - `discovery` fetches the document from them.
//! - `document` checks it, and finds an endpoint in it.
//!
//! Why: by default an endpoint may be on another host than the issuer, because large authorization servers
//! publish their keys on a host of their own. It never has plain `http` if the issuer has `https`, since
//! credentials go to endpoints. A document that many tenants share names a template as its issuer, and is
//! used only for issuers that are configured to share it.

mod discoverable;
mod discovery;
mod document;
mod error;

pub(crate) use discoverable::{Discoverable, MetadataId};
pub(crate) use discovery::discover_endpoint;
pub(crate) use document::Endpoint;
pub(crate) use error::{FailedDiscovery, MetadataError, TriedUrls};
#[cfg(test)]
pub(crate) use error::{IssuerMismatch, Unreadable, UnusableEndpoint};

#[cfg(test)]
mod tests;
