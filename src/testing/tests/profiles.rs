//! Each profile of `Issuer` with the tokens of its `TokenShape`.

use std::collections::BTreeSet;

use super::*;
use crate::crypto::Algorithm;
use crate::rejection::RejectionKind as Kind;
use crate::settings::Issuer;
use crate::testing::{TokenBuilder, TokenShape as Shape};

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const ROLES: &[&str] = &["admin", "clerk"];

type Change = fn(TokenBuilder) -> TokenBuilder;

/// A shape, the profile that reads it, and what its server means by the token of `Pair::token`.
struct Pair {
    shape: Shape,
    /// The name of the profile and its settings.
    profile: (&'static str, Issuer),
    iss: &'static str,
    /// The URL of the keys, unless the metadata names it.
    jwks_url: Option<&'static str>,
    client: Option<&'static str>,
    scopes: &'static str,
    roles: &'static [&'static str],
    /// Makes an ID token for this API of the access token, and the rejection of it.
    id_token: Option<(Change, Kind)>,
}

impl Pair {
    fn new(shape: Shape, profile: (&'static str, Issuer), iss: &'static str) -> Self {
        let (client, scopes) = (Some("web"), "openid orders");
        Self { shape, profile, iss, jwks_url: None, client, scopes, roles: &[], id_token: None }
    }

    fn keys_at(mut self, url: &'static str) -> Self {
        self.jwks_url = Some(url);
        self
    }

    fn without_client(mut self) -> Self {
        self.client = None;
        self
    }

    fn without_scopes(mut self) -> Self {
        self.scopes = "";
        self
    }

    fn with_roles(mut self) -> Self {
        self.roles = ROLES;
        self
    }

    fn id_token(mut self, of: Change, rejection: Kind) -> Self {
        self.id_token = Some((of, rejection));
        self
    }

    /// The authorization server, and the API that trusts it by the profile.
    fn start(&self) -> (TestIssuer, BearerAuth) {
        let idp = TestIssuer::in_memory(self.iss);
        if self.shape == Shape::Google {
            // This profile accepts RS256 alone. A key of the default algorithm takes less time to generate.
            idp.rotate_key_to(Algorithm::RS256);
        }
        self.jwks_url.into_iter().for_each(|url| idp.publish_jwks_at(url));
        let builder = BearerAuth::builder("orders-api").issuer(self.profile.1.clone());
        let auth = builder.http_client(idp.http_client()).clock(idp.clock()).build();
        (idp, auth.unwrap())
    }

    /// A token for `audience` that `client` requested.
    fn token(&self, idp: &TestIssuer, audience: &str, client: &str) -> TokenBuilder {
        let token = idp.token(audience).subject("alice").claim("client_id", client);
        token.scope("openid orders").roles(ROLES.iter().copied()).shaped_like(self.shape)
    }
}

/// The name of a profile, and the call of it.
macro_rules! profile {
    ($name:ident $arguments:tt) => {
        (stringify!($name), Issuer::$name $arguments)
    };
}

fn pairs() -> Vec<Pair> {
    let cognito = {
        let (name, issuer) = profile!(cognito("eu-central-1", "eu-central-1_AbCdEfGhI"));
        (name, issuer.allowed_clients(["web"]))
    };
    let google = {
        let (name, issuer) = profile!(google());
        (name, issuer.allowed_clients(["web"]))
    };
    vec![
        Pair::new(
            Shape::Adfs,
            profile!(adfs("adfs.example.com")),
            "http://adfs.example.com/adfs/services/trust",
        )
        .keys_at("https://adfs.example.com/adfs/discovery/keys")
        .id_token(|token| token.without("appid").without("scp"), Kind::ClaimMissing),
        Pair::new(Shape::Auth0, profile!(auth0("acme.eu.auth0.com")), "https://acme.eu.auth0.com/")
            .with_roles()
            .id_token(
                |token| token.without("azp").without("scope").claim("nonce", "n"),
                Kind::IdTokenPresented,
            ),
        Pair::new(
            Shape::Cognito,
            cognito,
            "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI",
        )
        .with_roles()
        .id_token(
            |token| token.without("client_id").claim("token_use", "id").claim("aud", "orders-api"),
            Kind::IdTokenPresented,
        ),
        Pair::new(Shape::Dex, profile!(dex("https://dex.example.com")), "https://dex.example.com")
            .without_scopes()
            .with_roles()
            .id_token(|token| token.claim("c_hash", "NDU2"), Kind::IdTokenPresented),
        Pair::new(
            Shape::Entra,
            profile!(entra(TENANT)),
            "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
        )
        .with_roles()
        .id_token(|token| token.without("azp").without("azpacr").without("scp"), Kind::ClaimMissing),
        Pair::new(
            Shape::EntraV1,
            profile!(entra_v1(TENANT)),
            "https://sts.windows.net/11111111-2222-3333-4444-555555555555/",
        )
        .keys_at("https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/discovery/keys")
        .with_roles()
        .id_token(|token| token.without("appid").without("appidacr").without("scp"), Kind::ClaimMissing),
        Pair::new(Shape::Google, google, "https://accounts.google.com")
            .without_scopes()
            .id_token(|token| token.claim("at_hash", "MTIz"), Kind::IdTokenPresented),
        Pair::new(Shape::Hydra, profile!(hydra("https://hydra.example.com")), "https://hydra.example.com")
            .id_token(|token| token.without("client_id").without("scp"), Kind::ClaimMissing),
        Pair::new(
            Shape::Keycloak,
            profile!(keycloak("https://login.example.com/realms/acme")),
            "https://login.example.com/realms/acme",
        )
        .with_roles()
        .id_token(|token| token.without("scope").claim("typ", "ID"), Kind::IdTokenPresented),
        Pair::new(
            Shape::Kubernetes,
            profile!(kubernetes("https://kubernetes.default.svc.cluster.local")),
            "https://kubernetes.default.svc.cluster.local",
        )
        .keys_at("https://kubernetes.default.svc/openid/v1/jwks")
        .without_client()
        .without_scopes(),
        Pair::new(
            Shape::Okta,
            profile!(okta("https://acme.okta.com/oauth2/default")),
            "https://acme.okta.com/oauth2/default",
        )
        .with_roles()
        .id_token(|token| token.without("cid").without("scp").claim("idp", "00o1"), Kind::ClaimMissing),
        Pair::new(
            Shape::Zitadel,
            profile!(zitadel("https://acme.zitadel.cloud")),
            "https://acme.zitadel.cloud",
        )
        .without_scopes()
        .with_roles()
        .id_token(|token| token.without("jti").claim("azp", "web"), Kind::ClaimMissing),
    ]
}

#[test]
fn every_shape_and_every_profile_has_a_pair() {
    let pairs = pairs();
    let profiles = include_str!("../../settings/issuer/profiles.rs").lines();
    let profiles = profiles.filter_map(|line| line.strip_prefix("    pub fn ")?.split('(').next());
    let tested = pairs.iter().map(|pair| pair.profile.0);
    assert_eq!(tested.collect::<BTreeSet<_>>(), profiles.collect());
    let shapes = include_str!("../issuer/token_shape/shape.rs").lines();
    let shapes = shapes.filter_map(|line| line.strip_prefix("    ")?.strip_suffix(','));
    let shapes = shapes.filter(|name| name.chars().all(char::is_alphanumeric)).map(str::to_owned);
    let tested = pairs.iter().map(|pair| format!("{:?}", pair.shape));
    assert_eq!(tested.collect::<BTreeSet<_>>(), shapes.collect());
}

#[tokio::test(start_paused = true)]
async fn a_profile_reads_subject_client_scopes_and_roles_of_its_shape() {
    for pair in pairs() {
        let (idp, auth) = pair.start();
        let token = auth.authenticate(&pair.token(&idp, "orders-api", "web").sign()).await;
        let token = token.unwrap_or_else(|rejection| panic!("{}: {rejection:?}", pair.profile.0));
        assert_eq!(token.issuer(), pair.iss);
        assert_eq!(token.subject(), Some("alice"), "{:?}", pair.shape);
        assert_eq!(token.client_id(), pair.client, "{:?}", pair.shape);
        assert_eq!(token.scopes().to_string(), pair.scopes, "{:?}", pair.shape);
        assert_eq!(token.roles().collect::<Vec<_>>(), pair.roles, "{:?}", pair.shape);
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_rejects_a_token_of_its_shape_for_another_api() {
    for pair in pairs() {
        let (idp, auth) = pair.start();
        let other = pair.token(&idp, "billing-api", "billing").sign();
        // Without an audience, the client stands for the API.
        let expected =
            if pair.shape == Shape::Cognito { Kind::ClientNotAllowed } else { Kind::AudienceMismatch };
        let rejection = auth.authenticate(&other).await.unwrap_err();
        assert_eq!(rejection.kind(), expected, "{:?}", pair.shape);
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_rejects_an_id_token_of_its_server_for_this_api() {
    for pair in pairs() {
        let (idp, auth) = pair.start();
        let Some((id_token, expected)) = pair.id_token else {
            // Kubernetes has no ID tokens.
            assert_eq!(pair.shape, Shape::Kubernetes);
            continue;
        };
        let id_token = id_token(pair.token(&idp, "orders-api", "web")).sign();
        let rejection = auth.authenticate(&id_token).await.unwrap_err();
        assert_eq!(rejection.kind(), expected, "{:?}", pair.shape);
    }
}
