//! Where the listener stands, and who may come to it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use rustix::process::{getgid, getuid};
use serde_json::json;
use testkit::{Address, SeqListener};

use crate::end::{At, End, Pair, exchange, some, spell};

/// The user without rights.
const NOBODY: u32 = 65_534;

fn fresh_directory() -> PathBuf {
    let path = std::env::temp_dir().join(format!("memif-place-{}", testkit::seqsock::unique()));
    std::fs::create_dir(&path).expect("a directory");
    path
}

/// Both spellings of an abstract name are the same name.
pub(crate) fn abstract_names_in_both_spellings() {
    let name = format!("memif-spelled-{}", testkit::seqsock::unique());
    let spellings = [format!("@{name}"), format!("abstract:{name}")];
    for at_master in &spellings {
        for at_slave in &spellings {
            let (mut master, mut slave) = (End::start(), End::start());
            master.try_open(at_master).expect("an abstract name");
            slave.try_open(at_slave).expect("an abstract name");
            let (at_master, at_slave) = (master.add(json!({"role": "master"})), slave.add(json!({"role": "slave"})));
            let mut pair = Pair { master, slave, at_master, at_slave };
            pair.connected();
            assert_eq!(pair.slave.details(pair.at_slave)["socket"], spellings[0]);
            pair.exchange(&some());
            pair.finish();
        }
    }
    // The longest name, and a name that looks like a path.
    for name in [format!("{name}{}", "x".repeat(107 - name.len())), format!("/run/{name}.sock")] {
        let mut pair = Pair::at(&Address::Abstract(name.into_bytes()), json!({}), json!({}));
        pair.exchange(&some());
        pair.finish();
    }
}

/// A path of 107 bytes works, a longer one is refused and never cut.
pub(crate) fn the_longest_path() {
    let directory = fresh_directory();
    let room = 107 - directory.as_os_str().len() - 1;
    let fits = directory.join("s".repeat(room));
    let mut pair = Pair::at(&Address::Path(fits), json!({}), json!({}));
    pair.exchange(&some());
    pair.finish();
    let longer = directory.join("s".repeat(room + 1));
    let error = End::start().try_open(longer.to_str().expect("UTF-8")).unwrap_err();
    assert!(error.contains("at most 107 bytes"), "{error}");
    let name = format!("@{}", "n".repeat(108));
    let error = End::start().try_open(&name).unwrap_err();
    assert!(error.contains("at most 107 bytes"), "{error}");
    std::fs::remove_dir(&directory).expect("nothing is left behind");
}

/// A file whose listener died is taken over; one with a listener is not even disturbed.
pub(crate) fn stale_and_live_socket_files() {
    let address = Address::fresh();
    let mut dead = End::at(&address);
    dead.add(json!({"role": "master"}));
    dead.kill();
    assert!(address.path().exists(), "the dead master's file");
    let mut pair = Pair::at(&address, json!({}), json!({}));
    pair.exchange(&some());
    let before = std::fs::metadata(address.path()).expect("the socket file").ino();
    for _ in 0..3 {
        let mut intruder = End::at(&address);
        let error = intruder.fails(json!({"do": "add", "config": {"role": "master"}}));
        assert!(error.contains("is in use by another program"), "{error}");
        intruder.finish();
    }
    assert_eq!(std::fs::metadata(address.path()).expect("the socket file").ino(), before);
    assert_eq!(pair.master.call(json!({"do": "quiet"})), true, "the listener noticed the question");
    pair.exchange(&some());
    pair.finish();

    // The same for a listener of another program, which sees no connection.
    let listener = SeqListener::bind(&address);
    let error = End::at(&address).fails(json!({"do": "add", "config": {"role": "master"}}));
    assert!(error.contains("is in use by another program"), "{error}");
    assert!(listener.accept_within(std::time::Duration::ZERO).is_none(), "a connection as a probe");
    drop(listener);

    // Abstract names, which have no file.
    let address = Address::fresh_abstract();
    let mut pair = Pair::at(&address, json!({}), json!({}));
    let error = End::at(&address).fails(json!({"do": "add", "config": {"role": "master"}}));
    assert!(error.contains("is in use by another program"), "{error}");
    pair.exchange(&some());
    pair.finish();
}

/// What is no socket stays where it is.
pub(crate) fn other_files_are_not_removed() {
    let directory = fresh_directory();
    let file = directory.join("precious");
    std::fs::write(&file, "precious").expect("a file");
    let link = directory.join("link");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    for path in [&file, &link, &directory] {
        let mut end = End::at(&Address::Path(path.clone()));
        let error = end.fails(json!({"do": "add", "config": {"role": "master"}}));
        assert!(error.contains("exists and is not a socket"), "{error}");
        // As slave it finds nobody there, either.
        let slave = end.add(json!({"role": "slave"}));
        end.connect_failed(slave);
        end.finish();
    }
    assert_eq!(std::fs::read(&file).expect("the file"), b"precious");
    std::fs::remove_dir_all(&directory).expect("cleaning up");
}

