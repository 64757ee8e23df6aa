//! Figures on a terminal while packets are captured.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::options::CaptureOptions;
use crate::endpoint::record::{Recording, RecordingView};
use crate::output::progress::Progress;

/// How often they are renewed.
const PERIOD: Duration = Duration::from_secs(1);

/// Shows figures until it is dropped, where there is a terminal that packets are not told of on.
pub(super) struct Watched {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watched {
    pub(super) fn start(options: &CaptureOptions, recording: &Recording) -> Self {
        let progress = Progress::new();
        if options.record.path().is_none() || !progress.is_shown() {
            return Self { stop: None, thread: None };
        }
        let view: RecordingView = recording.view();
        let (stop, stopped) = mpsc::channel();
        let run = move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(PERIOD) {
                progress.tell(&view.so_far().to_string());
            }
        };
        // Without a thread for it there are no figures; the capture is not worse for that.
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(run).ok();
        Self { stop: Some(stop), thread }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by the thread itself.
            let _ = thread.join();
        }
    }
}
