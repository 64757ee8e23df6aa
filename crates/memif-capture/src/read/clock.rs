//! Time stamps of pcapng, in units that each interface chooses.

/// Nanoseconds of a second.
const SECOND: i128 = 1_000_000_000;

/// How the time stamps of an interface become nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    unit: Unit,
    /// Nanoseconds to be added.
    offset: i128,
}

#[derive(Clone, Copy, Debug)]
enum Unit {
    /// So many nanoseconds.
    Times(u64),
    /// So many of them are a nanosecond.
    PerNanosecond(u64),
    /// A second has two to the power of so many, at most 127.
    Binary(u8),
    /// So small that no stamp of 64 bits comes to a nanosecond.
    Nothing,
}

impl Default for Clock {
    fn default() -> Self {
        Self { unit: Unit::Times(1000), offset: 0 }
    }
}

impl Clock {
    /// The same clock with that value of `if_tsresol`: negative powers of 10, or of 2 where its highest bit is set.
    pub(super) fn with_resolution(self, resolution: u8) -> Self {
        let power = u32::from(resolution & 0x7f);
        let unit = match 9_u32.checked_sub(power) {
            _ if resolution & 0x80 != 0 => Unit::Binary(resolution & 0x7f),
            Some(rest) => Unit::Times(10_u64.pow(rest)),
            None => 10_u64.checked_pow(power - 9).map_or(Unit::Nothing, Unit::PerNanosecond),
        };
        Self { unit, ..self }
    }

    /// The same clock with that value of `if_tsoffset`, seconds.
    pub(super) fn with_offset(self, seconds: i64) -> Self {
        Self { offset: i128::from(seconds) * SECOND, ..self }
    }

    /// Nanoseconds since 1970 of a stamp.
    #[inline]
    pub(super) fn nanoseconds(self, stamp: u64) -> i128 {
        let stamp = i128::from(stamp);
        let since = match self.unit {
            Unit::Times(nanoseconds) => stamp * i128::from(nanoseconds),
            Unit::PerNanosecond(units) => stamp / i128::from(units),
            // 64 bits times 30.
            Unit::Binary(power) => (stamp * SECOND) >> power,
            Unit::Nothing => 0,
        };
        since + self.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resolution_is_understood() {
        let second = |resolution: u8, stamp| Clock::default().with_resolution(resolution).nanoseconds(stamp);
        assert_eq!(Clock::default().nanoseconds(1_500_000), 1_500_000_000);
        assert_eq!(second(0, 3), 3 * SECOND);
        assert_eq!(second(6, 7), 7000);
        assert_eq!(second(9, 7), 7);
        assert_eq!(second(12, 7999), 7);
        assert_eq!(second(28, u64::MAX), 1);
        assert_eq!(second(29, u64::MAX), 0);
        assert_eq!(second(127, u64::MAX), 0);
        assert_eq!(second(0x80, 3), 3 * SECOND);
        assert_eq!(second(0x80 | 10, 1536), 1_500_000_000);
        assert_eq!(second(0x80 | 32, 1 << 31), SECOND / 2);
        assert_eq!(second(0xff, u64::MAX), 0);
        assert_eq!(second(0, u64::MAX), i128::from(u64::MAX) * SECOND);
    }

    #[test]
    fn an_offset_may_lie_on_either_side() {
        for seconds in [i64::MIN, -5, 0, 5, i64::MAX] {
            let clock = Clock::default().with_resolution(9).with_offset(seconds);
            assert_eq!(clock.nanoseconds(3), i128::from(seconds) * SECOND + 3);
        }
    }
}
