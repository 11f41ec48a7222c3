//! The IP addresses that a request may connect to.
//!
//! Checks: an address is public, by the registries of special-purpose addresses (RFC 6890).
//!
//! Why an allow-list for IPv6: most of its space is unassigned, and a list of special ranges would miss those
//! that are assigned next.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses a request may connect to.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) enum AddressPolicy {
    #[default]
    Any,
    /// Only those for which [`is_public_address`] returns `true`.
    PublicOnly,
}

impl AddressPolicy {
    /// Whether a request may connect to `address`.
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::PublicOnly => is_public_address(address),
        }
    }
}

/// Whether `address` is a unicast address of the public internet.
///
/// `false` for loopback, private (RFC 1918, RFC 4193), link-local, shared (RFC 6598), unspecified, multicast,
/// documentation and reserved addresses. An IPv4-mapped address and one of NAT64 (RFC 6052) count as the IPv4
/// address in them. IPv4-compatible, 6to4 and Teredo addresses are never public: nothing uses them any more.
///
/// An [`HttpClient`](crate::transport::HttpClient) of your own calls it for each address before it connects,
/// if the request
/// [requires a public address](crate::transport::FetchRequest::requires_public_address).
///
/// ```
/// use tower_bearer::transport::is_public_address;
///
/// assert!(is_public_address([9, 9, 9, 9].into()));
/// assert!(!is_public_address([169, 254, 169, 254].into())); // metadata of a cloud
/// assert!(!is_public_address("::ffff:10.0.0.1".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn is_public_address(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast();
    // This network, shared between customers of a provider, protocol assignments, benchmarks, reserved.
    let is_reserved = matches!(
        address.octets(),
        [0, ..] | [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18..=19, ..] | [240..=255, ..]
    );
    !is_special && !is_reserved
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // NAT64: the last 32 bits are the address of the server.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            let [.., a, b, c, d] = address.octets();
            is_public_v4([a, b, c, d].into())
        }
        // Protocol assignments with Teredo, documentation, 6to4.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] | [0x2002, ..] => false,
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unicast_addresses_of_the_public_internet_are_public() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.19.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public_address(text.parse().unwrap()), "{text}");
        }
        for text in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2001:200::1",
            "2606:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(is_public_address(text.parse().unwrap()), "{text}");
        }
    }
}
