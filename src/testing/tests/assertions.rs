//! Client authentication with assertions: `private_key_jwt` and `client_secret_jwt`.

use serde_json::{Value, json};

use super::*;
use crate::crypto::tests::private_keys;
use crate::crypto::{self, Algorithm, HmacAlgorithm, PrivateKey, SigningKey};
use crate::encoding::base64url;
use crate::introspection::ClientAuth;
use crate::rejection::RejectionKind;
use crate::settings::Introspection;
use crate::testing::server::compact;

/// A client with a registered key.
struct KeyClient {
    idp: TestIssuer,
    key: SigningKey,
}

impl KeyClient {
    fn new(algorithm: Algorithm) -> Self {
        let (idp, key) = (TestIssuer::new(), SigningKey::generate(algorithm));
        idp.register_client_key("orders-api", &key.public_jwk("client-key").to_string()).unwrap();
        Self { idp, key }
    }

    fn claims(&self, jti: &str) -> Value {
        let now = self.idp.state.now();
        let issuer = self.idp.identifier();
        json!({
            "iss": "orders-api", "sub": "orders-api", "aud": issuer,
            "iat": now, "exp": now + 60, "jti": jti,
        })
    }

    fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": self.key.algorithm().as_str(), "typ": "JWT"}).to_string();
        compact(&self.key, header.as_bytes(), claims.to_string().as_bytes())
    }

    async fn introspect_with(&self, assertion: &str, more: &[(&str, &str)]) -> Reply {
        let form = [("token", "t"), ("client_assertion", assertion)];
        let form: Vec<_> = form.into_iter().chain(more.iter().copied()).collect();
        post_with(&self.idp, &self.idp.introspection_url(), &[], &form).await
    }
}

/// 64 characters, enough for every MAC.
const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// An assertion of `orders-api` with a MAC.
fn mac_assertion(alg: &str, secret: &str, claims: &Value) -> String {
    let algorithm = match alg {
        "HS384" => HmacAlgorithm::HS384,
        "HS512" => HmacAlgorithm::HS512,
        _ => HmacAlgorithm::HS256,
    };
    let encode = |part: &Value| base64url::encode(part.to_string().as_bytes());
    let input = format!("{}.{}", encode(&json!({ "alg": alg, "typ": "JWT" })), encode(claims));
    let mac = crypto::hmac(algorithm, secret.as_bytes(), input.as_bytes()).unwrap();
    format!("{input}.{}", base64url::encode(&mac))
}

#[tokio::test]
async fn an_assertion_with_a_wrong_claim_is_rejected() {
    let client = KeyClient::new(Algorithm::Ed25519);
    let issuer = client.idp.identifier();
    for (name, claim, value) in [
        ("aud is the endpoint", "aud", json!(client.idp.introspection_url())),
        ("aud is an array", "aud", json!([issuer])),
        ("aud has two values", "aud", json!([issuer, "other"])),
        ("aud with a trailing slash", "aud", json!(format!("{issuer}/"))),
        ("no aud", "aud", Value::Null),
        ("iss is another client", "iss", json!("other")),
        ("no iss", "iss", Value::Null),
        ("sub is an unknown client", "sub", json!("other")),
        ("sub is a client without a key", "sub", json!("test-api")),
        ("exp is now", "exp", json!(client.idp.state.now())),
        ("exp is not a number", "exp", json!("soon")),
        ("no exp", "exp", Value::Null),
        ("no jti", "jti", Value::Null),
        ("jti is a number", "jti", json!(1)),
    ] {
        let mut claims = client.claims("once");
        claims[claim] = value;
        assert_eq!(
            client.introspect_with(&client.sign(&claims), &[ASSERTION_TYPE]).await.error(),
            invalid_client(),
            "{name}"
        );
    }
    let valid = client.sign(&client.claims("once"));
    assert_eq!(
        client.introspect_with(&valid, &[ASSERTION_TYPE]).await.status,
        200,
        "rejected assertions do not use up the jti"
    );
}

#[tokio::test]
async fn an_assertion_can_be_used_once() {
    let client = KeyClient::new(Algorithm::ES256);
    let assertion = client.sign(&client.claims("once"));
    assert_eq!(
        client.introspect_with(&assertion, &[ASSERTION_TYPE, ("client_id", "orders-api")]).await.status,
        200
    );
    assert_eq!(client.introspect_with(&assertion, &[ASSERTION_TYPE]).await.error(), invalid_client());
    let same_jti = client.sign(&client.claims("once"));
    assert_eq!(
        client.introspect_with(&same_jti, &[ASSERTION_TYPE]).await.error(),
        invalid_client(),
        "the same jti with a new signature"
    );
    assert_eq!(
        client.introspect_with(&client.sign(&client.claims("twice")), &[ASSERTION_TYPE]).await.status,
        200
    );
}

