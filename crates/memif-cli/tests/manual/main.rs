//! Runs the examples of the user manual as it prints them, and compares what they print.
//!
//! An example is what stands between `<!-- example: NAME -->` and `<!-- end -->`. Each of its `console` blocks is
//! a terminal of its own, and they are opened in their order: lines that begin with `$ ` or `# ` are typed to a shell, or, once it
//! runs `memif responder`, to that; `^C` is Ctrl-C; everything else is expected to come, in this order. A line `...` stands for any lines.
//! Numbers may differ. A block marked `console stays` ends with a program that runs until the example is over; the next block is
//! opened when the first line that it prints has come. All of it has a `/run` and a network of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod blocks;
mod terminal;

use blocks::examples;
use terminal::{Rooms, Terminal};
use testkit::{Need, Suite};

const MANUAL: &str = include_str!("../../../../docs/user-manual.md");

fn main() {
    let mut suite = Suite::new().alone();
    for (name, run) in TESTS {
        suite = suite.test(name, needs(name), *run);
    }
    suite
        .test("every_example_is_run", &[], every_example_is_run)
        .test("every_option_is_explained", &[], every_option_is_explained)
        .run()
}

/// One test for each example.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        const TESTS: &[(&str, fn())] = &[$((stringify!($name), || run(stringify!($name)))),*];
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
    measure,
    measure_parts,
    json,
    secret,
    explain,
);

const NEEDS: &[Need] = &[Need::Root, Need::NetNamespace, Need::Program("nsenter")];
const NEEDS_DPDK: &[Need] =
    &[Need::Root, Need::NetNamespace, Need::Program("nsenter"), Need::Program("dpdk-testpmd")];

const NEEDS_OVS: &[Need] = &[
    Need::Root,
    Need::NetNamespace,
    Need::Program("nsenter"),
    Need::Program(testkit::ovs::DAEMON),
];

fn needs(name: &str) -> &'static [Need] {
    match name {
        "dpdk_server" | "dpdk_client" => NEEDS_DPDK,
        "ovs" => NEEDS_OVS,
        _ => NEEDS,
    }
}

/// The words that the help texts show and the manual must explain.
fn every_option_is_explained() {
    for command in ["demo", "responder", "ping", "bridge", "bench", "show"] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_memif"))
            .args([command, "--help"])
            .output()
            .unwrap();
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
    let run: Vec<_> = TESTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(written, run, "the examples of the manual, and the tests");
}

fn run(name: &str) {
    let example = examples(MANUAL).into_iter().find(|example| example.name == name).unwrap();
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
