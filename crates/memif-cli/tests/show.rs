//! `memif show`: what it says of a socket, and that it leaves the one who listens in peace.

#![allow(clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod util;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use serde_json::Value;
use testkit::{Address, Need, Suite, VppLikeMaster, eventually};
use util::{Directory, Finished, abstract_name, command, memif};

/// A container is namespaces, which root makes.
const CONTAINER: &[Need] = &[Need::Root, Need::NetNamespace, Need::Program("unshare")];

fn main() {
    Suite::new()
        .test("a_master_and_its_connections_are_shown", &[], master_is_shown)
        .test("a_vpp_never_notices", &[], a_vpp_never_notices)
        .test("what_is_missing_is_said_in_both_forms", &[], what_is_missing)
        .test("a_user_without_permission_learns_what_forbids", &[Need::Root], no_permission)
        .test("another_network_namespace_is_named", &[Need::NetNamespace], other_namespace)
        .test("a_master_outside_a_container_is_seen", CONTAINER, from_a_container)
        .test("a_socket_file_that_is_mounted_alone", CONTAINER, mounted_alone)
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

/// `memif` where neither processes nor sockets of the machine can be seen.
fn contained(arguments: &str) -> std::process::Command {
    let inside = command(arguments);
    let mut unshare = std::process::Command::new("unshare");
    unshare
        .args(["--mount", "--pid", "--net", "--fork", "--mount-proc"])
        .arg(inside.get_program())
        .args(inside.get_args());
    unshare
}

fn from_a_container() {
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    let shown = |path: &str, code| {
        parsed(util::start(contained(&format!("show --json {path}")), "contained").finish().code(code))
    };
    let mut responder = memif(&format!("responder --role master --socket {socket} --json"));
    responder.expect("interface");
    for _ in 0..3 {
        let report = shown(&socket, 0);
        assert_eq!((&report["verdict"], &report["may_connect"]), (&"ready".into(), &true.into()), "{report}");
        assert!(
            report["explanation"].as_str().is_some_and(|text| text.contains("cannot be seen from here")),
            "{report}"
        );
    }
    // The master saw nobody come.
    assert_eq!(self::shown(&socket, 0)["sockets"][0]["waiting_connections"], 0);
    responder.kill_now();
    let report = shown(&socket, 1);
    assert_eq!(report["verdict"], "nobody_listens", "{report}");
    let stream = std::os::unix::net::UnixListener::bind(directory.path("stream")).expect("a socket can be bound");
    stream.set_nonblocking(true).expect("it can");
    let report = shown(&directory.text("stream"), 1);
    assert_eq!(report["verdict"], "wrong_type", "{report}");
    assert!(stream.accept().is_err());
}

/// Its master starts again and makes a new file, which does not show there.
fn mounted_alone() {
    let directory = Directory::new();
    let (socket, alone) = (directory.text("memif.sock"), directory.text("alone.sock"));
    let mut first = memif(&format!("responder --role master --socket {socket}"));
    first.expect("master on");
    let mut shell = std::process::Command::new("unshare");
    let script = "touch \"$2\"; mount --bind \"$1\" \"$2\"; \"$0\" show \"$2\"; echo mounted; read line; \"$0\" show \"$2\"; \
                  exec \"$0\" ping 192.168.1.2 --socket \"$2\" --connect-timeout 0.5";
    shell.args(["--mount", "--pid", "--net", "--fork", "--mount-proc", "sh", "-c", script]);
    shell.arg(env!("CARGO_BIN_EXE_memif")).args([&socket, &alone]);
    let (mut inside, mut pipe) = util::start_piped(shell, "a container with a socket file");
    inside.expect("listens as memif masters do");
    inside.expect("mounted");
    first.terminate();
    first.finish().code(0);
    let mut second = memif(&format!("responder --role master --socket {socket}"));
    second.expect("master on");
    std::io::Write::write_all(&mut pipe, b"\n").expect("it reads");
    let finished = inside.finish().code(2).says("mounted by itself").says("mount the directory");
    finished.complains("nobody listens on the socket").complains("mount the directory");
}
