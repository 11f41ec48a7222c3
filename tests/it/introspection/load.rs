//! Many requests in bounded memory, and thousands of damaged responses.

use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::{Value, json};
use tokio::time::sleep;
use tower_bearer::BearerAuth;
use tower_bearer::diagnostics::CircuitState;
use tower_bearer::time::Clock;

use super::INACTIVE;
use crate::support::figure::figure;
use crate::support::introspected::{IssuerIntrospection, introspection};
use crate::support::net::{Act, Reply};
use crate::support::protected::{ACCEPTED, API, Protected};

const MIB: u64 = 1 << 20;

/// Measures the memory of this thread, which runs the calls too. The request log of the test is included.
#[test]
fn ten_thousand_requests_with_a_thousand_tokens_make_a_thousand_calls_in_bounded_memory() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    let mut calls = 0;
    let held = allocation_counter::measure(|| calls = runtime.block_on(ten_thousand_requests()));
    let requests = "10 000 requests with 1000 tokens in 10 s";
    figure("memory", format_args!("introspection requests of {requests}"), calls, 1000);
    figure("memory", format_args!("bytes held at most during {requests}"), held.bytes_max, "less than 4 MiB");
    assert_eq!(calls, 1000);
    assert!(held.bytes_max < 4 * MIB, "{} bytes at once", held.bytes_max);
}

async fn ten_thousand_requests() -> usize {
    let setup = IssuerIntrospection::new();
    let tokens: Vec<String> = (0..1000).map(|_| setup.opaque()).collect();
    let mut random = fastrand::Rng::with_seed(7662);
    for n in 0..10_000 {
        assert_eq!(setup.api.outcome(&tokens[random.usize(..tokens.len())]).await, ACCEPTED);
        if n % 10 == 0 {
            setup.pass(Duration::from_millis(10)).await;
        }
    }
    assert_eq!(setup.status().active_tokens(), 1000);
    setup.calls()
}

/// Each token has 2 KB, so a cache of all tokens would take 4 MB.
#[test]
fn two_thousand_unknown_tokens_use_bounded_memory_and_evict_no_active_token() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    let held = allocation_counter::measure(|| runtime.block_on(two_thousand_unknown_tokens()));
    let quantity = "bytes held at most during 2000 unknown tokens of 2 KB";
    figure("memory", quantity, held.bytes_max, "less than 2 MiB");
    assert!(held.bytes_max < 2 * MIB, "{} bytes at once", held.bytes_max);
}

async fn two_thousand_unknown_tokens() {
    let setup = IssuerIntrospection::new();
    // Without `Net`, which records every request.
    let issuer = setup.idp.issuer();
    let introspection = introspection().endpoint(setup.idp.introspection_url());
    let builder = BearerAuth::builder(API)
        .max_cached_responses(1000)
        .clock(setup.idp.clock())
        .http_client(setup.idp.http_client());
    let auth = builder.issuer(issuer.introspect(introspection)).build().unwrap();
    let api = Protected::by(&auth);
    let good = setup.opaque();
    assert_eq!(api.outcome(&good).await, ACCEPTED);
    let tail = "x".repeat(2000);
    for n in 0..2_000_u32 {
        let random = n.wrapping_mul(2_654_435_769);
        assert_eq!(api.outcome(format!("{random:x}-{tail}")).await, INACTIVE);
        if n % 100 == 0 {
            assert_eq!(api.outcome_at_once(&good), ACCEPTED);
        }
    }
    let status = auth.status()[0].introspection().unwrap().clone();
    assert_eq!(status.active_tokens(), 1);
    assert!(status.inactive_tokens() <= 1000, "{}", status.inactive_tokens());
}

/// A response, parsed independently of the crate.
struct Members(Vec<(String, Value)>);

