//! What is written to takes no more, and options that make no sense.

use std::fs;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Pid, Signal, kill_process};

use super::traffic::generator;
use super::util::{Directory, abstract_name, command, master, memif};
use super::{capture, read, tap};

/// Ends with its test, whatever becomes of that.
struct Child(std::process::Child);

impl Child {
    fn with_pipe(mut command: Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Reads the head of a file from its standard output, and goes.
    fn read_and_go(&mut self) {
        let mut head = [0; 16];
        let mut pipe = self.0.stdout.take().unwrap();
        pipe.read_exact(&mut head).unwrap();
        assert_eq!(head[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    }

    /// Waits for its end: the status, and what it said on standard error.
    fn end(&mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.0.wait().unwrap().code(), said)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn reader_that_goes() {
    let socket = abstract_name();
    let mut capture = Child::with_pipe(command(&format!("capture --role master --socket {socket} -w -")));
    capture.read_and_go();
    // What comes now finds nobody who reads.
    memif(&format!("ping 192.168.1.2 --socket {socket} --timeout 0.5")).finish();
    let (status, said) = capture.end();
    assert_eq!(status, Some(0), "{said}");
}

pub(crate) fn signal_before_reader() {
    let directory = Directory::new();
    assert!(Command::new("mkfifo").arg(directory.path("pipe")).status().unwrap().success());
    let socket = abstract_name();
    let capture = memif(&format!("capture --role master --socket {socket} -w {}", directory.text("pipe")));
    // Nothing is said before somebody reads: what shows that it waits is that it sleeps.
    let stat = format!("/proc/{}/stat", capture.pid());
    testkit::eventually("sleep", || fs::read_to_string(&stat).unwrap().contains(") S ").then_some(()));
    capture.terminate();
    let status = capture.finish().status;
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()), "{status}");
}

pub(crate) fn tap_outlives_its_reader() {
    let (left, right) = (abstract_name(), abstract_name());
    let _responder = master(&left, "");
    let mut tap = Child::with_pipe(command(&format!("capture --socket {left} --via {right} -w -")));
    tap.read_and_go();
    memif(&format!("ping 192.168.1.2 --socket {right} --count 30 --interval 0.01")).finish().code(0);
    kill_process(Pid::from_child(&tap.0), Signal::TERM).unwrap();
    let (status, said) = tap.end();
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("nobody reads the packets any more; packets are passed on"), "{said}");
}

pub(crate) fn full_disk() {
    let directory = Directory::new();
    mount("none", directory.path(""), "tmpfs", MountFlags::empty(), Some(c"size=256k")).unwrap();
    let outcome = std::panic::catch_unwind(|| {
        of_a_tap(&directory);
        of_an_end(&directory);
        of_a_pinger(&directory);
    });
    unmount(directory.path(""), UnmountFlags::DETACH).unwrap();
    outcome.unwrap();
}

/// The file has whole packets and no end.
fn is_cut(directory: &Directory) {
    let read = read(directory.path("a"));
    assert!(!read.complete && read.packets.len() > 10, "{read:?}");
    fs::remove_file(directory.path("a")).unwrap();
}

fn of_a_tap(directory: &Directory) {
    let (left, right) = (abstract_name(), abstract_name());
    let _responder = master(&left, "");
    let mut tap = tap(&left, &right, &format!("-w {}", directory.text("a")));
    let ping = format!("ping 192.168.1.2 --socket {right} --count 200 --interval 0.001 --size 1400 --quiet");
    memif(&ping).finish().code(0).says(" 0% packet loss");
    let line = tap.expect_complaint("takes no more packets");
    assert!(line.contains("packets are passed on") && line.contains("make room"), "{line}");
    memif(&ping).finish().code(0).says(" 0% packet loss");
    tap.terminate();
    tap.finish().code(2).complains("cannot write all packets to");
    is_cut(directory);
}

fn of_an_end(directory: &Directory) {
    let socket = abstract_name();
    let capture = capture(&socket, &format!("-w {}", directory.text("a")));
    let generator = memif(&generator(&socket, "--size 1400"));
    capture.finish().code(2).complains("cannot write all packets to").complains("make room");
    drop(generator);
    is_cut(directory);
}

fn of_a_pinger(directory: &Directory) {
    let socket = abstract_name();
    let _responder = master(&socket, "");
    let ping = format!("ping 192.168.1.2 --socket {socket} --count 300 --interval 0.001 --size 1400 --quiet");
    let ended = memif(&format!("{ping} --write {}", directory.text("a"))).finish().code(2);
    ended.says(" 0% packet loss").complains("the links go on");
    is_cut(directory);
}

pub(crate) fn names() {
    let directory = Directory::new();
    for (name, is_doubtful) in [("a.pcap", true), ("a.PCAP.gz", true), ("a.pcapng", false), ("pcap", false)] {
        let capture = format!("capture --role master --socket {} --seconds 1ms -w", abstract_name());
        let ended = memif(&format!("{capture} {}", directory.text(name))).finish().code(0);
        assert_eq!(ended.err.contains("is written as pcapng, which its name does not say"), is_doubtful, "{ended:?}");
    }
    let capture = memif(&format!("capture --role master --socket {} --seconds 1ms -w -", abstract_name()));
    capture.finish().code(0).complains("0 packets, 0 written to standard output (");
}

pub(crate) fn wrong_use() {
    let directory = Directory::new();
    let nowhere = directory.text("none/a.pcapng");
    for (arguments, answer) in [
        ("capture -w - --json".to_owned(), "both want standard output"),
        ("ping 10.0.0.1 --write -".to_owned(), "name a file, or take memif capture"),
        ("responder --id 0 --write -".to_owned(), "name a file, or take memif capture"),
        ("bridge --tap tap0 --write -".to_owned(), "name a file, or take memif capture"),
        (format!("capture -w {nowhere}"), "make the directory"),
        (format!("ping 10.0.0.1 --write {nowhere}"), "make the directory"),
        (format!("capture -w {}", directory.text("")), "name a file in it"),
        (format!("capture -w {}", directory.text("a.pcapng.xz")), "a program that makes a .xz"),
        (format!("capture -w {} --rotate-size 1023", directory.text("a.pcapng")), "give 1k or more"),
        ("capture tcp prot 80".to_owned(), "column 5 of the filter"),
        ("ping 10.0.0.1 --snaplen 20".to_owned(), "give --write FILE, too"),
        ("responder --id 0 --snaplen 20".to_owned(), "give --write FILE, too"),
        ("bridge --tap tap0 --snaplen 20".to_owned(), "give --write FILE, too"),
    ] {
        memif(&format!("{arguments} --socket {}", abstract_name())).finish().code(2).complains(answer);
    }
}
