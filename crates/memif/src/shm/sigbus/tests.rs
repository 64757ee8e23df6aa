//! What a process sees of SIGBUS with a guarded mapping and without one: the same, but for faults in that mapping.
//!
//! Dispositions belong to a process, and some of these end it. So each case runs in a process of its own: this test
//! program, with one test and the case in its environment.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::AtomicU32;

use super::*;
use crate::shm::Mapping;

const CASE: &str = "MEMIF_SIGBUS_CASE";
const TEST: &str = "shm::sigbus::tests::one_case";
const LEN: u64 = 4096;

/// What was there before us.
const BEFORE: [&str; 8] = ["std", "default", "ignore", "count", "simple", "once", "again", "counts-then-default"];

/// Calls of the handlers below.
static CALLS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the kernel, or who calls like it, hands over a valid one.
    if matches!(unsafe { (*info).si_code }, libc::BUS_ADRERR) {
        say("a fault that is not ours");
        // SAFETY: ends the process and touches no memory.
        unsafe { libc::_exit(7) };
    }
}

extern "C" fn simple(_: libc::c_int) {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

/// Puts itself in place again, as handlers did where a signal took them out.
extern "C" fn again(signal: libc::c_int) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: a handler of that type.
    unsafe { libc::signal(signal, again as SimpleHandler as usize) };
}

extern "C" fn count_then_default(signal: libc::c_int) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the default is a valid action.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// Raises SIGBUS while it is under way: with SA_NODEFER the handler is entered again at once.
extern "C" fn nested(_: libc::c_int) {
    if CALLS.fetch_add(1, Ordering::Relaxed) == 0 {
        // SAFETY: no memory is involved.
        unsafe { libc::raise(libc::SIGBUS) };
        say(&format!("inside: {} calls", CALLS.load(Ordering::Relaxed)));
    }
}

fn prepare(before: &str) {
    let mut action = default_action();
    (action.sa_sigaction, action.sa_flags) = match before {
        "std" => return,
        "default" => (libc::SIG_DFL, 0),
        "ignore" => (libc::SIG_IGN, 0),
        "count" => (count as Handler as usize, libc::SA_SIGINFO),
        "simple" => (simple as SimpleHandler as usize, 0),
        "once" => (simple as SimpleHandler as usize, libc::SA_RESETHAND),
        "again" => (again as SimpleHandler as usize, libc::SA_RESETHAND),
        "counts-then-default" => (count_then_default as SimpleHandler as usize, 0),
        "nested" => (nested as SimpleHandler as usize, libc::SA_NODEFER),
        "nested-deferred" => (nested as SimpleHandler as usize, 0),
        other => panic!("no such state: {other}"),
    };
    set(&action).unwrap();
}

fn say(line: &str) {
    writeln!(io::stderr(), "said: {line}").unwrap();
}

/// A file that its owner can shrink, mapped.
fn shrinkable(guard: bool) -> (OwnedFd, Mapping) {
    let fd = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::ftruncate(&fd, LEN).unwrap();
    let mapping = Mapping::map(&fd, LEN, guard).unwrap();
    (fd, mapping)
}

fn touch(mapping: &Mapping) {
    let mut byte = [0];
    mapping.slice(0, 1).unwrap().read(0, &mut byte);
}

/// A signal to this very thread, with a code that only the kernel or the process itself can give, and with that where a
/// fault has its address and a sender its process and user.
fn send(code: libc::c_int, word: usize) {
    // SAFETY: all zeros is a valid `siginfo_t`, of 128 bytes; its fourth word of 32 bits is padding on machines of 64,
    // and what follows is of any type. It is read by the kernel.
    unsafe {
        let mut info: libc::siginfo_t = MaybeUninit::zeroed().assume_init();
        info.si_signo = libc::SIGBUS;
        info.si_code = code;
        (&raw mut info).cast::<libc::c_int>().add(3).cast::<usize>().byte_add(size_of::<usize>() - 4).write(word);
        let (process, thread) = (libc::getpid(), libc::syscall(libc::SYS_gettid));
        let sent = libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread, libc::SIGBUS, &raw const info);
        assert_eq!(sent, 0);
    }
}

