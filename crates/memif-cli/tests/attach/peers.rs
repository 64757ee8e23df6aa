//! Links of `dpdk-testpmd`, which was not asked.

use std::process::Command;

use testkit::Testpmd;
use testkit::testpmd::Options;

use super::attach;
use super::file::read;
use super::util::{Directory, memif};

/// What tshark says of a file beside packets.
#[track_caller]
fn tshark(file: &str) -> String {
    let output = Command::new("tshark").args(["-n", "-r", file]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<_> = said.lines().filter(|line| !line.starts_with("Running as user")).collect();
    assert!(output.status.success() && said.is_empty(), "{said:?}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn txonly_to_rxonly() {
    let directory = Directory::new();
    let socket = directory.path("memif.sock");
    let mut server = Testpmd::spawn(&Options::new("server", &socket, "rxonly"));
    let mut client = Testpmd::spawn(&Options::new("client", &socket, "txonly"));
    server.start();
    client.start();
    let file = directory.text("a");
    attach(client.pid(), &format!("-w {file} --count 5000")).finish().code(0);
    let read = read(&file);
    assert_eq!((read.link_type, read.packets.len()), (1, 5000));
    // What txonly sends: UDP from 198.18.0.1 to 198.18.0.2, of 64 bytes, port 9 to port 9.
    for packet in &read.packets {
        assert_eq!((packet.direction, packet.data.len()), (2, 64));
        assert_eq!(packet.data[26..38], [198, 18, 0, 1, 198, 18, 0, 2, 0, 9, 0, 9]);
    }
    assert_eq!(tshark(&file).lines().count(), 5000);
    client.stop();
    server.stop();
}

pub(crate) fn icmpecho() {
    for role in ["server", "client"] {
        let directory = Directory::new();
        let socket = directory.path("memif.sock");
        let spawn = || {
            let mut testpmd = Testpmd::spawn(&Options::new(role, &socket, "icmpecho"));
            testpmd.start();
            testpmd
        };
        let other = if role == "server" { "slave" } else { "master" };
        let ping = format!(
            "ping 192.168.1.1 --socket {} --role {other} --count 100 --interval 0.01 --connect-timeout 30 --write {}",
            socket.display(),
            directory.text("sent"),
        );
        let (testpmd, mut ping) = if role == "server" {
            let testpmd = spawn();
            (testpmd, memif(&ping))
        } else {
            let ping = memif(&ping);
            (spawn(), ping)
        };
        ping.expect("icmp_seq=3");
        let file = directory.text("a");
        let capture = attach(ping.pid(), &format!("-w {file}"));
        ping.finish().code(0);
        capture.finish().code(0);
        let (watched, sent) = (read(&file), read(directory.path("sent")));
        // As the slave sees it, which may be the other end.
        for (direction, theirs) in
            [(1, if role == "server" { 1 } else { 2 }), (2, if role == "server" { 2 } else { 1 })]
        {
            let (watched, sent) = (watched.data(direction), sent.data(theirs));
            assert!(watched.len() > 20, "{role}: {}", watched.len());
            assert!(watched == sent[sent.len() - watched.len()..], "{role}: the same bytes in the same order");
        }
        assert!(tshark(&file).contains("Echo (ping) reply"));
        drop(testpmd);
    }
}
