//! The command line of `tower-bearer explain`.

use std::path::PathBuf;

use super::color::Color;

const EXAMPLES: &str = "\
Examples:
  tower-bearer explain --issuer https://login.example.com --audience https://api.example.com < token.txt
  tower-bearer explain --config tower-bearer.toml --scope orders:read < token.txt
  tower-bearer mint --sub alice | tower-bearer explain --issuer http://127.0.0.1:9000 \\
      --audience https://api.example.com --json

Exit status:
  0  the token is accepted
  1  the token is rejected
  2  wrong usage, or undecided: the keys or the introspection endpoint are unavailable";

/// Run every check on an access token and say why it is accepted or rejected
///
/// Reads the token from standard input. Runs all checks that a request with this token would pass through,
/// without stopping at the first that fails. The output shows issuer, audience, dates and the like, and never
/// the token itself.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Issuer identifier, exactly as `iss` in its tokens. Its keys are found through its metadata
    #[arg(long, value_name = "URL", required_unless_present = "config")]
    pub(super) issuer: Option<String>,

    /// Audience of your API, as `aud` in its tokens. Repeat it to accept several
    #[arg(long, value_name = "AUDIENCE", required_unless_present = "config")]
    pub(super) audience: Vec<String>,

    /// URL of the key set, for an issuer without metadata
    #[arg(long, value_name = "URL", requires = "issuer")]
    pub(super) jwks_url: Option<String>,

    /// Client that introspects opaque tokens. Its secret is read from TOWER_BEARER_CLIENT_SECRET
    #[arg(long, value_name = "CLIENT_ID", requires = "issuer")]
    pub(super) introspection_client: Option<String>,

    /// Introspect JWTs, too: whether the token was revoked
    #[arg(long, requires = "introspection_client")]
    pub(super) introspect_jwts: bool,

    /// Scopes that the route requires, space-delimited. May be repeated; all are required
    #[arg(long, value_name = "SCOPES")]
    scope: Vec<String>,

    /// TOML file with a table [auth], as for `forward-auth`, instead of --issuer and --audience
    #[arg(long, value_name = "FILE", conflicts_with_all = ["issuer", "audience"])]
    pub(super) config: Option<PathBuf>,

    /// Print JSON. Its members stay the same between releases; new ones may be added
    #[arg(long)]
    pub(super) json: bool,

    /// When to use colors. `auto`: on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    pub(super) color: Color,
}

impl Arguments {
    /// The required scopes, each by itself.
    pub(super) fn scopes(&self) -> Vec<&str> {
        self.scope.iter().flat_map(|scopes| scopes.split_ascii_whitespace()).collect()
    }
}
