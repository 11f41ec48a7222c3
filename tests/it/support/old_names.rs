//! The names that `tests/it/introspection*` still uses. This file goes away with their last use.

use super::introspected::{IssuerIntrospection, StillActiveRoute, run_pending_tasks};
use super::log::Log;
use super::net::{Net, Sent};
use super::protected::{ApiResponse, ISSUER, Outcome, Protected};

pub(crate) use super::net::Sent as Asked;
pub(crate) use super::protected::ApiResponse as Answer;

pub(crate) const LOGIN: &str = ISSUER;

fn label(outcome: Outcome) -> String {
    outcome.map_or_else(|kind| kind.as_str().to_owned(), |()| "ok".to_owned())
}

impl ApiResponse {
    pub(crate) fn kind(&self) -> String {
        label(self.outcome())
    }
}

impl Protected {
    pub(crate) async fn kind(&self, token: impl AsRef<str>) -> String {
        label(self.outcome(token).await)
    }

    pub(crate) fn kind_at_once(&self, token: impl AsRef<str>) -> String {
        label(self.outcome_at_once(token))
    }
}

impl IssuerIntrospection {
    pub(crate) async fn kind_of_new(&self) -> String {
        label(self.outcome_of_new().await)
    }

    pub(crate) fn asking_now(&self) -> StillActiveRoute {
        self.still_active_route()
    }
}

impl StillActiveRoute {
    pub(crate) async fn kind(&self, token: impl AsRef<str>) -> String {
        label(self.outcome(token).await)
    }
}

impl Net {
    pub(crate) fn asked(&self) -> Vec<Sent> {
        self.sent()
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.max_in_flight()
    }
}

pub(crate) async fn settle() {
    run_pending_tasks().await;
}

impl Log {
    pub(crate) fn capture() -> (Self, ()) {
        (Self::start(), ())
    }
}
