//! Files that cannot be replayed, each with what to do.

use std::fs;
use std::process::Command;

use super::files::{packets, pcap, write};
use super::util::{Directory, memif, piped};

pub(crate) fn what_is_no_capture_has_an_answer() {
    let directory = Directory::new();
    for (name, content) in [("empty", &b""[..]), ("script", b"#!/bin/sh\n"), ("xz", b"\xfd7zXZ\0\0\0\0\0")] {
        fs::write(directory.path(name), content).unwrap();
    }
    for (name, answer) in [
        ("none", "none: No such file or directory (os error 2); check the name (- is standard input)"),
        ("", "is a directory: give a file in it"),
        ("empty", "empty: it is empty; not even the header of a capture was written"),
        ("script", "script: it begins with 23 21 2f 62: neither pcap nor pcapng, as it is or compressed with gzip"),
        ("xz", "xz: it is compressed with xz: unpack it first, or give what `xz -dc` prints"),
    ] {
        // Said before anybody is connected to.
        let finished = memif(&format!("replay {} --socket @nobody-is-there", directory.text(name))).finish().code(2);
        assert_eq!(finished.err.lines().count(), 1, "{finished:?}");
        finished.complains(answer);
    }
    let (program, pipe) = piped("replay - --socket @nobody-is-there");
    drop(pipe);
    program.finish().code(2).complains("standard input: it is empty");
    memif("replay - --loop 2").finish().code(2).complains("--loop needs a file");
    assert!(Command::new("mkfifo").arg(directory.path("pipe")).status().unwrap().success());
    let program = memif(&format!("replay {} --loop 2 --socket @nobody-is-there", directory.text("pipe")));
    program.finish().code(2).complains("pipe is a pipe, which can be read once");
    // The mark below a filter's mistake is the last thing said.
    write(&directory.path("file"), &packets(1, 0));
    let program = memif(&format!("replay {} --socket @nobody-is-there tcp prt 3", directory.text("file")));
    program.finish().code(2).complains("\n  tcp prt 3\n      ^^^\n");
}

pub(crate) fn a_file_of_somebody_else_has_an_answer() {
    let directory = Directory::new();
    write(&directory.path("file"), &packets(1, 0));
    let mut command = Command::new("chmod");
    assert!(command.args(["600", &directory.text("file")]).status().unwrap().success());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--clear-groups", env!("CARGO_BIN_EXE_memif"), "replay", &directory.text("file")]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // A directory on the way may keep that user from the program itself.
    if said.contains("setpriv:") {
        println!("user 65534 cannot run the program: {said}");
        return;
    }
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("Permission denied") && said.contains("give a file that this user may read"), "{said}");
}

pub(crate) fn link_types_that_do_not_fit_have_an_answer() {
    let directory = Directory::new();
    for (link_type, options, answer) in [
        (101, "", "an interface in ethernet mode does not carry raw IP, link type 101: give --mode ip, at both ends"),
        (276, "", "does not carry cooked Linux, link type 276: give --mode ip, at both ends"),
        (189, "", "no memif carries USB, link type 189"),
        (105, "--mode ip", "no memif carries wireless, link type 105"),
    ] {
        fs::write(directory.path("file"), pcap(link_type, &packets(1, 0))).unwrap();
        let program = memif(&format!("replay {} --socket @nobody-is-there {options}", directory.text("file")));
        program.finish().code(2).complains(answer);
    }
}
