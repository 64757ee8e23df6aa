//! Signals: the first that asks for the end ends the command in good order, a later one at once; others ask for the
//! figures so far.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::endpoint::driver::Notice;
use crate::error::Error;

/// Exit status after a second signal, as a shell shows a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;
/// What comes so soon after the first signal is the same wish said twice: `timeout` signals the process and then its
/// group, a terminal may signal what a wrapper passes on as well.
const SAME_WISH: Duration = Duration::from_millis(300);

/// What signals asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    end: Arc<AtomicBool>,
    figures: Arc<AtomicBool>,
}

impl Stop {
    /// Starts to listen. The first signal that asks for the end also puts [`Notice::Signal`] into `notices`; one that
    /// comes 300 ms later or more ends the process. One that asks for figures puts [`Notice::Figures`] there.
    pub(crate) fn listen(notices: Sender<Notice>) -> Result<Self, Error> {
        Self::start(notices, false)
    }

    /// The same where SIGQUIT asks for figures, as it does of ping(8), and not for the end.
    pub(crate) fn listen_as_ping(notices: Sender<Notice>) -> Result<Self, Error> {
        Self::start(notices, true)
    }

    fn start(notices: Sender<Notice>, quit_asks: bool) -> Result<Self, Error> {
        let failed = |source| Error::System {
            what: "cannot receive signals".to_owned(),
            advice: "raise the limits of processes and open files (ulimit -u, ulimit -n)",
            source,
        };
        let asks = move |signal: i32| signal == SIGUSR1 || (quit_asks && signal == SIGQUIT);
        // What ends a program without a handler is left alone where whoever started this had it ignored, as nohup does.
        let taken = [SIGINT, SIGTERM, SIGUSR1, SIGHUP, SIGQUIT].into_iter();
        let taken = taken.filter(|signal| asks(*signal) || matches!(*signal, SIGINT | SIGTERM) || !is_ignored(*signal));
        let mut signals = Signals::new(taken).map_err(failed)?;
        let stop = Self::default();
        let told = stop.clone();
        let wait = move || {
            loop {
                match signals.forever().next() {
                    None => return,
                    Some(signal) if asks(signal) => {
                        told.figures.store(true, Ordering::Relaxed);
                        // Without a receiver the figures are looked for between packets.
                        let _ = notices.send(Notice::Figures);
                    }
                    Some(_) => break,
                }
            }
            told.end.store(true, Ordering::Relaxed);
            // Without a receiver the command is ending already.
            let _ = notices.send(Notice::Signal);
            // However late this thread gets to it, no signal of that time is taken for a second one.
            thread::sleep(SAME_WISH);
            signals.pending().for_each(drop);
            if signals.forever().any(|signal| !asks(signal)) {
                std::process::exit(INTERRUPTED);
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(wait).map_err(failed)?;
        Ok(stop)
    }

    /// Whether the command should end.
    pub(crate) fn is_requested(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    /// Whether the figures so far are asked for: true once for each time.
    pub(crate) fn takes_figures(&self) -> bool {
        // Asked between packets: a load that finds nothing costs next to nothing.
        self.figures.load(Ordering::Relaxed) && self.figures.swap(false, Ordering::Relaxed)
    }
}

/// Whether that signal was ignored when this process started. Where `/proc` does not tell, it was not.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal - 1) & 1 == 1
}
