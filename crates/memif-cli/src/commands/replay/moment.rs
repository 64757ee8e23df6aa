//! Moments of a capture, as people give them.

use crate::endpoint::values::parse_seconds;

/// Nanoseconds of a second.
const SECOND: i128 = 1_000_000_000;

/// A moment of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Nanoseconds after the first packet.
    After(i128),
    /// Nanoseconds since 1970.
    At(i128),
}

impl Moment {
    /// Nanoseconds since 1970, where the first packet was captured at that time.
    pub(super) fn since_1970(self, first: i128) -> i128 {
        match self {
            Self::After(after) => first + after,
            Self::At(at) => at,
        }
    }
}

/// A moment: a time after the first packet, or one of a clock, as RFC 3339 writes it.
pub(super) fn parse_moment(text: &str) -> Result<Moment, String> {
    if let Some(at) = rfc3339(text) {
        return Ok(Moment::At(at));
    }
    let wanted = "give a time after the first packet, as in 1.5 or 500ms, or one as 2026-11-29T08:30:00.25Z or \
                  2026-11-29T09:30:00+01:00";
    let after = parse_seconds(text).map_err(|_| wanted.to_owned())?;
    Ok(Moment::After(i128::try_from(after.as_nanos()).unwrap_or(i128::MAX)))
}

/// Nanoseconds since 1970 of a date and time with its distance from UTC (RFC 3339, 5.6).
fn rfc3339(text: &str) -> Option<i128> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let zone = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at_checked(zone)?;
    let (time, fraction) = match time.split_once('.') {
        Some((time, fraction)) => (time, nanoseconds(fraction)?),
        None => (time, 0),
    };
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let ahead = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => 0,
        (sign, distance) => {
            let [hours, minutes] = numbers(distance, ':', [2, 2])?;
            let minutes = (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)?;
            if sign == "-" { -minutes } else { minutes }
        }
    };
    // A leap second is the second after it, as in a capture.
    let valid = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
    let valid = valid && hour < 24 && minute < 60 && second <= 60;
    let seconds = days(year, month, day) * 86_400 + (hour * 60 + minute - ahead) * 60 + second;
    valid.then(|| i128::from(seconds) * SECOND + i128::from(fraction))
}

/// Numbers of so many digits each, with that character between them.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(between);
    let mut found = [0; N];
    for (number, digits) in found.iter_mut().zip(digits) {
        let part =
            parts.next().filter(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

/// Nanoseconds of a fraction of a second; finer digits are left out.
fn nanoseconds(fraction: &str) -> Option<u32> {
    let valid = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    valid.then(|| digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the first of January 1970 to a day.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let leaps = |years: i64| years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    let of_years = 365 * (year - 1970) + leaps(before) - leaps(1969);
    of_years + (1..month).map(|month| days_of(year, month)).sum::<i64>() + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_of_the_clock_or_after_the_first_packet() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59z", -1),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-11-29T08:30:00Z", 1_795_941_000),
            ("2026-11-29 09:30:00+01:00", 1_795_941_000),
            ("2026-11-29T03:00:00-05:30", 1_795_941_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800),
            ("0001-01-01T00:00:00Z", -62_135_596_800),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(parse_moment(text), Ok(Moment::At(seconds * SECOND)), "{text}");
        }
        assert_eq!(parse_moment("1970-01-01T00:00:01.5Z"), Ok(Moment::At(1_500_000_000)));
        assert_eq!(parse_moment("1970-01-01T00:00:00.1234567899Z"), Ok(Moment::At(123_456_789)));
        assert_eq!(parse_moment("1.5"), Ok(Moment::After(1_500_000_000)));
        assert_eq!(parse_moment("500ms"), Ok(Moment::After(500_000_000)));
        assert_eq!(Moment::After(5).since_1970(7), 12);
        assert_eq!(Moment::At(5).since_1970(7), 5);
    }

    #[test]
    fn what_is_no_moment_says_what_to_give() {
        for text in [
            "",
            "x",
            "-1",
            "2026-11-29",
            "2026-11-29T08:30:00",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-29T24:00:00Z",
            "2026-11-29T08:60:00Z",
            "2026-11-29T08:30:00.Z",
            "2026-11-29T08:30:00+1:00",
            "2026-11-29T08:30:00+25:00",
            "2026-11-29T08:30:00Zx",
            "26-11-29T08:30:00Z",
            "2026-11-00T08:30:00Z",
        ] {
            assert!(parse_moment(text).unwrap_err().contains("2026-11-29T08:30:00.25Z"), "{text}");
        }
    }
}
