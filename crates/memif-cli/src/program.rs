//! How this program was started, to start it once more.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;

static STARTED: OnceLock<Started> = OnceLock::new();

#[derive(Debug)]
struct Started {
    launcher: Vec<OsString>,
    arguments: Vec<OsString>,
}

/// Remembers what starts this program, or nothing for its file, and its arguments.
pub(crate) fn started(launcher: Vec<OsString>, arguments: Vec<OsString>) {
    // The kernel named it after /proc/self/exe where it was started by `again`, and lists of processes show that.
    if rustix::thread::name().is_ok_and(|name| name.as_c_str() == c"exe") {
        let _ = rustix::thread::set_name(c"memif");
    }
    // The first time counts.
    let _ = STARTED.set(Started { launcher, arguments });
}

/// This program with the arguments that it was given, to be started with further ones.
pub(crate) fn again() -> Command {
    let started = STARTED.get();
    let mut command = match started.and_then(|started| started.launcher.split_first()) {
        Some((program, first)) => {
            let mut command = Command::new(program);
            command.args(first);
            command
        }
        None => {
            // This program, even if its file was replaced since.
            let mut command = Command::new("/proc/self/exe");
            command.arg0("memif");
            command
        }
    };
    command.args(started.map(|started| started.arguments.as_slice()).unwrap_or_default());
    command
}
