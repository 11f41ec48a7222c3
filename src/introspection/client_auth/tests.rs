//! The credentials that each method sends, the redaction in `Debug`, and invalid configurations.

use http::HeaderValue;

use super::method::JWT_BEARER;
use super::*;
use crate::time::NumericDate;

const ISSUER: &str = "https://login.example.com/realms/acme";
const ENDPOINT: &str = "https://login.example.com/realms/acme/introspect";
const TARGET: Target<'_> = Target { issuer: ISSUER, endpoint: ENDPOINT };

impl ClientAuth {
    /// The credentials of one request. `None` if they cannot be created or come from a provider.
    pub(in crate::introspection) fn fixed_credentials(
        &self,
        target: Target<'_>,
        now: NumericDate,
    ) -> Option<Credentials> {
        match &self.source {
            Source::Fixed(candidates) => candidates.first.credentials(target, now),
            Source::Provided(_) => None,
        }
    }
}

fn now() -> NumericDate {
    NumericDate::from_secs(1_750_000_000).unwrap()
}

/// The `Authorization` header of one request.
fn authorization(auth: &ClientAuth) -> Option<HeaderValue> {
    let credentials = auth.fixed_credentials(TARGET, now())?;
    assert!(credentials.form.is_empty());
    credentials.authorization
}

/// The form parameters of one request.
fn form(auth: &ClientAuth) -> Vec<(&'static str, String)> {
    let credentials = auth.fixed_credentials(TARGET, now()).unwrap();
    assert!(credentials.authorization.is_none());
    credentials.form.into_iter().map(|(name, value)| (name, value.to_string())).collect()
}

#[test]
fn empty_or_malformed_credentials_are_configuration_faults() {
    let basic = |id: &str, secret: &str| ClientAuth::secret_basic(id, secret);
    let post = |id: &str, secret: &str| ClientAuth::secret_post(id, secret);
    let fault_of = |auth: ClientAuth| auth.fault().map(|fault| fault.split(" (").next().unwrap().to_owned());
    for (name, auth, expected) in [
        ("no id", basic("", "secret"), "the client identifier is empty"),
        ("no id in the body", post("", "secret"), "the client identifier is empty"),
        ("no id for a certificate", ClientAuth::mtls(""), "the client identifier is empty"),
        ("line break in the id", post("api\n", "x"), "the client identifier has a control character"),
        ("no secret", basic("api", ""), "the client secret is empty"),
        ("no secret in the body", post("api", ""), "the client secret is empty"),
        ("line break in the secret", basic("api", "s\r\n"), "the client secret has a control character"),
    ] {
        assert_eq!(fault_of(auth).as_deref(), Some(expected), "{name}");
    }
    for token in ["", "a b", "a\n", "=", "t\u{f6}ken", "a,b"] {
        let fault = ClientAuth::bearer(token).fault().unwrap();
        assert_eq!(fault, "the bearer token is empty or has invalid characters", "{token}");
    }
    for (name, auth) in [
        ("basic", basic("a:b %+\u{e9}", " ")),
        ("post", post("a", "\u{1f511}")),
        ("bearer", ClientAuth::bearer("a.b-c_d~e+f/g==")),
        ("bearer from a function", ClientAuth::bearer_from_fn(String::new)),
        ("certificate", ClientAuth::mtls("api")),
    ] {
        assert_eq!(auth.fault(), None, "{name}");
    }
}

#[test]
fn a_value_that_is_not_a_bearer_token_is_not_sent() {
    for token in ["", "a b", "a\r\nx: y", "t\u{f6}ken", "=", "\u{0}"] {
        assert!(ClientAuth::bearer(token).fixed_credentials(TARGET, now()).is_none(), "{token:?}");
        let from = ClientAuth::bearer_from_fn(move || token.to_owned());
        assert!(from.fixed_credentials(TARGET, now()).is_none(), "{token:?}");
    }
}

