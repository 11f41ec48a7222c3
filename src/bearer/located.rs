//! Where the token of a request is, once it was found: the credential is not searched again, and a token in the
//! `Authorization` header is not copied.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::bearer::credential::{BearerToken, Credential, CredentialsFault};

/// A well-formed token of a request.
pub(crate) enum LocatedToken {
    /// The last `len` bytes of the `Authorization` header.
    InAuthorization { len: usize },
    /// A copy of a token from any other source.
    Copied(OwnedToken),
}

/// A copy of a well-formed token.
#[derive(Clone)]
pub(crate) struct OwnedToken(Arc<str>);

impl LocatedToken {
    /// Checks the grammar of `credential`, and notes where it is.
    ///
    /// # Errors
    /// [`CredentialsFault::Malformed`] if it is no `b64token`.
    pub(crate) fn of(credential: &Credential<'_>) -> Result<Self, CredentialsFault> {
        let token = credential.token()?;
        Ok(if credential.is_in_authorization() {
            Self::InAuthorization { len: token.octets().len() }
        } else {
            Self::Copied(token.into())
        })
    }

    /// The token in `head`, the head of the request that it was found in.
    pub(crate) fn read<'h>(&'h self, head: &'h Parts) -> Option<BearerToken<'h>> {
        match self {
            Self::Copied(token) => Some(token.borrow()),
            Self::InAuthorization { len } => {
                let value = head.headers.get(AUTHORIZATION)?.as_bytes();
                let octets = value.get(value.len().checked_sub(*len)?..)?;
                Some(BearerToken::known_well_formed(octets))
            }
        }
    }
}

impl OwnedToken {
    pub(crate) fn borrow(&self) -> BearerToken<'_> {
        BearerToken::known_well_formed(self.0.as_bytes())
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
    use crate::bearer::source::TokenSource;

    fn located(request: Request<()>, sources: &[TokenSource]) -> String {
        let head = request.into_parts().0;
        let located = LocatedToken::of(&find(&head, sources, 100).unwrap().unwrap()).unwrap();
        located.read(&head).unwrap().as_str().to_owned()
    }

    #[test]
    fn a_located_token_is_read_from_where_it_was_found() {
        for value in ["Bearer a.b-c", "bearer    a.b-c"] {
            assert_eq!(
                located(Request::get("/").header("authorization", value).body(()).unwrap(), &[]),
                "a.b-c"
            );
        }
        let cookie = Request::get("/").header("cookie", "x=1; __Host-t=a.b-c").body(()).unwrap();
        assert_eq!(located(cookie, &[TokenSource::cookie("__Host-t")]), "a.b-c");
        let query = Request::get("/?access_token=a%2Eb-c").body(()).unwrap();
        assert_eq!(located(query, &[TokenSource::query()]), "a.b-c");
    }

    #[test]
    fn another_head_yields_no_token_and_no_panic() {
        let located = LocatedToken::InAuthorization { len: 5 };
        for request in [Request::get("/"), Request::get("/").header("authorization", "abc")] {
            assert!(located.read(&request.body(()).unwrap().into_parts().0).is_none());
        }
    }
}
