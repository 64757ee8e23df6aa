//! Programs to which the kernel denies a system call, as containers and services have it do (seccomp).

use std::collections::BTreeMap;

use rustix::io::Errno;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

/// Calls that can be denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// The one that makes a context for asynchronous I/O.
    IoSetup,
    /// The one that asks for something in such a context.
    IoSubmit,
}

/// What `start` gives, and every process that it starts does without that call: the kernel answers it with that error.
/// Needs no rights.
pub fn without<T: Send>(call: Call, error: Errno, start: impl FnOnce() -> T + Send) -> T {
    let number = match call {
        Call::IoSetup => libc::SYS_io_setup,
        Call::IoSubmit => libc::SYS_io_submit,
    };
    let answer = SeccompAction::Errno(error.raw_os_error().cast_unsigned());
    let architecture = std::env::consts::ARCH.try_into().expect("a known processor");
    let calls = BTreeMap::from([(number, Vec::new())]);
    let filter = SeccompFilter::new(calls, SeccompAction::Allow, answer, architecture).expect("a filter");
    let program: BpfProgram = filter.try_into().expect("a program");
    let confined = || {
        apply_filter(&program).expect("filters of system calls");
        start()
    };
    // A filter cannot be taken off again: it is that of a thread, which its child processes inherit.
    std::thread::scope(|scope| scope.spawn(confined).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
