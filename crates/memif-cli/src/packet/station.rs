//! The addresses of an end of a link, and of both ends of an exchange.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::mac::Mac;

/// The addresses of a station in ARP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Station {
    pub(crate) mac: Mac,
    pub(crate) ip: Ipv4Addr,
}

/// Whether an address can be that of one host elsewhere.
pub(crate) fn is_host(ip: Ipv4Addr) -> bool {
    !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || ip.is_broadcast())
}

/// Whether an IPv6 address can be that of one host elsewhere.
pub(crate) fn is_host6(ip: Ipv6Addr) -> bool {
    !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast())
}

/// Whether an address of either family can be that of one host elsewhere.
pub(crate) fn is_any_host(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_host(ip),
        IpAddr::V6(ip) => is_host6(ip),
    }
}

/// Both ends of an exchange, as one of them sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    V4 { own: Ipv4Addr, target: Ipv4Addr },
    V6 { own: Ipv6Addr, target: Ipv6Addr },
}

impl Ends {
    /// `None` where the addresses are not of one family.
    pub(crate) fn new(own: IpAddr, target: IpAddr) -> Option<Self> {
        match (own, target) {
            (IpAddr::V4(own), IpAddr::V4(target)) => Some(Self::V4 { own, target }),
            (IpAddr::V6(own), IpAddr::V6(target)) => Some(Self::V6 { own, target }),
            _ => None,
        }
    }

    pub(crate) fn own(self) -> IpAddr {
        match self {
            Self::V4 { own, .. } => own.into(),
            Self::V6 { own, .. } => own.into(),
        }
    }

    pub(crate) fn target(self) -> IpAddr {
        match self {
            Self::V4 { target, .. } => target.into(),
            Self::V6 { target, .. } => target.into(),
        }
    }
}

/// The IP addresses of a station, in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Addresses {
    v4: Vec<Ipv4Addr>,
    v6: Vec<Ipv6Addr>,
}

impl Addresses {
    pub(crate) fn has4(&self, ip: Ipv4Addr) -> bool {
        self.v4.contains(&ip)
    }

    pub(crate) fn has6(&self, ip: Ipv6Addr) -> bool {
        self.v6.contains(&ip)
    }

    /// Whether there is an IPv6 address at all.
    pub(crate) fn speaks_ipv6(&self) -> bool {
        !self.v6.is_empty()
    }

    /// The first IPv4 address.
    pub(crate) fn first4(&self) -> Option<Ipv4Addr> {
        self.v4.first().copied()
    }

    /// The first IPv6 address.
    pub(crate) fn first6(&self) -> Option<Ipv6Addr> {
        self.v6.first().copied()
    }

    /// All of them, IPv4 first.
    pub(crate) fn all(&self) -> impl Iterator<Item = IpAddr> {
        let v6 = self.v6.iter().map(|ip| IpAddr::V6(*ip));
        self.v4.iter().map(|ip| IpAddr::V4(*ip)).chain(v6)
    }

    /// Puts that address in the place of all others of its family.
    pub(crate) fn replace(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => self.v4 = vec![ip],
            IpAddr::V6(ip) => self.v6 = vec![ip],
        }
    }
}

impl FromIterator<IpAddr> for Addresses {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(ips: I) -> Self {
        let mut addresses = Self::default();
        for ip in ips {
            match ip {
                IpAddr::V4(ip) => addresses.v4.push(ip),
                IpAddr::V6(ip) => addresses.v6.push(ip),
            }
        }
        addresses
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, ip) in self.all().enumerate() {
            write!(f, "{}{ip}", if at > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_of_one_family() {
        let (four, six) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), IpAddr::V6(Ipv6Addr::LOCALHOST));
        assert_eq!(Ends::new(four, six), None);
        assert_eq!(Ends::new(six, six).unwrap().target(), six);
        assert_eq!(Ends::new(four, four).unwrap().own(), four);
    }

    #[test]
    fn an_address_takes_the_place_of_its_family_alone() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut addresses: Addresses = ["fd00::1", "10.0.0.1", "10.0.0.2"].into_iter().map(ip).collect();
        assert_eq!(addresses.to_string(), "10.0.0.1, 10.0.0.2, fd00::1");
        addresses.replace(ip("10.0.0.9"));
        assert_eq!(addresses.to_string(), "10.0.0.9, fd00::1");
        addresses.replace(ip("fd00::9"));
        let firsts = (addresses.first4().map(IpAddr::V4), addresses.first6().map(IpAddr::V6));
        assert_eq!(firsts, (Some(ip("10.0.0.9")), Some(ip("fd00::9"))));
        assert!(addresses.speaks_ipv6());
    }
}
