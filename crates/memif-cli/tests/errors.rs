//! Everything that keeps a link from coming up, in both roles: the message says what is wrong and what to do, and
//! the exit status is 2.

mod util;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;

use testkit::seqsock::SeqListener;
use testkit::wiremsg::{Hello, Message};
use testkit::{Address, Dialect, MasterPlan, Reply, ScriptedMaster, SlaveLink, SlavePlan};
use testkit::{VppLikeSlave, eventually};
use util::{Directory, Finished, abstract_name, command, master, memif};

/// A slave at a socket that will not become a link: what it prints.
fn slave(socket: &str, more: &str) -> Finished {
    memif(&format!("ping 192.168.1.2 --socket {socket} --connect-timeout 0.5 {more}")).finish().code(2)
}

/// Runs as somebody who may not do everything: as another user where this one is root.
fn as_nobody(arguments: &str) -> Finished {
    let mut command = command(arguments);
    if rustix::process::getuid().is_root() {
        command.uid(65_534).gid(65_534);
    }
    util::start(command, arguments).finish()
}

#[test]
fn a_slave_whose_socket_is_not_there_says_what_is_missing() {
    let directory = Directory::new();
    let text = directory.text("no/such/memif.sock");
    slave(&text, "").complains(&format!("directory {} does not exist", directory.text("no")));
    slave(&directory.text("memif.sock"), "")
        .complains("socket does not exist; start the master (VPP, or memif with --role master)");
    slave(&abstract_name(), "").complains("nobody listens on the socket; start the master");
}

#[test]
fn a_slave_at_something_else_than_a_master_says_what_it_is() {
    let directory = Directory::new();
    fs::write(directory.path("file"), "precious").expect("a file can be written");
    for path in [directory.text("file"), directory.text("")] {
        slave(&path, "").complains("the path is not a socket; check --socket");
    }
    assert_eq!(fs::read(directory.path("file")).expect("it is there"), b"precious");
    // A socket file that its listener left behind.
    drop(UnixListener::bind(directory.path("stale")).expect("a socket can be bound"));
    slave(&directory.text("stale"), "").complains("nobody listens on the socket; start the master");
    let _stream = UnixListener::bind(directory.path("stream")).expect("a socket can be bound");
    slave(&directory.text("stream"), "").complains("belongs to another kind of program");
}

#[test]
fn a_slave_without_permission_is_told_who_can_help() {
    let directory = Directory::new();
    fs::set_permissions(directory.path(""), fs::Permissions::from_mode(0o711)).expect("chmod");
    let socket = directory.text("memif.sock");
    let _responder = master(&socket, "--socket-mode 000");
    as_nobody(&format!("ping 192.168.1.2 --socket {socket} --connect-timeout 0.5"))
        .code(2)
        .complains("no permission to connect to the socket; run as a user who may use the socket")
        .complains("--socket-mode")
        .complains(&format!("`memif show {socket}`"));
    as_nobody(&format!("responder --role master --socket {socket}"))
        .code(2)
        .complains("no permission")
        .complains("choose another socket");
    let open = Directory::new();
    fs::set_permissions(open.path(""), fs::Permissions::from_mode(0o777)).expect("chmod");
    let socket = open.text("memif.sock");
    as_nobody(&format!("responder --role master --socket {socket} --socket-group 0"))
        .code(2)
        .complains("--socket-group: no permission to give ")
        .complains("choose a group that this user is in");
}

#[test]
fn both_ends_of_a_refusal_say_the_same_and_what_to_do() {
    let socket = abstract_name();
    let mut responder = master(&socket, "--secret s");
    for (options, reason, here, there) in [
        ("", "secret required", "--secret-file (or --secret)", "the same secret"),
        ("--secret x", "incorrect secret", "--secret-file (or --secret)", "the same secret"),
        ("--secret s --id 7", "unmatched interface id 7", "check --id", "check the id"),
        ("--secret s --mode ip", "mode mismatch: ip, not ethernet", "check --mode", "check the mode"),
    ] {
        slave(&socket, options).complains(&format!("refused by the master: {reason}")).complains(here);
        let line = responder.expect(reason);
        assert!(line.starts_with("refused ") && line.contains(there), "{line}");
    }
    let mut first = memif(&format!("ping 192.168.1.2 --socket {socket} --secret s"));
    first.expect("icmp_seq=1");
    slave(&socket, "--secret s").complains("already connected").complains("another slave has this id");
    responder.expect("give each slave an id of its own");
    responder.terminate();
    responder.finish().code(0);
}

#[test]
fn a_master_of_another_version_is_not_called_broken() {
    let address = Address::fresh_abstract();
    let Address::Abstract(name) = &address else { unreachable!() };
    let name = String::from_utf8_lossy(name).into_owned();
    let plan = MasterPlan::of(Dialect::PLAIN);
    let master = ScriptedMaster::bind(&address, plan.clone());
    let ping = memif(&format!("ping 192.168.1.2 --socket @{name} --connect-timeout 0.5"));
    let old = Hello { min_version: 0x0100, max_version: 0x0100, ..plan.hello };
    master.serve_with(|_| Reply::Say(Message::Hello(old.clone()))).expect_err("no link");
    ping.finish()
        .code(2)
        .complains("the master speaks another version of the protocol: incompatible version 0x0100")
        .complains("update the master");
}

#[test]
fn a_master_that_does_not_answer_is_not_called_broken() {
    let address = Address::fresh();
    let socket = address.path().display().to_string();
    // The kernel takes the connection, the program never does.
    let _listener = SeqListener::bind(&address);
    let mut ping = memif(&format!("ping 192.168.1.2 --socket {socket} --connect-timeout 40"));
    ping.expect_complaint(&format!(
        "no answer from the master: handshake not done in 5000 ms; look whether the master runs: it is halted, \
         very busy, or no memif program (`memif show {socket}`"
    ));
    slave(&socket, "").complains("nobody answered at ").complains("look whether the master runs");
}

#[test]
fn a_master_tells_true_causes_of_slaves_that_fail() {
    let address = Address::fresh();
    let socket = address.path().display().to_string();
    let mut responder = master(&socket, "");
    eventually("the socket", || address.path().exists().then_some(()));
    let vpp = VppLikeSlave { log2: 15, ..VppLikeSlave::default() };
    vpp.try_connect(&address, |_| ()).expect_err("a ring of 32768");
    responder.expect("lower the ring size of the slave to 16384 (VPP: ring-size 16384)");
    let old = SlavePlan { version: 0x0100, ..SlavePlan::default() };
    SlaveLink::try_connect(&address, &old, |_| ()).expect_err("another version");
    responder.expect("the slave is of another version of the protocol: update it");
    let silent = testkit::ScriptedSlave::connect(&address);
    responder.expect("look whether the slave runs: it is halted");
    drop(silent);
}

#[test]
fn a_master_that_cannot_have_its_socket_says_why() {
    let directory = Directory::new();
    let refused = |path: &str| memif(&format!("responder --role master --socket {path}")).finish().code(2);
    refused(&directory.text("no/memif.sock")).complains("does not exist: create it");
    fs::write(directory.path("file"), "precious").expect("a file can be written");
    refused(&directory.text("file")).complains("is not a socket: choose another path, or remove it");
    let socket = directory.text("memif.sock");
    let _responder = master(&socket, "");
    refused(&socket).complains("is in use by another program: stop it or choose another socket");
}
