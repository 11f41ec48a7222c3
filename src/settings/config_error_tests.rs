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
