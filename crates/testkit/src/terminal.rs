//! A program on a terminal: keys go in, a screen comes out.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use pty_process::blocking::Command;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use crate::patience::{STEP, eventually};

/// A program on a terminal of its own, which takes what is printed only while the test waits for something on the
/// screen. Dropping it kills the program.
pub struct Terminal {
    child: Running,
    pty: File,
    screen: vt100::Parser,
}

/// Killed when dropped.
#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Either it has ended already, or it must.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What came of waiting for output.
enum Output {
    Some,
    /// The time is over.
    None,
    /// Nobody has the terminal any more.
    End,
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").field("child", &self.child).field("lines", &self.lines()).finish_non_exhaustive()
    }
}

impl Terminal {
    /// Starts a program on a terminal of so many columns and rows, with more in its environment.
    #[must_use]
    pub fn start(
        program: impl AsRef<OsStr>,
        arguments: &[&str],
        (columns, rows): (u16, u16),
        environment: &[(&str, &str)],
    ) -> Self {
        let (pty, pts) = pty_process::blocking::open().expect("a terminal can be had");
        pty.resize(pty_process::Size::new(rows, columns)).expect("its size can be set");
        let child = Command::new(program)
            .args(arguments)
            .env("TERM", "xterm")
            .envs(environment.iter().copied())
            .spawn(pts)
            .expect("the program starts");
        let pty = File::from(OwnedFd::from(pty));
        Self { child: Running(child), pty, screen: vt100::Parser::new(not_zero(rows), not_zero(columns), 0) }
    }

    /// Gives the terminal another size, as somebody does who pulls at its window.
    pub fn resize(&mut self, (columns, rows): (u16, u16)) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.pty, size).expect("its size can be set");
        self.screen.screen_mut().set_size(not_zero(rows), not_zero(columns));
    }

    /// What the terminal shows.
    #[must_use]
    pub fn screen(&self) -> &vt100::Screen {
        self.screen.screen()
    }

    /// The process id of the program.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Hits keys.
    pub fn keys(&mut self, keys: &str) {
        self.pty.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Waits until a line of the screen is that, blanks at its end aside.
    #[track_caller]
    pub fn expect(&mut self, line: &str) {
        self.wait_for(line, |lines| lines.iter().any(|shown| shown == line).then_some(()));
    }

    /// Waits until the lines of the screen give an answer.
    #[track_caller]
    pub fn wait_for<T>(&mut self, what: &str, mut ask: impl FnMut(&[String]) -> Option<T>) -> T {
        self.look_for(what, |terminal| ask(&terminal.lines()))
    }

    /// Waits until the screen gives an answer.
    #[track_caller]
    pub fn look_for<T>(&mut self, what: &str, mut ask: impl FnMut(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + STEP;
        loop {
            if let Some(answer) = ask(self) {
                return answer;
            }
            let Output::Some = self.take(deadline) else {
                panic!("{what} did not come; the screen shows\n{}", self.lines().join("\n"));
            };
        }
    }

    /// The screen down to its last line with something on it.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let screen = self.screen.screen();
        let rows = screen.rows(0, screen.size().1.into());
        let mut lines: Vec<_> = rows.map(|row| row.trim_end().to_owned()).collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    /// Whether keys are taken one by one, as an editor sets it.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        let settings = tcgetattr(&self.pty).expect("the terminal is there");
        !settings.local_modes.contains(LocalModes::ICANON)
    }

    /// Has keys come in lines again, as a shell does.
    pub fn cook(&self) {
        let mut settings = tcgetattr(&self.pty).expect("the terminal is there");
        settings.local_modes.insert(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        tcsetattr(&self.pty, OptionalActions::Now, &settings).expect("it can be set");
    }

    /// Whether a thread of the program waits for the terminal to take what it prints.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten().flatten();
        // A call that sleeps shows with its number and arguments, of which the first is the descriptor here.
        let write = format!("{} 0x1 ", libc::SYS_write);
        threads
            .map(|thread| fs::read_to_string(thread.path().join("syscall")))
            .any(|call| call.is_ok_and(|call| call.starts_with(&write)))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child.0), signal).expect("the program is still there");
    }

    /// Waits for the end. Gives the status and the last lines of the screen.
    #[track_caller]
    pub fn finish(&mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + STEP;
        loop {
            match self.take(deadline) {
                Output::Some => {}
                Output::End => break,
                Output::None => panic!("no end; the screen shows\n{}", self.lines().join("\n")),
            }
        }
        (self.child.0.wait().expect("the program can be waited for"), self.lines())
    }

    /// Waits for the end and takes nothing that is printed meanwhile.
    #[track_caller]
    pub fn finish_unread(&mut self) -> ExitStatus {
        eventually("the end", || self.child.0.try_wait().expect("the program can be waited for"))
    }

    /// Takes the terminal away from the program, and waits for its end.
    #[track_caller]
    pub fn hang_up(self) -> ExitStatus {
        let Self { mut child, pty, .. } = self;
        drop(pty);
        eventually("the end", || child.0.try_wait().expect("the program can be waited for"))
    }

    /// Takes what was printed, or waits for it until then.
    fn take(&mut self, deadline: Instant) -> Output {
        let mut bytes = [0; 4096];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match poll(&mut [PollFd::new(&self.pty, PollFlags::IN)], Some(&timespec(left))) {
                Err(Errno::INTR) => continue,
                Ok(0) => return Output::None,
                _ => {}
            }
            match self.pty.read(&mut bytes) {
                Ok(len @ 1..) => {
                    self.screen.process(&bytes[..len]);
                    return Output::Some;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // The end of the program shows as an error.
                _ => return Output::End,
            }
        }
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec::try_from(time).expect("a time of minutes")
}

fn not_zero(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).expect("not zero")
}
