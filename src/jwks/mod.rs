//! The keys of an issuer (RFC 7517 section 5): read, kept fresh, and at hand without waiting.
//!
//! `refresh` decides when to fetch and what a miss is answered with; it knows neither clock nor
//! network. `remote` does what it decides.

mod error;
mod key_set;
mod keys;
mod refresh;
mod remote;
mod verification;

pub use error::{KeysError, KeysErrorKind};
pub(crate) use key_set::{KeySet, KeySetId};
pub(crate) use keys::Keys;
pub(crate) use refresh::RefreshPolicy;
pub(crate) use remote::{KeySource, KeysBounds, PendingKeys, RemoteConfig, RemoteKeys, WaitBudget};
pub use remote::{KeysStatus, SkippedKey};
pub(crate) use verification::VerifyError;
