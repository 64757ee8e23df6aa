//! Programs of which one system call fails, once: strace makes it fail. Which calls there are a first run tells.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::census::Census;
use crate::patience::{Patience, STEP};

/// Calls that are left alone: those that cannot fail, those whose failure is no failure of a program (what was to be
/// closed or unmapped stays open), those on which the C library stands, and those by which signal-hook wakes itself,
/// since it takes them for ones that cannot fail.
const SPARED: &[&str] = &[
    "arch_prctl",
    "brk",
    "close",
    "execve",
    "exit",
    "exit_group",
    "futex",
    "getegid",
    "geteuid",
    "getgid",
    "getpid",
    "getrandom",
    "gettid",
    "getuid",
    "munmap",
    "prlimit64",
    "recvfrom",
    "restart_syscall",
    "rseq",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_yield",
    "sendto",
    "set_robust_list",
    "set_tid_address",
    "sigaltstack",
    "umask",
];

/// What is said where Rust's own library gives up by itself, for want of the stack on which each thread is told that
/// its other one is full. Nothing of ours is asked.
const OF_OTHERS: &str = "library/std/src/sys/pal/unix/stack_overflow.rs";

/// The call after which a program is its own: of what the loader does before, only the loader could tell, and this
/// first one is the Rust library's.
const FIRST: &str = "rt_sigaction";

/// A call that is to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    call: String,
    when: usize,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} number {} fails with {}", self.call, self.when, self.error())
    }
}

impl Fault {
    /// One that never comes: to see of a program, under the same circumstances, what it does when all is well.
    #[must_use]
    pub fn never() -> Self {
        Self { call: "memfd_create".to_owned(), when: 60_000 }
    }

    /// Whether it is that call which fails.
    #[must_use]
    pub fn is_of(&self, call: &str) -> bool {
        self.call == call
    }

    /// What the kernel may say.
    fn error(&self) -> &'static str {
        match self.call.as_str() {
            "accept4" | "epoll_create1" | "eventfd2" | "inotify_init1" | "memfd_create" | "openat" | "socket"
            | "timerfd_create" => "EMFILE",
            "clone" | "clone3" | "io_setup" | "io_submit" => "EAGAIN",
            "sendmsg" | "sendto" | "write" | "writev" => "ENOBUFS",
            "epoll_pwait" | "epoll_pwait2" | "epoll_wait" | "poll" | "ppoll" | "clock_nanosleep" => "EINTR",
            _ => "ENOMEM",
        }
    }

    fn strace(&self, command: &mut Command) {
        let Self { call, when } = self;
        let fault = format!("inject={call}:error={}:when={when}", self.error());
        command.args(["--seccomp-bpf", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &fault]);
    }
}

/// The faults for all calls of a program that `strace -f -o FILE` saw. Of a call that several threads make, each of
/// them comes upon the same number of its own.
#[must_use]
pub fn faults(trace: &Path) -> Vec<Fault> {
    let text = std::fs::read_to_string(trace).expect("a trace");
    let (mut before, mut counts) = (BTreeMap::<String, usize>::new(), BTreeMap::<(String, String), usize>::new());
    let (mut begun, mut first) = (false, None);
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        // Not a signal, an end, or the second half of a call that was told of before.
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        if !call.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
            continue;
        }
        let first = first.get_or_insert(thread);
        if !begun && thread == *first {
            *before.entry(call.to_owned()).or_insert(0) += 1;
        }
        begun |= call == FIRST;
        *counts.entry((call.to_owned(), thread.to_owned())).or_insert(0) += 1;
    }
    let calls: BTreeSet<&String> =
        counts.keys().map(|(call, _)| call).filter(|call| !SPARED.contains(&&***call)).collect();
    let numbers = |call: &String| {
        let least = before.get(call).copied().unwrap_or(0) + 1;
        let most = counts.iter().filter(|((name, _), _)| name == call).map(|(_, count)| *count).max();
        least..=most.unwrap_or(0)
    };
    calls.into_iter().flat_map(|call| numbers(call).map(|when| Fault { call: call.clone(), when })).collect()
}