/// The process of one case: `with` or `without` a guarded mapping, what was there before, and what happens then.
#[test]
fn one_case() {
    let Ok(case) = std::env::var(CASE) else { return };
    // SAFETY: the watchdog, and no core files.
    unsafe {
        libc::alarm(60);
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
    }
    let mut words = case.split(' ');
    let guard = words.next() == Some("with");
    prepare(words.next().unwrap());
    let guarded = guard.then(|| shrinkable(true));
    let (foreign, not_ours) = shrinkable(false);
    for step in words {
        match step {
            "sent" => send(libc::SI_USER, 0),
            "reported" => send(libc::BUS_MCEERR_AO, 0),
            "sent-with-our-address" | "reported-at-our-address" => {
                let (_, mapping) = guarded.as_ref().unwrap();
                let code = if step.starts_with("sent") { libc::SI_USER } else { libc::BUS_MCEERR_AO };
                send(code, mapping.start().addr().get());
                assert!(!mapping.is_gone());
            }
            "fault" => {
                rustix::fs::ftruncate(&foreign, 0).unwrap();
                touch(&not_ours);
            }
            "ours" => {
                let (fd, mapping) = guarded.as_ref().unwrap();
                rustix::fs::ftruncate(fd, 0).unwrap();
                touch(mapping);
                assert!(mapping.is_gone());
            }
            "replaced" => {
                let _ = set(&default_action()).unwrap();
                prepare("simple");
            }
            other => panic!("no such step: {other}"),
        }
        say(&format!("{step}: {} calls", CALLS.load(Ordering::Relaxed)));
    }
    // SAFETY: ends the process; the harness would print how long it took.
    unsafe { libc::_exit(0) };
}

/// What the process of a case said, and how it ended.
fn run(case: &str) -> (Vec<String>, Option<i32>, Option<i32>) {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program)
        .args(["--exact", TEST, "--nocapture", "--test-threads=1"])
        .env(CASE, case)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{case}: {errors}");
    let said = errors.lines().filter_map(|line| line.strip_prefix("said: ")).map(str::to_owned);
    (said.collect(), output.status.code(), output.status.signal())
}

#[test]
fn signals_that_are_not_ours_do_what_they_would_do_without_us() {
    for before in BEFORE {
        for steps in ["sent sent", "reported reported", "fault", "sent fault", "reported sent"] {
            // These return to the fault, again and again, with us and without.
            if matches!(before, "simple" | "again") && steps.contains("fault") {
                continue;
            }
            let without = run(&format!("without {before} {steps}"));
            let with = run(&format!("with {before} {steps}"));
            assert_eq!(with, without, "{before}: {steps}");
        }
    }
    for before in ["nested", "nested-deferred"] {
        let without = run(&format!("without {before} sent"));
        assert_eq!(run(&format!("with {before} sent")), without, "{before}");
        assert_eq!(without.1, Some(0), "{before}: {without:?}");
    }
}

#[test]
fn the_default_ends_the_process_and_does_not_spin() {
    for steps in ["sent", "reported", "fault"] {
        let (said, _, signal) = run(&format!("with default {steps}"));
        assert_eq!((said.len(), signal), (0, Some(libc::SIGBUS)), "{steps}");
    }
}

#[test]
fn the_guard_survives_what_was_not_for_it() {
    for before in BEFORE {
        for steps in ["sent", "reported"] {
            let (said, code, _) = run(&format!("without {before} {steps}"));
            if code != Some(0) {
                // It ends the process, see above.
                continue;
            }
            let (with, code, signal) = run(&format!("with {before} {steps} ours"));
            assert_eq!((code, signal), (Some(0), None), "{before}: {steps}: {with:?}");
            assert_eq!(with.first(), said.first(), "{before}: {steps}");
            assert!(with[1].starts_with("ours: "), "{with:?}");
        }
    }
}

/// Where a fault has its address, a sent signal has who sent it, which can be any number.
#[test]
fn a_signal_is_no_fault_for_the_number_that_it_carries() {
    let (said, code, _) = run("with count sent-with-our-address reported-at-our-address ours");
    let calls = ["sent-with-our-address: 1 calls", "reported-at-our-address: 2 calls", "ours: 2 calls"];
    assert_eq!((said, code), (calls.map(str::to_owned).to_vec(), Some(0)));
}

#[test]
fn a_handler_that_was_put_over_ours_stays() {
    let (said, code, _) = run("with default replaced sent sent");
    assert_eq!((said[2].as_str(), code), ("sent: 2 calls", Some(0)), "{said:?}");
}
