//! Tests of the parser, alone and against the challenges that this crate writes.

use super::*;
use crate::bearer::{ChallengeWriter, ErrorCode, Scheme, realm_is_valid};

fn parse(text: &str) -> Result<Vec<Challenge>, ChallengeError> {
    Challenge::parse(&HeaderValue::from_bytes(text.as_bytes()).unwrap())
}

/// Renders each challenge as `scheme[token68]{name=value}...`.
fn render(challenges: &[Challenge]) -> String {
    let show = |challenge: &Challenge| {
        let token68 = challenge.token68().map(|text| format!("[{text}]")).unwrap_or_default();
        let params: String = challenge.params().map(|(name, value)| format!("{{{name}={value}}}")).collect();
        format!("{}{token68}{params}", challenge.scheme())
    };
    challenges.iter().map(show).collect::<Vec<_>>().join(" ")
}

#[test]
fn well_formed_challenges_are_parsed_and_written_back() {
    for (text, expected) in [
        ("Bearer", "Bearer"),
        ("Bearer realm=\"a\"", "Bearer{realm=a}"),
        ("Bearer realm=a", "Bearer{realm=a}"),
        ("Bearer   realm=\"\"", "Bearer{realm=}"),
        ("Bearer a=b,c=\"d\" , e=f\t,\tg=h", "Bearer{a=b}{c=d}{e=f}{g=h}"),
        ("Bearer a=\"x, Basic realm=\\\"y\\\\\"", "Bearer{a=x, Basic realm=\"y\\}"),
        ("Bearer a=\"x\ty\"", "Bearer{a=x\ty}"),
        ("Bearer a=\"\u{e9}\"", "Bearer{a=\u{e9}}"),
        ("Negotiate", "Negotiate"),
        ("Negotiate, Basic realm=x, Bearer a=b, c=d", "Negotiate Basic{realm=x} Bearer{a=b}{c=d}"),
        ("Negotiate ,NTLM", "Negotiate NTLM"),
        ("Negotiate YWJj==, Bearer a=b", "Negotiate[YWJj==] Bearer{a=b}"),
        ("Negotiate a=", "Negotiate[a=]"),
        ("Bearer a=b, DPoP algs=\"ES256 EdDSA\", error=c", "Bearer{a=b} DPoP{algs=ES256 EdDSA}{error=c}"),
    ] {
        let challenges = parse(text).unwrap();
        assert_eq!(render(&challenges), expected, "{text}");
        let written: Vec<String> = challenges.iter().map(ToString::to_string).collect();
        assert_eq!(parse(&written.join(", ")).as_deref(), Ok(&challenges[..]), "{text}");
    }
}

#[test]
fn what_recipients_must_tolerate_is_parsed() {
    for (name, text, expected) in [
        ("nothing", "", ""),
        ("empty elements only", " , ,", ""),
        ("an empty element first", ", Bearer a=b", "Bearer{a=b}"),
        ("empty elements between", "Bearer a=b,, ,c=d", "Bearer{a=b}{c=d}"),
        ("an empty element last", "Bearer a=b,", "Bearer{a=b}"),
        ("spaces at both ends", " Bearer a=b ", "Bearer{a=b}"),
        ("a space before the comma", "Bearer , Basic realm=x", "Bearer Basic{realm=x}"),
        ("white space around =", "Bearer a =b, c= \"d\", e\t=\tf", "Bearer{a=b}{c=d}{e=f}"),
        ("a tab after the scheme", "Bearer\ta=b", "Bearer{a=b}"),
    ] {
        assert_eq!(parse(text).as_deref().map(render), Ok(expected.to_owned()), "{name}");
    }
}

#[test]
fn text_that_breaks_the_grammar_is_rejected() {
    use ChallengeError::{DuplicateParam, Malformed, ParamWithoutChallenge, QuoteUnclosed};
    for (text, fault) in [
        ("Bearer a=b c=d", Malformed),
        ("Bearer a=\"b\"c", Malformed),
        ("Bearer a=b, c=", Malformed),
        ("Bearer \"a\"", Malformed),
        ("\"Bearer\" a=b", Malformed),
        ("Bearer abc def", Malformed),
        ("Bearer a=@", Malformed),
        ("Bearer/a=b", Malformed),
        ("B\u{e9}arer a=b", Malformed),
        ("Bearer a=\u{e9}", Malformed),
        ("Bearer a=\"b", QuoteUnclosed),
        ("Bearer a=\"b\\\"", QuoteUnclosed),
        ("Bearer a=\"b\\", QuoteUnclosed),
        ("Bearer a=b, A=c", DuplicateParam),
        ("a=b", ParamWithoutChallenge),
        ("Negotiate abc, a=b", ParamWithoutChallenge),
    ] {
        assert_eq!(parse(text), Err(fault), "{text}");
    }
    let not_utf8 = HeaderValue::from_bytes(b"Bearer a=\"\xff\"").unwrap();
    assert_eq!(Challenge::parse(&not_utf8), Err(ChallengeError::NotUtf8));
}