#[tokio::test]
async fn an_assertion_without_a_valid_signature_or_type_is_rejected() {
    let client = KeyClient::new(Algorithm::ES256);
    let untrusted = KeyClient::new(Algorithm::ES256);
    let valid = client.sign(&client.claims("once"));
    let (input, _) = valid.rsplit_once('.').unwrap();
    let unsigned = compact(&client.key, br#"{"alg":"none"}"#, client.claims("once").to_string().as_bytes());
    for (name, assertion, more) in [
        ("another key", untrusted.sign(&untrusted.claims("once")), &[ASSERTION_TYPE][..]),
        ("no signature", format!("{input}."), &[ASSERTION_TYPE]),
        ("alg none", unsigned, &[ASSERTION_TYPE]),
        ("no client_assertion_type", valid.clone(), &[]),
        ("another client_assertion_type", valid.clone(), &[("client_assertion_type", "urn:example")]),
        ("another client_id", valid.clone(), &[ASSERTION_TYPE, ("client_id", "test-api")]),
    ] {
        assert_eq!(client.introspect_with(&assertion, more).await.error(), invalid_client(), "{name}");
    }
}

#[tokio::test]
async fn client_secret_jwt_is_accepted_only_with_a_mac_of_the_registered_secret() {
    let client = KeyClient::new(Algorithm::ES256);
    client.idp.register_client("orders-api", SECRET);
    let short = &SECRET[..47];
    client.idp.register_client("short", short);
    let claims = |jti: &str| client.claims(jti);
    let mut of_short = claims("once");
    (of_short["iss"], of_short["sub"]) = (json!("short"), json!("short"));
    let valid = mac_assertion("HS256", SECRET, &claims("once"));
    let (input, _) = valid.rsplit_once('.').unwrap();
    let public_key = client.key.public_jwk("client-key").to_string();
    for (name, assertion) in [
        ("another secret", mac_assertion("HS256", &SECRET.replace('0', "1"), &claims("once"))),
        ("the public key as the secret", mac_assertion("HS256", &public_key, &claims("once"))),
        ("another algorithm than the header says", {
            let (_, mac) = valid.rsplit_once('.').unwrap();
            let other = mac_assertion("HS512", SECRET, &claims("once"));
            format!("{}.{mac}", other.rsplit_once('.').unwrap().0)
        }),
        ("no MAC", format!("{input}.")),
        ("an unknown algorithm", mac_assertion("HS1", SECRET, &claims("once"))),
        ("a secret shorter than the hash", mac_assertion("HS384", short, &of_short)),
        ("a client without a secret", {
            client.idp.register_mtls_client("certified");
            let mut claims = claims("once");
            (claims["iss"], claims["sub"]) = (json!("certified"), json!("certified"));
            mac_assertion("HS256", SECRET, &claims)
        }),
    ] {
        assert_eq!(
            client.introspect_with(&assertion, &[ASSERTION_TYPE]).await.error(),
            invalid_client(),
            "{name}"
        );
    }
    for alg in ["HS256", "HS384", "HS512"] {
        let valid = mac_assertion(alg, SECRET, &claims(alg));
        assert_eq!(client.introspect_with(&valid, &[ASSERTION_TYPE]).await.status, 200, "{alg}");
        assert_eq!(
            client.introspect_with(&valid, &[ASSERTION_TYPE]).await.error(),
            invalid_client(),
            "{alg} again"
        );
    }
}

#[tokio::test]
async fn client_secret_jwt_with_a_wrong_claim_is_rejected() {
    let client = KeyClient::new(Algorithm::ES256);
    client.idp.register_client("orders-api", SECRET);
    for (name, claim, value) in [
        ("aud is the endpoint", "aud", json!(client.idp.introspection_url())),
        ("aud is another server", "aud", json!("https://other.test")),
        ("iss is another client", "iss", json!("other")),
        ("exp is now", "exp", json!(client.idp.state.now())),
        ("no exp", "exp", Value::Null),
        ("no jti", "jti", Value::Null),
    ] {
        let mut claims = client.claims("once");
        claims[claim] = value;
        let assertion = mac_assertion("HS256", SECRET, &claims);
        assert_eq!(
            client.introspect_with(&assertion, &[ASSERTION_TYPE]).await.error(),
            invalid_client(),
            "{name}"
        );
    }
    let valid = mac_assertion("HS256", SECRET, &client.claims("once"));
    assert_eq!(client.introspect_with(&valid, &[ASSERTION_TYPE]).await.status, 200);
}

#[tokio::test]
async fn an_assertion_for_an_endpoint_is_accepted_there_alone_and_only_by_setting() {
    let client = KeyClient::new(Algorithm::ES256);
    let idp = &client.idp;
    idp.register_client("orders-api", SECRET);
    idp.set_endpoint_audience(true);
    for (url, others) in [
        (idp.introspection_url(), [idp.token_url(), idp.identifier().to_owned()]),
        (idp.token_url(), [idp.introspection_url(), idp.identifier().to_owned()]),
        (idp.revocation_url(), [format!("{}/", idp.revocation_url()), idp.identifier().to_owned()]),
    ] {
        let sign = |aud: &Value| {
            let mut claims = client.claims(&url);
            claims["aud"] = aud.clone();
            [client.sign(&claims), mac_assertion("HS256", SECRET, &claims)]
        };
        let send = async |assertion: &str| {
            let form = [("token", "t"), ("client_assertion", assertion), ASSERTION_TYPE];
            post_with(idp, &url, &[], &form).await.error()
        };
        for aud in others.iter().map(|other| json!(other)).chain([json!([url])]) {
            for assertion in sign(&aud) {
                assert_eq!(send(&assertion).await, invalid_client(), "{aud} at {url}");
            }
        }
        let [valid, same_jti] = sign(&json!(url));
        assert_ne!(send(&valid).await, invalid_client(), "{url}");
        assert_eq!(send(&same_jti).await, invalid_client(), "the same jti at {url}");
    }
    idp.set_endpoint_audience(false);
    let issuer = client.sign(&client.claims("issuer"));
    assert_eq!(client.introspect_with(&issuer, &[ASSERTION_TYPE]).await.status, 200);
}

/// The rejection of an API that authenticates itself with `auth`, or `None` if it accepts the token.
async fn outcome(idp: &TestIssuer, auth: ClientAuth) -> Option<RejectionKind> {
    let issuer = idp.issuer().introspect(Introspection::with(auth));
    let builder = BearerAuth::builder(API).issuer(issuer).http_client(idp.http_client()).clock(idp.clock());
    builder.build().unwrap().authenticate(&idp.token(API).opaque()).await.err().map(|error| error.kind())
}

#[tokio::test(start_paused = true)]
async fn an_api_authenticates_with_each_assertion_that_the_issuer_accepts() {
    let idp = TestIssuer::new();
    let key = PrivateKey::from_pkcs8_pem(Algorithm::ES256, private_keys::P256).unwrap();
    let jwk = key.signing_key().public_jwk("client-key").to_string();
    idp.register_client_key("orders-api", &jwk).unwrap();
    idp.register_client("orders-api", SECRET);
    let by_key = || ClientAuth::private_key_jwt("orders-api", key.clone());
    let by_secret = |algorithm| ClientAuth::secret_jwt("orders-api", SECRET, algorithm);
    let macs = [HmacAlgorithm::HS256, HmacAlgorithm::HS384, HmacAlgorithm::HS512];
    let for_issuer = || macs.map(by_secret).into_iter().chain([by_key()]);
    let for_endpoint = || for_issuer().map(ClientAuth::endpoint_as_audience);
    let misconfigured = Some(RejectionKind::IntrospectionMisconfigured);
    for (is_endpoint, accepted, rejected) in [
        (false, Vec::from_iter(for_issuer()), Vec::from_iter(for_endpoint())),
        (true, Vec::from_iter(for_endpoint()), Vec::from_iter(for_issuer())),
    ] {
        idp.set_endpoint_audience(is_endpoint);
        for auth in accepted {
            assert_eq!(outcome(&idp, auth).await, None, "{is_endpoint}");
        }
        for auth in rejected {
            assert_eq!(outcome(&idp, auth).await, misconfigured, "{is_endpoint}");
        }
    }
    let other_secret = ClientAuth::secret_jwt("orders-api", SECRET.replace('0', "1"), HmacAlgorithm::HS256);
    assert_eq!(outcome(&idp, other_secret.endpoint_as_audience()).await, misconfigured);
}
