//! The HTTP transport: how requests reach an authorization server, and why one fails.
//!
//! [`BearerAuth`](crate::BearerAuth) sends four kinds of request: `GET` for metadata and for keys, and
//! `POST` for introspection and, with `ClientAuth::client_credentials`, for a bearer token. All go through an
//! [`HttpClient`]. With the feature `reqwest`, which is on by default, the crate brings its own client. For a
//! proxy, a private CA or a client certificate, pass a [`ReqwestClient`].
//!
//! Any other HTTP library works too. Implement [`HttpClient`] for it, or wrap an existing client. This one
//! counts the introspection requests:
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use tower_bearer::transport::{FetchFuture, FetchRequest, HttpClient, UrlKind};
//!
//! struct Counting<C> {
//!     client: C,
//!     introspections: Arc<AtomicU64>,
//! }
//!
//! impl<C: HttpClient> HttpClient for Counting<C> {
//!     fn fetch(&self, request: FetchRequest) -> FetchFuture {
//!         if request.url_kind() == UrlKind::Introspection {
//!             self.introspections.fetch_add(1, Ordering::Relaxed);
//!         }
//!         self.client.fetch(request)
//!     }
//! }
//! ```

mod client;
#[cfg(feature = "reqwest")]
mod connection_gate;
mod error;
mod fetch;
mod limits;
#[cfg(not(feature = "reqwest"))]
mod no_client;
mod origin_header;
#[cfg(feature = "reqwest")]
mod pools;
#[cfg(feature = "reqwest")]
mod public_dns;
mod request;
#[cfg(feature = "reqwest")]
mod reqwest_client;
mod response;
mod retry_after;

/// The version of `reqwest` that [`ReqwestClient`] wraps: 0.13.
#[cfg(feature = "reqwest")]
pub use ::reqwest;
pub(crate) use client::DefaultClientFault;
pub use client::{FetchFuture, HttpClient};
pub use error::{FetchError, FetchErrorKind};
pub(crate) use fetch::{fetch, send};
pub(crate) use limits::FetchLimits;
#[cfg(not(feature = "reqwest"))]
pub(crate) use no_client::default_client;
pub use origin_header::{InvalidOrigin, OriginHeader};
pub use request::{FetchRequest, UrlKind};
#[cfg(feature = "reqwest")]
pub use reqwest_client::ReqwestClient;
#[cfg(feature = "reqwest")]
pub(crate) use reqwest_client::default_client;
pub use response::FetchResponse;
pub(crate) use retry_after::retry_after;

pub use crate::fetch_url::is_public_address;
