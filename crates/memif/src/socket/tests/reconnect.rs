//! How a slave finds its master again: by the watch on the path, and by pauses.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::*;
use crate::socket::timers::Timer;

/// A period that no test lives to see the end of.
const NEVER: Duration = Duration::from_secs(3600);

/// A directory of the test's own.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("memif-reconnect-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open_slave(path: impl AsRef<Path>) -> (Socket, InterfaceKey) {
    let builder = Socket::builder(path.as_ref()).retry_period(NEVER);
    let mut socket = builder.open().unwrap();
    let key = socket.add_interface(InterfaceConfig::slave(0)).unwrap();
    (socket, key)
}

fn open_master(path: impl AsRef<Path>) -> (Socket, InterfaceKey) {
    let mut socket = open(&path.as_ref().into());
    let key = socket.add_interface(InterfaceConfig::master(0)).unwrap();
    (socket, key)
}

/// The slave has no link, and nothing but the watch makes it try again.
#[track_caller]
fn lose_pauses(slave: &mut Socket, key: InterfaceKey) -> ConnectError {
    let failure = expect_failure(slave, key);
    slave.driver.waits.set(Timer::Connect(key.number), None);
    failure
}

/// Lets the watch do what it does, until nothing is to be done any more.
#[track_caller]
fn expect_rest(slave: &mut Socket, key: InterfaceKey) {
    let deadline = Instant::now() + WATCHDOG;
    while slave.driver.waits.next_time().is_some() || is_readable(&slave.driver.waits) {
        if let Some(event) = slave.poll(Some(Duration::ZERO)).unwrap() {
            assert!(matches!(event, Event::ConnectFailed { .. }), "{event:?}");
            slave.driver.waits.set(Timer::Connect(key.number), None);
        }
        assert!(Instant::now() < deadline, "no rest");
    }
}

#[track_caller]
fn link_with(master: (Socket, InterfaceKey), slave: (Socket, InterfaceKey)) -> Both {
    let (master, master_key) = master;
    let (slave, slave_key) = slave;
    let mut both = Both { master, slave, master_key, slave_key };
    both.up();
    both
}

#[test]
fn a_new_socket_is_met_without_a_pause() {
    let directory = Directory::new();
    let path = directory.path("memif.sock");
    let (mut slave, key) = open_slave(&path);
    for _ in 0..3 {
        assert_eq!(lose_pauses(&mut slave, key), ConnectError::NotFound);
        // Other names are none of its business.
        fs::write(directory.path("other"), "").unwrap();
        expect_rest(&mut slave, key);
        let both = link_with(open_master(&path), (slave, key));
        drop(both.master);
        slave = both.slave;
        expect_down(&mut slave, key);
    }
    // A listener that died leaves its file, and the next one replaces it.
    drop(sys::bind(slave.address(), sys::FileAccess::default()).unwrap());
    while lose_pauses(&mut slave, key) != ConnectError::NobodyListens {
        slave.driver.connect_at_once(key);
    }
    link_with(open_master(&path), (slave, key));
}

#[test]
fn directories_that_come_and_go_are_followed() {
    let directory = Directory::new();
    let inner = directory.path("run/vpp");
    let path = inner.join("memif.sock");
    let (mut slave, key) = open_slave(&path);
    lose_pauses(&mut slave, key);
    for _ in 0..3 {
        fs::create_dir_all(&inner).unwrap();
        let both = link_with(open_master(&path), (slave, key));
        drop(both.master);
        slave = both.slave;
        expect_down(&mut slave, key);
        lose_pauses(&mut slave, key);
        // Here the next socket will not be.
        fs::remove_dir_all(directory.path("run")).unwrap();
        lose_pauses(&mut slave, key);
        expect_rest(&mut slave, key);
    }
}

#[test]
fn a_socket_that_comes_with_its_directory_is_met() {
    let directory = Directory::new();
    fs::create_dir(directory.path("run")).unwrap();
    fs::create_dir(directory.path("next")).unwrap();
    let (mut slave, key) = open_slave(directory.path("run/memif.sock"));
    lose_pauses(&mut slave, key);
    let master = open_master(directory.path("next/memif.sock"));
    expect_rest(&mut slave, key);
    fs::rename(directory.path("run"), directory.path("old")).unwrap();
    lose_pauses(&mut slave, key);
    fs::rename(directory.path("next"), directory.path("run")).unwrap();
    link_with(master, (slave, key));
}

#[test]
fn links_on_the_way_are_watched_at_both_ends() {
    let directory = Directory::new();
    for name in ["one", "two"] {
        fs::create_dir(directory.path(name)).unwrap();
    }
    symlink("one", directory.path("run")).unwrap();
    let (mut slave, key) = open_slave(directory.path("run/memif.sock"));
    lose_pauses(&mut slave, key);
    let both = link_with(open_master(directory.path("one/memif.sock")), (slave, key));
    drop(both.master);
    slave = both.slave;
    expect_down(&mut slave, key);
    lose_pauses(&mut slave, key);
    let master = open_master(directory.path("two/memif.sock"));
    expect_rest(&mut slave, key);
    symlink("two", directory.path("new")).unwrap();
    fs::rename(directory.path("new"), directory.path("run")).unwrap();
    link_with(master, (slave, key));
}

