//! Where metrics are served.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};

use super::http::rest;
use super::util::{Directory, abstract_name, memif};

/// The metrics at a Unix socket.
pub(crate) fn read(path: &str) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let answer = rest(&mut stream);
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

pub(crate) fn socket() {
    let directory = Directory::new();
    let path = directory.text("metrics.sock");
    let start = || memif(&format!("responder --role master --socket {} --metrics {path}", abstract_name()));
    for _ in 0..2 {
        // The second time it is left over from a program that was killed.
        let mut program = start();
        program.expect_complaint(&format!("metrics at unix:{path}"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(read(&path).contains("memif_build_info{"));
        start().finish().code(2).complains("another program listens there");
        assert!(read(&path).contains("memif_build_info{"));
        program.kill();
    }
    let mut program = start();
    program.expect_complaint("metrics at");
    program.terminate();
    program.finish().code(0);
    assert!(!fs::exists(&path).unwrap());
    // Not ours to remove.
    fs::write(&path, "precious").unwrap();
    start().finish().code(2).complains("no socket, and is left alone");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();
    let _theirs = UnixListener::bind(&path).unwrap();
    start().finish().code(2).complains("another program listens there");
}

pub(crate) fn wrong() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let long = format!("/tmp/{}", "x".repeat(107));
    for (place, answer) in [
        (taken.as_str(), "another program listens there"),
        ("192.0.2.1:9100", "no such address"),
        ("/nonexistent/metrics.sock", "make the directory"),
        ("/dev/null/metrics.sock", "make the directory"),
        (&long, "107 bytes"),
        ("metrics", "as in ./metrics.sock"),
        ("@metrics", "no permissions"),
        ("70000", "from 0 to 65535"),
    ] {
        let command = format!("responder --role master --socket {} --metrics {place}", abstract_name());
        memif(&command).finish().code(2).complains(answer);
    }
    let mut public = memif(&format!("responder --role master --socket {} --metrics 0.0.0.0:0", abstract_name()));
    public.expect_complaint("other machines may reach that address");
}