impl Members {
    /// `None` if the response is not one JSON object with unique names.
    fn read(response: &[u8]) -> Option<Self> {
        let members: Self = serde_json::from_slice(response).ok()?;
        let names: HashSet<&String> = members.0.iter().map(|(name, _)| name).collect();
        (names.len() == members.0.len()).then_some(members)
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// Whether a token with this response may be accepted.
    fn is_acceptable(&self, issuer: &str, now: u64) -> bool {
        let is_ours =
            |aud: &Value| aud == API || aud.as_array().is_some_and(|all| all.iter().any(|one| one == API));
        self.get("active") == Some(&Value::Bool(true))
            && self.get("aud").is_some_and(is_ours)
            && self.get("exp").and_then(Value::as_f64).is_some_and(|exp| exp > now as f64 - 61.0)
            && self.get("nbf").is_none_or(|nbf| nbf.as_f64().is_some_and(|nbf| nbf < now as f64 + 61.0))
            && self.get("iss").is_none_or(|iss| iss == issuer)
            && self.get("token_type").is_none_or(|kind| {
                kind.as_str().is_some_and(|kind| {
                    kind.eq_ignore_ascii_case("bearer") || kind.eq_ignore_ascii_case("access_token")
                })
            })
            && self.get("cnf").is_none()
            && self.get("sub").is_none_or(Value::is_string)
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                if members.len() > 10_000 {
                    Err(A::Error::custom("too many members"))
                } else {
                    Ok(Members(members))
                }
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// Applies one random change that a parser could handle wrongly.
fn damage(random: &mut fastrand::Rng, response: &mut Vec<u8>, good: &[String]) {
    let at = |random: &mut fastrand::Rng, response: &[u8]| random.usize(..response.len().max(1));
    match random.u8(..9) {
        0 if !response.is_empty() => {
            let place = at(random, response);
            response[place] ^= 1 << random.u8(..8);
        }
        1 if !response.is_empty() => {
            let place = at(random, response);
            response[place] = random.u8(..);
        }
        2 => response.truncate(at(random, response)),
        3 if !response.is_empty() => {
            response.remove(at(random, response));
        }
        // Repeats a member of a valid response, at the start or the end.
        4 if response.len() > 2 => {
            let member = random.choice(good).unwrap();
            let text = String::from_utf8_lossy(response).into_owned();
            let text = match random.bool() {
                true => text.replacen('{', &format!("{{{member},"), 1),
                false => {
                    text.strip_suffix('}').map_or_else(|| text.clone(), |head| format!("{head},{member}}}"))
                }
            };
            *response = text.into_bytes();
        }
        // Changes the spelling of a name or a value.
        5 => {
            let text = String::from_utf8_lossy(response).into_owned();
            let (from, to) = *random
                .choice(
                    [
                        ("\"active\"", "\"\\u0061ctive\""),
                        ("\"active\"", "\"Active\""),
                        ("\"aud\"", "\"aud\\u0000\""),
                        ("false", "true"),
                        ("true", "\"true\""),
                        ("true", "1"),
                        ("true", "[true]"),
                        ("true", "null"),
                    ]
                    .iter(),
                )
                .unwrap();
            *response = text.replacen(from, to, 1).into_bytes();
        }
        6 => {
            let place = at(random, response);
            let piece: &[u8] = random
                .choice([&b"\""[..], b"{", b"}", b"[", b",", b":", b"\\", b"\0", b"\xff", b"true", b"null"])
                .unwrap();
            let tail = response.split_off(place.min(response.len()));
            response.extend_from_slice(piece);
            response.extend_from_slice(&tail);
        }
        7 => {
            let (from, to) = (at(random, response), at(random, response));
            let piece = response.get(from.min(to)..from.max(to)).unwrap_or_default().to_vec();
            response.extend_from_slice(&piece);
        }
        _ => {
            let whole = response.clone();
            response.extend_from_slice(&whole);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_response_is_accepted_only_if_it_still_passes_every_check() {
    let setup = IssuerIntrospection::new();
    let now = setup.idp.clock().now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let issuer = setup.idp.identifier();
    let good = json!({"active": true, "iss": issuer, "aud": API, "sub": "alice", "exp": now + 300,
        "iat": now, "scope": "a b", "client_id": "app", "token_type": "Bearer", "username": "alice"});
    let members: Vec<String> =
        good.as_object().unwrap().iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    let with = |name: &str, value: Value| crate::support::keys::with(good.clone(), name, value);
    let originals = [
        good.clone(),
        with("active", json!(false)),
        with("aud", json!("https://elsewhere.example.com")),
        with("exp", json!(now - 3600)),
        with("iss", json!("https://elsewhere.example.com")),
        with("cnf", json!({"jkt": "abc"})),
        with("token_type", json!("DPoP")),
        json!({"active": false}),
    ];
    let (mut accepted, mut rejected) = (0, 0);
    for seed in 0..4_000_u64 {
        let mut random = fastrand::Rng::with_seed(seed);
        // Half of the responses start from the valid one.
        let original = if random.bool() { &good } else { random.choice(&originals).unwrap() };
        let mut response = original.to_string().into_bytes();
        for _ in 0..random.u8(1..4) {
            damage(&mut random, &mut response, &members);
        }
        setup.net.always(Act::Instead(Reply::body(response.clone())));
        let seen = setup.api.get(format!("token-{seed}")).await;
        let shown = String::from_utf8_lossy(&response).into_owned();
        if seen.outcome() == ACCEPTED {
            let members = Members::read(&response)
                .unwrap_or_else(|| panic!("{seed}: accepted an invalid response: {shown}"));
            assert!(members.is_acceptable(issuer, now), "{seed}: accepted {shown}");
            let subject = members.get("sub").and_then(Value::as_str).filter(|subject| !subject.is_empty());
            assert_eq!(seen.token().unwrap().subject(), subject, "{seed}: {shown}");
            accepted += 1;
        } else {
            rejected += 1;
        }
        if setup.circuit() != CircuitState::Closed {
            sleep(Duration::from_secs(10)).await;
        }
    }
    figure("damaged", "accepted of 4000 damaged responses", accepted, "more than 100");
    figure("damaged", "rejected of 4000 damaged responses", rejected, "more than 2000");
    assert!(accepted > 100 && rejected > 2000, "{accepted} {rejected}");
}