/// Tries faults, some at a time, since programs wait for most of their time: all where `MEMIF_FAULTS=all` is in the
/// environment, or else at most so many, spread over all. How many those were.
///
/// # Panics
/// When one of the attempts does, after those that were under way.
pub fn each_of(all: &[Fault], most: usize, attempt: impl Fn(&Fault) + Sync) -> usize {
    let count = if std::env::var_os("MEMIF_FAULTS").is_some_and(|value| value == "all") {
        all.len()
    } else {
        all.len().min(most)
    };
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 * processors {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        return;
                    }
                    // The next ones tell more: all that fail are wanted.
                    let fault = &all[at * all.len() / count];
                    if catch_unwind(AssertUnwindSafe(|| attempt(fault))).is_err() {
                        println!("failed when {fault}");
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    assert!(failed == 0, "{failed} of {count} faults did harm");
    count
}

/// A program under strace.
#[derive(Debug)]
pub struct Subject {
    strace: std::process::Child,
    name: String,
    said: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// How it ended.
#[derive(Debug)]
pub struct End {
    /// Of the program: strace ends as it did.
    pub status: ExitStatus,
    /// What it printed on both outputs.
    pub said: String,
}

impl Subject {
    /// Starts a program of which a call fails.
    #[must_use]
    #[track_caller]
    pub fn with(fault: &Fault, program: &Command) -> Self {
        Self::start(&fault.to_string(), program, |strace| fault.strace(strace))
    }

    /// Starts it and writes down its calls.
    #[must_use]
    #[track_caller]
    pub fn traced(trace: &Path, program: &Command) -> Self {
        Self::start("all is well", program, |strace| {
            strace.arg("-o").arg(trace);
        })
    }

    #[track_caller]
    fn start(name: &str, program: &Command, options: impl FnOnce(&mut Command)) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-e", "signal=none"]);
        options(&mut strace);
        strace.arg(program.get_program()).args(program.get_args());
        strace.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        strace.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = strace.spawn().expect("strace starts");
        let said = Arc::new(Mutex::new(String::new()));
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(process.stdout.take().expect("stdout")), Box::new(process.stderr.take().expect("stderr"))];
        let readers = outputs.map(|output| {
            let said = Arc::clone(&said);
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if let Ok(mut said) = said.lock() {
                        said.push_str(&line);
                        said.push('\n');
                    }
                }
            })
        });
        let words: Vec<_> = program.get_args().map(OsStr::to_string_lossy).collect();
        Self { strace: process, name: format!("{name}, of {}", words.join(" ")), said, readers: readers.into() }
    }

    /// What it printed so far.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.lock().map(|said| said.clone()).unwrap_or_default()
    }

    /// Waits until it says a text; whether it did before it ended.
    #[track_caller]
    pub fn says(&mut self, text: &str) -> bool {
        let mut patience = Patience::default();
        loop {
            let ended = self.has_ended();
            if ended {
                self.hear_out();
            }
            if self.said().contains(text) {
                return true;
            }
            if ended {
                return false;
            }
            assert!(patience.more(), "{} hangs before {text:?}:\n{}", self.name, self.said());
        }
    }

    /// After its end: all that it said last.
    fn hear_out(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.strace.try_wait().expect("waiting for strace").is_some()
    }

    /// The program itself, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.strace.id())).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    /// Number of its descriptors, while it runs.
    fn fd_count(&self) -> Option<usize> {
        Some(Census::of(self.pid()?).fds.values().sum())
    }

    /// The most descriptors that it holds at any of many looks within a second: between two attempts of a slave it is
    /// one or two less.
    #[must_use]
    pub fn most_descriptors(&self) -> usize {
        let mut patience = Patience::of(Duration::from_secs(1));
        let mut most = 0;
        while patience.more() {
            most = most.max(self.fd_count().unwrap_or(0));
        }
        most
    }

    /// Waits until it has ended, or holds no more descriptors than that.
    #[track_caller]
    pub fn comes_down_to(&mut self, descriptors: usize) {
        let mut patience = Patience::of(STEP / 4);
        while !self.has_ended() && self.fd_count().is_some_and(|count| count > descriptors) {
            let held = || self.pid().map(|pid| Census::of(pid).fds);
            assert!(patience.more(), "{} holds more than {descriptors}: {:?}\n{}", self.name, held(), self.said());
        }
    }

    /// SIGTERM to the program.
    pub fn terminate(&self) {
        if let Some(pid) = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// Waits for its end, which must be one of its own will: no signal, no panic but in Rust's own library, and a
    /// reason where it failed.
    #[track_caller]
    pub fn ends(mut self) -> End {
        let mut patience = Patience::default();
        while !self.has_ended() {
            assert!(patience.more(), "{} has no end in {STEP:?}:\n{}", self.name, self.said());
        }
        let status = self.strace.wait().expect("waiting for strace");
        self.hear_out();
        let said = self.said();
        let code = status.code();
        if said.contains(OF_OTHERS) {
            return End { status, said };
        }
        assert!(code.is_some() && code < Some(128), "{} died, {status}:\n{said}", self.name);
        assert!(!said.contains("panicked"), "{} panicked:\n{said}", self.name);
        assert!(code == Some(0) || !said.trim().is_empty(), "{} failed without a reason, {status}", self.name);
        End { status, said }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.terminate();
        if let Some(pid) = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_from_the_first_of_the_program_on() {
        let path = std::env::temp_dir().join(format!("memif-faults-{}", std::process::id()));
        let trace = "\
            7     execve(\"x\") = 0\n7     mmap(NULL) = 1\n7     rt_sigaction(SIGPIPE) = 0\n7     mmap(NULL) = 2\n\
            7     clone3() = 8\n8     mmap(NULL <unfinished ...>\n7     socket() = 3\n8     <... mmap resumed>) = 4\n\
            8     mmap(NULL) = 5\n8     +++ exited with 0 +++\n7     exit_group(0) = ?\n";
        std::fs::write(&path, trace).unwrap();
        let found = faults(&path);
        std::fs::remove_file(&path).unwrap();
        let found: Vec<_> = found.iter().map(|fault| (fault.call.as_str(), fault.when)).collect();
        assert_eq!(found, [("clone3", 1), ("mmap", 2), ("socket", 1)]);
    }
}
