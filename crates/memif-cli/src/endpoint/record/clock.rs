//! The time of packets.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds since 1970, as the clock of the machine said when this was made, and as time has passed since: it never
/// goes back. Later corrections of the clock are followed as far as they change its pace, and not where they set it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// What is added to the time since the machine started, which goes on while it sleeps.
    offset: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let now = nanoseconds(clock_gettime(ClockId::Realtime));
        Self { offset: now.saturating_sub(nanoseconds(clock_gettime(ClockId::Boottime))) }
    }

    /// The time now.
    #[inline]
    pub(crate) fn now(self) -> u64 {
        self.offset.saturating_add(nanoseconds(clock_gettime(ClockId::Boottime)))
    }
}

#[inline]
fn nanoseconds(time: Timespec) -> u64 {
    let (seconds, rest) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or_default().saturating_mul(1_000_000_000).saturating_add(rest.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_the_time_of_day_and_never_goes_back() {
        let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        let clock = Clock::new();
        let (first, second) = (clock.now(), clock.now());
        assert!(first <= second);
        // Two clocks that are read one after the other may differ by a little.
        assert!(u128::from(first) + 1_000_000_000 > before);
    }
}
