//! The URL in a proof.

use super::*;

/// Verifies a proof for `htu` at a request with this method and target.
fn verify(dpop: &Dpop, (method, uri): (&str, &str), htu: &str) -> Result<Verified, ProofFault> {
    let client = Client::new(Algorithm::ES256);
    let mut claims = claims();
    claims["htm"] = method.into();
    claims["htu"] = htu.into();
    let head = request(method.parse().unwrap(), uri, &client.proof(&claims));
    verifier(dpop).verify(&head, &client.sender(), at(NOW))
}

#[test]
fn the_url_is_a_base_and_the_path_of_the_request() {
    for (base, uri, htu) in [
        ("https://api.example.com", "/orders", "https://api.example.com/orders"),
        ("https://api.example.com/", "/orders", "https://api.example.com/orders"),
        ("https://API.example.com:443", "/orders?page=2", "https://api.example.com/orders"),
        ("https://api.example.com", "/orders", "https://api.example.com/orders?page=2#top"),
        ("https://api.example.com", "/", "https://api.example.com"),
        ("https://api.example.com", "/?page=2", "https://api.example.com/?page=3"),
        ("https://api.example.com", "/orders", "HTTPS://API.EXAMPLE.COM:443/a/.././orders"),
        ("https://api.example.com", "/a/../orders", "https://api.example.com/a/../orders"),
        ("https://api.example.com", "/%7Eme", "https://api.example.com/~me"),
        ("https://api.example.com", "//orders", "https://api.example.com//orders"),
        ("https://api.example.com/v2", "/orders", "https://api.example.com/v2/orders"),
        ("https://api.example.com/v2/", "/orders", "https://api.example.com/v2/orders"),
        ("https://api.example.com/v2", "/", "https://api.example.com/v2"),
        ("https://api.example.com/v2", "/", "https://api.example.com/v2/"),
        ("https://api.example.com:8443", "/orders", "https://api.example.com:8443/orders"),
        ("http://127.0.0.1:3000", "/orders", "http://127.0.0.1:3000/orders"),
        // The authority of the request is ignored.
        ("https://api.example.com", "http://internal:8080/orders", "https://api.example.com/orders"),
    ] {
        assert_accepted(htu, verify(&Dpop::at(base), ("GET", uri), htu));
    }
    for (base, uri, htu) in [
        // Routers do not normalize the path of the request.
        ("https://api.example.com", "/a/../orders", "https://api.example.com/orders"),
        ("https://api.example.com", "/a/%2E%2e/orders", "https://api.example.com/orders"),
        ("https://api.example.com", "/a/../orders", "https://api.example.com/./orders"),
        ("https://api.example.com/v2", "/../admin", "https://api.example.com/admin"),
        ("https://api.example.com", "/orders", "https://api.example.com/orders/"),
        ("https://api.example.com", "/orders", "https://api.example.com/Orders"),
        ("https://api.example.com", "/orders", "https://api.example.com//orders"),
        ("https://api.example.com", "/a/b", "https://api.example.com/a%2Fb"),
        ("https://api.example.com", "/orders", "https://api.example.com"),
        ("https://api.example.com", "/orders", "http://api.example.com/orders"),
        ("https://api.example.com", "/orders", "https://api.example.com:8443/orders"),
        ("https://api.example.com", "/orders", "https://evil.example/orders"),
        ("https://api.example.com", "/orders", "https://api.example.com.evil.example/orders"),
        ("https://api.example.com", "/orders", "https://user@api.example.com/orders"),
        ("https://api.example.com", "/orders", "https://api.example.com@evil.example/orders"),
        ("https://api.example.com", "/orders", "wss://api.example.com/orders"),
        ("https://api.example.com", "/orders", "/orders"),
        ("https://api.example.com", "/orders", ""),
        ("https://api.example.com", "/orders", " https://api.example.com/orders"),
        ("https://api.example.com/v2", "/orders", "https://api.example.com/orders"),
        ("https://api.example.com/v2", "/orders", "https://api.example.com/v2orders"),
        ("https://api.example.com/v2", "/orders", "https://api.example.com/v2/v2/orders"),
        ("https://api.example.com", "http://internal:8080/orders", "http://internal:8080/orders"),
    ] {
        assert_rejected(htu, verify(&Dpop::at(base), ("GET", uri), htu), &ProofFault::UrlMismatch);
    }
}

#[test]
fn host_and_forwarded_headers_are_not_read() {
    let client = Client::new(Algorithm::ES256);
    let mut claims = claims();
    claims["htu"] = "https://evil.example/orders".into();
    let mut head = head(&client.proof(&claims));
    for (name, value) in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "host=evil.example;proto=https"),
    ] {
        head.headers.insert(name, HeaderValue::from_static(value));
    }
    let result = verifier(&Dpop::at(BASE)).verify(&head, &client.sender(), at(NOW));
    assert_rejected("evil.example", result, &ProofFault::UrlMismatch);
}

