//! Network namespaces of a test's own, so that traffic of the kernel disturbs nobody.

use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// What all names start with; the process id of the test comes next.
const PREFIX: &str = "memif-test";

/// A network namespace that goes away when dropped, with every process in it.
#[derive(Debug)]
pub struct Namespace(String);

impl Namespace {
    /// A new one with nothing but a loopback device, which is up. Needs root and `ip`.
    #[must_use]
    #[track_caller]
    #[allow(clippy::new_without_default, reason = "making one is an action")]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        sweep();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let namespace = Self(format!("{PREFIX}-{}-{number}", std::process::id()));
        must("ip", &["netns", "add", &namespace.0]);
        namespace.ip("link set dev lo up");
        namespace
    }

    /// Its name, as `ip netns` knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// A program in it, not started. It keeps the process id of what is started.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }

    /// Runs a command line without quotes in it to its end, whatever that is.
    #[track_caller]
    pub fn run(&self, line: &str) -> Output {
        let mut words = line.split_whitespace();
        let mut command = self.command(words.next().expect("a program"));
        command.args(words).stdin(Stdio::null());
        command.output().unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Runs a command line without quotes, which must end well; what it printed.
    #[track_caller]
    pub fn must(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs `ip` with those arguments on it, which must end well; what it printed.
    #[track_caller]
    pub fn ip(&self, arguments: &str) -> String {
        let mut all = vec!["-n", &self.0];
        all.extend(arguments.split_whitespace());
        must("ip", &all)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        delete(&self.0);
    }
}

#[track_caller]
fn must(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Ends what runs in a namespace of a test, and removes it.
fn delete(name: &str) {
    let ip = |arguments: &[&str]| {
        let output = Command::new("ip").args(arguments).stdin(Stdio::null()).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for pid in ip(&["netns", "pids", name]).unwrap_or_default().split_whitespace() {
        if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    let _ = ip(&["netns", "delete", name]);
}

/// Removes namespaces of tests that were ended before they could.
fn sweep() {
    for line in must("ip", &["netns", "list"]).lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('-'));
        let owner = owner.and_then(|rest| rest.split('-').next()?.parse().ok());
        if owner.and_then(Pid::from_raw).is_some_and(|pid| test_kill_process(pid).is_err()) {
            delete(name);
        }
    }
}
