//! How the values of options are read. Each error says what to give.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use nix::unistd::{Group, User};

use crate::packet::station::{is_any_host, is_host6};

/// The longest time that an option takes, in seconds: a day.
const MAX_SECONDS: f64 = 86_400.0;

/// A reader of whole numbers from `least` to `most`.
pub(crate) fn number<T: TryFrom<u64>>(
    least: u64,
    most: u64,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| format!("give a whole number from {least} to {most}"))
    }
}

/// The number of an interface: any.
pub(crate) fn parse_id(text: &str) -> Result<u32, String> {
    number(0, u32::MAX.into())(text)
}

/// What to give instead of that text, which is no address: without its prefix length, where that is what is wrong.
pub(crate) fn not_an_address(text: &str, wanted: &str) -> String {
    match text.split_once('/') {
        Some((address, length)) if address.parse::<IpAddr>().is_ok() && length.parse::<u8>().is_ok() => {
            format!("give {wanted}, without /{length}")
        }
        _ => format!("give {wanted}"),
    }
}

/// A time in seconds, with decimals.
pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "give a number of seconds, as in 0.5".to_owned())?;
    if !(0.0..=MAX_SECONDS).contains(&seconds) {
        return Err("give 0 to 86400 seconds".to_owned());
    }
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("give 0 to 86400 seconds: {error}"))
}

/// The IPv6 address of one host.
pub(crate) fn parse_host6(text: &str) -> Result<Ipv6Addr, String> {
    let ip: Ipv6Addr = text.parse().map_err(|_| not_an_address(text, "an IPv6 address, as in fd00::2"))?;
    if is_host6(ip) { Ok(ip) } else { Err("this is not the address of one host: give one such as fd00::2".to_owned()) }
}

/// The address of one host, of either family.
pub(crate) fn parse_any_host(text: &str) -> Result<IpAddr, String> {
    let ip = text.parse().map_err(|_| not_an_address(text, "an IPv4 or IPv6 address, as in 192.168.1.1 or fd00::2"))?;
    if is_any_host(ip) {
        Ok(ip)
    } else {
        Err("this is not the address of one host: give one such as 192.168.1.1 or fd00::2".to_owned())
    }
}

/// The permissions of a file, octal.
pub(crate) fn parse_mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| "give an octal number up to 777, as in 660".to_owned())
}

/// A group, by name or number.
pub(crate) fn parse_group(text: &str) -> Result<u32, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    match Group::from_name(text) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err("no such group: give one of /etc/group, or a number".to_owned()),
        Err(error) => Err(format!("cannot look it up ({error}): give a number")),
    }
}

/// A user, by name or number.
pub(crate) fn parse_user(text: &str) -> Result<u32, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    match User::from_name(text) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err("no such user: give one of /etc/passwd, or a number".to_owned()),
        Err(error) => Err(format!("cannot look it up ({error}): give a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_say_what_to_give() {
        assert_eq!(number::<u8>(1, 255)("255"), Ok(255));
        assert_eq!(parse_id("4294967295"), Ok(u32::MAX));
        for text in ["", "x", "-1", "0", "256", "1.5", "99999999999999999999999"] {
            let error = number::<u8>(1, 255)(text).unwrap_err();
            assert_eq!(error, "give a whole number from 1 to 255", "{text}");
        }
    }

    #[test]
    fn a_prefix_length_is_named() {
        let error = parse_any_host("192.168.1.2/24").unwrap_err();
        assert!(error.ends_with(", without /24"), "{error}");
        let error = parse_host6("fd00::2/64").unwrap_err();
        assert!(error.ends_with(", without /64"), "{error}");
        for text in ["x/24", "192.168.1.2/", "192.168.1.2/\u{1b}", "/"] {
            assert!(!parse_any_host(text).unwrap_err().contains("without"), "{text}");
        }
    }

    #[test]
    fn times_and_addresses_are_checked() {
        assert_eq!(parse_seconds("0.25"), Ok(Duration::from_millis(250)));
        for text in ["", "x", "-1", "nan", "inf", "1e300", "86401"] {
            assert!(parse_seconds(text).unwrap_err().contains("give"), "{text}");
        }
        assert_eq!(parse_any_host("10.0.0.1"), Ok([10, 0, 0, 1].into()));
        assert_eq!(parse_any_host("fd00::1"), Ok("fd00::1".parse().unwrap()));
        for text in ["", "10.0.0", "::1", "ff02::1", "host", "0.0.0.0", "224.0.0.1", "255.255.255.255"] {
            assert!(parse_any_host(text).unwrap_err().contains("192.168.1.1"), "{text}");
        }
    }
}
