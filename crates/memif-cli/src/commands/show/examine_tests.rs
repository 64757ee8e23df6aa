//! Real sockets of this process, explained.

use super::*;
use testkit::Address;
use testkit::seqsock::{SeqListener, SeqSocket};

fn explain(address: &Address) -> SocketReport {
    let address = match address {
        Address::Path(path) => SocketAddress::Path(path.clone()),
        Address::Abstract(name) => SocketAddress::Abstract(name.clone()),
    };
    examine(&address, &Survey::take())
}

#[test]
fn a_listener_is_found_with_its_process_and_connections() {
    for address in [Address::fresh(), Address::fresh_abstract()] {
        let listener = SeqListener::bind(&address);
        let _accepted = (SeqSocket::connect(&address), listener.accept());
        let _waiting = SeqSocket::connect(&address);
        let report = explain(&address);
        assert_eq!(report.verdict, Verdict::Ready, "{report}");
        assert_eq!(report.may_connect, Some(true));
        let [held] = &report.sockets[..] else { panic!("{report}") };
        assert!(held.is_master() && held.same_network_namespace);
        assert_eq!((held.open_connections, held.waiting_connections), (1, 1), "{report}");
        assert!(held.holders.iter().any(|holder| holder.pid == std::process::id()), "{report}");
        // It looked and did not knock.
        assert!(listener.accept_within(std::time::Duration::ZERO).is_some());
        assert!(listener.accept_within(std::time::Duration::ZERO).is_none());
    }
}

#[test]
fn another_type_of_socket_is_no_master() {
    let address = Address::fresh();
    let _listener = std::os::unix::net::UnixListener::bind(address.path()).unwrap();
    let report = explain(&address);
    assert_eq!(report.verdict, Verdict::WrongType, "{report}");
    assert!(report.explanation.contains("with a stream socket"), "{report}");
    std::fs::remove_file(address.path()).unwrap();
}

#[test]
fn a_file_that_its_listener_left_is_told_from_one_that_was_removed() {
    let address = Address::fresh();
    drop(std::os::unix::net::UnixListener::bind(address.path()).unwrap());
    let report = explain(&address);
    assert_eq!(report.verdict, Verdict::NobodyListens, "{report}");
    assert_eq!(report.sockets, []);
    std::fs::remove_file(address.path()).unwrap();

    let removed = SeqListener::bind(&address);
    std::fs::remove_file(address.path()).unwrap();
    let report = explain(&address);
    assert_eq!(report.verdict, Verdict::Missing, "{report}");
    assert!(report.hints.iter().any(|hint| hint.contains("its file was removed")), "{report}");
    let second = SeqListener::bind(&address);
    let report = explain(&address);
    assert_eq!((report.verdict, report.sockets.len()), (Verdict::Ready, 2), "{report}");
    assert!(report.hints.iter().any(|hint| hint.contains("made last")), "{report}");
    drop((removed, second));
}

#[test]
fn names_that_look_alike_are_hinted_at() {
    let wanted = Address::fresh_abstract();
    let Address::Abstract(name) = &wanted else { unreachable!() };
    for (variant, hint) in
        [([name, &b"\0\0\0"[..]].concat(), "padded with zero bytes"), ([b"@", &name[..]].concat(), "without @")]
    {
        let _listener = SeqListener::bind(&Address::Abstract(variant));
        let report = explain(&wanted);
        assert_eq!(report.verdict, Verdict::Missing, "{report}");
        assert!(report.hints.iter().any(|text| text.contains(hint)), "{report}");
    }
}

#[test]
fn the_other_kind_of_address_is_hinted_at() {
    let path = Address::fresh();
    let name = Address::Abstract(path.path().as_os_str().as_bytes().to_vec());
    let listener = SeqListener::bind(&name);
    let report = explain(&path);
    assert_eq!(report.verdict, Verdict::Missing);
    assert!(report.hints.iter().any(|h| h.contains("listens on the abstract name")), "{report}");
    drop(listener);
    let _listener = SeqListener::bind(&path);
    let report = explain(&name);
    assert_eq!(report.verdict, Verdict::Missing);
    assert!(report.hints.iter().any(|h| h.contains("leave the @ out")), "{report}");
}

#[test]
fn symbolic_links_and_relative_names_lead_to_the_listener() {
    let address = Address::fresh();
    let _listener = SeqListener::bind(&address);
    let link = address.path().with_extension("link");
    std::os::unix::fs::symlink(address.path(), &link).unwrap();
    let report = explain(&Address::Path(link.clone()));
    std::fs::remove_file(link).unwrap();
    assert_eq!(report.verdict, Verdict::Ready, "{report}");
}

#[test]
fn what_is_no_socket_is_named() {
    for (path, verdict, word) in [
        ("/", Verdict::NotASocket, "a directory"),
        ("/proc/self/stat", Verdict::NotASocket, "a regular file"),
        ("/dev/null", Verdict::NotASocket, "a device"),
        ("/dev/null/x", Verdict::Missing, "not a directory"),
        ("/nonexistent/x/y", Verdict::Missing, "directory /nonexistent;"),
        ("/nonexistent", Verdict::Missing, "start the master"),
    ] {
        let report = explain(&Address::Path(path.into()));
        assert_eq!(report.verdict, verdict, "{report}");
        assert!(report.explanation.contains(word), "{report}");
        assert_eq!(report.may_connect, None);
    }
}
