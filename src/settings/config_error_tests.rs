//! Tests of the texts of `ConfigError`.

use super::*;

#[test]
fn each_line_states_the_problem_and_the_hint() {
    let issuer = || "https://login.example.com".to_owned();
    for (problem, line) in [
        (
            ConfigProblem::NoAlgorithm { issuer: issuer() },
            "issuer \"https://login.example.com\" allows no algorithm; hint: name at least one in \
             .algorithms([...]), or remove the setting",
        ),
        (
            ConfigProblem::IntrospectionUnusable { issuer: issuer(), reason: "it is", hint: "do" },
            "the introspection of issuer \"https://login.example.com\" is unusable: it is; hint: do",
        ),
    ] {
        assert_eq!(problem.to_string(), line);
    }
    let problems = vec![ConfigProblem::NoIssuer, ConfigProblem::Zero { setting: "jwks_ttl" }];
    let text = ConfigError::unless_none(problems).unwrap_err().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines.iter().skip(1).all(|line| line.contains("; hint: ")), "{text}");
}

#[test]
fn debug_prints_the_lines_of_display() {
    let problems = vec![ConfigProblem::NoIssuer, ConfigProblem::AudienceEmpty];
    let error = ConfigError::unless_none(problems).unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    assert_eq!(format!("{error:#?}"), error.to_string());
    assert_eq!(format!("{:?}", error.problems()), "[NoIssuer, AudienceEmpty]");
}

/// One problem of each kind.
fn all_problems() -> Vec<ConfigProblem> {
    use ConfigProblem as Problem;
    let issuer = || "https://login.example.com".to_owned();
    let (url, host) = (|| "https://keys.example.com".to_owned(), "keys.example.com".to_owned());
    vec![
        Problem::NoIssuer,
        Problem::IssuerRepeated { issuer: issuer() },
        Problem::IssuerUnusable { issuer: issuer(), reason: "has a query" },
        Problem::IssuerOfManyTenants { issuer: issuer() },
        Problem::EndpointHostsUnusable { issuer: issuer(), host, reason: "is no host" },
        Problem::EndpointHostsWithoutEffect { issuer: issuer() },
        Problem::JwksUrlUnusable { issuer: issuer(), url: url(), reason: "is not https" },
        Problem::JwksUnusable { issuer: issuer(), reason: "no key".to_owned() },
        Problem::NoAlgorithm { issuer: issuer() },
        Problem::AudienceEmpty,
        Problem::ClaimNameEmpty { issuer: issuer(), setting: "scope_claims" },
        Problem::NoKeysNorIntrospection { issuer: issuer() },
        Problem::IntrospectionUnusable { issuer: issuer(), reason: "no client", hint: "name the client" },
        Problem::SettingNeedsKeys { issuer: issuer(), setting: "seed_jwks" },
        Problem::IntrospectionUrlUnusable { issuer: issuer(), url: url(), reason: "is not https" },
        Problem::OpaqueTokensAmbiguous { issuers: vec![issuer()] },
        Problem::NoClient { issuer: issuer() },
        Problem::LeewayTooLong { leeway: Duration::from_secs(301) },
        Problem::RealmUnusable { realm: String::new() },
        Problem::Zero { setting: "jwks_ttl" },
        Problem::TokenSourceRepeated { source: "query".to_owned() },
        Problem::TokenSourceUnusable { source: "cookie".to_owned(), reason: "is empty".to_owned() },
        Problem::NoHttpClient,
        Problem::HttpClientUnusable { reason: "no root certificates".to_owned() },
        Problem::IssuerPatternUnusable { pattern: issuer(), reason: "has no tenant" },
        Problem::DefaultAlgorithmNotAllowed { issuer: issuer(), algorithm: Algorithm::ES256 },
        Problem::AudienceNotAccepted { audience: issuer() },
        Problem::AudienceUnusable { audience: "api ".to_owned() },
        Problem::ClaimUnusable {
            issuer: issuer(),
            setting: "role_claims",
            name: "roles".to_owned(),
            reason: "is no JSON Pointer",
            hint: "begin it with a slash",
        },
        Problem::SettingUnusable {
            setting: "leeway".to_owned(),
            reason: "is no number".to_owned(),
            hint: "write a number".to_owned(),
        },
        Problem::CallersUnrestricted { issuer: issuer() },
        Problem::SettingNeedsFetchedKeys { issuer: issuer(), setting: "seed_jwks" },
        Problem::TenantNotAnId { issuer: issuer() },
        Problem::SharedMetadataUnusable { issuer: issuer(), url: url(), reason: "is not https" },
        Problem::ProfileUnusable {
            profile: "auth0",
            argument: issuer(),
            reason: "is a URL",
            hint: "name the domain",
        },
        Problem::ResourceUnusable { resource: url(), reason: "has a fragment" },
        Problem::ResourceMetadataUnusable { setting: "name", value: String::new(), reason: "is empty" },
        Problem::SenderSettingUnusable { setting: "Dpop::at", value: url(), reason: "is not https" },
        Problem::TokenSourceWithoutProof { source: "the query".to_owned() },
        Problem::Fapi2Unmet { issuer: None, reason: "the leeway is longer than 10 s" },
    ]
}

