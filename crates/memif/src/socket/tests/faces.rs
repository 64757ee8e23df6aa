//! How a socket and what comes out of it meets the standard library: texts, descriptors, addresses.

use std::os::fd::AsRawFd;

use super::*;
use crate::sys::Credentials;

#[test]
fn what_makes_an_address_opens_a_socket() {
    let name = fresh_address();
    let text = name.to_string();
    let path = std::env::temp_dir().join("memif-never-bound.sock");
    let sockets = [
        Socket::builder(name.clone()).open().unwrap(),
        Socket::builder(text.as_str()).open().unwrap(),
        Socket::builder(&text).open().unwrap(),
        Socket::builder(text).open().unwrap(),
    ];
    assert!(sockets.iter().all(|socket| *socket.address() == name));
    assert_eq!(*Socket::builder(path.as_path()).open().unwrap().address(), SocketAddress::Path(path));
    let error = Socket::builder("@").open().unwrap_err();
    assert!(matches!(error, SocketError::Config(_)) && error.to_string().contains("at least one byte"), "{error}");
}

#[test]
fn a_person_can_read_it() {
    let address = fresh_address();
    let mut socket = open(&address);
    let keys = [0, 1].map(|id| socket.add_interface(InterfaceConfig::master(id)).unwrap());
    assert_eq!(keys.map(|key| key.to_string()), ["interface 0", "interface 1"]);
    let mut peer = Peer::default();
    assert_eq!(peer.to_string(), "a peer");
    peer.app_name = Name::lossy(b"VPP 26.10");
    peer.interface_name = Name::lossy(b"memif0/0");
    peer.credentials = Some(Credentials { pid: 71, uid: 0, gid: 0 });
    assert_eq!(peer.to_string(), "\"VPP 26.10\" interface \"memif0/0\" (pid 71 uid 0 gid 0)");
    let mut slave = open(&address);
    slave.add_interface(InterfaceConfig::slave(0)).unwrap();
    let link = std::thread::scope(|scope| {
        let master = scope.spawn(|| socket.wait_connected(keys[0], WATCHDOG).unwrap());
        while !master.is_finished() {
            slave.poll(Some(Duration::from_millis(10))).unwrap();
        }
        master.join().unwrap()
    });
    let text = format!("{link:?}");
    assert!(text.starts_with("Link { rx_queues: 1, tx_queues: 1, peer: ") && text.len() < 300, "{text}");
    assert_eq!(link.rx[0].as_raw_fd(), link.rx[0].as_fd().as_raw_fd());
    assert_eq!(socket.as_raw_fd(), socket.as_fd().as_raw_fd());
}
