//! Diagnostics for operators and developers: bounds, status, readiness, and an explanation of one token or
//! request.

mod bounds;
mod explain;
mod explain_claims;
mod explain_request;
mod explain_revocation;
mod explain_route;
mod explain_sender;
mod explanation;
mod explanation_serde;
mod hints;
mod probe;
mod ready;
mod rejection_details;
mod start_check;
mod status;
mod summary;
mod token_facts;

pub use crate::introspection::{IntrospectionError, IntrospectionErrorKind, IntrospectionStatus};
pub use crate::jwks::{KeysError, KeysErrorKind, KeysStatus, SkippedKey};
pub use crate::sync::CircuitState;
pub use bounds::{Bound, Bounds};
pub use explanation::{CheckResult, Explanation, Finding};
pub(crate) use probe::{ReadinessProbe, UnreadyIssuer};
pub use ready::NotReady;
pub(crate) use rejection_details::{fetch_error, uncovered_details};
pub(crate) use start_check::StartCheck;
pub use status::IssuerStatus;
