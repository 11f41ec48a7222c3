//! Certificate-bound access tokens: only the client that authenticates TLS with the certificate can use the
//! token (RFC 8705 section 3).
//!
//! The claim `cnf` of such a token holds the SHA-256 thumbprint of the certificate. [`Certificates`] says
//! where the certificate of a request is: in its extensions, if your server terminates TLS, or in a header
//! that a proxy sends. `BearerAuth` compares the two, and rejects a bound token without its certificate.
//!
//! ```
//! # #[cfg(feature = "reqwest")] {
//! use tower_bearer::certificates::Certificates;
//! use tower_bearer::{BearerAuth, ConfigError, Issuer};
//!
//! fn auth() -> Result<BearerAuth, ConfigError> {
//!     BearerAuth::builder("https://api.example.com")
//!         .issuer(Issuer::discover("https://login.example.com"))
//!         // The proxy at this address terminates TLS and sends the header `Client-Cert` (RFC 9440).
//!         .certificates(Certificates::client_cert_header().from_proxy("10.0.0.7"))
//!         .build()
//! }
//! # }
//! ```
//!
//! # TLS in your server
//!
//! Request a client certificate in the handshake, and put it into the extensions of each request of the
//! connection. The certificate need not come from an authority that you trust: possession of its private key
//! is what counts, and TLS proves that (RFC 8705 section 6.2).
//!
//! ```
//! use http::Request;
//! use tower_bearer::certificates::ClientCertificate;
//!
//! /// Once per connection: `der` is the first of `peer_certificates()` of rustls.
//! fn client_certificate(der: Option<&[u8]>) -> Option<ClientCertificate> {
//!     der.map(ClientCertificate::from_der)
//! }
//!
//! /// For each request of the connection.
//! fn add_to<B>(request: &mut Request<B>, certificate: Option<&ClientCertificate>) {
//!     if let Some(certificate) = certificate {
//!         request.extensions_mut().insert(certificate.clone());
//!     }
//! }
//! ```
//!
//! # TLS in a proxy
//!
//! A header is as good as the peer that sent it. `BearerAuth` reads it only from the addresses that
//! [`from_proxy`](Certificates::from_proxy) names, and removes it before the inner service. The proxy must
//! remove a header of that name that a client has sent. `BearerAuth` needs the address of the peer; see
//! [`PeerAddress`]. [The guide](crate::guide::client_certificates) shows how to configure haproxy, nginx,
//! Caddy, Envoy, AWS and Azure.
//!
//! # Not checked
//!
//! The chain, the dates and the revocation of a certificate: the TLS server or the proxy checks these. Only
//! the SHA-256 digest of its DER encoding is compared (RFC 8705 section 3.1).

mod address_range;
mod build;
mod client_certificate;
mod explain;
mod fault;
mod header;
mod peer_address;
mod proxy_header;
mod reader;
mod settings;
#[cfg(all(test, any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod tests;

pub use client_certificate::ClientCertificate;
pub(crate) use fault::CertificateFault;
pub use peer_address::PeerAddress;
pub(crate) use reader::CertificateReader;
pub use settings::Certificates;