#[test]
fn several_lines_are_one_list() {
    let mut headers = HeaderMap::new();
    assert_eq!(Challenge::all_in(&headers), Ok(Vec::new()));
    for line in ["Basic realm=x", "Bearer realm=y", "error=invalid_token, Negotiate", ""] {
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(line));
    }
    headers.append("proxy-authenticate", HeaderValue::from_static("Digest realm=z"));
    let challenges = Challenge::all_in(&headers).unwrap();
    assert_eq!(render(&challenges), "Basic{realm=x} Bearer{realm=y}{error=invalid_token} Negotiate");
    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer a=\"b"));
    assert_eq!(Challenge::all_in(&headers), Err(ChallengeError::QuoteUnclosed));
}

#[test]
fn names_of_schemes_and_parameters_are_case_insensitive() {
    let challenges = parse("bearer ReaLM=\"X\", ERROR=e, Error_Description=d, SCOPE=\"a b\"").unwrap();
    let [bearer] = &challenges[..] else { panic!("{challenges:?}") };
    assert_eq!(bearer.scheme(), "bearer");
    assert!(bearer.is_scheme("Bearer") && !bearer.is_scheme("Bear") && !bearer.is_scheme(""));
    assert_eq!((bearer.realm(), bearer.error()), (Some("X"), Some("e")));
    assert_eq!((bearer.error_description(), bearer.scope()), (Some("d"), Some("a b")));
    assert_eq!((bearer.param("reALM"), bearer.param("error_uri"), bearer.token68()), (Some("X"), None, None));
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

#[test]
fn any_text_is_rejected_or_written_back_as_an_equal_list() {
    let mut random = fastrand::Rng::with_seed(9110);
    let parts = ["Bearer", " ", ",", "=", "\"", "\\", "a", "realm", "\t", "b==", "\u{e9}", "Basic "];
    let mut parsed = 0;
    for _ in 0..20_000 {
        let text: String = (0..random.usize(..10)).map(|_| parts[random.usize(..parts.len())]).collect();
        let Ok(challenges) = parse(&text) else { continue };
        let written: Vec<String> = challenges.iter().map(ToString::to_string).collect();
        assert_eq!(parse(&written.join(", ")), Ok(challenges), "{text:?} as {written:?}");
        parsed += 1;
    }
    assert!(parsed > 1000, "{parsed}");
}

fn random_text(random: &mut fastrand::Rng) -> String {
    let alphabet: Vec<char> = "\"\\,= \r\n\t\0\u{7f}\u{e9}\u{1f600}abB1;".chars().collect();
    (0..random.usize(..12)).map(|_| alphabet[random.usize(..alphabet.len())]).collect()
}

fn assert_parses_back(realm: &str, scope: &str) {
    let value = ChallengeWriter::new(Scheme::Bearer)
        .realm(realm)
        .error(ErrorCode::InsufficientScope)
        .error_description("The access token lacks a required scope")
        .scope(scope)
        .header_value();
    let parsed = Challenge::parse(&value).unwrap();
    let [challenge] = &parsed[..] else { panic!("{realm:?} {scope:?}: {parsed:?}") };
    assert_eq!(value, challenge.to_string(), "in its canonical form");
    let printable: String = realm.chars().filter(|c| realm_is_valid(c.encode_utf8(&mut [0; 4]))).collect();
    assert_eq!(challenge.realm(), Some(printable.as_str()));
    assert_eq!(challenge.error(), Some("insufficient_scope"));
    let tokens: Vec<&str> = scope.split(' ').filter(|item| crate::bearer::is_scope_token(item)).collect();
    assert_eq!(challenge.scope().unwrap_or_default(), tokens.join(" "));
    assert_eq!(challenge.params().count(), if tokens.is_empty() { 3 } else { 4 });
}

#[test]
fn max_age_is_a_number_of_seconds() {
    for (value, expected) in [
        ("\"0\"", Some(0)),
        ("300", Some(300)),
        ("\"-1\"", None),
        ("\"+1\"", None),
        ("\"1.5\"", None),
        ("\"\"", None),
        ("\" 1\"", None),
        ("99999999999999999999", None),
    ] {
        let challenges = parse(&format!("Bearer max_age={value}")).unwrap();
        assert_eq!(challenges[0].max_age(), expected.map(Duration::from_secs), "{value}");
    }
}

#[test]
fn acr_values_are_separated_by_any_number_of_spaces() {
    for (value, expected) in [("b a", &["b", "a"][..]), (" b  a ", &["b", "a"]), ("", &[]), (" ", &[])] {
        let challenges = parse(&format!("Bearer acr_values=\"{value}\"")).unwrap();
        assert_eq!(challenges[0].acr_values().collect::<Vec<_>>(), expected, "{value:?}");
    }
}
