//! `memif show`: what it says of a socket, and that it leaves the one who listens in peace.

#![allow(clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod util;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use serde_json::Value;
use testkit::{Address, Need, Suite, VppLikeMaster, eventually};
use util::{Directory, Finished, abstract_name, command, memif};

fn main() {
    Suite::new()
        .test("a_master_and_its_connections_are_shown", &[], master_is_shown)
        .test("a_vpp_never_notices", &[], a_vpp_never_notices)
        .test("what_is_missing_is_said_in_both_forms", &[], what_is_missing)
        .test("a_user_without_permission_learns_what_forbids", &[Need::Root], no_permission)
        .test("another_network_namespace_is_named", &[Need::NetNamespace], other_namespace)
        .run()
}

/// What `memif show --json` says.
fn shown(address: &str, code: i32) -> Value {
    parsed(memif(&format!("show --json {address}")).finish().code(code))
}

fn parsed(finished: Finished) -> Value {
    assert_eq!(finished.out.lines().count(), 1, "{finished:#?}");
    serde_json::from_str(&finished.out).expect("one JSON object")
}

fn master_is_shown() {
    let directory = Directory::new();
    for socket in [directory.text("memif.sock"), abstract_name()] {
        let mut responder = memif(&format!("responder --role master --socket {socket}"));
        responder.expect("master on");
        let report = shown(&socket, 0);
        assert_eq!(report["type"], "socket");
        assert_eq!(report["verdict"], "ready", "{report}");
        let held = &report["sockets"][0];
        assert_eq!(held["holders"][0]["program"], "memif", "{report}");
        assert_eq!(held["holders"][0]["pid"], responder.pid(), "{report}");
        assert_eq!(held["open_connections"], 0);

        let mut ping = memif(&format!("ping 192.168.1.2 --socket {socket}"));
        ping.expect("icmp_seq=1");
        let report = shown(&socket, 0);
        assert_eq!(report["sockets"][0]["open_connections"], 1, "{report}");
        memif(&format!("show {socket}"))
            .finish()
            .code(0)
            .says("a program listens as memif masters do, and this user may connect")
            .says("seqpacket, listens, held by memif (pid ")
            .says("connections: 1 open, 0 waiting");
        ping.interrupt();
        ping.finish().code(0);
        // Nobody was refused and nothing else was noticed.
        responder.terminate();
        let finished = responder.finish().code(0);
        assert!(!finished.out.contains("refused"), "{finished:#?}");
    }
}

fn a_vpp_never_notices() {
    let address = Address::fresh();
    let socket = address.path().display().to_string();
    let master = VppLikeMaster::bind(&address, false);
    for _ in 0..3 {
        assert_eq!(shown(&socket, 0)["sockets"][0]["waiting_connections"], 0);
    }
    // The first connection that it gets is the first real one.
    let ping = memif(&format!("ping 192.168.1.2 --socket {socket} --connect-timeout 30"));
    let link = master.serve();
    assert!(link.is_up());
    drop(ping);
}

fn what_is_missing() {
    let directory = Directory::new();
    let missing = directory.text("no/memif.sock");
    let report = shown(&missing, 1);
    assert_eq!(report["verdict"], "missing");
    assert_eq!(report["missing_directory"], directory.text("no"));
    memif(&format!("show {missing}")).finish().code(1).says("nor does the directory");
    assert_eq!(shown("@memif-no-such-name", 1)["verdict"], "missing");
    fs::write(directory.path("file"), "").expect("a file can be written");
    let report = shown(&directory.text("file"), 1);
    assert_eq!((&report["verdict"], &report["file"]["file_type"]), (&"not_a_socket".into(), &"regular file".into()));
    memif("show @").finish().code(2).complains("socket address");
}

fn no_permission() {
    let directory = Directory::new();
    fs::create_dir(directory.path("private")).expect("a directory can be made");
    let socket = directory.text("private/memif.sock");
    fs::set_permissions(directory.path(""), Permissions::from_mode(0o711)).expect("chmod");
    let mut responder = memif(&format!("responder --role master --socket {socket} --socket-mode 600"));
    responder.expect("master on");
    let ask = || {
        let mut command = command(&format!("show --json {socket}"));
        command.uid(65_534).gid(65_534);
        parsed(util::start(command, "show as another user").finish().code(1))
    };
    for (mode, forbids, known) in [(0o711, socket.clone(), true), (0o700, directory.text("private"), false)] {
        fs::set_permissions(directory.path("private"), Permissions::from_mode(mode)).expect("chmod");
        let report = ask();
        assert_eq!(report["verdict"], "no_permission", "{report}");
        assert_eq!(report["may_connect"], false);
        assert_eq!(report["forbidden_by"]["path"], forbids, "{report}");
        assert_eq!(report["file"].is_object(), known, "{report}");
        assert!(report["not_seen"][0].as_str().is_some_and(|text| text.contains("run as root")), "{report}");
    }
}

fn other_namespace() {
    let directory = Directory::new();
    let name = abstract_name();
    for socket in [directory.text("memif.sock"), name.clone()] {
        let mut inside = std::process::Command::new("unshare");
        inside.args(["-n", env!("CARGO_BIN_EXE_memif"), "responder", "--role", "master", "--socket"]);
        inside.arg(&socket);
        let mut responder = util::start(inside, "responder in a namespace of its own");
        responder.expect("master on");
        let report = eventually("the listener", || {
            let report = parsed(memif(&format!("show --json {socket}")).finish());
            report["sockets"][0].is_object().then_some(report)
        });
        assert_eq!(report["sockets"][0]["same_network_namespace"], false, "{report}");
        assert_eq!(report["sockets"][0]["holders"][0]["program"], "memif", "{report}");
        // Paths cross network namespaces, abstract names do not.
        let is_path = socket != name;
        let verdict = if is_path { "ready" } else { "other_namespace" };
        assert_eq!(report["verdict"], verdict, "{report}");
        assert_eq!(report["may_connect"], is_path, "{report}");
        responder.terminate();
        responder.finish().code(0);
    }
}