#[test]
fn any_base_url_is_accepted() {
    let dpop = Dpop::at("https://api.example.com/v2").and_at("https://eu.example.com");
    for htu in ["https://api.example.com/v2/orders", "https://eu.example.com/orders"] {
        assert_accepted(htu, verify(&dpop, ("GET", "/orders"), htu));
    }
    for htu in ["https://eu.example.com/v2/orders", "https://api.example.com/orders"] {
        assert_rejected(htu, verify(&dpop, ("GET", "/orders"), htu), &ProofFault::UrlMismatch);
    }
}

#[test]
fn every_method_needs_a_proof_for_that_method() {
    let url = "https://api.example.com/orders";
    for method in ["HEAD", "OPTIONS", "POST", "DELETE", "PURGE"] {
        assert_accepted(method, verify(&Dpop::at(BASE), (method, "/orders"), url));
    }
}

#[test]
fn a_request_without_a_path_has_no_url() {
    for (request, htu) in [
        (("OPTIONS", "*"), "https://api.example.com*"),
        (("OPTIONS", "*"), "https://api.example.com/*"),
        (("OPTIONS", "*"), "https://api.example.com"),
        (("CONNECT", "api.example.com:443"), "https://api.example.com"),
        (("CONNECT", "api.example.com:443"), "https://api.example.com/"),
    ] {
        assert_rejected(htu, verify(&Dpop::at(BASE), request, htu), &ProofFault::UrlMismatch);
    }
}

#[test]
fn a_web_socket_url_is_accepted_by_opt_in_for_web_sockets_only() {
    let client = Client::new(Algorithm::ES256);
    let (default, opted_in) = (Dpop::at(BASE), Dpop::at(BASE).accept_web_socket_urls());
    let verify = |dpop: &Dpop, htu: &str, upgrade: Option<&'static str>| {
        let mut claims = claims();
        claims["htu"] = htu.into();
        let mut head = head(&client.proof(&claims));
        head.headers
            .extend(upgrade.map(|upgrade| (http::header::UPGRADE, HeaderValue::from_static(upgrade))));
        verifier(dpop).verify(&head, &client.sender(), at(NOW))
    };
    let (url, https) = ("wss://api.example.com/orders", "https://api.example.com/orders");
    assert_accepted("wss", verify(&opted_in, url, Some("websocket")));
    assert_accepted("WSS", verify(&opted_in, "WSS://api.example.com:443/orders", Some("WebSocket")));
    assert_accepted("https", verify(&opted_in, https, Some("websocket")));
    assert_accepted("https by default", verify(&default, https, Some("websocket")));
    for (name, dpop, htu, upgrade) in [
        ("default", &default, url, Some("websocket")),
        ("no upgrade", &opted_in, url, None),
        ("another upgrade", &opted_in, url, Some("h2c")),
        ("ws in place of http", &opted_in, "ws://api.example.com/orders", Some("websocket")),
    ] {
        assert_rejected(name, verify(dpop, htu, upgrade), &ProofFault::UrlMismatch);
    }

    // HTTP/2 (RFC 8441).
    let mut claims = claims();
    claims["htu"] = url.into();
    claims["htm"] = "CONNECT".into();
    let proof = client.proof(&claims);
    let mut head = request(Method::GET, "https://api.example.com/orders", &proof);
    head.method = Method::CONNECT;
    assert_accepted("HTTP/2", verifier(&opted_in).verify(&head, &client.sender(), at(NOW)));
}

/// Reads method and path from headers that a proxy sets.
fn behind_proxy(base: &str) -> Dpop {
    Dpop::at(base).target_from(|head| {
        let header = |name| head.headers.get(name)?.to_str().ok();
        Some(Target::new(header("x-method")?.parse().ok()?, header("x-url")?))
    })
}

#[test]
fn a_function_can_compute_the_target() {
    let client = Client::new(Algorithm::ES256);
    let verify = |base: &str, method: &'static str, url: &'static str| {
        let mut head = head(&client.proof(&claims()));
        head.uri = "/auth".parse().unwrap();
        head.method = Method::POST;
        head.headers.insert("x-method", HeaderValue::from_static(method));
        head.headers.insert("x-url", HeaderValue::from_static(url));
        verifier(&behind_proxy(base)).verify(&head, &client.sender(), at(NOW))
    };
    assert_accepted("same", verify(BASE, "GET", "https://api.example.com/orders"));
    assert_accepted("query", verify(BASE, "GET", "https://API.example.com/orders?page=2"));
    assert_rejected(
        "POST",
        verify(BASE, "POST", "https://api.example.com/orders"),
        &ProofFault::MethodMismatch,
    );
    for (name, base, url) in [
        ("another path", BASE, "https://api.example.com/auth"),
        ("no URL", BASE, "/orders"),
        ("another origin", "https://eu.example.com", "https://api.example.com/orders"),
        ("not below the base", "https://api.example.com/v2", "https://api.example.com/orders"),
        ("a longer segment", "https://api.example.com/order", "https://api.example.com/orders"),
    ] {
        assert_rejected(name, verify(base, "GET", url), &ProofFault::UrlMismatch);
    }
}

#[test]
fn a_request_for_which_the_function_finds_no_target_is_rejected() {
    let client = Client::new(Algorithm::ES256);
    let result =
        verifier(&behind_proxy(BASE)).verify(&head(&client.proof(&claims())), &client.sender(), at(NOW));
    assert_rejected("no header", result, &ProofFault::UrlMismatch);
}
