//! `memif responder` on a terminal: keys go in, a screen comes out.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::termios::{LocalFlags, tcgetattr};
use rustix::process::{Pid, Signal, kill_process};

const ROWS: u16 = 400;
const COLUMNS: u16 = 160;
/// How long anything may take before the test fails. No test waits that long when all is well.
const WATCHDOG: Duration = Duration::from_secs(180);

/// A program on a terminal of its own. Dropping it kills it.
pub(crate) struct Terminal {
    child: Child,
    keys: File,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
}

impl Terminal {
    /// Starts `memif` with arguments that are separated by spaces.
    pub(crate) fn start(arguments: &str) -> Self {
        let (pty, pts) = pty_process::blocking::open().expect("a terminal can be had");
        pty.resize(pty_process::Size::new(ROWS, COLUMNS)).expect("its size can be set");
        let child = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_memif"))
            .args(arguments.split_whitespace())
            .env("TERM", "xterm")
            .spawn(pts)
            .expect("memif starts");
        let keys = File::from(OwnedFd::from(pty));
        let mut from = keys.try_clone().expect("a descriptor is left");
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The end of the program shows as an error.
            while let Ok(len @ 1..) = from.read(&mut bytes) {
                if sender.send(bytes[..len].to_vec()).is_err() {
                    return;
                }
            }
        });
        let size = |n: u16| std::num::NonZeroU16::new(n).expect("not zero");
        let screen = vt100::Parser::new(size(ROWS), size(COLUMNS), 0);
        Self { child, keys, output, screen }
    }

    /// Hits keys.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Waits for the prompt after the banner.
    #[track_caller]
    pub(crate) fn prompt(&mut self) {
        self.wait_for("the prompt", |lines| {
            let banner = lines.iter().any(|line| line.contains("rx-mode <index>"));
            (banner && lines.last().is_some_and(|last| last == "#")).then_some(())
        });
    }

    /// Types `show`, and gives what it printed when that is whole: it ends with that index.
    #[track_caller]
    pub(crate) fn show(&mut self, free: u8) -> Vec<String> {
        let before = self.lines().len();
        self.keys("show\r");
        let end = [format!("interface index: {free}"), "        no connection".to_owned()];
        self.wait_for("the details", |lines| {
            let printed = lines.get(before..)?;
            let first = printed.iter().position(|line| line == "MEMIF DETAILS")?;
            let last = printed.windows(2).position(|pair| pair == end)?;
            printed.get(first..last + 2).map(<[String]>::to_vec)
        })
    }

    /// Waits until the screen ends with those two lines.
    #[track_caller]
    pub(crate) fn last_two(&mut self, one: &str, other: &str) {
        self.wait_for(one, |lines| {
            let last = lines.get(lines.len().checked_sub(2)?..)?;
            (last == [one, other]).then_some(())
        });
    }

    /// Waits until a line of the screen is that, blanks at its end aside.
    #[track_caller]
    pub(crate) fn expect(&mut self, line: &str) {
        self.wait_for(line, |lines| lines.iter().any(|shown| shown == line).then_some(()));
    }

    /// Waits until the lines of the screen give an answer.
    #[track_caller]
    pub(crate) fn wait_for<T>(&mut self, what: &str, mut ask: impl FnMut(&[String]) -> Option<T>) -> T {
        let deadline = Instant::now() + WATCHDOG;
        loop {
            let lines = self.lines();
            if let Some(answer) = ask(&lines) {
                return answer;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(_) => panic!("{what} did not come; the screen shows\n{}", lines.join("\n")),
            }
        }
    }

    /// The screen down to its last line with something on it.
    pub(crate) fn lines(&self) -> Vec<String> {
        let rows = self.screen.screen().rows(0, COLUMNS);
        let mut lines: Vec<_> = rows.map(|row| row.trim_end().to_owned()).collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    /// Whether keys are taken one by one, as an editor sets it.
    pub(crate) fn is_raw(&self) -> bool {
        let settings = tcgetattr(&self.keys).expect("the terminal is there");
        !settings.local_flags.contains(LocalFlags::ICANON)
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the program is still there");
    }

    /// Waits for the end. Gives the status and the last lines of the screen.
    #[track_caller]
    pub(crate) fn finish(&mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + WATCHDOG;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    panic!("no end; the screen shows\n{}", self.lines().join("\n"))
                }
            }
        }
        (self.child.wait().expect("the program can be waited for"), self.lines())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Either it has ended already, or it must.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
