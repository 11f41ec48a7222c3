//! Why the metadata of an issuer yields no endpoint.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::crypto::TENANT_ID;
use crate::fetch_url::{Difference, FetchUrl, UrlFault, redacted};
use crate::transport::{FetchError, FetchErrorKind};

/// A discovery that failed: its most specific failure, and the URL at which that happened.
#[derive(Debug)]
pub(crate) struct FailedDiscovery {
    pub(crate) urls: TriedUrls,
    pub(crate) error: MetadataError,
}

/// The URL at which something failed. `Display` prints it, and the others.
#[derive(Debug)]
pub(crate) struct TriedUrls {
    pub(crate) url: FetchUrl,
    /// The other well-known URLs that were tried.
    others: Vec<FetchUrl>,
}

impl TriedUrls {
    pub(crate) fn only(url: FetchUrl) -> Self {
        Self { url, others: Vec::new() }
    }
}

impl fmt::Display for TriedUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others: Vec<String> = self.others.iter().map(ToString::to_string).collect();
        match others.as_slice() {
            [] => write!(f, "{}", self.url),
            others => write!(f, "{}; also tried {}", self.url, others.join(" and ")),
        }
    }
}

impl FailedDiscovery {
    pub(super) fn new(url: FetchUrl, error: MetadataError) -> Self {
        Self { urls: TriedUrls::only(url), error }
    }

    /// The same, after all these URLs have failed. It names them only if no document was found: else the
    /// failure is about the document, or about the new location after a redirect.
    pub(super) fn of_all(mut self, mut tried: Vec<FetchUrl>) -> Self {
        let is_not_found = |error: &FetchError| error.kind() != FetchErrorKind::Redirected;
        if matches!(&self.error, MetadataError::Fetch(error) if is_not_found(error)) {
            tried.retain(|url| *url != self.urls.url);
            self.urls.others = tried;
        }
        self
    }
}

/// Why the metadata yields no endpoint.
#[derive(Debug)]
pub(crate) enum MetadataError {
    /// The document lacks this member, which names the endpoint.
    EndpointMissing(&'static str),
    /// The URL of the endpoint must not be fetched.
    EndpointUnusable(UnusableEndpoint),
    /// The document could not be fetched.
    Fetch(FetchError),
    /// The document is about another issuer (RFC 8414 section 3.3).
    IssuerMismatch(IssuerMismatch),
    /// The document is not valid metadata, for this reason.
    Unreadable(Unreadable),
}

/// The issuer that a document names, and the configured one.
#[derive(Debug)]
pub(crate) struct IssuerMismatch {
    named: Box<str>,
    expected: Arc<str>,
    difference: Option<Difference>,
}

/// Why a document is not valid metadata. The reason never quotes the document.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It is not valid JSON, or a member occurs twice.
    Json(serde_json::Error),
    /// It is not an object, or this member is missing or not a string.
    NotAString(&'static str),
}

impl MetadataError {
    /// Whether it says more than the failure at another well-known URL.
    pub(super) fn outranks(&self, other: &Self) -> bool {
        self.specificity() > other.specificity()
    }

    /// Ranks the failures of the well-known URLs. Most servers use only one of them, so a 404 says least.
    fn specificity(&self) -> u8 {
        match self {
            Self::IssuerMismatch(_) => 4,
            Self::EndpointMissing(_) | Self::EndpointUnusable(_) => 3,
            Self::Unreadable(_) => 2,
            Self::Fetch(error) => match error.kind() {
                FetchErrorKind::Redirected | FetchErrorKind::AddressNotAllowed => 1,
                _ => u8::from(error.is_outage()),
            },
        }
    }
}

/// An endpoint in the metadata that must not be fetched.
#[derive(Debug)]
pub(crate) struct UnusableEndpoint {
    /// The member that names it.
    member: &'static str,
    /// Without user name, password, query and fragment, and shortened. `None` for a text that is no URL: it
    /// could be anything.
    url: Option<Box<str>>,
    fault: UrlFault,
}

impl UnusableEndpoint {
    /// The longest part of the URL to show, in characters. The document is untrusted.
    const MAX_SHOWN: usize = 150;

    pub(crate) fn new(member: &'static str, url: &str, fault: UrlFault) -> Self {
        let shown = || redacted(url).chars().take(Self::MAX_SHOWN).collect::<String>();
        let url = (fault != UrlFault::Relative).then(|| shown().into());
        Self { member, url, fault }
    }

    /// Why the URL must not be fetched.
    pub(crate) fn fault(&self) -> UrlFault {
        self.fault
    }
}

impl fmt::Display for UnusableEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the `{}` ", self.member)?;
        // Quoted and escaped, so that the URL cannot forge a line of a log.
        self.url.as_ref().map_or(Ok(()), |url| write!(f, "{url:?} "))?;
        f.write_str(self.fault.as_str())
    }
}

impl Error for UnusableEndpoint {}

impl IssuerMismatch {
    /// The longest part of the name to show, in characters. The document is untrusted.
    const MAX_SHOWN: usize = 150;

    pub(crate) fn new(named: &str, expected: &Arc<str>) -> Self {
        let difference = Difference::between(named, expected);
        let named: String = named.chars().take(Self::MAX_SHOWN).collect();
        Self { named: named.into(), expected: Arc::clone(expected), difference }
    }

    /// The remedy.
    pub(crate) fn hint(&self) -> &'static str {
        if self.expected.contains(TENANT_ID) {
            "shared_metadata needs the metadata of all tenants, which names {tenantid} in place of a tenant ID"
        } else if self.named.contains(TENANT_ID) {
            "the metadata is for many tenants: configure a tenant by its ID, and read this with shared_metadata"
        } else if self.difference.as_ref().is_some_and(Difference::is_same_origin) {
            "configure the issuer exactly as its metadata names it"
        } else {
            "configure the public URL of the authorization server there (behind a proxy: its host name and \
             https), or configure the issuer that the tokens name in `iss`"
        }
    }
}

impl fmt::Display for IssuerMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Quoted and escaped, so that the name cannot forge a line of a log.
        let Self { named, expected, difference } = self;
        write!(f, "it names {named:?}, and {expected:?} is configured")?;
        difference.as_ref().map_or(Ok(()), |difference| write!(f, " ({difference})"))
    }
}

impl Error for IssuerMismatch {}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndpointMissing(member) => {
                write!(f, "the metadata document has no `{member}`")
            }
            Self::EndpointUnusable(_) => f.write_str("the metadata document names a URL that is not fetched"),
            Self::Fetch(error) => error.fmt(f),
            Self::IssuerMismatch(issuers) => {
                write!(f, "the metadata document is about another issuer: {issuers}")
            }
            Self::Unreadable(_) => f.write_str("the metadata document is not valid"),
        }
    }
}

impl Error for MetadataError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Fetch(error) => error.source(),
            Self::Unreadable(reason) => Some(reason),
            Self::EndpointUnusable(endpoint) => Some(endpoint),
            Self::EndpointMissing(_) | Self::IssuerMismatch(_) => None,
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::NotAString(member) => write!(f, "the member `{member}` is missing or not a string"),
        }
    }
}

impl Error for Unreadable {}

impl From<FetchError> for MetadataError {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

impl From<Unreadable> for MetadataError {
    fn from(reason: Unreadable) -> Self {
        Self::Unreadable(reason)
    }
}
