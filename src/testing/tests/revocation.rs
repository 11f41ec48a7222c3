//! The revocation endpoint.

use super::*;

#[tokio::test]
async fn revocation_requires_a_token_and_answers_unknown_tokens_alike() {
    let idp = TestIssuer::new();
    let url = idp.revocation_url();
    assert_eq!(post(&idp, &url, &[]).await.error(), (400, "invalid_request".to_owned()));
    let token = idp.token(API).opaque();
    for token in ["unknown", &token, &token] {
        assert_eq!(post(&idp, &url, &[("token", token)]).await.status, 200);
    }
    assert!(!is_active(&idp, &token).await);
}

#[tokio::test]
async fn an_access_token_is_revoked_alone_and_a_refresh_token_with_its_family() {
    let idp = TestIssuer::new();
    let (one, two) = (idp.token(API).sign_in(), idp.token(API).sign_in_opaque());
    let other = idp.token(API).opaque();
    post(&idp, &idp.revocation_url(), &[("token", other.as_str())]).await;
    assert!(is_active(&idp, one.access_token()).await && is_active(&idp, two.access_token()).await);
    post(&idp, &idp.revocation_url(), &[("token", one.refresh_token())]).await;
    assert!(!is_active(&idp, one.access_token()).await && is_active(&idp, two.access_token()).await);
    let form = [("grant_type", "refresh_token"), ("refresh_token", one.refresh_token())];
    let rejected = post(&idp, &idp.token_url(), &form).await;
    assert_eq!(rejected.error(), (400, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn revoke_has_the_effect_of_the_endpoint() {
    let idp = TestIssuer::new();
    let set = idp.token(API).sign_in();
    idp.revoke(set.access_token());
    assert!(!is_active(&idp, set.access_token()).await);
    let form = [("grant_type", "refresh_token"), ("refresh_token", set.refresh_token())];
    let next = post(&idp, &idp.token_url(), &form).await.json();
    assert!(is_active(&idp, next["access_token"].as_str().unwrap()).await);
    idp.revoke(next["refresh_token"].as_str().unwrap());
    assert!(!is_active(&idp, next["access_token"].as_str().unwrap()).await);
}

#[tokio::test]
async fn opaque_as_replaces_a_revoked_token() {
    let idp = TestIssuer::new();
    idp.token(API).opaque_as("ory_at_1");
    idp.revoke("ory_at_1");
    assert!(!is_active(&idp, "ory_at_1").await);
    idp.token(API).subject("bob").opaque_as("ory_at_1");
    assert_eq!(introspect(&idp, "ory_at_1").await["sub"], "bob");
}
