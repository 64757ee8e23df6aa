//! The options of an interface as they are typed.

use super::*;
use crate::endpoint::typed::typed;

fn options(arguments: &str) -> Result<InterfaceOptions, String> {
    typed(arguments)
}

#[test]
fn defaults_are_those_of_every_peer() {
    let options = options("").unwrap();
    assert_eq!(options.role(), Role::Slave);
    assert_eq!(options.address().unwrap(), SocketAddress::default());
    assert_eq!(options.framing(), Framing::Ethernet);
    let config = options.interface(Role::Slave, 3).unwrap();
    assert_eq!((config.role(), config.id()), (Role::Slave, 3));
}

#[test]
fn a_master_takes_up_to_32_queues_and_a_slave_brings_one() {
    for (arguments, slave, master, asked) in [
        ("", (1, 1), (32, 32), 1),
        ("--max-queues 255", (1, 1), (255, 255), 255),
        ("--queues 3", (3, 3), (3, 3), 3),
        ("--rx-queues 2", (2, 1), (2, 32), 2),
        ("--rx-queues 2 --tx-queues 5", (2, 5), (2, 5), 5),
    ] {
        let options = options(arguments).unwrap();
        assert_eq!(options.queues(Role::Slave), slave, "{arguments}");
        assert_eq!(options.queues(Role::Master), master, "{arguments}");
        assert_eq!(options.queues_asked_for(), asked, "{arguments}");
        assert_eq!(options.for_own_slave().queues(Role::Master), (255, 255));
    }
}

#[test]
fn both_names_of_a_role_and_both_kinds_of_address_are_taken() {
    for (text, role) in
        [("slave", Role::Slave), ("client", Role::Slave), ("master", Role::Master), ("server", Role::Master)]
    {
        assert_eq!(options(&format!("--role {text}")).unwrap().role(), role);
    }
    let address = options("--socket @name").unwrap().address().unwrap();
    assert_eq!(address, SocketAddress::Abstract(b"name".to_vec()));
}

#[test]
fn every_option_used_wrongly_has_an_answer() {
    for (arguments, answer) in [
        ("--role boss", "master (or server) or slave (or client)"),
        ("--mode token-ring", "[possible values: ethernet, ip]"),
        ("--rx-mode busy", "polling, interrupt or adaptive"),
        ("--queues 0", "give a whole number from 1 to 255"),
        ("--queues x", "give a whole number from 1 to 255"),
        ("--ring-size x", "a power of two from 1 to 16384"),
        ("--ring-size 1000", "a power of two from 1 to 16384"),
        ("--ring-size 32k", "a power of two from 1 to 16384"),
        ("--retry-period 0", "1ms to a day"),
        ("--retry-period soon", "1ms to a day"),
        ("--socket-owner no-such-user-here", "no such user"),
        ("--buffer-size 0", "from 1 to 65535"),
        ("--queues 256", "from 1 to 255"),
        ("--rx-queues all", "from 1 to 255, or auto"),
        ("--rx-queues 256", "from 1 to 255, or auto"),
        ("--tx-queues auto", "from 1 to 255"),
        ("--rx-queues auto --queues 2", "cannot be used with"),
        ("--queues 2 --rx-queues 1", "cannot be used with"),
        ("--max-queues 0", "from 1 to 255"),
        ("--max-queues 256", "from 1 to 255"),
        ("--max-queues 2 --queues 1", "cannot be used with"),
        ("--max-queues 2 --tx-queues 1", "cannot be used with"),
        ("--secret this-secret-is-too-long-to-fit", "1 to 23 bytes"),
        ("--secret a --secret-file b", "cannot be used with"),
        ("--numa-node x", "from 0 to 1023"),
        ("--numa-node 1024", "from 0 to 1023"),
        ("--name a-name-of-more-than-thirty-one-bytes", "at most 31 bytes"),
        ("--socket-mode 888", "octal"),
        ("--socket-mode 1777", "octal"),
        ("--socket-group no-such-group-here", "no such group"),
        ("--allow-uid no-such-user-here", "no such user"),
    ] {
        let error = options(arguments).unwrap_err();
        assert!(error.contains(answer), "{arguments}: {error}");
    }
}

#[test]
fn receive_queues_are_found_by_a_slave() {
    let options = options("--rx-queues auto --tx-queues 3").unwrap();
    assert_eq!(options.queues(Role::Slave), (1, 3));
    assert!(options.finds_rx_queues());
    assert!(options.interface(Role::Slave, 0).is_ok());
    let error = options.interface(Role::Master, 0).unwrap_err().to_string();
    assert!(error.contains("--rx-queues auto is for the slave"), "{error}");
}

#[test]
fn options_of_a_listener_need_one() {
    let path: SocketAddress = "/tmp/x".parse().unwrap();
    let name: SocketAddress = "@x".parse().unwrap();
    for arguments in [
        "--socket-mode 660",
        "--socket-owner 0",
        "--socket-group 0",
        "--allow-uid 0",
        "--require-sealed",
        "--max-queues 2",
    ] {
        let options = options(arguments).unwrap();
        let error = options.socket(path.clone(), Role::Slave).unwrap_err().to_string();
        assert!(error.contains("--role master"), "{error}");
        assert!(options.socket(path.clone(), Role::Master).is_ok());
    }
    let error = options("--socket-mode 660").unwrap().socket(name, Role::Master).unwrap_err();
    assert!(error.to_string().contains("abstract name @x"), "{error}");
}

#[test]
fn settings_that_cannot_be_name_themselves() {
    let error = |arguments| options(arguments).unwrap().interface(Role::Slave, 0).unwrap_err().to_string();
    assert!(error("--secret-file /no/such/file").contains("--secret-file"));
    assert!(error("--numa-node 1023").contains("NUMA node 1023"));
}

#[test]
fn sizes_have_units() {
    let ring = |arguments| options(arguments).unwrap().ring();
    assert_eq!(ring(""), (1024, 2048));
    assert_eq!(ring("--ring-size 1k --buffer-size 2k"), (1024, 2048));
    assert_eq!(ring("--ring-size 16K --buffer-size 63k"), (16384, 64512));
}

#[test]
fn without_chains_a_packet_fits_a_buffer() {
    let config = |arguments| options(arguments).unwrap().interface(Role::Slave, 0).unwrap();
    assert!(config("").max_packet(9000).validate().is_ok());
    let error = config("--no-chains").max_packet(9000).validate().unwrap_err().to_string();
    assert!(error.contains("buffer size"), "{error}");
    assert!(config("--no-chains --buffer-size 9k").max_packet(9000).validate().is_ok());
}

#[test]
fn a_namespace_belongs_to_the_socket() {
    let options = options("--socket @lab,netns=blue").unwrap();
    assert_eq!(options.address().unwrap(), SocketAddress::Abstract(b"lab".to_vec()));
    assert_eq!(options.place().unwrap().namespace.unwrap(), PathBuf::from("/run/netns/blue"));
}

#[test]
fn settings_of_the_socket_reach_it() {
    let options = options("--retry-period 50ms --socket-owner 7 --role master").unwrap();
    let path: SocketAddress = "/tmp/x".parse().unwrap();
    assert!(format!("{:?}", options.slave_socket(path.clone())).contains("retry_period: 50ms"));
    assert!(format!("{:?}", options.socket(path, Role::Master).unwrap()).contains("owner: Some(7)"));
}
