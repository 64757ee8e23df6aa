//! `memif ping` against `memif responder`, two processes: every reply comes, and both ends count alike.

mod util;

use util::{Directory, abstract_name, memif};

/// Pings a responder over a socket with options for both and checks that every one of `count` replies came and
/// that the responder counted as many requests.
#[track_caller]
fn pings(socket: &str, ends: (&str, &str), both: &str, ping: &str, count: u32) {
    let (responder_role, ping_role) = ends;
    let mut responder = memif(&format!("responder --socket {socket} --role {responder_role} {both}"));
    responder.expect("192.168.1.2");
    let finished = memif(&format!(
        "ping 192.168.1.2 --socket {socket} --role {ping_role} {both} --count {count} {ping} \
         --timeout 30 --connect-timeout 30"
    ))
    .finish()
    .code(0)
    .says(&format!("{count} packets transmitted, {count} received, 0% packet loss"))
    .says("rtt min/avg/max/mdev = ");
    if !ping.contains("--flood") {
        for sequence in 1..=count {
            assert!(finished.out.contains(&format!("icmp_seq={sequence} ttl=64 time=")));
        }
    }
    responder.expect("link down");
    responder.terminate();
    responder.finish().code(0).says(&format!("{count} echo requests answered")).says(", 0 dropped");
}

const MASTER_ANSWERS: (&str, &str) = ("master", "slave");
const SLAVE_ANSWERS: (&str, &str) = ("client", "server");

#[test]
fn slave_pings_master_over_a_path() {
    let directory = Directory::new();
    pings(&directory.text("memif.sock"), MASTER_ANSWERS, "", "--interval 0", 5);
}

#[test]
fn master_pings_slave_over_a_path() {
    let directory = Directory::new();
    pings(&directory.text("memif.sock"), SLAVE_ANSWERS, "", "--interval 0", 5);
}

#[test]
fn abstract_names_work_in_both_roles() {
    for ends in [MASTER_ANSWERS, SLAVE_ANSWERS] {
        pings(&abstract_name(), ends, "", "--interval 0", 3);
    }
}

#[test]
fn packets_of_all_sizes_are_chained_and_answered() {
    for ends in [MASTER_ANSWERS, SLAVE_ANSWERS] {
        for size in [0, 1, 7, 1472, 2006, 2007, 9000, 65_493] {
            pings(&abstract_name(), ends, "", &format!("--interval 0 --size {size}"), 2);
        }
    }
}

#[test]
fn ip_mode_carries_the_largest_packet() {
    for ends in [MASTER_ANSWERS, SLAVE_ANSWERS] {
        for size in [56, 9000, 65_507] {
            pings(&abstract_name(), ends, "--mode ip", &format!("--interval 0 --size {size}"), 2);
        }
    }
}

#[test]
fn flood_goes_round_every_ring() {
    for ends in [MASTER_ANSWERS, SLAVE_ANSWERS] {
        pings(&abstract_name(), ends, "--ring-size 16", "--flood", 2000);
    }
}

#[test]
fn every_receive_mode_works() {
    for mode in ["polling", "interrupt", "adaptive"] {
        pings(&abstract_name(), MASTER_ANSWERS, &format!("--rx-mode {mode}"), "--interval 0", 5);
        pings(&abstract_name(), SLAVE_ANSWERS, &format!("--rx-mode {mode}"), "--interval 0", 5);
    }
}

#[test]
fn several_queues_are_all_served() {
    for ends in [MASTER_ANSWERS, SLAVE_ANSWERS] {
        pings(&abstract_name(), ends, "--queues 3", "--interval 0", 7);
    }
}

#[test]
fn odd_buffers_and_small_rings_carry_chains() {
    let both = "--ring-size 256 --buffer-size 333";
    pings(&abstract_name(), MASTER_ANSWERS, both, "--interval 0 --size 20000", 3);
}

#[test]
fn names_secrets_and_permissions_are_used() {
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    std::fs::write(directory.path("secret"), "open sesame\n").expect("a file can be written");
    let secret = directory.text("secret");
    let mut responder = memif(&format!(
        "responder --socket {socket} --role master --secret-file {secret} --name port7 \
         --app-name answerer --socket-mode 600 --socket-group {} --require-sealed --allow-uid {}",
        rustix::process::getgid().as_raw(),
        rustix::process::getuid().as_raw(),
    ));
    responder.expect("192.168.1.2");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&socket).expect("the socket is there").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    memif(&format!(
        "ping 192.168.1.2 --socket {socket} --secret-file {secret} --name here --app-name asker \
         --count 2 --interval 0"
    ))
    .finish()
    .code(0);
    let line = responder.expect("connected to");
    assert!(line.contains("\"asker\" interface \"here\""), "{line}");
}

