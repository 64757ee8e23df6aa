//! A clock that is read in a few nanoseconds, the same for everybody who is measured.

use std::time::{Duration, Instant};

/// Ticks of the time stamp counter.
#[cfg(target_arch = "x86_64")]
#[inline]
#[allow(unsafe_code)]
pub(crate) fn ticks() -> u64 {
    // SAFETY: RDTSC is there on every x86-64 machine and touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Nanoseconds since the first call.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(crate) fn ticks() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Nanoseconds per tick, from 100 ms of both clocks.
pub(crate) fn calibrate() -> f64 {
    let (start, at) = (Instant::now(), ticks());
    std::thread::sleep(Duration::from_millis(100));
    let (time, ticks) = (start.elapsed(), ticks() - at);
    time.as_nanos() as f64 / ticks as f64
}
