//! Tokens as real authorization servers write them, re-signed with test keys.
//!
//! `tests/data/providers/` has the documents of each profile: recorded from the provider's documentation, not
//! run. `shapes` has tokens of more servers.

mod entra;
mod recorded;
mod shapes;

use std::time::UNIX_EPOCH;

use serde_json::{Map, Value, json};
use tower_bearer::time::Clock;
use tower_bearer::{Algorithm, BearerAuth, Issuer};

use crate::support::keys::{clock, jwk, token};
use crate::support::net::{Act, Net, Reply};
use crate::support::protected::{ApiResponse, Protected};

/// A token before it is signed.
#[derive(Clone)]
struct Unsigned {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Unsigned {
    fn new(header: &Value, claims: &Value) -> Self {
        let members = |value: &Value| value.as_object().unwrap().clone();
        Self { header: members(header), claims: members(claims) }
    }

    /// The same with one claim replaced, or removed if the value is `null`.
    fn with(mut self, name: &str, value: Value) -> Self {
        match value {
            Value::Null => self.claims.remove(name),
            value => self.claims.insert(name.to_owned(), value),
        };
        self
    }

    /// Signs it with the test key of its algorithm. It is valid for an hour from now, as far as it has dates.
    fn sign(&self) -> String {
        let now = clock().now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = self.claims.clone();
        for (name, date) in [("iat", now), ("nbf", now), ("auth_time", now), ("exp", now + 3600)] {
            claims
                .get_mut(name)
                .filter(|date| date.is_number())
                .into_iter()
                .for_each(|old| *old = json!(date));
        }
        let algorithm = self.algorithm();
        let unsigned =
            ["typ", "kid"].iter().fold(token(algorithm), |token, name| token.header(name, Value::Null));
        let members = self.header.iter().filter(|(name, _)| *name != "alg");
        members
            .fold(unsigned, |token, (name, value)| token.header(name, value.clone()))
            .sign_claims(Value::Object(claims).to_string())
    }

    fn algorithm(&self) -> Algorithm {
        let name = self.header["alg"].as_str().unwrap();
        let all = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];
        all.into_iter().find(|algorithm| algorithm.as_str() == name).expect(name)
    }
}

/// An API that trusts `issuer`, whose documents `reply` gives by their URL.
fn api(
    audience: &str,
    issuer: Issuer,
    reply: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> Protected {
    let net = Net::default();
    net.script(move |sent| match reply(&sent.url) {
        Some(body) => Act::Instead(Reply::body(body)),
        None => Act::Instead(Reply::status(404)),
    });
    let auth = BearerAuth::builder(audience).clock(clock()).http_client(net).issuer(issuer).build();
    Protected::by(&auth.unwrap())
}

/// A key with the members of `shape` and the numbers of the test key for `algorithm`.
fn published(shape: &Value, algorithm: Algorithm) -> Value {
    let mut key = shape.clone();
    let own = jwk(algorithm);
    for name in ["kty", "crv", "n", "e", "x", "y"] {
        own.get(name).into_iter().for_each(|value| key[name] = value.clone());
    }
    key
}

/// The client, the roles and the scopes that the handler sees.
fn seen(response: &ApiResponse, name: &str) -> (Option<String>, Vec<String>, String) {
    let token = response.assert_accepted(name);
    let roles = token.roles().map(str::to_owned).collect();
    (token.client_id().map(str::to_owned), roles, token.scopes().to_string())
}
