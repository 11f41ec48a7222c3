//! The settings for certificate-bound tokens.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;

use super::client_certificate::ClientCertificate;
use super::header::Encoding;
use super::peer_address::PeerAddressSource;

/// Finds the client certificate of a request.
pub(super) type CertificateFn = Arc<dyn Fn(&Parts) -> Option<ClientCertificate> + Send + Sync>;

/// Where the client certificate of a request is, so that certificate-bound tokens are accepted (RFC 8705
/// section 3).
///
/// A token is bound if its `cnf` has `x5t#S256`. A request with such a token must come with the certificate;
/// otherwise it is rejected with 401 `invalid_token`. Other tokens are not affected.
///
/// The certificate is that [of the connection](Self::of_connection) if your server terminates TLS. If a proxy
/// does, it is in a header, and [`from_proxy`](Self::from_proxy) is required:
///
/// | proxy | constructor |
/// |---|---|
/// | haproxy, Caddy, others with RFC 9440 | [`client_cert_header`](Self::client_cert_header) |
/// | nginx, AWS Application Load Balancer | [`pem_header`](Self::pem_header) |
/// | Azure App Service | [`der_header`](Self::der_header) |
/// | Envoy, Istio | [`xfcc_header`](Self::xfcc_header) |
///
/// ```
/// use tower_bearer::certificates::Certificates;
///
/// let from_rustls = Certificates::of_connection();
/// let from_nginx = Certificates::pem_header("x-client-cert").from_proxy("10.0.0.7").from_proxy("fd00::/8");
/// # let _ = (from_rustls, from_nginx);
/// ```
///
/// # Headers
///
/// A header from any other peer is ignored, and an event is logged at WARN, at most once a minute. The inner
/// service does not see the header. An empty header counts as no certificate.
///
/// A header that could be read in two ways is rejected with 400 `certificate_header_malformed`: several lines
/// or values, several certificates, text before or after the certificate, base64 that is not canonical, or
/// more than 16 KiB. If the [address of the peer](Self::peer_address) is unknown, a request with a bound
/// token and the header gets 500 `peer_address_unknown`.
#[derive(Clone, Debug)]
#[must_use]
pub struct Certificates {
    pub(super) source: Source,
    pub(super) also_of_connection: bool,
    pub(super) proxies: Vec<String>,
    pub(super) peer_address: Option<PeerAddressSource>,
    pub(super) keep_header: bool,
}

#[derive(Clone)]
pub(super) enum Source {
    Connection,
    Function(CertificateFn),
    Header(HeaderSetting),
}

#[derive(Clone, Debug)]
pub(super) struct HeaderSetting {
    /// The constructor, for the report of a problem.
    pub(super) constructor: &'static str,
    pub(super) name: String,
    pub(super) encoding: Encoding,
}

impl Certificates {
    /// Reads the [`ClientCertificate`] that your server inserts into the extensions of each request.
    ///
    /// ```
    /// use tower_bearer::certificates::Certificates;
    ///
    /// let certificates = Certificates::of_connection();
    /// # drop(certificates);
    /// ```
    pub fn of_connection() -> Self {
        Self::new(Source::Connection)
    }

    /// Finds the certificate with a function of the head of the request, usually in its extensions.
    ///
    /// The function runs for each request with a bound token, so it should return a clone of a
    /// [`ClientCertificate`] that was created with the connection. It must not trust a header.
    ///
    /// With tonic, read the connect info. It has the chain of the client; the first certificate is its own,
    /// and is hashed for each request:
    ///
    /// ```ignore
    /// use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
    /// use tower_bearer::certificates::{Certificates, ClientCertificate};
    ///
    /// let certificates = Certificates::from_fn(|head| {
    ///     let info = head.extensions.get::<TlsConnectInfo<TcpConnectInfo>>()?;
    ///     let chain = info.peer_certs()?;
    ///     chain.first().map(|der| ClientCertificate::from_der(der.as_ref()))
    /// });
    /// ```
    ///
    /// With an extension of your own:
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use tower_bearer::certificates::{Certificates, ClientCertificate};
    ///
    /// /// What the server of this program knows about a connection.
    /// struct Connection {
    ///     certificate: Option<ClientCertificate>,
    /// }
    ///
    /// let certificates =
    ///     Certificates::from_fn(|head| head.extensions.get::<Arc<Connection>>()?.certificate.clone());
    /// # drop(certificates);
    /// ```
    pub fn from_fn(find: impl Fn(&Parts) -> Option<ClientCertificate> + Send + Sync + 'static) -> Self {
        Self::new(Source::Function(Arc::new(find)))
    }

    /// Reads the header `Client-Cert` (RFC 9440 section 2.2): base64 DER between colons. `Client-Cert-Chain`
    /// is not read, and is removed with it.
    ///
    /// ```
    /// use tower_bearer::certificates::Certificates;
    ///
    /// let certificates = Certificates::client_cert_header().from_proxy("10.0.0.7");
    /// # drop(certificates);
    /// ```
    pub fn client_cert_header() -> Self {
        Self::header("client_cert_header", "client-cert", Encoding::ByteSequence)
    }

