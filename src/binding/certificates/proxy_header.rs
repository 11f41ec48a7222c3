//! A certificate header, read only if a trusted proxy has sent it.

use std::net::IpAddr;

use http::HeaderMap;
use http::request::Parts;

use super::address_range::AddressRange;
use super::fault::CertificateFault;
use super::header::CertificateHeader;
use super::peer_address::PeerAddressSource;
use crate::access_token::Thumbprint;

/// A header, and the proxies that may send it.
pub(super) struct ProxyHeader {
    header: CertificateHeader,
    proxies: Vec<AddressRange>,
    peer_address: PeerAddressSource,
    /// Whether the inner service sees the header.
    is_kept: bool,
}

/// A header that was not read, because its peer is no trusted proxy.
pub(crate) struct IgnoredHeader<'h> {
    pub(crate) name: &'h str,
    pub(crate) peer: IpAddr,
}

impl ProxyHeader {
    pub(super) fn new(
        header: CertificateHeader,
        proxies: Vec<AddressRange>,
        peer_address: PeerAddressSource,
        is_kept: bool,
    ) -> Self {
        Self { header, proxies, peer_address, is_kept }
    }

    /// The thumbprint of the certificate in the header. `None` if there is none, or if the peer is not
    /// trusted.
    ///
    /// # Errors
    /// [`CertificateFault`], if the peer is unknown or its header malformed.
    pub(super) fn thumbprint(&self, head: &Parts) -> Result<Option<Thumbprint>, CertificateFault> {
        if !self.header.is_in(&head.headers) {
            return Ok(None);
        }
        let peer = self.peer_address.find(head).ok_or(CertificateFault::PeerAddressUnknown)?;
        if !self.trusts(peer) {
            return Ok(None);
        }
        self.header.thumbprint(&head.headers).map_err(CertificateFault::HeaderMalformed)
    }

    /// The header of a peer that is no trusted proxy, if the request has one.
    pub(super) fn ignored(&self, head: &Parts) -> Option<IgnoredHeader<'_>> {
        let peer = self.peer_address.find(head).filter(|_| self.header.is_in(&head.headers))?;
        (!self.trusts(peer)).then(|| IgnoredHeader { name: self.name(), peer })
    }

    /// The name of the header.
    pub(super) fn name(&self) -> &str {
        self.header.name.as_str()
    }

    /// Says whether the request has the header, who has sent it, and whether that peer is trusted.
    pub(super) fn describe(&self, head: &Parts) -> String {
        let name = self.name();
        if !self.header.is_in(&head.headers) {
            return format!("no header {name}");
        }
        match self.peer_address.find(head) {
            None => format!("header {name} of an unknown peer"),
            Some(peer) if self.trusts(peer) => format!("header {name} of the trusted proxy {peer}"),
            Some(peer) => format!("header {name} of {peer}, which is not in from_proxy"),
        }
    }

    fn trusts(&self, peer: IpAddr) -> bool {
        self.proxies.iter().any(|range| range.contains(peer))
    }

    /// Removes the header from any peer, unless the inner service is to see it.
    pub(super) fn remove_from(&self, headers: &mut HeaderMap) {
        if !self.is_kept {
            self.header.remove_from(headers);
        }
    }
}