#[test]
fn several_interfaces_answer_on_one_socket() {
    let socket = abstract_name();
    let mut responder = memif(&format!(
        "responder --socket {socket} --role master --id 7 --ip 10.0.7.1 --id 9 --ip 10.0.9.1 \
         --mac 02:00:00:00:00:07 --mac 02:00:00:00:00:09"
    ));
    responder.expect("10.0.9.1");
    let ping = |id: u32, ip, timeout| {
        memif(&format!("ping {ip} --socket {socket} --id {id} --count 2 --interval 0 --timeout {timeout}")).finish()
    };
    ping(7, "10.0.7.1", 30.0).code(0).says("2 received");
    ping(9, "10.0.9.1", 30.0).code(0).says("2 received");
    // The other interface's address is not answered for.
    ping(9, "10.0.7.1", 0.3).code(1).complains("nobody answered ARP for 10.0.7.1");
    responder.terminate();
    let finished = responder.finish().code(0).says("ARP not asking for this address");
    assert_eq!(finished.out.matches("2 echo requests answered").count(), 2, "{finished:#?}");
}

#[test]
fn ipv6_is_pinged_in_both_modes_and_roles() {
    for (ends, mode) in [(MASTER_ANSWERS, ""), (SLAVE_ANSWERS, ""), (MASTER_ANSWERS, "--mode ip")] {
        let socket = abstract_name();
        let (answers, pings) = ends;
        let mut responder = memif(&format!("responder --socket {socket} --role {answers} {mode} --ip fd00::2"));
        responder.expect("(fd00::2)");
        for size in [0, 56, 9000, 65_473] {
            memif(&format!(
                "ping fd00::2 --socket {socket} --role {pings} {mode} --count 2 --interval 0 --size {size} --timeout 30 \
                 --connect-timeout 30"
            ))
            .finish()
            .code(0)
            .says("PING fd00::2 (fd00::2)")
            .says("from fd00::2: icmp_seq=2 ttl=64 time=")
            .says("2 packets transmitted, 2 received, 0% packet loss");
            responder.expect("link down");
        }
        responder.terminate();
        responder.finish().code(0).says("8 echo requests answered").says(", 0 dropped");
    }
}

#[test]
fn one_interface_has_several_addresses() {
    let socket = abstract_name();
    let mut responder = memif(&format!(
        "responder --socket {socket} --role master --id 1 --ip 10.0.0.2 --ip 10.0.0.3 --ip fd00::2 --ip fd00::3 --id 2"
    ));
    responder.expect("interface 1 (10.0.0.2, 10.0.0.3, fd00::2, fd00::3): master on");
    responder.expect("interface 2 (192.168.2.2): master on");
    for (id, address, own) in [
        (1, "10.0.0.2", "10.0.0.1"),
        (1, "10.0.0.3", "10.0.0.1"),
        (1, "fd00::2", "fd00::1"),
        (1, "fd00::3", "fd00::1"),
        (2, "192.168.2.2", "192.168.2.1"),
    ] {
        let ends = format!("{address} --ip {own} --id {id}");
        memif(&format!("ping {ends} --socket {socket} --count 1 --timeout 30")).finish().code(0);
    }
    let other = memif(&format!("ping fd00::4 --socket {socket} --id 1 --count 1 --timeout 0.3")).finish();
    other.code(1).complains("nobody answered neighbour discovery for fd00::4 in 0.3 s");
}

#[test]
fn a_vlan_is_a_network_of_its_own() {
    let socket = abstract_name();
    let mut responder =
        memif(&format!("responder --socket {socket} --role master --vlan 7 --id 0 --ip 10.0.0.2 --ip fd00::2 --id 1"));
    responder.expect(&format!("interface 0 (10.0.0.2, fd00::2): master on {socket}, VLAN 7"));
    responder.expect(&format!("interface 1 (192.168.2.2): master on {socket}, VLAN 7"));
    let ping = |options: &str| memif(&format!("ping {options} --socket {socket} --count 2 --interval 0")).finish();
    ping("10.0.0.2 --vlan 7 --timeout 30").code(0).says("2 received");
    ping("fd00::2 --vlan 7 --timeout 30 --size 4000").code(0).says("2 received");
    ping("10.0.0.2 --vlan 8 --timeout 0.3")
        .code(1)
        .complains("nobody answered ARP")
        .complains("on VLAN 8, too (--vlan)");
    ping("10.0.0.2 --timeout 0.3")
        .code(1)
        .complains("nobody answered ARP")
        .complains("whether it is on a VLAN (--vlan)");
    responder.terminate();
    responder.finish().code(0).says("other VLAN: ");
}

#[test]
fn replies_that_do_not_come_are_a_loss() {
    // In IP mode nobody asks for the address first.
    let socket = abstract_name();
    let _responder = memif(&format!("responder --socket {socket} --role master --mode ip"));
    memif(&format!("ping 192.168.1.9 --socket {socket} --mode ip --count 2 --interval 0 --timeout 0.2"))
        .finish()
        .code(1)
        .says("2 packets transmitted, 0 received, 100% packet loss");
}

