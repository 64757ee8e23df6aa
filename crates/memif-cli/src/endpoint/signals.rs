//! Ctrl-C and SIGTERM: the first ends the command in good order, a later one at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::endpoint::driver::Notice;
use crate::error::Error;

/// Exit status after a second signal, as a shell shows a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;
/// What comes so soon after the first signal is the same wish said twice: `timeout` signals the process and then its
/// group, a terminal may signal what a wrapper passes on as well.
const SAME_WISH: Duration = Duration::from_millis(300);

/// Whether a signal asked the command to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Starts to listen. The first signal also puts [`Notice::Signal`] into `notices`; one that comes 300 ms later or
    /// more ends the process.
    pub(crate) fn listen(notices: Sender<Notice>) -> Result<Self, Error> {
        let failed = |source| Error::System {
            what: "cannot receive signals".to_owned(),
            advice: "raise the limits of processes and open files (ulimit -u, ulimit -n)",
            source,
        };
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
        let stop = Self(Arc::new(AtomicBool::new(false)));
        let flag = Arc::clone(&stop.0);
        let wait = move || {
            if signals.forever().next().is_none() {
                return;
            }
            flag.store(true, Ordering::Relaxed);
            // Without a receiver the command is ending already.
            let _ = notices.send(Notice::Signal);
            // However late this thread gets to it, no signal of that time is taken for a second one.
            thread::sleep(SAME_WISH);
            signals.pending().for_each(drop);
            if signals.forever().next().is_some() {
                std::process::exit(INTERRUPTED);
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(wait).map_err(failed)?;
        Ok(stop)
    }

    /// Whether the command should end.
    pub(crate) fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
