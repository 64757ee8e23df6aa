//! How the values of options are read. Each error says what to give.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use nix::unistd::{Group, User};

use crate::packet::station::{is_any_host, is_host6};
use crate::units::quantity;

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

/// Bytes of a buffer, of which 2k are 2048.
pub(crate) fn memory_bytes(text: &str) -> Result<u32, String> {
    quantity(text, 1024, 1, 65_535)
        .ok_or_else(|| "give a whole number from 1 to 65535, as in 2048 or 2k (2048)".to_owned())
}

/// Slots of a ring, of which 1k are 1024.
pub(crate) fn ring_slots(text: &str) -> Result<u32, String> {
    quantity(text, 1024, 1, 16_384)
        .filter(|slots| slots.is_power_of_two())
        .ok_or_else(|| "give a power of two from 1 to 16384, as in 1024 or 1k".to_owned())
}

/// A time in seconds, with decimals, or with a unit.
pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    // The longer of two that end alike comes first.
    const UNITS: [(&str, f64); 6] =
        [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("min", 60.0), ("h", 3600.0), ("s", 1.0)];
    let unit = UNITS.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)));
    let (number, unit) = unit.unwrap_or((text, 1.0));
    let number: f64 = number.parse().map_err(|_| {
        minutes(text)
            .unwrap_or("give a number of seconds, as in 0.5, or one with a unit, as in 500ms or 10min")
            .to_owned()
    })?;
    let seconds = number * unit;
    if !(0.0..=MAX_SECONDS).contains(&seconds) {
        return Err("give 0 to 86400 seconds".to_owned());
    }
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("give 0 to 86400 seconds: {error}"))
}

/// The pause between two attempts.
pub(crate) fn parse_period(text: &str) -> Result<Duration, String> {
    let period = parse_seconds(text).ok().filter(|period| *period >= Duration::from_millis(1));
    period.ok_or_else(|| minutes(text).unwrap_or("give a time from 1ms to a day, as in 500ms, 2s or 10min").to_owned())
}

/// What to give for a time in m.
fn minutes(text: &str) -> Option<&'static str> {
    text.strip_suffix('m')?.parse::<f64>().ok()?;
    Some("give minutes with min, as in 5min, or milliseconds with ms")
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
    fn sizes_take_units_and_name_all_limits_at_once() {
        let packet = crate::units::packet_bytes(0, 65_535);
        assert_eq!((packet("9k"), packet("9000"), packet("0")), (Ok(9000), Ok(9000), Ok(0)));
        assert_eq!((memory_bytes("2k"), memory_bytes("2048")), (Ok(2048), Ok(2048)));
        assert_eq!((ring_slots("1k"), ring_slots("16K"), ring_slots("1")), (Ok(1024), Ok(16_384), Ok(1)));
        for text in ["", "k", "-1", "+1", "1.5k", "66k", "9kB", "9 k", "5000000M", "1M", "\u{221e}"] {
            assert_eq!(
                packet(text).unwrap_err(),
                "give a whole number from 0 to 65535, as in 64 or 9k (9000)",
                "{text}"
            );
        }
        for text in ["0", "1000", "32k", "x", "16385", "32768"] {
            assert!(ring_slots(text).unwrap_err().contains("a power of two from 1 to 16384"), "{text}");
        }
        for text in ["0", "64k", "65536", "x"] {
            assert!(memory_bytes(text).unwrap_err().contains("from 1 to 65535"), "{text}");
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
        for (text, micros) in [("10ms", 10_000), ("1.5s", 1_500_000), ("250us", 250), ("2min", 120_000_000), ("0h", 0)]
        {
            assert_eq!(parse_seconds(text), Ok(Duration::from_micros(micros)), "{text}");
        }
        for text in ["", "x", "-1", "nan", "inf", "1e300", "86401", "ms", "10 ms", "25h", "10m", "-1ms"] {
            assert!(parse_seconds(text).unwrap_err().contains("give"), "{text}");
        }
        for error in [parse_seconds("10m").unwrap_err(), parse_period("0.5m").unwrap_err()] {
            assert!(error.contains("5min"), "{error}");
        }
        assert!(parse_period("m").unwrap_err().contains("as in 500ms"));
        assert_eq!(parse_any_host("10.0.0.1"), Ok([10, 0, 0, 1].into()));
        assert_eq!(parse_any_host("fd00::1"), Ok("fd00::1".parse().unwrap()));
        for text in ["", "10.0.0", "::1", "ff02::1", "host", "0.0.0.0", "224.0.0.1", "255.255.255.255"] {
            assert!(parse_any_host(text).unwrap_err().contains("192.168.1.1"), "{text}");
        }
    }
}