#[test]
fn debug_hides_secrets() {
    let secret = "s3cret";
    for (auth, expected) in [
        (
            ClientAuth::secret_basic("api", secret),
            r#"ClientAuth { method: "client_secret_basic", client_id: "api", .. }"#,
        ),
        (
            ClientAuth::secret_post("api", secret),
            r#"ClientAuth { method: "client_secret_post", client_id: "api", .. }"#,
        ),
        (ClientAuth::bearer(secret), r#"ClientAuth { method: "bearer", .. }"#),
        (ClientAuth::bearer_from_fn(|| "s3cret".to_owned()), r#"ClientAuth { method: "bearer", .. }"#),
        (ClientAuth::mtls("api"), r#"ClientAuth { method: "tls_client_auth", client_id: "api", .. }"#),
    ] {
        assert_eq!(format!("{auth:?}"), expected);
        if let Some(line) = auth.fixed_credentials(TARGET, now()).unwrap().authorization {
            assert_eq!(format!("{line:?}"), "Sensitive");
        }
    }
}

#[test]
fn basic_credentials_are_form_urlencoded_before_they_are_joined_with_a_colon() {
    for (name, id, secret, expected) in [
        // RFC 6749 section 2.3.1.
        ("RFC 6749", "s6BhdRkqt3", "gX1fBat3bV", "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"),
        ("plain", "api", "-._*aZ9", "Basic YXBpOi0uXyphWjk="),
        // RFC 6749 appendix B: +%25%26%2B%C2%A3%E2%82%AC is what " %&+£€" becomes.
        ("appendix B", " %&+\u{a3}\u{20ac}", "x", "Basic KyUyNSUyNiUyQiVDMiVBMyVFMiU4MiVBQzp4"),
        // "a%3Ab:c%3Ad"
        ("colons", "a:b", "c:d", "Basic YSUzQWI6YyUzQWQ="),
        // "api:%25+%2B%3D%2F%7E%21"
        ("punctuation", "api", "% +=/~!", "Basic YXBpOiUyNSslMkIlM0QlMkYlN0UlMjE="),
        // "https%3A%2F%2Fapi.example.com:x"
        (
            "a URL as the id",
            "https://api.example.com",
            "x",
            "Basic aHR0cHMlM0ElMkYlMkZhcGkuZXhhbXBsZS5jb206eA==",
        ),
    ] {
        let line = authorization(&ClientAuth::secret_basic(id, secret)).unwrap();
        assert_eq!(line, expected, "{name}");
        assert!(line.is_sensitive(), "{name}");
    }
}

#[test]
fn secret_post_passes_the_secret_unencoded_to_the_form() {
    let auth = ClientAuth::secret_post("a:b", "% +\u{e9}");
    assert_eq!(form(&auth), [("client_id", "a:b".into()), ("client_secret", "% +\u{e9}".into())]);
}

/// OpenID Connect Core section 9.
#[test]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
fn a_secret_jwt_is_signed_with_the_secret() {
    use crate::crypto::hmac;
    use crate::encoding::base64url;
    let secret = "s".repeat(64);
    for algorithm in [HmacAlgorithm::HS256, HmacAlgorithm::HS384, HmacAlgorithm::HS512] {
        let auth = ClientAuth::secret_jwt("api", &secret, algorithm);
        assert_eq!(auth.method(), "client_secret_jwt");
        let [(_, kind), (_, assertion)] = form(&auth).try_into().unwrap();
        assert_eq!(kind, JWT_BEARER);
        let (input, signature) = assertion.rsplit_once('.').unwrap();
        let expected = hmac(algorithm, secret.as_bytes(), input.as_bytes()).unwrap();
        assert_eq!(signature, base64url::encode(&expected));
        let header = base64url::decode(input.split('.').next().unwrap()).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header, serde_json::json!({"alg": algorithm.as_str(), "typ": "JWT"}));
    }
}

#[test]
fn debug_hides_the_secrets_of_credentials_that_change() {
    let request = ClientCredentials::new("https://h/token", ClientAuth::secret_basic("api", "s3cret"))
        .scope("a")
        .scope("b");
    assert_eq!(
        format!("{request:?}"),
        "ClientCredentials { endpoint: \"https://h/token\", auth: ClientAuth { method: \
         \"client_secret_basic\", client_id: \"api\", .. }, parameters: [(\"scope\", \"b\")] }"
    );
    for auth in [
        ClientAuth::client_credentials(request),
        ClientAuth::secret_basic("api", "s3cret").with_fallback(ClientAuth::secret_basic("api", "s3cret")),
        ClientAuth::secret_jwt("api", "s3cret", HmacAlgorithm::HS256),
        ClientAuth::assertion_file("api", "s3cret"),
    ] {
        let shown = format!("{auth:?}");
        assert!(shown.contains("api") && !shown.contains("s3cret"), "{shown}");
    }
}

#[test]
fn mtls_sends_the_client_id_only() {
    let auth = ClientAuth::mtls("api");
    assert_eq!(form(&auth), [("client_id", "api".into())]);
    assert!(auth.is_mtls() && !ClientAuth::secret_basic("a", "b").is_mtls());
}

#[test]
fn bearer_from_reads_the_token_for_each_request() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    assert_eq!(authorization(&ClientAuth::bearer("a.b==")).unwrap(), "Bearer a.b==");
    let calls = AtomicUsize::new(0);
    let auth = ClientAuth::bearer_from_fn(move || format!("t{}", calls.fetch_add(1, Ordering::Relaxed)));
    let clone = auth.clone();
    for (auth, expected) in [(&auth, "Bearer t0"), (&clone, "Bearer t1"), (&auth, "Bearer t2")] {
        let line = authorization(auth).unwrap();
        assert_eq!(line, expected);
        assert!(line.is_sensitive());
    }
}

#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod private_key_jwt {
    use std::collections::HashSet;

    use serde_json::{Value, json};

    use super::*;
    use crate::crypto::tests::private_keys::{self, der, pem_for};
    use crate::crypto::{Algorithm, AlgorithmSet, Jwk, SigningKey, VerifyingKey};
    use crate::encoding::base64url;

    fn auth(algorithm: Algorithm) -> ClientAuth {
        let key = PrivateKey::from_pkcs8_pem(algorithm, pem_for(algorithm)).unwrap();
        ClientAuth::private_key_jwt("api", key.key_id("k1"))
    }

    /// The assertion of one request.
    fn assertion(auth: &ClientAuth) -> String {
        let [(kind, of), (name, assertion)] = form(auth).try_into().unwrap();
        assert_eq!((kind, of.as_str(), name), ("client_assertion_type", JWT_BEARER, "client_assertion"));
        assertion
    }

    fn part(jwt: &str, number: usize) -> Value {
        let part = jwt.split('.').nth(number).unwrap();
        serde_json::from_slice(&base64url::decode(part).unwrap()).unwrap()
    }

    #[test]
    fn private_key_jwt_hides_its_key_and_requires_a_client_id() {
        let key = PrivateKey::from_pkcs8_pem(Algorithm::ES256, private_keys::P256).unwrap().key_id("k1");
        assert_eq!(format!("{key:?}"), r#"PrivateKey { algorithm: ES256, key_id: Some("k1"), .. }"#);
        let no_client = ClientAuth::private_key_jwt("", key.clone());
        assert_eq!(no_client.fault(), Some("the client identifier is empty"));
        let auth = ClientAuth::private_key_jwt("api", key);
        assert_eq!(format!("{auth:?}"), r#"ClientAuth { method: "private_key_jwt", client_id: "api", .. }"#);
    }

    #[test]
    fn an_assertion_of_every_algorithm_verifies_with_the_public_key() {
        for algorithm in AlgorithmSet::ALL.iter() {
            let jwt = assertion(&auth(algorithm));
            let (input, signature) = jwt.rsplit_once('.').unwrap();
            let signature = base64url::decode(signature).unwrap();
            let pair = SigningKey::from_pkcs8(algorithm, &der(pem_for(algorithm))).unwrap();
            let jwk = Jwk::parse(pair.public_jwk("k1").to_string().as_bytes()).unwrap();
            let public = VerifyingKey::new(&jwk, AlgorithmSet::ALL).unwrap();
            assert_eq!(public.verify(algorithm, input.as_bytes(), &signature), Ok(()), "{algorithm}");
            assert_eq!(part(&jwt, 0), json!({"alg": algorithm.as_str(), "typ": "JWT", "kid": "k1"}));
        }
    }

    #[test]
    fn an_assertion_has_the_issuer_as_its_only_audience_and_expires_after_a_minute() {
        let mut claims = part(&assertion(&auth(Algorithm::ES256)), 1);
        let jti = claims.as_object_mut().unwrap().remove("jti").unwrap();
        assert_eq!(jti.as_str().unwrap().len(), 22);
        let expected = json!({
            "iss": "api", "sub": "api", "aud": ISSUER, "iat": 1_750_000_000, "exp": 1_750_000_060,
        });
        assert_eq!(claims, expected);
    }

    /// Okta accepts nothing else.
    #[test]
    fn by_setting_an_assertion_has_the_endpoint_as_its_only_audience() {
        let auth = auth(Algorithm::ES256).endpoint_as_audience();
        assert_eq!(part(&assertion(&auth), 1)["aud"], ENDPOINT);
        assert_eq!(auth.fault(), None);
        let fault = ClientAuth::secret_basic("a", "b").endpoint_as_audience().fault();
        assert_eq!(fault, Some("endpoint_as_audience needs private_key_jwt or secret_jwt"));
    }

    #[test]
    fn every_assertion_has_its_own_jti() {
        let auth = auth(Algorithm::EdDSA);
        let jti = |_| part(&assertion(&auth), 1)["jti"].as_str().unwrap().to_owned();
        assert_eq!((0..50).map(jti).collect::<HashSet<_>>().len(), 50);
    }

    #[test]
    fn a_key_without_a_key_id_gets_no_kid() {
        let key = PrivateKey::from_pkcs8_pem(Algorithm::ES256, private_keys::P256).unwrap();
        let jwt = assertion(&ClientAuth::private_key_jwt("api", key));
        assert_eq!(part(&jwt, 0), json!({"alg": "ES256", "typ": "JWT"}));
    }
}