/// A master must not be left before INIT, so a handshake that has begun goes on.
#[test]
fn a_handshake_goes_on_whatever_appears() {
    let directory = Directory::new();
    let path = directory.path("memif.sock");
    let (mut slave, key) = open_slave(&path);
    lose_pauses(&mut slave, key);
    let listener = sys::bind(slave.address(), sys::FileAccess::default()).unwrap().0;
    sys::listen(&listener, 4).unwrap();
    let deadline = Instant::now() + WATCHDOG;
    while slave.driver.connections.is_empty() {
        slave.poll(Some(Duration::from_millis(1))).unwrap();
        assert!(Instant::now() < deadline, "no attempt");
    }
    for _ in 0..3 {
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        slave.poll(Some(Duration::ZERO)).unwrap();
    }
    let raw = Raw(sys::accept(&listener).unwrap());
    raw.send(hello());
    raw.expect(&mut slave, "INIT");
    assert_eq!(slave.driver.connections.len(), 1);
    // It tries again when that is over.
    drop(raw);
    assert!(matches!(expect_failure(&mut slave, key), ConnectError::Closed(_)));
    assert_eq!(expect_failure(&mut slave, key), ConnectError::NotASocket);
}

#[test]
fn a_busy_directory_is_left_to_the_pauses() {
    let directory = Directory::new();
    let path = directory.path("memif.sock");
    let (mut slave, key) = open_slave(&path);
    lose_pauses(&mut slave, key);
    let busy = |slave: &mut Socket| {
        let mut reports = 0;
        for number in 0..1000 {
            fs::write(directory.path(&number.to_string()), "").unwrap();
            reports += u32::from(is_readable(&slave.driver.waits));
            slave.poll(Some(Duration::ZERO)).unwrap();
            fs::remove_file(directory.path(&number.to_string())).unwrap();
        }
        reports
    };
    let reports = busy(&mut slave);
    // And one of the end of the watch.
    assert!((2..=70).contains(&reports), "{reports} reports");
    // Pauses still find what is there, and end in no other watch so soon.
    slave.driver.connect_at_once(key);
    lose_pauses(&mut slave, key);
    assert_eq!(busy(&mut slave), 0);
    slave.driver.connect_at_once(key);
    let both = link_with(open_master(&path), (slave, key));
    // Later there is one again.
    drop(both.master);
    slave = both.slave;
    slave.driver.reconnection.end_rest();
    expect_down(&mut slave, key);
    lose_pauses(&mut slave, key);
    link_with(open_master(&path), (slave, key));
}

#[test]
fn nothing_is_watched_for_a_slave_that_has_its_link() {
    let directory = Directory::new();
    let path = directory.path("memif.sock");
    let (mut slave, key) = open_slave(&path);
    lose_pauses(&mut slave, key);
    let mut both = link_with(open_master(&path), (slave, key));
    let mut reports = 0;
    for number in 0..100 {
        fs::write(directory.path(&number.to_string()), "").unwrap();
        reports += u32::from(is_readable(&both.slave.driver.waits));
        assert!(both.slave.poll(Some(Duration::ZERO)).unwrap().is_none());
    }
    assert!(reports <= 3, "{reports} reports");
}

/// VPP listens before it has the interface.
#[test]
fn a_master_that_refuses_at_first_is_asked_again_soon() {
    let directory = Directory::new();
    let path = directory.path("memif.sock");
    for address in [SocketAddress::from(path), fresh_address()] {
        let mut slave = Socket::builder(address.clone()).retry_period(NEVER).open().unwrap();
        let key = slave.add_interface(InterfaceConfig::slave(0)).unwrap();
        for _ in 0..2 {
            let mut master = open(&address);
            master.add_interface(InterfaceConfig::master(1)).unwrap();
            let mut refusals = 0;
            let deadline = Instant::now() + WATCHDOG;
            // By then pauses that only double are of hours.
            while refusals < 12 {
                assert!(Instant::now() < deadline, "{refusals} refusals");
                master.poll(Some(Duration::from_millis(1))).unwrap();
                let event = slave.poll(Some(Duration::from_millis(1))).unwrap();
                let Some(Event::ConnectFailed { error, retry_in, .. }) = event else { continue };
                let refused = error == ConnectError::Refused("unmatched interface id 0".to_owned());
                refusals += u32::from(refused);
                assert!(!refused || retry_in <= Some(Duration::from_millis(200)), "{retry_in:?}");
            }
            let master_key = master.add_interface(InterfaceConfig::master(0)).unwrap();
            let both = link_with((master, master_key), (slave, key));
            drop(both.master);
            slave = both.slave;
            expect_down(&mut slave, key);
        }
    }
}

#[test]
fn a_master_that_is_lost_is_looked_for_again_and_again() {
    let address = fresh_address();
    let mut slave = Socket::builder(address.clone()).retry_period(NEVER).open().unwrap();
    let key = slave.add_interface(InterfaceConfig::slave(0)).unwrap();
    for _ in 0..3 {
        let mut master = open(&address);
        let master_key = master.add_interface(InterfaceConfig::master(0)).unwrap();
        let both = link_with((master, master_key), (slave, key));
        drop(both.master);
        slave = both.slave;
        expect_down(&mut slave, key);
        for _ in 0..10 {
            let pause = expect(&mut slave, |event| match event {
                Event::ConnectFailed { error: ConnectError::NobodyListens, retry_in, .. } => retry_in,
                _ => None,
            });
            assert!(pause <= Duration::from_millis(200), "{pause:?}");
        }
    }
}
