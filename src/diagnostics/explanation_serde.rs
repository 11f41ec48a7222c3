//! Serializes an explanation, for programs that read it.

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::explanation::{CheckResult, Explanation, Finding};
use crate::rejection::RejectionKind;

impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_struct("Explanation", 5)?;
        map.serialize_field("accepted", &self.is_accepted())?;
        map.serialize_field("rejection", &self.rejection_kind().map(RejectionKind::as_str))?;
        map.serialize_field("description", &self.description())?;
        map.serialize_field("hint", &self.hint())?;
        map.serialize_field("findings", self.findings())?;
        map.end()
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (result, rejection) = match self.result() {
            CheckResult::Passed => ("passed", None),
            CheckResult::Failed(kind) => ("failed", Some(kind.as_str())),
            CheckResult::NotRun => ("not_run", None),
        };
        let mut map = serializer.serialize_struct("Finding", 5)?;
        map.serialize_field("check", self.check())?;
        map.serialize_field("result", result)?;
        map.serialize_field("rejection", &rejection)?;
        map.serialize_field("presented", self.presented())?;
        map.serialize_field("expected", self.expected())?;
        map.end()
    }
}