/// A master that answers as libmemif's example does: everything right but the ICMP checksum.
fn answer_with_wrong_checksums(address: &str) -> memif::Socket {
    let mut socket = memif::Socket::builder(address).open().expect("a socket");
    let config = memif::InterfaceConfig::master(0).mode(memif::Mode::Ip);
    socket.add_interface(config).expect("an interface");
    socket
}

#[test]
fn a_wrong_icmp_checksum_alone_is_told_once_and_no_loss() {
    let name = abstract_name();
    let mut socket = answer_with_wrong_checksums(&name);
    let ping = memif(&format!("ping 192.168.1.2 --socket {name} --mode ip --count 3 --interval 0 --timeout 30"));
    let limit = std::time::Duration::from_secs(60);
    let mut link = loop {
        match socket.poll(Some(limit)).expect("the socket works").expect("an event in time") {
            memif::Event::Connected { link, .. } => break link,
            _ => continue,
        }
    };
    for _ in 0..3 {
        link.rx[0].wait(Some(limit)).expect("a request");
        let mut batch = link.rx[0].recv(1).expect("the link is up");
        let mut bytes = (&mut batch).into_iter().next().expect("a request").to_vec();
        let (source, destination) = bytes[12..20].split_at_mut(4);
        source.swap_with_slice(destination);
        bytes[20] = 0; // echo reply, under the checksum of the request
        link.tx[0].send(&bytes).expect("room for a reply");
    }
    let finished = ping
        .finish()
        .code(0)
        .says("3 packets transmitted, 3 received, 3 with a wrong ICMP checksum, 0% packet loss")
        .complains("192.168.1.2 answers with a wrong ICMP checksum");
    assert_eq!(finished.err.matches("wrong ICMP checksum").count(), 1, "{finished:#?}");
}

#[test]
fn lines_and_time_are_as_ping_has_them() {
    let socket = abstract_name();
    let mut responder = memif(&format!("responder --socket {socket} --role master"));
    responder.expect("master on");
    let ping = |options: &str| memif(&format!("ping 192.168.1.2 --socket {socket} {options}")).finish();
    let quiet = ping("-q -c 3 -i 1ms").code(0).says("3 received");
    assert!(!quiet.out.contains("icmp_seq"), "{quiet:#?}");
    let stamped = ping("-D -c 1").code(0);
    let line = stamped.out.lines().find(|line| line.contains("icmp_seq=1")).expect("a reply");
    let time = line.strip_prefix('[').and_then(|line| line.split_once("] ")).map(|(time, _)| time);
    let (seconds, micros) = time.and_then(|time| time.split_once('.')).expect("a time");
    assert!(seconds.parse::<u64>().is_ok_and(|time| time > 1_600_000_000) && micros.len() == 6, "{line}");
    // It would go on for ever.
    let ended = ping("-i 10ms -w 100ms").code(0).says(", 0% packet loss");
    assert!(ended.out.contains("icmp_seq=2 "), "{ended:#?}");
    // Every request was answered, but not as many as were asked for.
    ping("-c 3 -i 60 -w 1").code(1).says("1 packets transmitted, 1 received, 0% packet loss");
    ping("-c 3 -i 1ms -w 60").code(0).says("3 received");
    let other = memif(&format!("ping 192.168.1.3 --socket {socket} -w 100ms")).finish();
    other.code(1).complains("nobody answered ARP");
    let other = memif(&format!("ping 192.168.1.3 --socket {socket} -W 50ms")).finish();
    other.code(1).complains("nobody answered ARP for 192.168.1.3 in 0.05 s");
}

#[test]
fn queues_that_the_slave_does_not_bring_are_said() {
    let socket = abstract_name();
    let mut responder = memif(&format!("responder --socket {socket} --role master --queues 4"));
    responder.expect("master on");
    memif(&format!("ping 192.168.1.2 --socket {socket} -c 1")).finish().code(0);
    responder.expect_complaint("4 receive queues were asked for and the slave brings 1, 4 transmit queues were");
}

#[test]
fn without_chains_packets_fit_a_buffer_or_are_refused() {
    let socket = abstract_name();
    let mut responder = memif(&format!("responder --socket {socket} --role master"));
    responder.expect("master on");
    let ping = |options: &str| memif(&format!("ping 192.168.1.2 --socket {socket} -c 2 -i 0 {options}")).finish();
    ping("--no-chains --size 1k").code(0).says("2 received");
    ping("--no-chains --size 4k").code(2).complains("buffer size");
    ping("--no-chains --size 9k --buffer-size 10k").code(0).says("2 received");
}
