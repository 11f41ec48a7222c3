//! The schemes Bearer and DPoP in HTTP: credentials of a request, challenges of a response (RFC 6750, RFC
//! 9449 section 7.1, RFC 9110 section 11).

mod challenge;
mod credential;
pub(crate) mod extract;
pub(crate) mod form;
mod grammar;
mod located;
mod scheme;
mod scope;
mod sensitive;
mod source;

pub(crate) use challenge::{ChallengeWriter, ErrorCode, realm_is_valid};
pub(crate) use credential::{BearerToken, Credential, CredentialsFault};
pub(crate) use grammar::{is_b64token, is_tchar};
pub(crate) use located::{Located, OwnedToken};
pub(crate) use scheme::{DPOP, DPOP_NONCE, Scheme, Schemes};
pub use scope::ScopeSet;
pub(crate) use scope::is_scope_token;
pub(crate) use sensitive::hide_lines;
pub use source::TokenSource;
pub(crate) use source::{is_in_query, is_web_socket};
