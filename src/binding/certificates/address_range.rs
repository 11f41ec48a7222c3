//! A range of IP addresses in CIDR notation (RFC 4632 section 3.1, RFC 4291 section 2.3).
//!
//! Checks: no bits are set after the prefix, and the range does not cover every IPv4 address.
//!
//! Why every address is an IPv6 address here: a socket that accepts both versions reports an IPv4 peer as
//! `::ffff:10.0.0.1`. With IPv4 addresses mapped, both spellings are the same.

use std::net::{IpAddr, Ipv4Addr};

/// A range of addresses. IPv4 addresses are IPv4-mapped IPv6 addresses (RFC 4291 section 2.5.5.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct AddressRange {
    first: u128,
    /// The number of leading bits that all addresses share.
    prefix_bits: u32,
}

impl AddressRange {
    /// Parses `10.0.0.0/8`, `fd00::/8` or a single address.
    ///
    /// # Errors
    /// The fault, as the end of a sentence that starts with `text`.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            return Err("is neither an IP address nor a range such as 10.0.0.0/8");
        };
        let address_bits: u32 = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            Some(prefix) => prefix_bits(prefix, address_bits),
            None => Some(address_bits),
        };
        let prefix_bits = prefix_bits.ok_or("has a prefix length that is out of range")?;
        let mapped_bits = 128_u32.saturating_sub(address_bits).saturating_add(prefix_bits);
        Self { first: to_bits(address), prefix_bits: mapped_bits }.checked()
    }

    fn checked(self) -> Result<Self, &'static str> {
        if self.first & !self.mask() != 0 {
            return Err("has bits set after the prefix; write the first address of the range");
        }
        let is_any_ipv4 = self.prefix_bits <= 96 && self.contains(Ipv4Addr::UNSPECIFIED.into());
        if is_any_ipv4 {
            return Err("covers every IPv4 address, so that any client could send the header");
        }
        Ok(self)
    }

    pub(super) fn contains(self, address: IpAddr) -> bool {
        (to_bits(address) ^ self.first) & self.mask() == 0
    }

    fn mask(self) -> u128 {
        u128::MAX.checked_shl(128_u32.saturating_sub(self.prefix_bits)).unwrap_or(0)
    }
}

/// A decimal number without sign and leading zeros, at most `max`.
fn prefix_bits(text: &str, max: u32) -> Option<u32> {
    let is_canonical = text == "0" || text.starts_with(|first| matches!(first, '1'..='9'));
    text.parse().ok().filter(|bits| is_canonical && *bits <= max)
}

fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_contains_the_addresses_with_its_prefix() {
        for (range, address, expected) in [
            ("10.0.0.0/8", "10.0.0.0", true),
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "9.255.255.255", false),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::10.0.0.1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("192.0.2.7/32", "192.0.2.7", true),
            ("192.0.2.6/31", "192.0.2.7", true),
            ("192.0.2.6/31", "192.0.2.8", false),
            ("128.0.0.0/1", "255.255.255.255", true),
            ("128.0.0.0/1", "127.255.255.255", false),
            ("fd00::/8", "fdff:ffff::1", true),
            ("fd00::/8", "fe00::", false),
            ("fd00::/8", "10.0.0.1", false),
            ("::1", "::1", true),
            ("::1", "::2", false),
            ("::1", "127.0.0.1", false),
        ] {
            let range = AddressRange::parse(range).unwrap();
            assert_eq!(range.contains(address.parse().unwrap()), expected, "{range:?} {address}");
        }
    }

    #[test]
    fn ipv4_mapped_addresses_count_as_ipv4() {
        let mapped = "::ffff:10.0.0.1".parse().unwrap();
        assert!(AddressRange::parse("10.0.0.0/8").unwrap().contains(mapped));
        assert!(AddressRange::parse("10.0.0.1").unwrap().contains(mapped));
        assert!(!AddressRange::parse("192.168.0.0/16").unwrap().contains(mapped));
        assert_eq!(AddressRange::parse("::ffff:10.0.0.0/104"), AddressRange::parse("10.0.0.0/8"));
        assert_eq!(AddressRange::parse("::ffff:10.0.0.1"), AddressRange::parse("10.0.0.1"));
    }

    #[test]
    fn anything_but_an_address_or_a_range_is_an_error() {
        for text in [
            "",
            "/",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0.0/ 8",
            "10.0.0.0/8/8",
            "10.0.0/8",
            "10.0.0.256",
            " 10.0.0.1",
            "10.0.0.1:443",
            "proxy.internal",
            "fd00::/129",
            "fe80::1%eth0",
            "[::1]",
            "10.0.0.0/99999999999",
        ] {
            assert!(AddressRange::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn bits_after_the_prefix_are_an_error() {
        for text in ["10.1.2.3/8", "10.0.0.1/31", "fd00::1/8", "::ffff:10.0.0.1/104"] {
            assert!(AddressRange::parse(text).unwrap_err().starts_with("has bits set"), "{text}");
        }
    }

    #[test]
    fn a_range_that_covers_every_ipv4_address_is_an_error() {
        for text in ["0.0.0.0/0", "::/0", "::/8", "::/64", "::ffff:0:0/96"] {
            assert!(AddressRange::parse(text).unwrap_err().starts_with("covers every"), "{text}");
        }
    }
}
