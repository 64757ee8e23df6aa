//! Every example runs to its end, and two of them talk to each other.

use std::path::PathBuf;
use std::process::{Command, Output};

fn example(name: &str) -> PathBuf {
    // Cargo builds examples with the tests, beside the folder of this program.
    let mut path = std::env::current_exe().expect("a path of this program");
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    assert!(path.exists(), "{} is missing: cargo build --examples", path.display());
    path
}

fn run(name: &str) -> Output {
    // `timeout` is the watchdog.
    let output = Command::new("timeout").arg("180").arg(example(name)).output().expect("timeout runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name}: {:?}\n{text}{errors}", output.status);
    output
}

fn says(name: &str, words: &str) {
    let output = run(name);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains(words), "{name} says: {text}");
}

#[test]
fn send_receive() {
    says("send_receive", "sent 1000 packets, received 1000");
}

#[test]
fn echo() {
    says("echo", "1000 packets came back");
}

#[test]
fn multi_queue() {
    says("multi_queue", "1600000 packets through 8 queues");
}

#[test]
fn event_loop() {
    says("event_loop", "1000 packets, then: ");
}

#[test]
fn first_is_the_program_of_the_readme() {
    let program = include_str!("../first.rs");
    let (_, program) = program.split_once("use std").expect("a first line of code");
    let readme = include_str!("../../README.md");
    assert!(readme.contains(program), "the README and examples/first.rs differ");
}
