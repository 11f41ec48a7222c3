//! Where the credential of a request is, once it was found: it is not searched again, and one in the
//! `Authorization` header is not copied.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::bearer::credential::{BearerToken, Credential};
use crate::bearer::scheme::Scheme;

/// The place of a credential in a request.
pub(crate) enum Located {
    /// The last `len` bytes of the `Authorization` header, after this scheme.
    InAuthorization { scheme: Scheme, len: usize },
    /// A copy of a credential from any other source.
    Copied(Box<[u8]>),
}

/// A copy of a token.
pub(crate) struct OwnedToken(Arc<str>);

impl Located {
    /// The bytes of the credential in `head`, the head of the request that it was found in.
    pub(crate) fn octets<'h>(&'h self, head: &'h Parts) -> &'h [u8] {
        match self {
            Self::Copied(octets) => octets,
            Self::InAuthorization { len, .. } => {
                let value = head.headers.get(AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
                let start = value.len().checked_sub(*len);
                start.and_then(|start| value.get(start..)).unwrap_or_default()
            }
        }
    }

    /// The scheme under which the token is presented.
    pub(crate) fn scheme(&self) -> Scheme {
        match self {
            Self::InAuthorization { scheme, .. } => *scheme,
            Self::Copied(_) => Scheme::Bearer,
        }
    }
}

impl From<Credential<'_>> for Located {
    fn from(credential: Credential<'_>) -> Self {
        match credential.authorization_scheme() {
            Some(scheme) => Self::InAuthorization { scheme, len: credential.octets().len() },
            None => Self::Copied(credential.octets().into()),
        }
    }
}

impl OwnedToken {
    /// `text` is that of a [`BearerToken`].
    pub(crate) fn from_checked(text: &Arc<str>) -> Self {
        Self(Arc::clone(text))
    }

    pub(crate) fn borrow(&self) -> BearerToken<'_> {
        BearerToken::from_checked(&self.0)
    }
}

impl From<BearerToken<'_>> for OwnedToken {
    fn from(token: BearerToken<'_>) -> Self {
        Self(token.as_str().into())
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::bearer::extract::find;
    use crate::bearer::scheme::Schemes;
    use crate::bearer::source::TokenSource;

    fn located(request: http::request::Builder, sources: &[TokenSource]) -> Vec<u8> {
        let head = request.body(()).unwrap().into_parts().0;
        let located = Located::from(find(&head, sources, Schemes::BearerAndDpop, 100).unwrap().unwrap());
        located.octets(&head).to_owned()
    }

    #[test]
    fn a_credential_is_read_from_where_it_was_found() {
        for value in ["Bearer a.b-c", "bearer    a.b-c", "DPoP a.b-c"] {
            assert_eq!(located(Request::get("/").header("authorization", value), &[]), b"a.b-c");
        }
        let cookie = Request::get("/").header("cookie", "x=1; __Host-t=a.b-c");
        assert_eq!(located(cookie, &[TokenSource::cookie("__Host-t")]), b"a.b-c");
        let query = Request::get("/?access_token=a%2Eb-c");
        assert_eq!(located(query, &[TokenSource::query()]), b"a.b-c");
    }

    #[test]
    fn another_head_yields_no_credential_and_no_panic() {
        let located = Located::InAuthorization { scheme: Scheme::Bearer, len: 5 };
        for request in [Request::get("/"), Request::get("/").header("authorization", "abc")] {
            assert!(located.octets(&request.body(()).unwrap().into_parts().0).is_empty());
        }
    }
}
