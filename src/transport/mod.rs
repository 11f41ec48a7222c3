//! How documents of an authorization server are fetched: a trait, its errors, and the default client.

mod client;
mod error;
#[cfg(not(feature = "reqwest"))]
mod no_client;
#[cfg(feature = "reqwest")]
mod reqwest;

pub(crate) use client::{DefaultClientFault, FetchLimits, fetch, send};
pub use client::{FetchFuture, HttpClient};
pub use error::{FetchError, FetchErrorKind};
#[cfg(not(feature = "reqwest"))]
pub(crate) use no_client::default_client;
#[cfg(feature = "reqwest")]
pub(crate) use reqwest::default_client;
