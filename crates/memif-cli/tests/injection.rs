//! The command with a system call that fails, once: it goes on, or ends with a reason; it does not crash or hang, a
//! responder serves the next peer, and leaves no descriptor behind. `MEMIF_FAULTS=all` tries every call of every run.

#![allow(clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod util;

use std::process::Command;
use std::time::Duration;

use testkit::injection::{Fault, Subject, each_of, faults};
use testkit::{Need, Suite};
use util::{Directory, command};

/// Faults tried of each program, where not all are asked for.
const SOME: usize = 12;
/// Links of a responder to which nothing is done, until it has what it keeps for the next one.
const LINKS: usize = 4;
/// Those of them in which a call fails.
const FAULTY: usize = 2;
/// All of them are hundreds of runs.
const LONG: Duration = Duration::from_secs(7200);
const NEEDS: &[Need] = &[Need::Trace];

fn main() {
    Suite::new()
        .long_test("ping", LONG, NEEDS, ping)
        .long_test("responder", LONG, NEEDS, responder)
        .long_test("slave_responder", LONG, NEEDS, slave_responder)
        .long_test("demo", LONG, NEEDS, demo)
        .run()
}

fn traced(directory: &Directory, program: &Command) -> Subject {
    Subject::traced(&directory.path("trace"), program)
}

/// Tries the faults of which the trace in that directory tells.
fn try_each(name: &str, directory: &Directory, attempt: impl Fn(&Fault) + Sync) {
    let all = faults(&directory.path("trace"));
    let tried = each_of(&all, SOME, attempt);
    println!("{name}: {tried} of its {} system calls failed, one in each run", all.len());
}

fn demo() {
    let directory = Directory::new();
    let program = command("demo");
    assert!(traced(&directory, &program).ends().status.success());
    try_each("demo", &directory, |fault| {
        Subject::with(fault, &program).ends();
    });
}

fn ping_of(socket: &str, more: &str) -> Command {
    command(&format!("ping 192.168.1.2 --socket {socket} --count 2 --interval 0.01 --deadline 20 {more}"))
}

/// A ping that nothing is done to.
fn healthy(socket: &str, role: &str) -> bool {
    let more = format!("--connect-timeout 20 --timeout 10 --role {role}");
    util::start(ping_of(socket, &more), "ping").finish().status.success()
}

/// A slave that pings; its responder does not notice.
fn ping() {
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    let program = ping_of(&socket, "--connect-timeout 5");
    let responder = util::master(&socket, "");
    assert!(traced(&directory, &program).ends().status.success());
    drop(responder);
    let attempt = |fault: &Fault| {
        let directory = Directory::new();
        let socket = directory.text("memif.sock");
        let responder = util::master(&socket, "");
        Subject::with(fault, &ping_of(&socket, "--connect-timeout 5")).ends();
        assert!(healthy(&socket, "slave"), "{fault}: the responder serves no more");
        responder.terminate();
        responder.finish().code(0);
    };
    try_each("ping", &directory, attempt);
    // All of these in any case: one of them ends the wait of the socket's thread.
    let writes: Vec<_> = faults(&directory.path("trace")).into_iter().filter(|fault| fault.is_of("write")).collect();
    assert!(writes.len() > 3, "{writes:?}");
    each_of(&writes, writes.len(), attempt);
}

fn responder_at(socket: &str) -> Command {
    command(&format!("responder --role master --socket {socket}"))
}

/// A master to which a ping comes while a call fails, and another one after that.
fn responder() {
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    let well = |mut subject: Subject, links: usize| {
        assert!(subject.says("master on"));
        for _ in 0..links {
            assert!(healthy(&socket, "slave"));
        }
        let descriptors = subject.most_descriptors();
        subject.terminate();
        assert!(subject.ends().status.success());
        descriptors
    };
    well(traced(&directory, &responder_at(&socket)), FAULTY);
    let descriptors = well(Subject::with(&Fault::never(), &responder_at(&socket)), LINKS);
    try_each("responder", &directory, |fault| {
        let directory = Directory::new();
        let socket = directory.text("memif.sock");
        let mut subject = Subject::with(fault, &responder_at(&socket));
        if subject.says("master on") {
            for _ in 0..FAULTY {
                let _ = subject.has_ended() || healthy(&socket, "slave");
            }
            let served = subject.has_ended() || healthy(&socket, "slave");
            // It may have been about to end.
            assert!(served || subject.has_ended(), "{fault}: it serves no more: {}", subject.said());
            subject.comes_down_to(descriptors);
            subject.terminate();
        }
        subject.ends();
    });
}

/// A slave whose masters come and go.
fn slave_responder() {
    let run = |directory: &Directory, links: usize, start: &dyn Fn(&Command) -> Subject| {
        let socket = directory.text("memif.sock");
        let mut subject = start(&command(&format!("responder --role slave --retry-period 50ms --socket {socket}")));
        if subject.says("slave on") {
            for _ in 1..links {
                let _ = healthy(&socket, "master");
            }
            let served = subject.has_ended() || healthy(&socket, "master");
            assert!(served || subject.has_ended(), "it serves no more: {}", subject.said());
        }
        subject
    };
    let well = |subject: Subject| {
        let descriptors = subject.most_descriptors();
        subject.terminate();
        assert!(subject.ends().status.success());
        descriptors
    };
    let directory = Directory::new();
    well(run(&directory, FAULTY, &|program| traced(&directory, program)));
    let descriptors = well(run(&directory, LINKS, &|program| Subject::with(&Fault::never(), program)));
    try_each("responder as slave", &directory, |fault| {
        let directory = Directory::new();
        let mut subject = run(&directory, FAULTY + 1, &|program| Subject::with(fault, program));
        subject.comes_down_to(descriptors);
        subject.terminate();
        subject.ends();
    });
}
