//! The source of a connection as limits count it: the address prefix that one party gets for free.
//!
//! The lower half of an IPv6 address is ignored, for its owner chooses it freely.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// An IPv4 address or an IPv6 network of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Source(IpAddr);

/// An IPv4 network of 16 bits or an IPv6 network of 32: what one operator has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NetworkPrefix(IpAddr);

/// An IPv4 network of 24 bits or an IPv6 network of 48: what one party may have many sources in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Neighbourhood(IpAddr);

impl Source {
    /// The source of an address. IPv4 inside IPv6 counts as IPv4.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        Self(cut(ip, 32, 64))
    }
}

impl Neighbourhood {
    /// The neighbourhood of a source.
    #[must_use]
    pub fn of(source: Source) -> Self {
        Self(cut(source.0, 24, 48))
    }
}

impl NetworkPrefix {
    /// The network of an address.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        Self(cut(ip, 16, 32))
    }
}

/// The first so many bits of an address; the others are zero.
fn cut(ip: IpAddr, four: u32, six: u32) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - four).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() & mask).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - six).unwrap_or(0);
            Ipv6Addr::from_bits(ip.to_bits() & mask).into()
        }
    }
}

impl From<IpAddr> for Source {
    fn from(ip: IpAddr) -> Self {
        Self::of(ip)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => write!(f, "{ip}"),
            IpAddr::V6(ip) => write!(f, "{ip}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Register: C4, F2.
    #[test]
    fn what_one_party_can_choose_freely_is_one_source() {
        let source = |text| Source::of(ip(text));
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert_eq!(source("192.0.2.1"), source("::ffff:192.0.2.1"));
        assert_eq!(source("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
        assert_eq!(source("192.0.2.1").to_string(), "192.0.2.1");
    }

    /// Register: C2.
    #[test]
    fn neighbours_share_twenty_four_or_forty_eight_bits() {
        let near = |text| Neighbourhood::of(Source::of(ip(text)));
        assert_eq!(near("192.0.2.1"), near("192.0.2.254"));
        assert_ne!(near("192.0.2.1"), near("192.0.3.1"));
        assert_eq!(near("2001:db8:1:2::1"), near("2001:db8:1:ffff::1"));
        assert_ne!(near("2001:db8:1::1"), near("2001:db8:2::1"));
    }

    #[test]
    fn a_network_is_sixteen_or_thirty_two_bits() {
        let network = |text| NetworkPrefix::of(ip(text));
        assert_eq!(network("198.51.1.1"), network("198.51.200.9"));
        assert_ne!(network("198.51.1.1"), network("198.52.1.1"));
        assert_eq!(network("2001:db8:1::1"), network("2001:db8:2::1"));
        assert_ne!(network("2001:db8::1"), network("2001:db9::1"));
    }
}
