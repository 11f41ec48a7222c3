//! Tests of the parser, alone and against the challenges that this crate writes.

use super::*;
use crate::bearer::{Challenge, ErrorCode, realm_is_valid};

fn parse(text: &str) -> Result<Vec<ParsedChallenge>, ChallengeSyntax> {
    parse_challenges(&HeaderValue::from_bytes(text.as_bytes()).unwrap())
}

/// Renders each challenge as `scheme[token68]{name=value}...`.
fn render(challenges: &[ParsedChallenge]) -> String {
    let show = |challenge: &ParsedChallenge| {
        let token68 = challenge.token68().map(|text| format!("[{text}]")).unwrap_or_default();
        let params: String = challenge.params().map(|(name, value)| format!("{{{name}={value}}}")).collect();
        format!("{}{token68}{params}", challenge.scheme())
    };
    challenges.iter().map(show).collect::<Vec<_>>().join(" ")
}

#[test]
fn well_formed_challenges_are_parsed() {
    for (text, expected) in [
        ("Bearer", "Bearer"),
        ("Bearer realm=\"a\"", "Bearer{realm=a}"),
        ("Bearer realm=a", "Bearer{realm=a}"),
        ("Bearer   realm=\"\"", "Bearer{realm=}"),
        ("Bearer a=b,c=\"d\" , e=f\t,\tg=h", "Bearer{a=b}{c=d}{e=f}{g=h}"),
        ("Bearer a=\"x, Basic realm=\\\"y\\\\\"", "Bearer{a=x, Basic realm=\"y\\}"),
        ("Bearer a=\"x\ty\"", "Bearer{a=x\ty}"),
        ("Negotiate", "Negotiate"),
        ("Negotiate, Basic realm=x, Bearer a=b, c=d", "Negotiate Basic{realm=x} Bearer{a=b}{c=d}"),
        ("Negotiate ,NTLM", "Negotiate NTLM"),
        ("Negotiate YWJj==, Bearer a=b", "Negotiate[YWJj==] Bearer{a=b}"),
        ("Negotiate a=", "Negotiate[a=]"),
        ("Bearer a=b, DPoP algs=\"ES256 EdDSA\", error=c", "Bearer{a=b} DPoP{algs=ES256 EdDSA}{error=c}"),
    ] {
        assert_eq!(parse(text).as_deref().map(render), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn text_that_breaks_the_grammar_is_rejected() {
    use ChallengeSyntax::{Malformed, NotAscii, ParamTwice, ParamWithoutChallenge, QuoteUnclosed};
    for (text, fault) in [
        ("", Malformed),
        (" Bearer a=b", Malformed),
        ("Bearer ", Malformed),
        ("Bearer a=b ", Malformed),
        ("Bearer\ta=b", Malformed),
        ("Bearer a=b c=d", Malformed),
        ("Bearer a =b", Malformed),
        ("Bearer a= b", Malformed),
        ("Bearer a=\"b\"c", Malformed),
        ("Bearer a=b,", Malformed),
        ("Bearer a=b,,c=d", Malformed),
        (", Bearer a=b", Malformed),
        ("Bearer a=b, c=", Malformed),
        ("Bearer \"a\"", Malformed),
        ("\"Bearer\" a=b", Malformed),
        ("Bearer abc def", Malformed),
        ("Bearer a=@", Malformed),
        ("Bearer a=\"b", QuoteUnclosed),
        ("Bearer a=\"b\\\"", QuoteUnclosed),
        ("Bearer a=\"b\\", QuoteUnclosed),
        ("Bearer a=b, A=c", ParamTwice),
        ("a=b", ParamWithoutChallenge),
        ("Negotiate abc, a=b", ParamWithoutChallenge),
        ("Bearer a=\"\u{e9}\"", NotAscii),
    ] {
        assert_eq!(parse(text), Err(fault), "{text}");
    }
    let not_utf8 = HeaderValue::from_bytes(b"Bearer a=\"\xff\"").unwrap();
    assert_eq!(parse_challenges(&not_utf8), Err(NotAscii));
}

#[test]
fn parameter_names_are_case_insensitive() {
    let challenges = parse("bearer ReaLM=\"X\"").unwrap();
    assert_eq!(challenges[0].scheme(), "bearer");
    assert_eq!(challenges[0].param("realm"), Some("X"));
    assert_eq!(challenges[0].param("scope"), None);
}

#[test]
fn challenges_of_this_crate_parse_back_with_any_realm() {
    for realm in [
        "api",
        "\"",
        "\\",
        "\\\"",
        "a\\",
        "\", error=\"x",
        "x\", Basic realm=\"y",
        ",",
        " = , ",
        "https://api.example.com/a?b=c",
    ] {
        assert_parses_back(realm, "a:b https://c/.default");
    }
}

#[test]
fn challenges_of_this_crate_parse_back_for_ten_thousand_random_texts() {
    let mut random = fastrand::Rng::with_seed(6750);
    for _ in 0..10_000 {
        let [realm, scope] = [(); 2].map(|()| random_text(&mut random));
        assert_parses_back(&realm, &scope);
    }
}

fn random_text(random: &mut fastrand::Rng) -> String {
    let alphabet: Vec<char> = "\"\\,= \r\n\t\0\u{7f}\u{e9}\u{1f600}abB1;".chars().collect();
    (0..random.usize(..12)).map(|_| alphabet[random.usize(..alphabet.len())]).collect()
}

fn assert_parses_back(realm: &str, scope: &str) {
    let challenge = Challenge::new("Bearer")
        .realm(realm)
        .error(ErrorCode::InsufficientScope)
        .error_description("The access token lacks a required scope")
        .scope(scope);
    let parsed = parse_challenges(&challenge.header_value()).unwrap();
    assert_eq!(parsed.len(), 1, "{realm:?} {scope:?}");
    let printable: String = realm.chars().filter(|c| realm_is_valid(c.encode_utf8(&mut [0; 4]))).collect();
    assert_eq!(parsed[0].param("realm"), Some(printable.as_str()));
    assert_eq!(parsed[0].param("error"), Some("insufficient_scope"));
    let tokens: Vec<&str> = scope.split(' ').filter(|item| crate::bearer::is_scope_token(item)).collect();
    assert_eq!(parsed[0].param("scope").unwrap_or_default(), tokens.join(" "));
    assert_eq!(parsed[0].params().count(), if tokens.is_empty() { 3 } else { 4 });
}
