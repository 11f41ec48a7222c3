//! The document behind the page.

use std::collections::BTreeMap;

use serde::Serialize;

use super::kinds;
use super::records::Records;
use super::rejections::RecentRejection;
use crate::middleware::{BearerAuth, StatusDocument};

#[derive(Serialize)]
pub(super) struct Data {
    #[serde(flatten)]
    status: StatusDocument,
    /// One guarantee each.
    bounds: Vec<String>,
    /// The counts of each minute by kind. The current minute is the first.
    minutes: Vec<BTreeMap<&'static str, u64>>,
    /// The seconds of the current minute that have passed.
    current_minute_secs: u64,
    /// The kinds of rejection in `minutes`.
    kinds: BTreeMap<&'static str, Kind>,
    rejections: Vec<RecentRejection>,
}

#[derive(Serialize)]
struct Kind {
    status: u16,
    reason: &'static str,
}

impl Data {
    pub(super) fn of(records: &Records, auth: &BearerAuth) -> Self {
        let current_minute_secs = records.decisions.current_minute_secs();
        let minutes = records.decisions.by_minute();
        let labels = minutes.iter().flat_map(|counts| counts.keys());
        let kinds = labels.filter_map(|label| {
            let (_, kind) = kinds::find(label)?;
            Some((*label, Kind { status: kind.status().as_u16(), reason: kind.row().text }))
        });
        Self {
            status: auth.status_document(),
            bounds: auth.bounds().to_string().lines().map(str::to_owned).collect(),
            kinds: kinds.collect(),
            minutes,
            current_minute_secs,
            rejections: records.rejections.list(),
        }
    }
}
