//! The token that a user wants: from the command line, and as JSON to the development issuer.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tower_bearer::testing::TestIssuer;

/// A description of a token. An absent member has the default of [`TestIssuer::token`].
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TokenRequest {
    pub(super) audience: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) client: Option<String>,
    pub(super) scope: Option<String>,
    /// The time until the token expires, in seconds.
    pub(super) lifetime_secs: Option<u64>,
    pub(super) expired: bool,
    pub(super) opaque: bool,
    /// More claims. They replace all others.
    pub(super) claims: Map<String, Value>,
}

impl TokenRequest {
    /// Issues the token, with `audience` if the request has none.
    pub(crate) fn issue(self, issuer: &TestIssuer, audience: &str) -> String {
        let mut token = issuer.token(self.audience.as_deref().unwrap_or(audience));
        let texts = [("sub", self.subject), ("client_id", self.client), ("scope", self.scope)];
        for (name, value) in texts {
            if let Some(value) = value {
                token = token.claim(name, value);
            }
        }
        if let Some(seconds) = self.lifetime_secs {
            token = token.lifetime(Duration::from_secs(seconds));
        }
        if self.expired {
            token = token.expired();
        }
        for (name, value) in self.claims {
            token = token.claim(&name, value);
        }
        if self.opaque { token.opaque() } else { token.sign() }
    }
}
