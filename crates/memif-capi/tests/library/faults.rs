//! A C program with a system call that fails, once: it goes on or ends with a reason, and never crashes or hangs.

use std::process::Command;

use testkit::Need;
use testkit::injection::{Fault, Subject, each_of, faults};

use crate::bed::Bed;

pub(crate) const NEEDS: &[Need] = &[Need::Program("gcc"), Need::Trace];

/// Faults tried of each program, where not all are asked for.
const SOME: usize = 10;

/// Links of a responder to which nothing is done, for the most descriptors that it has at a time.
const LINKS: usize = 4;

/// Those of them in which a call fails.
const FAULTY: usize = 2;

/// The responder of the examples, to which a sender comes while a call fails and another one after that; and a sender
/// whose calls fail, at a responder that does not notice.
pub(crate) fn system_calls_that_fail() {
    let bed = Bed::new();
    let programs = [bed.compile("responder", &[]), bed.compile("sender", &[])];
    let command = |program: usize, socket: &std::path::Path, more: &[&str]| {
        let mut command = Command::new(&programs[program]);
        command.arg(socket).args(more).env("LD_LIBRARY_PATH", bed.prefix().join("lib"));
        command
    };
    // One that gives up by itself: there may be nobody.
    let sends = |socket: &std::path::Path| {
        let mut sender = Command::new("timeout");
        sender.arg("20").arg(&programs[1]).arg(socket).args(["slave", "100", "64"]);
        sender.env("LD_LIBRARY_PATH", bed.prefix().join("lib"));
        sender.output().expect("the sender starts").status.success()
    };
    let (trace, socket) = (bed.path("trace"), bed.path("memif.sock"));

    let well = |mut subject: Subject, links: usize| {
        assert!(subject.says("ready"));
        for _ in 0..links {
            assert!(sends(&socket));
        }
        assert!(subject.says("disconnected"));
        let descriptors = subject.most_descriptors();
        subject.terminate();
        assert!(subject.ends().status.success());
        descriptors
    };
    well(Subject::traced(&trace, &command(0, &socket, &["master"])), FAULTY);
    let descriptors = well(Subject::with(&Fault::never(), &command(0, &socket, &["master"])), LINKS);
    let all = faults(&trace);
    let tried = each_of(&all, SOME, |fault: &Fault| {
        let bed = Bed::new();
        let socket = bed.path("memif.sock");
        let mut subject = Subject::with(fault, &command(0, &socket, &["master"]));
        if subject.says("ready") {
            for _ in 0..FAULTY {
                let _ = subject.has_ended() || sends(&socket);
            }
            let served = subject.has_ended() || sends(&socket);
            assert!(served || subject.has_ended(), "{fault}: it serves no more: {}", subject.said());
            subject.comes_down_to(descriptors);
            subject.terminate();
        }
        subject.ends();
    });
    println!("responder in C: {tried} of its {} system calls failed, one in each run", all.len());

    let mut responder = bed.start(&mut command(0, &socket, &["master"]));
    responder.expect("ready");
    assert!(Subject::traced(&trace, &command(1, &socket, &["slave", "100", "64"])).ends().status.success());
    let all = faults(&trace);
    let tried = each_of(&all, SOME, |fault| {
        let bed = Bed::new();
        let socket = bed.path("memif.sock");
        let mut responder = bed.start(&mut command(0, &socket, &["master"]));
        responder.expect("ready");
        Subject::with(fault, &command(1, &socket, &["slave", "100", "64"])).ends();
        assert!(sends(&socket), "{fault}: the responder serves no more");
    });
    println!("sender in C: {tried} of its {} system calls failed, one in each run", all.len());
}
