//! An issuer with a metadata document, and its well-known URLs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::fetch_url::{EndpointHosts, FetchUrl, PlainHttp};

/// An issuer with a metadata document.
#[derive(Clone, Debug)]
pub(crate) struct Discoverable {
    /// The issuer identifier, exactly as configured.
    pub(crate) identifier: Arc<str>,
    /// The `issuer` that the document must name: the identifier, or a template for many tenants.
    pub(super) named: Arc<str>,
    /// The URL of which the well-known URLs are made: the issuer identifier, unless the metadata is shared.
    pub(crate) url: FetchUrl,
    /// Where plain `http` is allowed.
    pub(crate) plain_http: PlainHttp,
    /// The hosts on which its endpoints may be.
    pub(crate) endpoint_hosts: EndpointHosts,
    /// The number of the well-known URL that responded last. Clones share it.
    last_responding: Arc<AtomicUsize>,
}

/// Equal for two [`Discoverable`]s whose metadata gives the same endpoints.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct MetadataId {
    named: Arc<str>,
    /// The URL of shared metadata. That of other metadata follows from the issuer that it names.
    shared_at: Option<Box<str>>,
    plain_http: PlainHttp,
    endpoint_hosts: EndpointHosts,
}

impl Discoverable {
    /// An issuer whose metadata names it. `url` is the issuer identifier as a URL.
    pub(crate) fn new(
        identifier: Arc<str>,
        url: FetchUrl,
        plain_http: PlainHttp,
        endpoint_hosts: EndpointHosts,
    ) -> Self {
        let named = Arc::clone(&identifier);
        Self { identifier, named, url, plain_http, endpoint_hosts, last_responding: Arc::default() }
    }

    /// The same, with metadata that many tenants share: it names `template` as its issuer.
    pub(crate) fn with_template(self, template: Arc<str>) -> Self {
        Self { named: template, ..self }
    }

    /// The identity of the metadata: where it is, the issuer that it names, and the endpoints that it may
    /// name.
    pub(crate) fn id(&self) -> MetadataId {
        let is_shared = self.named != self.identifier;
        MetadataId {
            named: Arc::clone(&self.named),
            shared_at: is_shared.then(|| self.url.uri().to_string().into()),
            plain_http: self.plain_http,
            endpoint_hosts: self.endpoint_hosts.clone(),
        }
    }

    /// The most requests that one discovery sends.
    pub(crate) fn max_requests(&self) -> u32 {
        u32::try_from(well_known_urls(&self.url).len()).unwrap_or(u32::MAX)
    }

    /// The URL that the next discovery reads first.
    pub(crate) fn metadata_url(&self) -> FetchUrl {
        let first = self.urls().into_iter().next();
        let url = first.and_then(|(_, url)| FetchUrl::parse(&url, self.plain_http).ok());
        url.unwrap_or_else(|| self.url.clone())
    }

    /// Remembers that the well-known URL with this number responded.
    pub(super) fn responded(&self, number: usize) {
        self.last_responding.store(number, Ordering::Relaxed);
    }

    /// The well-known URLs with their numbers. The one that responded last comes first.
    pub(super) fn urls(&self) -> Vec<(usize, String)> {
        let last = self.last_responding.load(Ordering::Relaxed);
        let mut urls: Vec<(usize, String)> = well_known_urls(&self.url).into_iter().enumerate().collect();
        urls.sort_by_key(|(number, _)| *number != last);
        urls
    }
}

/// The well-known URLs of `issuer`: two, or three if it has a path.
///
/// RFC 8414 section 3.1 inserts the well-known part before the path. OpenID Connect Discovery 1.0 section 4.1
/// appends it to the path. Some servers insert that of OpenID Connect as well, as RFC 8414 section 5 allows.
pub(super) fn well_known_urls(issuer: &FetchUrl) -> Vec<String> {
    let (origin, path) = (issuer.origin(), issuer.path());
    let mut urls = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}{path}/.well-known/openid-configuration"),
    ];
    if !path.is_empty() {
        urls.push(format!("{origin}/.well-known/openid-configuration{path}"));
    }
    urls
}
