//! Much of everything: many requests in little memory, and thousands of damaged answers.

use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::{Value, json};
use tokio::time::sleep;
use tower_bearer::time::Clock;

use crate::support::introspected::IssuerIntrospection;
use crate::support::net::Reply;
use crate::support::protected::API;
use crate::support::wire::Act;

const MIB: u64 = 1 << 20;

/// The memory is that of this thread, on which the calls run as well; the requests that the test keeps a log
/// of are in it.
#[test]
fn twenty_thousand_requests_with_a_thousand_tokens_are_a_thousand_calls_and_little_memory() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    let mut calls = 0;
    let held = allocation_counter::measure(|| calls = runtime.block_on(twenty_thousand_requests()));
    println!("20 000 requests with 1 000 tokens in 10 s: {calls} calls, {} saved", 20_000 - calls);
    println!("at most {} KiB held", held.bytes_max / 1024);
    assert_eq!(calls, 1000);
    assert!(held.bytes_max < 4 * MIB, "{} bytes at once", held.bytes_max);
}

async fn twenty_thousand_requests() -> usize {
    let of = IssuerIntrospection::new();
    let tokens: Vec<String> = (0..1000).map(|_| of.opaque()).collect();
    let mut random = fastrand::Rng::with_seed(7662);
    for n in 0..20_000 {
        assert_eq!(of.api.kind(&tokens[random.usize(..tokens.len())]).await, "ok");
        if n % 10 == 0 {
            of.pass(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(of.status().active_tokens(), 1000);
    of.calls()
}

/// Of 2 KB each: if each were kept, there would be 24 MB of them.
#[test]
fn twelve_thousand_made_up_tokens_take_no_memory_and_push_out_no_good_one() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    let held = allocation_counter::measure(|| runtime.block_on(twelve_thousand_made_up_tokens()));
    println!("12 000 made-up tokens of 2 KB: at most {} KiB held", held.bytes_max / 1024);
    assert!(held.bytes_max < 4 * MIB, "{} bytes at once", held.bytes_max);
}

async fn twelve_thousand_made_up_tokens() {
    let of = IssuerIntrospection::new();
    // Without the log of the test, which keeps every question.
    let issuer = of.idp.issuer();
    let asks = crate::support::introspected::introspection().endpoint(of.idp.introspection_url());
    let builder =
        tower_bearer::BearerAuth::builder(API).clock(of.idp.clock()).http_client(of.idp.http_client());
    let auth = builder.issuer(issuer.introspect(asks)).build().unwrap();
    let api = crate::support::protected::Protected::by(&auth);
    let good = of.opaque();
    assert_eq!(api.kind(&good).await, "ok");
    let tail = "x".repeat(2000);
    for n in 0..12_000_u32 {
        let random = n.wrapping_mul(2_654_435_769);
        assert_eq!(api.kind(format!("{random:x}-{tail}")).await, "token_inactive");
        if n % 100 == 0 {
            assert_eq!(api.kind_at_once(&good), "ok");
        }
    }
    let status = auth.status()[0].introspection().unwrap().clone();
    assert_eq!(status.active_tokens(), 1);
    assert!(status.inactive_tokens() <= 10_000, "{}", status.inactive_tokens());
}

/// An answer, read once more and by other means: what counts of it, or nothing if it is none.
struct Told(Vec<(String, Value)>);

impl Told {
    fn read(answer: &[u8]) -> Option<Self> {
        let told: Self = serde_json::from_slice(answer).ok()?;
        let names: HashSet<&String> = told.0.iter().map(|(name, _)| name).collect();
        (names.len() == told.0.len()).then_some(told)
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(its_name, _)| its_name == name).map(|(_, value)| value)
    }

    /// Whether a token may pass of which this is said.
    fn lets_pass(&self, issuer: &str, now: u64) -> bool {
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

impl<'de> Deserialize<'de> for Told {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Told;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Told, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                if members.len() > 10_000 { Err(A::Error::custom("many")) } else { Ok(Told(members)) }
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A change of the kinds that make a reader trip.
fn damage(random: &mut fastrand::Rng, answer: &mut Vec<u8>, good: &[String]) {
    let at = |random: &mut fastrand::Rng, answer: &[u8]| random.usize(..answer.len().max(1));
    match random.u8(..9) {
        0 if !answer.is_empty() => {
            let place = at(random, answer);
            answer[place] ^= 1 << random.u8(..8);
        }
        1 if !answer.is_empty() => {
            let place = at(random, answer);
            answer[place] = random.u8(..);
        }
        2 => answer.truncate(at(random, answer)),
        3 if !answer.is_empty() => {
            answer.remove(at(random, answer));
        }
        // A member of a good answer once more, in front or behind.
        4 if answer.len() > 2 => {
            let member = random.choice(good).unwrap();
            let text = String::from_utf8_lossy(answer).into_owned();
            let text = match random.bool() {
                true => text.replacen('{', &format!("{{{member},"), 1),
                false => {
                    text.strip_suffix('}').map_or_else(|| text.clone(), |head| format!("{head},{member}}}"))
                }
            };
            *answer = text.into_bytes();
        }
        // The same with its name in other letters.
        5 => {
            let text = String::from_utf8_lossy(answer).into_owned();
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
            *answer = text.replacen(from, to, 1).into_bytes();
        }
        6 => {
            let place = at(random, answer);
            let piece: &[u8] = random
                .choice([&b"\""[..], b"{", b"}", b"[", b",", b":", b"\\", b"\0", b"\xff", b"true", b"null"])
                .unwrap();
            let tail = answer.split_off(place.min(answer.len()));
            answer.extend_from_slice(piece);
            answer.extend_from_slice(&tail);
        }
        7 => {
            let (from, to) = (at(random, answer), at(random, answer));
            let piece = answer.get(from.min(to)..from.max(to)).unwrap_or_default().to_vec();
            answer.extend_from_slice(&piece);
        }
        _ => {
            let whole = answer.clone();
            answer.extend_from_slice(&whole);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_answer_lets_nobody_pass_unless_it_says_so_as_a_whole() {
    let of = IssuerIntrospection::new();
    let now = of.idp.clock().now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let issuer = of.idp.identifier();
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
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..12_000_u64 {
        let mut random = fastrand::Rng::with_seed(seed);
        // Every other one is good.
        let original = if random.bool() { &good } else { random.choice(&originals).unwrap() };
        let mut answer = original.to_string().into_bytes();
        for _ in 0..random.u8(1..4) {
            damage(&mut random, &mut answer, &members);
        }
        of.wire.always(Act::Instead(Reply::body(answer.clone())));
        let said = of.api.get(format!("token-{seed}")).await;
        let shown = String::from_utf8_lossy(&answer).into_owned();
        if said.kind() == "ok" {
            let told =
                Told::read(&answer).unwrap_or_else(|| panic!("{seed}: accepted what is no answer: {shown}"));
            assert!(told.lets_pass(issuer, now), "{seed}: accepted {shown}");
            let subject = told.get("sub").and_then(Value::as_str).unwrap_or_default();
            assert_eq!(said.token().unwrap().subject(), Some(subject), "{seed}: {shown}");
            accepted += 1;
        } else {
            refused += 1;
        }
        if of.circuit() != tower_bearer::diagnostics::CircuitState::Closed {
            sleep(Duration::from_secs(10)).await;
        }
    }
    println!("12 000 damaged answers: {accepted} still said yes and were believed, {refused} refused");
    assert!(accepted > 300 && refused > 6000, "{accepted} {refused}");
}
