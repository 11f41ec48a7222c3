//! How a test wants the answers of introspection to be: signed or not, and altered.

use std::sync::Arc;

use serde_json::{Map, Value};

pub(super) type Alter = Arc<dyn Fn(&mut Map<String, Value>) + Send + Sync>;
pub(super) type AlterSigned = Arc<dyn Fn(&mut Map<String, Value>, &mut Map<String, Value>) + Send + Sync>;

/// How a test wants the answers.
#[derive(Clone, Default)]
pub(super) struct Alterations {
    pub(super) alter: Option<Alter>,
    pub(super) alter_signed: Option<AlterSigned>,
    /// `None`: as the client asks.
    pub(super) signed: Option<bool>,
}
