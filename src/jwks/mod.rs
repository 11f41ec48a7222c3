//! The keys of an issuer (RFC 7517 section 5): parsed, cached, and refreshed in the background.
//!
//! `refresh` decides when to fetch, and how to handle a request whose key is not cached. It has no clock and
//! no network. `remote` carries out its decisions.

mod error;
mod error_hint;
mod key_set;
mod keys;
mod refresh;
mod remote;
mod sources;

pub use error::{KeysError, KeysErrorKind};
pub(crate) use key_set::{IssuerKeys, KeySet, KeySetId};
pub(crate) use keys::{Keys, VerifyError};
pub(crate) use refresh::RefreshPolicy;
pub(crate) use remote::{KeySource, KeysBounds, PendingKeys, RemoteConfig, WaitBudget};
pub use remote::{KeysStatus, SkippedKey};
pub(crate) use sources::KeySources;