/// Mode, owner and group of the socket file.
pub(crate) fn mode_owner_and_group() {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    let other = if uid == 0 { NOBODY } else { gid };
    for mode in [0o600, 0o660, 0o666, 0o777] {
        let address = Address::fresh();
        let settings = json!({"mode": mode, "owner": uid, "group": other});
        let (mut master, mut slave) = (End::with(&address, settings), End::at(&address));
        let (at_master, at_slave) = (master.add(json!({"role": "master"})), slave.add(json!({"role": "slave"})));
        let file = std::fs::metadata(address.path()).expect("the socket file");
        assert_eq!((file.mode() & 0o7777, file.uid(), file.gid()), (mode, uid, other));
        let mut pair = Pair { master, slave, at_master, at_slave };
        pair.connected();
        pair.exchange(&some());
        pair.finish();
    }
}

/// A user without rights is kept out by the mode of the file, tries again, and gets in once it allows.
pub(crate) fn user_nobody_and_the_mode_of_the_file() {
    let address = Address::fresh();
    let mut master = End::with(&address, json!({"mode": 0o600}));
    let at_master = master.add(json!({"role": "master"}));
    let mut slave = End::start_nobody();
    slave.open(&address, json!({}));
    let at_slave = slave.add(json!({"role": "slave"}));
    slave.fails_with(at_slave, "no permission to connect to the socket");
    std::fs::set_permissions(address.path(), PermissionsExt::from_mode(0o666)).expect("chmod");
    let peer = master.connected(at_master);
    assert_eq!((&peer["uid"], &peer["gid"]), (&json!(NOBODY), &json!(NOBODY)));
    assert_eq!(slave.connected(at_slave)["uid"], 0);
    exchange(At(&mut master, at_master), At(&mut slave, at_slave), &some());
    slave.finish();
    master.finish();

    // As listener: no right to the directory, and nobody's own file is good enough for root.
    let mut listener = End::start_nobody();
    listener.open(&Address::Path(format!("/root/memif-{}", testkit::seqsock::unique()).into()), json!({}));
    let error = listener.fails(json!({"do": "add", "config": {"role": "master"}}));
    assert!(error.contains("no permission for"), "{error}");
    for settings in [json!({"mode": 0o666}), json!({"mode": 0o600})] {
        let address = Address::fresh();
        let (mut master, mut slave) = (End::start_nobody(), End::at(&address));
        master.open(&address, settings);
        let (at_master, at_slave) = (master.add(json!({"role": "master"})), slave.add(json!({"role": "slave"})));
        let mut pair = Pair { master, slave, at_master, at_slave };
        pair.connected();
        pair.exchange(&some());
        pair.finish();
    }
    // It may not give its file away.
    let address = Address::fresh();
    let mut master = End::start_nobody();
    master.open(&address, json!({"owner": 0}));
    let error = master.fails(json!({"do": "add", "config": {"role": "master"}}));
    assert!(error.contains("owner or group"), "{error}");
    assert!(!address.path().exists(), "a file without a listener is left behind");
}

/// Lists of users and groups, for abstract names as for paths.
pub(crate) fn allow_lists() {
    for address in [Address::fresh(), Address::fresh_abstract()] {
        for list in ["allow_uid", "allow_gid"] {
            let mut master = End::with(&address, json!({"mode": 0o666, list: NOBODY}));
            let at_master = master.add(json!({"role": "master"}));
            let mut root = End::at(&address);
            let at_root = root.add(json!({"role": "slave"}));
            assert_eq!(master.refused(), "uid 0 gid 0 not allowed");
            root.fails_with(at_root, "uid 0 gid 0 not allowed");
            root.admin(at_root, false);
            let mut slave = End::start_nobody();
            slave.open(&address, json!({}));
            let at_slave = slave.add(json!({"role": "slave"}));
            let mut pair = Pair { master, slave, at_master, at_slave };
            pair.connected();
            pair.exchange(&some());
            pair.finish();
            root.finish();
        }
    }
}

/// Between network namespaces paths work and abstract names do not exist.
pub(crate) fn network_namespaces() {
    for foreign_master in [true, false] {
        let start = |foreign: bool| if foreign { End::start_in_namespace() } else { End::start() };
        let address = Address::fresh();
        let (mut master, mut slave) = (start(foreign_master), start(!foreign_master));
        master.open(&address, json!({}));
        slave.open(&address, json!({}));
        let (at_master, at_slave) = (master.add(json!({"role": "master"})), slave.add(json!({"role": "slave"})));
        let mut pair = Pair { master, slave, at_master, at_slave };
        pair.connected();
        pair.exchange(&some());
        // Whoever comes from the other namespace sees that the file is held.
        let mut intruder = End::start_beside(&pair.slave);
        intruder.open(&address, json!({}));
        let error = intruder.fails(json!({"do": "add", "config": {"role": "master"}}));
        assert!(error.contains("is in use by another program"), "{error}");
        pair.exchange(&some());
        intruder.finish();
        pair.finish();

        let address = Address::fresh_abstract();
        let (mut master, mut slave) = (start(foreign_master), start(!foreign_master));
        master.open(&address, json!({}));
        slave.open(&address, json!({}));
        let at_master = master.add(json!({"role": "master"}));
        let at_slave = slave.add(json!({"role": "slave"}));
        slave.fails_with(at_slave, "nobody listens on the socket");
        // The same name is free here, and the slave finds that one.
        let mut near = End::start_beside(&slave);
        near.try_open(&spell(&address)).expect("an abstract name");
        let at_near = near.add(json!({"role": "master"}));
        let mut pair = Pair { master: near, slave, at_master: at_near, at_slave };
        pair.connected();
        pair.exchange(&some());
        assert_eq!(master.details(at_master)["link_up"], false);
        pair.finish();
        master.finish();
    }
}
