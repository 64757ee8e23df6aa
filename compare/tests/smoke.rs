//! The program from end to end, over what needs nothing but this crate.

use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn measures_what_needs_nothing_else() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("out-{}", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_memif-compare"))
        .args(["--rounds", "1", "--milliseconds", "20", "--out"])
        .arg(&out)
        .args([
            "--rows",
            "one-way-64,one-way-9000,round-trip-waiting,round-trip-paused,round-trip-one-core,round-trip-moved,echo-64,\
             forward-1500,queues,set-up,reconnection,async-one-way,async-round-trip",
        ])
        .args(["--only", "Rust API,bare ring,seqpacket,memif::tokio,of tokio"])
        .output()
        .expect("running the program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json = std::fs::read_to_string(out.join("tables.json")).expect("tables");
    let rows: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let rows = rows.as_array().expect("rows");
    assert_eq!(rows.len(), 13);
    for row in rows {
        for line in row["lines"].as_array().expect("lines") {
            // testpmd is there or not; its ends have tests of their own.
            if line["contender"].as_str().is_some_and(|name| name.contains("testpmd")) {
                continue;
            }
            assert!(line["failure"].is_null(), "{}: {line}", row["id"]);
            assert!(line["median"].as_f64().is_some_and(|median| median > 0.0), "{}: {line}", row["id"]);
        }
    }
    assert!(std::fs::read_to_string(out.join("queues.svg")).expect("a plot").contains("Rust API"));
    let _ = std::fs::remove_dir_all(&out);
}

/// Network namespaces, a stream between them, and small packets both ways.
#[test]
fn measures_bridges() {
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "network namespaces need root");
        eprintln!("skipped: network namespaces need root");
        return;
    }
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bridges-{}", std::process::id()));
    let mut program = Command::new(env!("CARGO_BIN_EXE_memif-compare"));
    program.args(["--rounds", "1", "--milliseconds", "20", "--out"]).arg(&out);
    // The command, where its own tests have left it.
    let command = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/memif");
    let rows = if command.exists() {
        program.args(["--rows", "bridge-tcp,bridge-in,bridge-out", "--memif"]).arg(command);
        3
    } else {
        program.args(["--rows", "bridge-tcp", "--only", "veth"]);
        1
    };
    let output = program.output().expect("running the program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json = std::fs::read_to_string(out.join("tables.json")).expect("tables");
    let found: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let found = found.as_array().expect("rows");
    assert_eq!(found.len(), rows);
    for line in found.iter().flat_map(|row| row["lines"].as_array().expect("lines")) {
        assert!(line["failure"].is_null(), "{line}");
        let measured = line["median"].as_f64().is_some_and(|median| median > 0.0);
        // A veth pair has no process of its own.
        assert!(measured || line["contender"] == "veth" && line["metric"] == "CPU s/GB", "{line}");
    }
    let _ = std::fs::remove_dir_all(&out);
}

/// As `| head` does.
#[test]
fn a_reader_that_has_read_enough_is_no_error() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_memif-compare"))
        .args(["--list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("running the program");
    drop(program.stdout.take());
    let output = program.wait_with_output().expect("its end");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// TCP in user space: over memif for everybody, over TAP devices for root.
#[cfg(feature = "smoltcp")]
#[test]
fn measures_stacks() {
    let root = rustix::process::geteuid().is_root();
    assert!(root || std::env::var_os("CI").is_none(), "TAP devices need root");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stacks-{}", std::process::id()));
    let mut program = Command::new(env!("CARGO_BIN_EXE_memif-compare"));
    program.args(["--rounds", "1", "--milliseconds", "20", "--rows", "smoltcp-tcp", "--out"]).arg(&out);
    if !root {
        eprintln!("skipped: TAP devices, which need root");
        program.args(["--only", "memif"]);
    }
    let output = program.output().expect("running the program");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json = std::fs::read_to_string(out.join("tables.json")).expect("tables");
    let rows: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let lines = rows[0]["lines"].as_array().expect("lines");
    assert_eq!(lines.len(), if root { 2 } else { 1 });
    for line in lines {
        assert!(line["failure"].is_null(), "{line}");
        assert!(line["median"].as_f64().is_some_and(|median| median > 0.0), "{line}");
    }
    let _ = std::fs::remove_dir_all(&out);
}
