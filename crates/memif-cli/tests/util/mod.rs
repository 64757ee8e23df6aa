//! Programs under test: started, watched, and never left behind.

#![allow(dead_code, reason = "each test program uses its part")]
#![allow(clippy::expect_used, clippy::panic, reason = "this is how tests fail")]

pub(crate) mod pcapng;
pub(crate) mod processes;
pub(crate) mod reports;

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take before the test fails. No test waits that long when all is well.
const WATCHDOG: Duration = Duration::from_secs(180);

/// A line that the program printed.
enum Line {
    Out(String),
    Err(String),
}

/// A running `memif`. Dropping it kills it.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<Line>,
    name: String,
    out: Vec<String>,
    err: Vec<String>,
}

/// What a program did until its end.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Finished {
    /// Asserts the exit status.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        self
    }

    /// Asserts that standard output holds a text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text), "{text:?} is not in {self:#?}");
        self
    }

    /// Asserts that standard error holds a text.
    #[track_caller]
    pub(crate) fn complains(self, text: &str) -> Self {
        assert!(self.err.contains(text), "{text:?} is not in {self:#?}");
        self
    }
}

/// Starts `memif` with arguments that are separated by spaces.
pub(crate) fn memif(arguments: &str) -> Program {
    start(command(arguments), arguments)
}

/// A responder that has its socket as master, with more options.
#[track_caller]
pub(crate) fn master(socket: &str, options: &str) -> Program {
    let mut responder = memif(&format!("responder --role master --socket {socket} {options}"));
    responder.expect("master on");
    responder
}

/// `memif` with arguments that are separated by spaces, not started.
pub(crate) fn command(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memif"));
    command.args(arguments.split_whitespace());
    command
}

/// Starts `memif` with arguments that are separated by spaces, and gives the pipe to its standard input.
pub(crate) fn piped(arguments: &str) -> (Program, ChildStdin) {
    start_piped(command(arguments), arguments)
}

/// Starts a command that was put together elsewhere, and gives the pipe to its standard input.
pub(crate) fn start_piped(mut command: Command, name: &str) -> (Program, ChildStdin) {
    command.stdin(Stdio::piped());
    let mut program = start_with(command, name);
    let stdin = program.child.stdin.take().expect("standard input is piped");
    (program, stdin)
}

/// Starts a command that was put together elsewhere.
pub(crate) fn start(mut command: Command, name: &str) -> Program {
    command.stdin(Stdio::null());
    start_with(command, name)
}

fn start_with(mut command: Command, name: &str) -> Program {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("memif starts");
    let (sender, lines) = mpsc::channel();
    let out = child.stdout.take().expect("standard output is piped");
    let err = child.stderr.take().expect("standard error is piped");
    let err_sender = sender.clone();
    thread::spawn(move || pass_on(out, |line| sender.send(Line::Out(line)).is_ok()));
    thread::spawn(move || pass_on(err, |line| err_sender.send(Line::Err(line)).is_ok()));
    Program { child, lines, name: format!("memif {name}"), out: Vec::new(), err: Vec::new() }
}

fn pass_on(from: impl Read, mut to: impl FnMut(String) -> bool) {
    for line in BufReader::new(from).lines() {
        if !line.is_ok_and(&mut to) {
            return;
        }
    }
}

impl Program {
    /// Waits for a line on standard output that holds a text, and gives it.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        self.await_line(text, |line| match line {
            Line::Out(line) => Some(line),
            Line::Err(_) => None,
        })
    }

    /// Waits for a line on standard error that holds a text, and gives it.
    #[track_caller]
    pub(crate) fn expect_complaint(&mut self, text: &str) -> String {
        self.await_line(text, |line| match line {
            Line::Err(line) => Some(line),
            Line::Out(_) => None,
        })
    }

    #[track_caller]
    fn await_line(&mut self, text: &str, which: impl Fn(&Line) -> Option<&String>) -> String {
        let deadline = Instant::now() + WATCHDOG;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("{:?} did not come from {}", text, self.story());
            };
            let found = which(&line).filter(|line| line.contains(text)).cloned();
            self.keep(line);
            if let Some(found) = found {
                return found;
            }
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lines that were read from standard output.
    pub(crate) fn lines_so_far(&self) -> usize {
        self.out.len()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Sends that signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the program is still there");
    }

    /// Ends it with SIGKILL, so that it can do nothing about it.
    pub(crate) fn kill(mut self) {
        self.kill_now();
    }

    /// As [`kill`](Self::kill), for a program that is kept.
    pub(crate) fn kill_now(&mut self) {
        self.child.kill().expect("the program is still there");
        self.child.wait().expect("the program can be waited for");
    }

    /// Waits for the end, or for a line on standard output that holds a text, and ends it then.
    #[track_caller]
    pub(crate) fn finish_or_end(mut self, text: &str) -> Finished {
        while let Ok(line) = self.lines.recv_timeout(WATCHDOG) {
            let found = matches!(&line, Line::Out(line) if line.contains(text));
            self.keep(line);
            if found {
                self.terminate();
                break;
            }
        }
        self.finish()
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Finished {
        let deadline = Instant::now() + WATCHDOG;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.keep(line),
                // Both outputs are closed: the program is about to end.
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("no end of {}", self.story()),
            }
        }
        let status = self.child.wait().expect("the program can be waited for");
        let text = |lines: &[String]| lines.iter().fold(String::new(), |text, line| text + line + "\n");
        Finished { status, out: text(&self.out), err: text(&self.err) }
    }

    fn keep(&mut self, line: Line) {
        match line {
            Line::Out(line) => self.out.push(line),
            Line::Err(line) => self.err.push(line),
        }
    }

    fn story(&self) -> String {
        let mut story = self.name.clone();
        for line in &self.out {
            let _ = write!(story, "\n  out: {line}");
        }
        for line in &self.err {
            let _ = write!(story, "\n  err: {line}");
        }
        story
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Either it has ended already, or it must.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory of the test's own that goes away with it.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(unique("memif-cli"));
        fs::create_dir(&path).expect("a directory can be made");
        Self(path)
    }

    /// A path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A path in it, as an option takes it.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A name that no other test has.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// An abstract socket address that no other test has.
pub(crate) fn abstract_name() -> String {
    format!("@{}", unique("memif-cli"))
}
