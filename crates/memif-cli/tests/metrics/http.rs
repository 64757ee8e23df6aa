//! A client.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::util::{Program, memif};

const WATCHDOG: Duration = Duration::from_secs(60);

/// Starts a command that serves metrics at a free port, and gives the address.
pub(crate) fn serving(arguments: &str) -> (Program, String) {
    let mut program = memif(&format!("{arguments} --metrics 127.0.0.1:0"));
    let address = address(&mut program);
    (program, address)
}

/// Where a command says that it serves them.
pub(crate) fn address(program: &mut Program) -> String {
    let line = program.expect_complaint("metrics at http://");
    let url = line.rsplit_once("http://").unwrap().1;
    url.strip_suffix("/metrics").unwrap().to_owned()
}

pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream
}

/// All that is answered to a request, until the connection is closed.
pub(crate) fn ask(address: &str, request: &[u8]) -> String {
    let mut stream = connect(address);
    stream.write_all(request).unwrap();
    rest(&mut stream)
}

pub(crate) fn rest(stream: &mut impl Read) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// The body of what a path gives.
pub(crate) fn get(address: &str, path: &str) -> String {
    let answer = ask(address, format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    body.to_owned()
}

pub(crate) fn metrics(address: &str) -> String {
    get(address, "/metrics")
}

/// The sum of all samples of a family that have all these labels.
#[track_caller]
pub(crate) fn sum(text: &str, family: &str, labels: &[&str]) -> u64 {
    let samples = text.lines().filter_map(|line| line.strip_prefix(family)?.strip_prefix('{'));
    let wanted: Vec<_> = samples.filter(|sample| labels.iter().all(|label| sample.contains(label))).collect();
    assert!(!wanted.is_empty(), "no {family} with {labels:?} in:\n{text}");
    wanted.iter().map(|sample| sample.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}
