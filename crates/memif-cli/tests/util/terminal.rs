//! `memif` on a terminal: keys go in, a screen comes out.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{Winsize, tcsetwinsize};

/// How long anything may take before the test fails. No test waits that long when all is well.
const WATCHDOG: Duration = Duration::from_secs(180);

/// A program on a terminal of its own. Dropping it kills it.
pub(crate) struct Terminal {
    child: Child,
    keys: File,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    columns: u16,
}

impl Terminal {
    /// Starts `memif` with arguments that are separated by spaces, on a terminal of so many columns and rows, with more
    /// in its environment.
    pub(crate) fn start(arguments: &str, (columns, rows): (u16, u16), environment: &[(&str, &str)]) -> Self {
        let (pty, pts) = pty_process::blocking::open().expect("a terminal can be had");
        pty.resize(pty_process::Size::new(rows, columns)).expect("its size can be set");
        let child = pty_process::blocking::Command::new(env!("CARGO_BIN_EXE_memif"))
            .args(arguments.split_whitespace())
            .env("TERM", "xterm")
            .envs(environment.iter().copied())
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
        let screen = vt100::Parser::new(not_zero(rows), not_zero(columns), 0);
        Self { child, keys, output, screen, columns }
    }

    /// Gives the terminal another size, as somebody does who pulls at its window.
    pub(crate) fn resize(&mut self, (columns, rows): (u16, u16)) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.keys, size).expect("its size can be set");
        self.screen.screen_mut().set_size(not_zero(rows), not_zero(columns));
        self.columns = columns;
    }

    /// What the terminal shows.
    pub(crate) fn screen(&self) -> &vt100::Screen {
        self.screen.screen()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Hits keys.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Waits until a line of the screen is that, blanks at its end aside.
    #[track_caller]
    pub(crate) fn expect(&mut self, line: &str) {
        self.wait_for(line, |lines| lines.iter().any(|shown| shown == line).then_some(()));
    }

    /// Waits until the lines of the screen give an answer.
    #[track_caller]
    pub(crate) fn wait_for<T>(&mut self, what: &str, mut ask: impl FnMut(&[String]) -> Option<T>) -> T {
        self.look_for(what, |terminal| ask(&terminal.lines()))
    }

    /// Waits until the screen gives an answer.
    #[track_caller]
    pub(crate) fn look_for<T>(&mut self, what: &str, mut ask: impl FnMut(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + WATCHDOG;
        loop {
            if let Some(answer) = ask(self) {
                return answer;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(_) => panic!("{what} did not come; the screen shows\n{}", self.lines().join("\n")),
            }
        }
    }

    /// The screen down to its last line with something on it.
    pub(crate) fn lines(&self) -> Vec<String> {
        let rows = self.screen.screen().rows(0, self.columns);
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

    /// Has keys come in lines again, as a shell does.
    pub(crate) fn cook(&self) {
        let mut settings = tcgetattr(&self.keys).expect("the terminal is there");
        settings.local_flags.insert(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
        tcsetattr(&self.keys, SetArg::TCSANOW, &settings).expect("it can be set");
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

fn not_zero(n: u16) -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(n).expect("not zero")
}