    /// Reads the header `x-forwarded-client-cert` of Envoy and Istio: its `Hash`, its `Cert`, or both if they
    /// agree.
    ///
    /// Exactly one element is accepted, so the proxy must replace what a client has sent: `SANITIZE_SET`, not
    /// `APPEND_FORWARD`. A sidecar that forwards the header of others needs a rule that admits only the
    /// gateway.
    ///
    /// ```
    /// use tower_bearer::certificates::Certificates;
    ///
    /// let certificates = Certificates::xfcc_header().from_proxy("10.0.0.7");
    /// # drop(certificates);
    /// ```
    pub fn xfcc_header() -> Self {
        Self::header("xfcc_header", "x-forwarded-client-cert", Encoding::Xfcc)
    }

    /// Reads a header with percent-encoded PEM: `$ssl_client_escaped_cert` of nginx, or
    /// `X-Amzn-Mtls-Clientcert-Leaf` of an AWS Application Load Balancer. The characters `+`, `=` and `/` may
    /// be unescaped.
    ///
    /// ```
    /// use tower_bearer::certificates::Certificates;
    ///
    /// let certificates = Certificates::pem_header("x-amzn-mtls-clientcert-leaf").from_proxy("10.0.0.0/16");
    /// # drop(certificates);
    /// ```
    pub fn pem_header(name: impl Into<String>) -> Self {
        Self::header("pem_header", name, Encoding::Pem)
    }

    /// Reads a header with base64 DER, such as `X-ARR-ClientCert` of Azure App Service.
    ///
    /// ```
    /// use tower_bearer::certificates::Certificates;
    ///
    /// let certificates = Certificates::der_header("x-arr-clientcert").from_proxy("10.0.0.0/16");
    /// # drop(certificates);
    /// ```
    pub fn der_header(name: impl Into<String>) -> Self {
        Self::header("der_header", name, Encoding::Der)
    }

    /// Adds a trusted proxy: an address or a range in CIDR notation. Call it once for each.
    ///
    /// The address is that of the TCP peer. An IPv4-mapped address (`::ffff:10.0.0.1`) counts as the IPv4
    /// address in it. A range that covers every IPv4 address is a [`ConfigError`](crate::ConfigError), and so
    /// is a header without a trusted proxy.
    ///
    /// ```
    /// use tower_bearer::certificates::Certificates;
    ///
    /// let certificates =
    ///     Certificates::client_cert_header().from_proxy("192.0.2.10").from_proxy("2001:db8:7::/64");
    /// # drop(certificates);
    /// ```
    ///
    /// # Risk
    /// Every host in the range can send the certificate of any client, so list the proxies only, not their
    /// whole network. The proxy must remove or replace the header if a client has sent it: otherwise a stolen
    /// token works without the private key of its certificate.
    pub fn from_proxy(mut self, address: impl Into<String>) -> Self {
        self.proxies.push(address.into());
        self
    }

    /// Also accepts the certificate [of the connection](Self::of_connection), for clients that do not come
    /// through the proxy. Default: only the header counts.
    ///
    /// If a request has both, they must be the same certificate; otherwise the header counts as malformed.
    /// Leave it out if the proxy authenticates at your server with a certificate of its own.
    ///
    /// ```
    /// use tower_bearer::certificates::Certificates;
    ///
    /// let certificates = Certificates::client_cert_header().from_proxy("10.0.0.7").also_of_connection();
    /// # drop(certificates);
    /// ```
    pub fn also_of_connection(mut self) -> Self {
        self.also_of_connection = true;
        self
    }

    /// Finds the IP address of the peer with a function. Default: the [`PeerAddress`](super::PeerAddress) in
    /// the extensions of the request.
    ///
    /// With axum, serve the router with `into_make_service_with_connect_info::<SocketAddr>()`:
    ///
    /// ```
    /// use std::net::SocketAddr;
    ///
    /// use axum::extract::ConnectInfo;
    /// use tower_bearer::certificates::Certificates;
    ///
    /// let certificates = Certificates::client_cert_header()
    ///     .from_proxy("10.0.0.7")
    ///     .peer_address(|head| head.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip()));
    /// # drop(certificates);
    /// ```
    ///
    /// If only the proxy can connect, over a Unix socket for example, name an address that stands for it:
    ///
    /// ```
    /// use std::net::{IpAddr, Ipv4Addr};
    ///
    /// use tower_bearer::certificates::Certificates;
    ///
    /// let certificates = Certificates::client_cert_header()
    ///     .from_proxy("127.0.0.1")
    ///     .peer_address(|_| Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    /// # drop(certificates);
    /// ```
    pub fn peer_address(mut self, find: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        self.peer_address = Some(PeerAddressSource::Function(Arc::new(find)));
        self
    }

    /// Leaves the header in the request, for an inner service that reads the certificate itself. Default: it
    /// is removed.
    ///
    /// The header of an untrusted peer stays as well, so the inner service must know which peers it trusts.
    ///
    /// ```
    /// use tower_bearer::certificates::Certificates;
    ///
    /// let certificates = Certificates::client_cert_header().from_proxy("10.0.0.7").keep_header();
    /// # drop(certificates);
    /// ```
    pub fn keep_header(mut self) -> Self {
        self.keep_header = true;
        self
    }

    fn header(constructor: &'static str, name: impl Into<String>, encoding: Encoding) -> Self {
        Self::new(Source::Header(HeaderSetting { constructor, name: name.into(), encoding }))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            also_of_connection: false,
            proxies: Vec::new(),
            peer_address: None,
            keep_header: false,
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection => f.write_str("Connection"),
            Self::Function(_) => f.write_str("Function"),
            Self::Header(header) => header.fmt(f),
        }
    }
}
