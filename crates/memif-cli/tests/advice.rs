//! What is said when something is not as it must be, and whether it helps: first steps, limits, sandboxes.

mod util;

use std::io::Write;
use std::process::{Command, Stdio};

use testkit::{Need, Suite};
use util::{Directory, abstract_name, command, master, memif, piped, start};

const STRACE: &[Need] = &[Need::Program("strace")];

fn main() {
    Suite::new()
        .test("the_environment_sets_the_default_socket", &[], environment)
        .test("no_directory_names_the_option", &[], no_directory)
        .test("commands_that_are_not_taken_are_said", &[], commands_beside_options)
        .test("a_path_that_is_too_long_names_two_ways", &[], long_path)
        .test("more_threads_that_poll_than_processors", &[Need::Program("taskset")], polling)
        .test("no_descriptors_at_the_start", &[], no_descriptors)
        .test("a_denied_call_is_no_lack_of_memory", STRACE, denied)
        .run()
}

fn environment() {
    let socket = abstract_name();
    let here = |arguments: &str, socket: &str| {
        let mut command = command(arguments);
        command.env("MEMIF_SOCKET", socket);
        command
    };
    let mut responder = start(here("responder --role master", &socket), "responder");
    responder.expect(&format!("master on {socket}"));
    start(here("ping 192.168.1.2 --count 1", &socket), "ping").finish().code(0);
    start(here("show", &socket), "show").finish().code(0).says(&format!("{socket}: a program listens"));
    // What the command line says counts, and two ends of ours meet elsewhere.
    let other = abstract_name();
    start(here(&format!("show {other}"), &socket), "show").finish().code(1).says("nobody");
    let link = here("bench setup --seconds 0.01", &socket);
    start(link, "bench").finish().code(0);
    // The environment asks for no interface: this takes commands, of which there are none.
    start(here("responder", &socket), "console").finish().code(0).says("LIBMEMIF EXAMPLE APP");
    responder.terminate();
    responder.finish().code(0);
    start(here("ping 192.168.1.2", "@"), "ping").finish().code(2).complains("MEMIF_SOCKET: ").complains("@name");
}

/// The first example of a manual, on a machine without VPP.
fn no_directory() {
    let directory = Directory::new();
    let socket = directory.text("vpp/memif.sock");
    let mut responder = command("responder --role master");
    responder.env("MEMIF_SOCKET", &socket);
    let finished = start(responder, "responder").finish().code(2);
    finished.complains(&format!("directory {} does not exist", directory.text("vpp"))).complains("with --socket");
}

fn commands_beside_options() {
    for options in ["--role master", "--id 3"] {
        let (mut responder, mut pipe) = piped(&format!("responder --socket {} {options}", abstract_name()));
        responder.expect("interface");
        pipe.write_all(b"conn 0 1\n").expect("somebody has the other end");
        responder.expect_complaint("standard input is not taken").contains("--interactive").then_some(()).expect("how");
        // A pipe that closes is nothing to it.
        drop(pipe);
        responder.terminate();
        responder.finish().code(0);
    }
    // Whoever holds a pipe and says nothing hears nothing, as a supervisor does.
    let (mut responder, pipe) = piped(&format!("responder --role master --socket {}", abstract_name()));
    responder.expect("master on");
    responder.terminate();
    let finished = responder.finish().code(0);
    assert!(finished.err.is_empty(), "{finished:#?}");
    drop(pipe);
}

/// Both ways that are named work.
fn long_path() {
    let directory = Directory::new();
    let deep = directory.path(&"d".repeat(100));
    std::fs::create_dir(&deep).expect("a directory can be made");
    let long = deep.join("memif.sock").display().to_string();
    for arguments in ["responder --role master --socket", "show"] {
        let finished = memif(&format!("{arguments} {long}")).finish().code(2);
        finished.complains("107 bytes").complains("relative path").complains("symbolic link to that directory");
    }
    std::os::unix::fs::symlink(&deep, directory.path("d")).expect("a link can be made");
    let _responder = master(&directory.text("d/memif.sock"), "");
    let mut ping = command("ping 192.168.1.2 --count 1 --socket memif.sock");
    ping.current_dir(&deep);
    start(ping, "ping from the directory").finish().code(0);
    // For a name there is neither.
    let finished = memif(&format!("show @{}", "n".repeat(108))).finish().code(2).complains("107 bytes");
    assert!(!finished.err.contains("symbolic link"), "{finished:#?}");
}

fn polling() {
    for (ids, mode, warned) in
        [("--id 0 --id 1", "polling", true), ("--id 0", "polling", false), ("--id 0 --id 1", "adaptive", false)]
    {
        let responder = command(&format!("responder --socket {} {ids} --rx-mode {mode}", abstract_name()));
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", "0"]).arg(responder.get_program()).args(responder.get_args());
        let mut responder = start(pinned, "responder on one processor");
        responder.expect("slave on");
        responder.terminate();
        let finished = responder.finish().code(0);
        assert_eq!(finished.err.contains("2 threads poll"), warned, "{ids} {mode}: {finished:#?}");
        assert_eq!(finished.err.contains("may run on 1"), warned, "{ids} {mode}: {finished:#?}");
    }
    // With commands, the one that is too many says so.
    let console = command(&format!("responder --interactive --socket {} --rx-mode polling", abstract_name()));
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", "0"]).arg(console.get_program()).args(console.get_args());
    let (console, mut pipe) = util::start_piped(pinned, "console on one processor");
    pipe.write_all(b"conn 0\nconn 1\nexit\n").expect("somebody has the other end");
    console.finish().code(0).says("2 threads poll");
}

/// Whatever number of descriptors it gets too few of, it says what to do.
fn no_descriptors() {
    let mut told = 0;
    for limit in 4..16 {
        let mut shell = Command::new("sh");
        let line = format!("ulimit -n {limit}; exec \"$0\" responder --role master --socket {}", abstract_name());
        shell.args(["-c", &line, env!("CARGO_BIN_EXE_memif")]).stdin(Stdio::null());
        let responder = start(shell, &line);
        // Where it can start, it serves until it is told to end.
        let finished = responder.finish_or_end("master on");
        match finished.status.code() {
            Some(2) => {
                assert!(finished.err.contains("ulimit -n"), "{limit}: {finished:#?}");
                told += 1;
            }
            code => assert_eq!(code, Some(0), "{limit}: {finished:#?}"),
        }
    }
    assert!(told > 3, "{told}");
}

fn denied() {
    let socket = abstract_name();
    let _responder = master(&socket, "");
    let run = |call: &str, arguments: &str| {
        let ping = command(arguments);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("inject={call}:error=EPERM")]);
        strace.arg(ping.get_program()).args(ping.get_args());
        start(strace, call).finish().code(2)
    };
    let ping = format!("ping 192.168.1.2 --socket {socket} --connect-timeout 1");
    // A kernel that does not know a new flag is asked again without.
    let old = "memfd_create:error=EINVAL:when=1+2";
    let ping_once = command(&format!("{ping} --count 1"));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("inject={old}")]);
    strace.arg(ping_once.get_program()).args(ping_once.get_args());
    start(strace, old).finish().code(0);
    for call in ["memfd_create", "epoll_create1"] {
        let finished = run(call, &ping).complains("Operation not permitted").complains("seccomp");
        assert!(!finished.err.contains("ulimit") && !finished.err.contains("memory)"), "{call}: {finished:#?}");
    }
}
