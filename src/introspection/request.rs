//! Builds the introspection request (RFC 7662 section 2.1).
//!
//! Why: the token is in the body only, because URLs are logged (RFC 7662 section 4).

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};

use super::client_auth::Credentials;
use crate::fetch_url::FetchUrl;

/// The media type of the response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Accept {
    /// Plain JSON (RFC 7662 section 2.2).
    Json,
    /// Only a signed JWT (RFC 9701 section 4).
    Signed,
}

/// Builds the request for `token`. Keeps the query of `endpoint`, if it has one.
pub(crate) fn build(
    endpoint: &FetchUrl,
    token: &str,
    credentials: Credentials,
    accept: Accept,
) -> Request<Bytes> {
    let mut request = Request::new(form(token, &credentials));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = endpoint.uri().clone();
    let headers = request.headers_mut();
    headers.insert(ACCEPT, accept.media_type());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    if let Some(authorization) = credentials.authorization {
        headers.insert(AUTHORIZATION, authorization);
    }
    request
}

impl Accept {
    fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            Self::Signed => "application/token-introspection+jwt",
        })
    }
}

fn form(token: &str, credentials: &Credentials) -> Bytes {
    let mut form = Serializer::new(String::new());
    form.append_pair("token", token).append_pair("token_type_hint", "access_token");
    for (name, value) in &credentials.form {
        form.append_pair(name, value);
    }
    form.finish().into()
}

#[cfg(test)]
mod tests {
    use super::super::client_auth::{ClientAuth, Target};
    use super::*;
    use crate::fetch_url::PlainHttp;
    use crate::time::NumericDate;

    fn request_for(url: &str, token: &str, auth: &ClientAuth, accept: Accept) -> Request<Bytes> {
        let endpoint = FetchUrl::parse(url, PlainHttp::Loopback).unwrap();
        let now = NumericDate::from_secs(1_750_000_000).unwrap();
        let target = Target { issuer: "https://login.example.com", endpoint: url };
        let credentials = auth.fixed_credentials(target, now).unwrap();
        build(&endpoint, token, credentials, accept)
    }

    #[test]
    fn the_token_is_never_in_the_url() {
        for url in [
            "https://login.example.com/introspect",
            "https://login.example.com/a?tenant=x&y=%20",
            "https://h",
        ] {
            let request = request_for(url, "s3cret", &ClientAuth::mtls("api"), Accept::Json);
            assert_eq!(request.uri(), url);
            assert_eq!(request.method(), Method::POST);
        }
    }

    #[test]
    fn token_and_credentials_survive_form_encoding() {
        let auth = ClientAuth::secret_post("a&b=c", "% +\u{e9}&token=x");
        for token in ["abc", "a+b/c==", "a&token=b", "%41", "\u{e9} \u{1f511}", ""] {
            let request = request_for("https://h/", token, &auth, Accept::Json);
            let read: Vec<(String, String)> = form_urlencoded::parse(request.body()).into_owned().collect();
            let expected = [
                ("token", token),
                ("token_type_hint", "access_token"),
                ("client_id", "a&b=c"),
                ("client_secret", "% +\u{e9}&token=x"),
            ];
            assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())), "{token}");
            assert!(request.body().is_ascii());
        }
    }

    #[test]
    fn a_token_is_percent_encoded() {
        let request = request_for("https://h/", "a+b/c=.-_~", &ClientAuth::mtls("api"), Accept::Json);
        let expected = "token=a%2Bb%2Fc%3D.-_%7E&token_type_hint=access_token&client_id=api";
        assert_eq!(request.body(), expected);
    }

    #[test]
    fn headers_hold_the_credentials_and_the_accepted_media_type() {
        for (name, auth, accept, credential, media_type) in [
            ("bearer", ClientAuth::bearer("abc"), Accept::Json, Some("Bearer abc"), "application/json"),
            (
                "basic",
                ClientAuth::secret_basic("a", "b"),
                Accept::Signed,
                Some("Basic YTpi"),
                "application/token-introspection+jwt",
            ),
            ("certificate", ClientAuth::mtls("api"), Accept::Json, None, "application/json"),
        ] {
            let request = request_for("https://h/", "t", &auth, accept);
            let field = |name| request.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!(field(AUTHORIZATION), credential, "{name}");
            assert_eq!(field(ACCEPT), Some(media_type), "{name}");
            assert_eq!(field(CONTENT_TYPE), Some("application/x-www-form-urlencoded"), "{name}");
            assert!(request.headers().get(AUTHORIZATION).is_none_or(HeaderValue::is_sensitive), "{name}");
            let in_body = String::from_utf8_lossy(request.body()).into_owned();
            assert_eq!(in_body.contains("client_"), credential.is_none(), "{name}");
        }
    }
}
