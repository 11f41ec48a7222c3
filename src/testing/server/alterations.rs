//! The changes that a test makes to introspection responses.

use std::sync::Arc;

use serde_json::{Map, Value};

/// Changes the members of a response about an active token.
pub(crate) type Alter = Arc<dyn Fn(&mut Map<String, Value>) + Send + Sync>;

/// Changes the header and the claims of a signed response.
pub(crate) type AlterSigned = Arc<dyn Fn(&mut Map<String, Value>, &mut Map<String, Value>) + Send + Sync>;

/// The changes that apply to every introspection response.
#[derive(Clone, Default)]
pub(crate) struct Alterations {
    pub(crate) alter: Option<Alter>,
    pub(crate) alter_signed: Option<AlterSigned>,
    /// Whether responses are signed. `None`: as the `Accept` header of the request says.
    pub(crate) signed: Option<bool>,
}
