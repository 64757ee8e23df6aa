//! Foreign peers that died of themselves: DPDK 22.11 does so now and then on a crowded machine, while links come and go
//! (docs/protocol.md, D13). What was tested then says nothing, so a test gets one more try; a peer that dies twice in a
//! row is taken for our fault.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::Signal;

static CRASHES: AtomicU32 = AtomicU32::new(0);

/// Takes note of how a peer ended, if it did before anybody ended it.
pub(crate) fn note(peer: &str, ended: Option<ExitStatus>) {
    if ended.and_then(|status| status.signal()) == Some(Signal::SEGV.as_raw()) {
        CRASHES.fetch_add(1, Ordering::Relaxed);
        eprintln!("{peer} died of SIGSEGV");
    }
}

/// How many died in this process so far.
pub(crate) fn count() -> u32 {
    CRASHES.load(Ordering::Relaxed)
}
