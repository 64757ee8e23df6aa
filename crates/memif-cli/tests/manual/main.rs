//! Runs the examples of the user manual as it prints them, and compares what they print.
//!
//! An example is what stands between `<!-- example: NAME -->` and `<!-- end -->`. Each of its `console` blocks is a
//! terminal of its own, and they are opened in their order: lines that begin with `$ ` or `# ` are typed to a shell,
//! or, once it runs `memif responder`, to that; `^C` is Ctrl-C; everything else is expected to come, in this order. A
//! line `...` stands for any lines. Numbers may differ. A block marked `console stays` ends with a program that runs
//! until the example is over; the next block is opened when the first line that it prints has come. All of it has a
//! `/run` and a network of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod blocks;
mod terminal;

use std::time::Duration;

use blocks::{Example, examples};
use terminal::{Rooms, Terminal};
use testkit::{Need, Suite};

/// How long an example may take.
const LIMIT: Duration = Duration::from_secs(600);
const MANUAL: &str = include_str!("../../../../docs/user-manual.md");

fn main() {
    let mut suite = Suite::new().alone();
    for (name, build, run) in TESTS {
        suite = suite.building(*build).long_test(name, LIMIT, needs(name), *run);
    }
    suite
        .building(|| ())
        .test("every_example_is_run", &[], every_example_is_run)
        .test("every_option_is_explained", &[], every_option_is_explained)
        .test("all_that_is_compiled_is_known", &[], all_that_is_compiled_is_known)
        .run()
}

/// One test for each example.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        const TESTS: &[(&str, fn(), fn())] = &[$((
            stringify!($name),
            || build(stringify!($name)),
            || run(stringify!($name)),
        )),*];
    };
}

tests!(
    two_terminals,
    typed,
    dpdk_server,
    dpdk_client,
    ovs,
    rust,
    kernel,
    two_bridges,
    tap,
    lines,
    replay,
    netns,
    ping6,
    measure,
    measure_twice,
    measure_parts,
    json,
    secret,
    explain,
);

const NEEDS: &[Need] = &[Need::Root, Need::NetNamespace, Need::Program("nsenter")];
const NEEDS_DPDK: &[Need] = &[Need::Root, Need::NetNamespace, Need::Program("nsenter"), Need::Program("dpdk-testpmd")];

const NEEDS_WIRESHARK: &[Need] =
    &[Need::Root, Need::NetNamespace, Need::Program("nsenter"), Need::Program("text2pcap")];

const NEEDS_OVS: &[Need] =
    &[Need::Root, Need::NetNamespace, Need::Program("nsenter"), Need::Program(testkit::ovs::DAEMON)];

fn needs(name: &str) -> &'static [Need] {
    match name {
        "dpdk_server" | "dpdk_client" => NEEDS_DPDK,
        "ovs" => NEEDS_OVS,
        "replay" => NEEDS_WIRESHARK,
        _ => NEEDS,
    }
}

/// The words that the help texts show and the manual must explain.
fn every_option_is_explained() {
    for command in ["demo", "responder", "ping", "bridge", "capture", "replay", "bench", "show"] {
        let output =
            std::process::Command::new(env!("CARGO_BIN_EXE_memif")).args([command, "--help"]).output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        let options = help.lines().filter_map(|line| {
            let line = line.trim_start();
            let long = line.starts_with('-').then(|| line.find("--")).flatten()?;
            line[long..].split([' ', ',', '.']).next()
        });
        for option in options.filter(|option| !matches!(*option, "--help" | "--verbose")) {
            let explained = MANUAL.contains(&format!("`{option}"));
            assert!(explained, "memif {command} {option} is not in the manual");
        }
    }
}

fn every_example_is_run() {
    let written: Vec<_> = examples(MANUAL).into_iter().map(|example| example.name).collect();
    let run: Vec<_> = TESTS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(written, run, "the examples of the manual, and the tests");
}

fn example(name: &str) -> Example {
    examples(MANUAL).into_iter().find(|example| example.name == name).unwrap()
}

/// Compiles what an example has cargo run, so that nobody waits for a compiler while the example runs.
fn build(name: &str) {
    for block in example(name).blocks {
        for command in block.script.lines().filter_map(build_command) {
            let mut shell = std::process::Command::new("bash");
            let status = shell.args(["-ec", &command]).current_dir(terminal::ROOT).status();
            assert!(status.unwrap().success(), "{command}");
        }
    }
}

/// The command that compiles what `cargo run` runs, and nothing else.
fn build_command(line: &str) -> Option<String> {
    let options = line.strip_prefix("cargo run ")?;
    let options = options.split_once("-- ").map_or(options, |(options, _)| options);
    Some(format!("cargo build {options}"))
}

/// No program may be left to a compiler that a watchdog waits for, however the manual words it.
fn all_that_is_compiled_is_known() {
    let commands: Vec<_> = examples(MANUAL)
        .into_iter()
        .flat_map(|example| example.blocks)
        .flat_map(|block| block.script.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.contains("cargo"))
        .collect();
    assert!(!commands.is_empty());
    for command in commands {
        assert!(build_command(&command).is_some(), "{command}: is it compiled beforehand?");
    }
    assert_eq!(
        build_command("cargo run --example echo -- /run/x master").as_deref(),
        Some("cargo build --example echo ")
    );
}

fn run(name: &str) {
    let example = example(name);
    let rooms = Rooms::new();
    std::thread::scope(|scope| {
        // Dropped when all terminals have come as far as they can, or when one of them fails.
        let mut ends = Vec::new();
        let (done, all_done) = std::sync::mpsc::channel();
        for block in &example.blocks {
            let mut terminal = Terminal::open(&rooms, block);
            if block.stays {
                terminal.expect_start(block);
                let (end, over) = std::sync::mpsc::channel::<()>();
                ends.push(end);
                let done = done.clone();
                scope.spawn(move || terminal.expect_until(block, done, &over));
            } else {
                terminal.expect_all(block);
                terminal.expect_success(block);
            }
        }
        drop(done);
        let _: Vec<()> = all_done.iter().collect();
    });
}
