//! Listeners: files, limits on connections, allow-lists, moving.

use std::path::PathBuf;

use super::*;

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("memif-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn socket(&self, name: &str) -> SocketAddress {
        SocketAddress::Path(self.0.join(name))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_socket_file_comes_with_the_first_master_and_goes_with_the_socket() {
    let directory = Directory::new("file");
    let address = directory.socket("memif.sock");
    let SocketAddress::Path(path) = &address else { panic!() };
    let mut socket = Socket::builder(address.clone()).file_mode(0o600).open().unwrap();
    socket.add_interface(InterfaceConfig::slave(0)).unwrap();
    assert!(!path.exists());
    let key = socket.add_interface(InterfaceConfig::master(0)).unwrap();
    let mode = rustix::fs::lstat(path.as_path()).unwrap().st_mode;
    assert_eq!(mode & 0o777, 0o600);
    expect_link(&mut socket, key).keep_up();

    let second = open(&address).add_interface(InterfaceConfig::master(0));
    assert!(matches!(second, Err(SocketError::InUse(_))), "{second:?}");
    drop(socket);
    assert!(!path.exists());
    open(&address).add_interface(InterfaceConfig::master(0)).unwrap();
}

#[test]
fn a_failed_bind_leaves_no_interface_behind() {
    let mut socket = open(&SocketAddress::Path("/nonexistent/memif.sock".into()));
    let failed = socket.add_interface(InterfaceConfig::master(0));
    assert!(matches!(failed, Err(SocketError::NoDirectory(_))));
    assert!(socket.interfaces().is_empty());
    let slave = socket.add_interface(InterfaceConfig::slave(0)).unwrap();
    assert_eq!(expect_failure(&mut socket, slave), ConnectError::NotFound);
}

#[test]
fn another_file_at_our_path_is_not_removed() {
    let directory = Directory::new("other");
    let address = directory.socket("memif.sock");
    let SocketAddress::Path(path) = &address else { panic!() };
    let mut socket = open(&address);
    socket.add_interface(InterfaceConfig::master(0)).unwrap();
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, "precious").unwrap();
    drop(socket);
    assert_eq!(std::fs::read(path).unwrap(), b"precious");
}

#[test]
fn a_new_address_moves_the_listener_and_keeps_links() {
    let directory = Directory::new("move");
    let (old, new) = (directory.socket("old"), directory.socket("new"));
    let mut socket = open(&old);
    let master = socket.add_interface(InterfaceConfig::master(0)).unwrap();
    let other = socket.add_interface(InterfaceConfig::master(1)).unwrap();
    let slave = socket.add_interface(InterfaceConfig::slave(0)).unwrap();
    let mut a = socket.wait_connected(master, WATCHDOG).unwrap();
    let mut b = socket.wait_connected(slave, WATCHDOG).unwrap();
    let nowhere = socket.set_address(SocketAddress::Path("/nonexistent/x".into()));
    assert!(matches!(nowhere, Err(SocketError::NoDirectory(_))));
    assert_eq!(socket.address(), &old);
    socket.set_address(new).unwrap();
    assert!(!directory.0.join("old").exists() && directory.0.join("new").exists());
    a.tx[0].send(b"still there").unwrap();
    assert_eq!(b.rx[0].recv_into(&mut [0; 64]).unwrap(), Some(11));
    let late = socket.add_interface(InterfaceConfig::slave(1)).unwrap();
    socket.wait_connected(late, WATCHDOG).unwrap().keep_up();
    socket.wait_connected(other, WATCHDOG).unwrap().keep_up();
}

#[test]
fn the_oldest_half_open_connection_gives_way() {
    let address = fresh_address();
    let mut socket = Socket::builder(address.clone()).max_half_open(4).open().unwrap();
    let key = socket.add_interface(InterfaceConfig::master(0)).unwrap();
    let raws: Vec<_> = (0..4)
        .map(|_| {
            let raw = Raw::connect(&address);
            raw.expect(&mut socket, "HELLO");
            raw
        })
        .collect();
    assert_eq!(socket.driver.half_open.len(), 4);
    let newest = Raw::connect(&address);
    newest.expect(&mut socket, "HELLO");
    raws[0].expect_refusal(&mut socket, &Refusal::Evicted);
    assert_eq!(socket.driver.half_open.len(), 4);
    // With all places taken by idlers, a good slave still gets through.
    let slave = socket.add_interface(InterfaceConfig::slave(0)).unwrap();
    socket.wait_connected(slave, WATCHDOG).unwrap().keep_up();
    socket.wait_connected(key, WATCHDOG).unwrap().keep_up();
}

#[test]
fn users_and_groups_that_are_not_on_the_list_are_refused() {
    let me = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let builder = |address: &SocketAddress| Socket::builder(address.clone());
    let refusing = |socket: &mut Socket, address: &SocketAddress| {
        let raw = Raw::connect(address);
        raw.expect_refusal(socket, &Refusal::NotAllowed { uid: me.0, gid: me.1 });
    };
    let address = fresh_address();
    let mut socket = builder(&address).allow_uid(me.0 + 1).allow_gid(me.1 + 1).open().unwrap();
    socket.add_interface(InterfaceConfig::master(0)).unwrap();
    refusing(&mut socket, &address);
    expect(&mut socket, |event| match event {
        Event::Refused { reason: Refusal::NotAllowed { .. }, peer } => peer.credentials,
        _ => None,
    });

    for (uid, gid) in [(me.0, me.1 + 1), (me.0 + 1, me.1)] {
        let address = fresh_address();
        let mut socket = builder(&address).allow_uid(uid).allow_gid(gid).open().unwrap();
        socket.add_interface(InterfaceConfig::master(0)).unwrap();
        Raw::connect(&address).expect(&mut socket, "HELLO");
    }
}

#[test]
fn a_listener_of_the_caller_is_used_and_its_file_left_alone() {
    let directory = Directory::new("given");
    let address = directory.socket("memif.sock");
    let (fd, _) = sys::bind(&address, sys::FileAccess::default()).unwrap();
    sys::listen(&fd, 8).unwrap();
    let mut socket = Socket::builder(address.clone()).listener(fd).open().unwrap();
    let slave = socket.add_interface(InterfaceConfig::slave(0)).unwrap();
    let master = socket.add_interface(InterfaceConfig::master(0)).unwrap();
    socket.wait_connected(slave, WATCHDOG).unwrap().keep_up();
    socket.remove_interface(master).unwrap();
    let error = expect_failure(&mut socket, slave);
    assert_eq!(error, ConnectError::Refused(Refusal::UnknownId(0).to_string()));
    // A new address is that of slaves; the listener stays.
    socket.set_address(directory.socket("elsewhere")).unwrap();
    assert_eq!(expect_failure(&mut socket, slave), ConnectError::NotFound);
    Raw::connect(&address).expect(&mut socket, "HELLO");
    drop(socket);
    assert!(directory.0.join("memif.sock").exists());
}

#[test]
fn a_listener_pauses_when_accept_fails_and_goes_on() {
    let mut socket = open(&fresh_address());
    let master = socket.add_interface(InterfaceConfig::master(0)).unwrap();
    socket.driver.listener.pause(Instant::now().checked_add(Duration::from_millis(20)), &mut socket.driver.waits);
    let slave = socket.add_interface(InterfaceConfig::slave(0)).unwrap();
    socket.wait_connected(slave, WATCHDOG).unwrap().keep_up();
    socket.wait_connected(master, WATCHDOG).unwrap().keep_up();
}
