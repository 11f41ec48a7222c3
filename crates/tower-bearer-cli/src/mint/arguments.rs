//! The command line of `tower-bearer mint`.

use std::path::PathBuf;

use serde_json::Value;

use super::token_request::TokenRequest;

const EXAMPLES: &str = "\
Examples:
  tower-bearer mint
  tower-bearer mint --sub alice --scope \"orders:read orders:write\" --lifetime 10m
  tower-bearer mint --expired | tower-bearer explain --issuer http://127.0.0.1:9000 \\
      --audience https://api.example.com
  curl -H \"Authorization: Bearer $(tower-bearer mint --claim 'roles=[\"admin\"]')\" http://127.0.0.1:8080/";

/// Print an access token of the development issuer
///
/// Asks the running `dev-issuer`. With --keys, signs the token itself with the key of the issuer, which need
/// not run. Prints the token and nothing else.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Identifier of the development issuer
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9000")]
    pub(super) issuer: String,

    /// Audience. Default: the one of the development issuer
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,

    /// Subject. Default: user
    #[arg(long, value_name = "SUBJECT")]
    sub: Option<String>,

    /// Client that the token was issued to. Default: client
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,

    /// Scopes, space-delimited. Default: none
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,

    /// Time until the token expires, such as 90s, 10m, 8h or 7d. Default: 5m
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    lifetime: Option<u64>,

    /// Let the token have expired one hour ago
    #[arg(long, conflicts_with = "lifetime")]
    expired: bool,

    /// Any claim. VALUE is JSON, or else a text. May be repeated; replaces other claims
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, Value)>,

    /// Issue an opaque token, which only introspection can validate
    #[arg(long, conflicts_with = "keys")]
    opaque: bool,

    /// Sign with the key in this file of `dev-issuer --keys`. Introspection does not know such tokens
    #[arg(long, value_name = "FILE", requires = "audience")]
    pub(super) keys: Option<PathBuf>,
}

impl Arguments {
    pub(super) fn token_request(&self) -> TokenRequest {
        TokenRequest {
            audience: self.audience.clone(),
            subject: self.sub.clone(),
            client: self.client.clone(),
            scope: self.scope.clone(),
            lifetime_secs: self.lifetime,
            expired: self.expired,
            opaque: self.opaque,
            claims: self.claims.iter().cloned().collect(),
        }
    }
}

/// Parses a number with a unit.
fn seconds(text: &str) -> Result<u64, &'static str> {
    const FORM: &str = "write a number and s, m, h or d, such as 10m";

    let unit = text.chars().next_back().ok_or(FORM)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86400,
        _ => return Err(FORM),
    };
    let number = text.strip_suffix(unit).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    let number: u64 = number.and_then(|number| number.parse().ok()).ok_or(FORM)?;
    number.checked_mul(factor).ok_or("the time is too long")
}

/// Parses `name=value`.
fn claim(text: &str) -> Result<(String, Value), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            let json = serde_json::from_str(value);
            Ok((name.to_owned(), json.unwrap_or_else(|_| Value::from(value))))
        }
        _ => Err("write NAME=VALUE, such as roles=[\"admin\"]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_is_a_number_with_a_unit() {
        for malformed in ["", "10", "m", "-1m", "+1m", "1.5h", "10 m", "10ms", "10M", "1\u{e9}"] {
            assert!(seconds(malformed).is_err(), "{malformed}");
        }
        assert!(seconds("18446744073709551615d").is_err());
        for (text, expected) in [("0s", 0), ("90s", 90), ("10m", 600), ("8h", 28800), ("7d", 604_800)] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn the_value_of_a_claim_is_json_or_a_text() {
        assert!(claim("roles").is_err() && claim("=admin").is_err());
        for (text, expected) in [
            ("a=1", json!(1)),
            ("a=true", json!(true)),
            ("a=[\"x\"]", json!(["x"])),
            ("a=\"1\"", json!("1")),
            ("a=b=c", json!("b=c")),
            ("a=", json!("")),
            ("a={broken", json!("{broken")),
        ] {
            assert_eq!(claim(text), Ok(("a".to_owned(), expected)), "{text}");
        }
    }
}