/// The place of a problem in `all_problems`. A new kind of problem does not compile without one.
fn place(problem: &ConfigProblem) -> usize {
    use ConfigProblem as Problem;
    match problem {
        Problem::NoIssuer => 0,
        Problem::IssuerRepeated { .. } => 1,
        Problem::IssuerUnusable { .. } => 2,
        Problem::IssuerOfManyTenants { .. } => 3,
        Problem::EndpointHostsUnusable { .. } => 4,
        Problem::EndpointHostsWithoutEffect { .. } => 5,
        Problem::JwksUrlUnusable { .. } => 6,
        Problem::JwksUnusable { .. } => 7,
        Problem::NoAlgorithm { .. } => 8,
        Problem::AudienceEmpty => 9,
        Problem::ClaimNameEmpty { .. } => 10,
        Problem::NoKeysNorIntrospection { .. } => 11,
        Problem::IntrospectionUnusable { .. } => 12,
        Problem::SettingNeedsKeys { .. } => 13,
        Problem::IntrospectionUrlUnusable { .. } => 14,
        Problem::OpaqueTokensAmbiguous { .. } => 15,
        Problem::NoClient { .. } => 16,
        Problem::LeewayTooLong { .. } => 17,
        Problem::RealmUnusable { .. } => 18,
        Problem::Zero { .. } => 19,
        Problem::TokenSourceRepeated { .. } => 20,
        Problem::TokenSourceUnusable { .. } => 21,
        Problem::NoHttpClient => 22,
        Problem::HttpClientUnusable { .. } => 23,
        Problem::IssuerPatternUnusable { .. } => 24,
        Problem::DefaultAlgorithmNotAllowed { .. } => 25,
        Problem::AudienceNotAccepted { .. } => 26,
        Problem::AudienceUnusable { .. } => 27,
        Problem::ClaimUnusable { .. } => 28,
        Problem::SettingUnusable { .. } => 29,
        Problem::CallersUnrestricted { .. } => 30,
        Problem::SettingNeedsFetchedKeys { .. } => 31,
        Problem::TenantNotAnId { .. } => 32,
        Problem::SharedMetadataUnusable { .. } => 33,
        Problem::ProfileUnusable { .. } => 34,
        Problem::ResourceUnusable { .. } => 35,
        Problem::ResourceMetadataUnusable { .. } => 36,
        Problem::SenderSettingUnusable { .. } => 37,
        Problem::TokenSourceWithoutProof { .. } => 38,
        Problem::Fapi2Unmet { .. } => 39,
    }
}

#[test]
fn every_problem_has_a_hint_of_its_own_line() {
    for (index, problem) in all_problems().iter().enumerate() {
        assert_eq!(place(problem), index, "{problem}");
        let text = problem.to_string();
        let (fault, hint) = text.split_once("; hint: ").expect("a hint");
        assert!(!fault.is_empty() && hint.len() >= 10, "{text}");
        assert!(!text.contains('\n') && !text.ends_with('.'), "{text}");
    }
}
