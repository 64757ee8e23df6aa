//! Clients that do what they should not.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;

use super::http::{ask, connect, metrics, rest, serving};
use super::util::{Program, abstract_name};

fn responder() -> (Program, String) {
    serving(&format!("responder --role master --socket {}", abstract_name()))
}

pub(crate) fn requests() {
    let (program, address) = responder();
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(5000));
    for (request, status, more) in [
        ("GET /metrics HTTP/1.1\r\n\r\n", "200 OK", "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        ("GET /metrics HTTP/1.0\r\n\r\n", "200 OK", "memif_build_info{"),
        ("GET / HTTP/1.1\r\n\r\n", "200 OK", "are at /metrics"),
        ("GET /x HTTP/1.1\r\n\r\n", "404 Not Found", "are at /metrics"),
        ("POST /metrics HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", "405 Method Not Allowed", "\r\nAllow: GET\r\n"),
        ("HEAD /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed", "\r\nAllow: GET\r\n"),
        ("\u{16}\u{3}\u{1}\r\n\r\n", "400 Bad Request", "no request"),
        ("GET /metrics HTTP/2.0\r\n\r\n", "400 Bad Request", "no request"),
        (&long, "431 Request Header Fields Too Large", "4096 bytes at most"),
        // One connection is one request.
        ("GET / HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n", "200 OK", "are at /metrics"),
    ] {
        let answer = ask(&address, request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request:?}: {answer}");
        assert!(answer.contains(more) && answer.contains("\r\nConnection: close\r\n"), "{request:?}: {answer}");
        assert_eq!(answer.matches("\r\nContent-Length: ").count(), 1, "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        if request.starts_with("HEAD") {
            assert_eq!(body, "");
        } else {
            assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{answer}");
        }
    }
    // It comes in pieces, and by a client that reads byte by byte.
    let mut stream = connect(&address);
    for byte in b"GET /metrics HTTP/1.1\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while stream.read(&mut byte).unwrap() == 1 {
        answer.extend(byte);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    drop(program);
}

pub(crate) fn idle() {
    let (_program, address) = responder();
    // More than are served at a time: they say nothing, or not all of it, or read nothing.
    let mut crowd: Vec<_> = (0..20).map(|_| connect(&address)).collect();
    for (number, stream) in crowd.iter_mut().enumerate() {
        match number % 3 {
            0 => {}
            1 => stream.write_all(b"GET /metrics HTTP/1.1\r\nX: ").unwrap(),
            _ => stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap(),
        }
    }
    // Who comes after them has its turn.
    assert!(metrics(&address).contains("memif_build_info{"));
    for (number, stream) in crowd.iter_mut().enumerate() {
        let mut answer = Vec::new();
        // One that is let go with bytes of it unread hears of a reset.
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(answer.starts_with(b"HTTP/1.1 200 OK"), number % 3 == 2, "{number}: {answer:?}");
    }
}

pub(crate) fn end() {
    let (program, address) = responder();
    let crowd: Vec<_> = (0..20).map(|_| connect(&address)).collect();
    program.terminate();
    program.finish().code(0);
    for mut stream in crowd {
        let _ = stream.read(&mut [0]);
    }
}

pub(crate) fn half_closed() {
    let (_program, address) = responder();
    let mut stream = connect(&address);
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(rest(&mut stream).starts_with("HTTP/1.1 200 OK\r\n"));
    let mut stream = connect(&address);
    stream.write_all(b"GET /metrics").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut stream), "");
}
