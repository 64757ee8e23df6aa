//! Help, version, and wrong use: every answer says what to do.

mod util;

use util::memif;

#[test]
fn help_has_examples_and_exit_statuses() {
    for command in ["", "responder", "ping", "bridge", "demo", "bench", "show"] {
        let finished = memif(&format!("{command} --help"))
            .finish()
            .code(0)
            .says("Examples:\n  memif ")
            .says("Exit status:\n  0    done")
            .says("--json");
        if !command.is_empty() && command != "show" {
            for option in [
                "--socket",
                "--id",
                "--role",
                "--secret",
                "--secret-file",
                "--mode",
                "--queues",
                "--rx-queues",
                "--tx-queues",
                "--max-queues",
                "--ring-size",
                "--buffer-size",
                "--huge-pages",
                "--numa-node",
                "--prefault",
                "--rx-mode",
                "--name",
                "--app-name",
                "--socket-mode",
                "--socket-owner",
                "--socket-group",
                "--retry-period",
                "--no-chains",
                "--allow-uid",
                "--require-sealed",
            ] {
                let known =
                    finished.out.contains(&format!("{option} ")) || finished.out.contains(&format!("{option}\n"));
                assert!(known, "{command} has no {option}");
            }
        }
    }
}

#[test]
fn version_is_printed() {
    let version = concat!("memif ", env!("CARGO_PKG_VERSION"), "\n");
    let finished = memif("--version").finish().code(0);
    assert_eq!(finished.out, version);
}

#[test]
fn wrong_use_is_answered_on_standard_error() {
    for (arguments, answer) in [
        ("", "Usage: memif"),
        ("pong", "'ping'"),
        ("ping", "<ADDRESS>"),
        ("ping 192.168.1.300", "give an IPv4 or IPv6 address"),
        ("ping 192.168.1.1 --size 70000", "from 0 to 65535"),
        ("ping 192.168.1.1 --ring-size 1000", "give a power of two from 1 to 16384"),
        ("ping 192.168.1.1 --socket @x,netns=", "give @NAME,netns=NS"),
        ("responder --socket-owner 0", "--role master"),
        ("ping 192.168.1.1 --ring-size 4 --size 9000", "raise the ring size or the buffer size"),
        ("ping 192.168.1.1 --role slave --socket-mode 600", "--role master"),
        ("ping 192.168.1.1 --socket @", "socket address"),
        ("ping 192.168.1.1 --rx-mode busy", "polling, interrupt or adaptive"),
        ("responder --id 1 --id 1", "given twice"),
        ("responder --id x", "give a whole number from 0 to 4294967295"),
        ("ping 192.168.1.1 --id x", "give a whole number from 0"),
        ("demo --id x", "give a whole number from 0"),
        ("ping 192.168.1.1 --size x", "give a whole number from 0 to 65535"),
        ("ping 192.168.1.1/24", "without /24"),
        ("responder --id 1 --id 2 --ip 10.0.0.1", "give each --ip after the --id that it is for"),
        ("ping fd00::1 --ip 10.0.0.1", "give both IPv4 or both IPv6"),
        ("ping fd00::1 --no-df", "routers never fragment IPv6"),
        ("ping 192.168.1.1 --vlan 4095", "from 1 to 4094"),
        ("responder --vlan 7 --mode ip", "leave --mode ip out"),
        ("responder --role master --socket /no/such/place/memif.sock", "create it"),
        ("responder --role master --socket /etc/passwd", "choose another path, or"),
        ("responder --secret-file /no/such/file", "give --secret-file a file"),
        ("responder --role lord", "master (or server) or slave (or client)"),
        ("demo --role slave", "leave --role slave out"),
        ("demo --socket-mode 600", "permissions of a file"),
    ] {
        let finished = memif(arguments).finish().code(2).complains(answer);
        assert!(finished.out.is_empty(), "{finished:#?}");
    }
}
