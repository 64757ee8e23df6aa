//! Ethernet addresses.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// An ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mac(pub(crate) [u8; 6]);

impl Mac {
    /// The address of every station.
    pub(crate) const BROADCAST: Self = Self([0xff; 6]);

    /// A locally administered address made of the last four bytes of an IP address, so that two of our ends do not
    /// share one as long as those bytes differ.
    pub(crate) fn from_ip(ip: IpAddr) -> Self {
        let [a, b, c, d] = match ip {
            IpAddr::V4(ip) => ip.octets(),
            IpAddr::V6(ip) => {
                let [.., a, b, c, d] = ip.octets();
                [a, b, c, d]
            }
        };
        Self([0x02, 0xfe, a, b, c, d])
    }

    /// The group to which packets for a group of IPv6 are sent (RFC 2464, 7).
    pub(crate) fn of_group(ip: Ipv6Addr) -> Self {
        let [.., a, b, c, d] = ip.octets();
        Self([0x33, 0x33, a, b, c, d])
    }

    /// Whether the address means a group of stations (broadcast is one).
    pub(crate) fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether the address can be that of one station.
    pub(crate) fn is_station(self) -> bool {
        !self.is_group() && self.0 != [0; 6]
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl Mac {
    /// Any address, of stations or of a group, as packets are sent to.
    pub(crate) fn of_destination(text: &str) -> Result<Self, String> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| (1..=2).contains(&part.len()));
            let digits = part.filter(|part| part.bytes().all(|b| b.is_ascii_hexdigit()));
            let value = digits.and_then(|part| u8::from_str_radix(part, 16).ok());
            *byte = value.ok_or("give six bytes in hexadecimal, as in 02:fe:c0:a8:01:02")?;
        }
        if parts.next().is_some() {
            return Err("give six bytes, not more, as in 02:fe:c0:a8:01:02".to_owned());
        }
        Ok(Self(bytes))
    }
}

/// That of a station.
impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mac = Self::of_destination(text)?;
        if mac.is_group() {
            return Err("this is a group address: give one whose first byte is even".to_owned());
        }
        if !mac.is_station() {
            return Err("no station has the address of zeros: give another".to_owned());
        }
        Ok(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_address_agree() {
        let mac: Mac = "02:fe:c0:a8:1:2".parse().unwrap();
        assert_eq!(mac.to_string(), "02:fe:c0:a8:01:02");
        assert_eq!(mac, Mac::from_ip("192.168.1.2".parse().unwrap()));
        assert_eq!(Mac::from_ip("fd00::1:2".parse().unwrap()).to_string(), "02:fe:00:01:00:02");
        assert_eq!(Mac::of_group("ff02::1:ff34:5678".parse().unwrap()).to_string(), "33:33:ff:34:56:78");
    }

    #[test]
    fn what_is_no_address_of_a_station_is_refused() {
        for text in ["", "02", "02:fe:c0:a8:01", "02:fe:c0:a8:01:02:03", "02:fe:c0:a8:01:+2"] {
            assert!(text.parse::<Mac>().unwrap_err().contains("six bytes"), "{text}");
        }
        assert!("ff:ff:ff:ff:ff:ff".parse::<Mac>().unwrap_err().contains("group"));
        assert!("0:0:0:0:0:0".parse::<Mac>().unwrap_err().contains("zeros"));
    }
}
