//! Hints about keys that could not be fetched.

use std::error::Error;
use std::iter::successors;

use super::error::{Cause, KeysError};
use super::key_set::KeySetFault;
use crate::fetch_url::UrlFault;
use crate::metadata::MetadataError;
use crate::transport::{FetchError, FetchErrorKind};

impl KeysError {
    /// The remedy, for an operator. `None` if only the authorization server can help, as
    /// after a 5xx.
    ///
    /// The event of the failed fetch has it, too, and so has [`NotReady`](crate::diagnostics::NotReady).
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    ///
    /// fn print_hints(auth: &BearerAuth) {
    ///     for status in auth.status() {
    ///         let error = status.keys().and_then(|keys| keys.last_error());
    ///         if let Some(hint) = error.and_then(|error| error.hint()) {
    ///             eprintln!("{}: {hint}", status.issuer());
    ///         }
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match &self.cause {
            Cause::Fetch(error) => of_fetch(error, "check the URL of the key set"),
            Cause::Metadata(MetadataError::Fetch(error)) => of_fetch(
                error,
                "check the issuer URL, its path included; if the server publishes no metadata, use \
                 Issuer::with_jwks_url",
            ),
            Cause::Metadata(MetadataError::IssuerMismatch(issuers)) => Some(issuers.hint()),
            Cause::Metadata(MetadataError::EndpointMissing(_)) => {
                Some("name the URL of the key set with Issuer::with_jwks_url")
            }
            Cause::Metadata(MetadataError::EndpointUnusable(endpoint)) => Some(of_endpoint(endpoint.fault())),
            Cause::Metadata(MetadataError::Unreadable(_)) => {
                Some("check that the issuer URL is that of an authorization server")
            }
            Cause::KeySet(KeySetFault::NotAKeySet) => {
                Some("check that the URL is that of a JWK Set (RFC 7517)")
            }
            Cause::KeySet(KeySetFault::NoUsableKey) => Some(
                "compare Issuer::algorithms with the keys; KeysStatus::skipped_keys says why each is skipped",
            ),
            Cause::RefreshTask(_) => None,
        }
    }
}

fn of_fetch(error: &FetchError, if_not_found: &'static str) -> Option<&'static str> {
    match error.kind() {
        // The client `OriginHeader` could not read its token.
        FetchErrorKind::Transport if has_cause(error, "the file ") => {
            Some("nothing was sent: check the token file of OriginHeader")
        }
        FetchErrorKind::Transport if has_cause(error, "certificate") => Some(
            "if the server has a private CA, name its certificate in SSL_CERT_FILE or in ReqwestClient::build",
        ),
        FetchErrorKind::Transport if has_cause(error, "refused") => Some(
            "is the authorization server running there? If it is, check the URL with its port, DNS, proxy and \
             firewall",
        ),
        FetchErrorKind::Transport => Some("check the URL, DNS, proxy and firewall"),
        FetchErrorKind::TimedOut => Some("check proxy and firewall, or raise fetch_timeout"),
        FetchErrorKind::Redirected => Some(
            "redirects are not followed: if the new location belongs to the authorization server, configure it",
        ),
        FetchErrorKind::AddressNotAllowed => Some(
            "if the authorization server is in your own network, use IssuerResolver::allow_private_addresses \
                 or remove Issuer::require_public_addresses; a wrapped reqwest::Client needs ReqwestClient::build",
        ),
        FetchErrorKind::Status(401 | 403) => Some(
            "the URL requires credentials: send them with transport::OriginHeader, or let the server publish it \
             without",
        ),
        FetchErrorKind::Status(404 | 410) => Some(if_not_found),
        FetchErrorKind::ConnectionLost | FetchErrorKind::TooLarge | FetchErrorKind::Status(_) => None,
    }
}

/// Whether a cause has this word. Only the text tells: an HTTP client may use any TLS library.
fn has_cause(error: &FetchError, word: &str) -> bool {
    let mut causes = successors(error.source(), |error: &&(dyn Error + 'static)| (*error).source());
    causes.any(|cause| cause.to_string().contains(word))
}

fn of_endpoint(fault: UrlFault) -> &'static str {
    match fault {
        UrlFault::HostNotAllowed => {
            "if the host belongs to the authorization server, allow it with Issuer::endpoint_hosts (for a \
             resolved issuer, the default is its own host and subdomains)"
        }
        UrlFault::Insecure | UrlFault::Downgraded => {
            "let the authorization server name an https URL; in a test network, use Issuer::dangerous_allow_http"
        }
        UrlFault::Relative | UrlFault::Decorated | UrlFault::Ambiguous => {
            "fix the URL at the authorization server, or name it with Issuer::with_jwks_url"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{Unreadable, UnusableEndpoint};

    #[test]
    fn whoever_can_change_something_gets_a_hint() {
        let fetch = |kind: FetchErrorKind| KeysError::from(FetchError::from(kind));
        let unusable = |fault| {
            let endpoint = UnusableEndpoint::new("jwks_uri", "http://keys.example.net/jwks", fault);
            KeysError::from(MetadataError::EndpointUnusable(endpoint))
        };
        for (error, part) in [
            (FetchError::transport("invalid peer certificate: UnknownIssuer").into(), "private CA"),
            (
                FetchError::transport("connection refused").into(),
                "is the authorization server running there?",
            ),
            (FetchError::transport("failed to lookup address").into(), "DNS"),
            (FetchError::transport("the file \"/token\" is empty").into(), "token file"),
            (fetch(FetchErrorKind::TimedOut), "fetch_timeout"),
            (FetchError::redirected_to("https://x.example").into(), "new location"),
            (FetchError::address_not_allowed("x", [10, 0, 0, 1].into()).into(), "allow_private_addresses"),
            (fetch(FetchErrorKind::Status(403)), "OriginHeader"),
            (fetch(FetchErrorKind::Status(404)), "URL of the key set"),
            (MetadataError::from(FetchError::from(FetchErrorKind::Status(404))).into(), "path included"),
            (MetadataError::EndpointMissing("jwks_uri").into(), "with_jwks_url"),
            (unusable(UrlFault::HostNotAllowed), "endpoint_hosts"),
            (unusable(UrlFault::Insecure), "dangerous_allow_http"),
            (MetadataError::from(Unreadable::NotAString("issuer")).into(), "authorization server"),
            (KeySetFault::NotAKeySet.into(), "JWK Set"),
            (KeysError::from(KeySetFault::NoUsableKey), "algorithms"),
        ] {
            assert!(error.hint().is_some_and(|hint| hint.contains(part)), "{error}: {:?}", error.hint());
        }
        for kind in [FetchErrorKind::Status(500), FetchErrorKind::ConnectionLost, FetchErrorKind::TooLarge] {
            assert_eq!(fetch(kind).hint(), None, "{kind}");
        }
    }
}
