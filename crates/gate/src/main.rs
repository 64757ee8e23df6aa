//! Counts the instructions per packet of every data path and holds them against `counts.json`.
//!
//! `cargo run --release --locked -p gate` fails when a path takes over 3 % more than is stored. `-- update` stores what
//! is measured, to be committed with the change that it is due to. `-- keep DIR` leaves the profiles there, for
//! `callgrind_annotate`.
//!
//! The numbers hold for one compiler, target and set of flags; with others the command only reports. They are
//! instructions and not time: a fence and a locked exchange count as one each, a cache miss as none. callgrind counts a
//! `rep movsb` once per byte, which says nothing of its cost, so the packets are of 64 bytes, which the copy routine
//! moves without it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]
// A number that does not fit is an error, not another number.
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_sign_loss))]

mod measure;
mod paths;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use measure::{Counts, Problem};
use serde::{Deserialize, Serialize};

/// By how much a number may differ from the stored one.
const TOLERANCE: f64 = 0.03;
const USAGE: &str = "wrong use: give nothing to check, `update` to store what is measured, or `keep DIR` to \
    check and keep the profiles in DIR";

/// What is stored.
#[derive(Deserialize, Serialize)]
struct Stored {
    /// What the counts hold for.
    made_with: MadeWith,
    instructions_per_packet: Counts,
}

/// What changes the counts without any change of the code.
#[derive(Deserialize, Serialize, PartialEq)]
struct MadeWith {
    rustc: String,
    target: String,
    profile: String,
    rustflags: String,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        [] => check(None),
        ["update"] => update(),
        ["keep", directory] => check(Some(Path::new(directory))),
        [measure::TRAFFIC, direction, bursts] => paths::run(direction, bursts).map(|()| true),
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => match problem.downcast_ref::<measure::Missing>() {
            Some(missing) if !in_ci() => {
                println!("skipped: {missing}");
                ExitCode::SUCCESS
            }
            _ => {
                eprintln!("error: {problem}");
                ExitCode::FAILURE
            }
        },
    }
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("counts.json")
}

fn update() -> Result<bool, Problem> {
    let now = Stored { made_with: made_with()?, instructions_per_packet: measure::all(None)? };
    let mut text = serde_json::to_string_pretty(&now)?;
    text.push('\n');
    std::fs::write(file(), text)?;
    for (path, count) in &now.instructions_per_packet {
        println!("{path:<14}{count:>9.2}");
    }
    println!("stored in {}", file().display());
    Ok(true)
}

fn check(keep: Option<&Path>) -> Result<bool, Problem> {
    let stored: Stored = serde_json::from_slice(&std::fs::read(file())?)?;
    let made_with = made_with()?;
    let binding = made_with == stored.made_with;
    let measured = measure::all(keep)?;
    println!("instructions per packet    stored  measured");
    let mut good = true;
    for (path, verdict) in compare(&stored.instructions_per_packet, &measured) {
        let number = |counts: &Counts| counts.get(path).map_or("-".into(), |n| format!("{n:.2}"));
        let (stored, now) = (number(&stored.instructions_per_packet), number(&measured));
        println!("{path:<23}{stored:>10}{now:>10}  {}", verdict.text());
        good &= verdict.is_good();
    }
    if !binding {
        println!(
            "a report only: the stored numbers hold for {} ({}, {}, flags {:?}), this is {} ({}, flags {:?})",
            stored.made_with.rustc,
            stored.made_with.target,
            stored.made_with.profile,
            stored.made_with.rustflags,
            made_with.rustc,
            made_with.target,
            made_with.rustflags,
        );
        return Ok(true);
    }
    if !good {
        println!(
            "Make it as fast as it was. If the cost is worth it, run `cargo run --release --locked -p gate -- update`, \
             commit crates/gate/counts.json with the change, and say in the message what it buys."
        );
    }
    Ok(good)
}

/// What is to be said of one path.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Same,
    /// By how much, as a part of the stored number.
    Grown(f64),
    Shrunk(f64),
    /// Only stored, or only measured.
    Unmatched,
}

impl Verdict {
    fn of(stored: Option<f64>, measured: Option<f64>) -> Self {
        let (Some(stored), Some(measured)) = (stored, measured) else { return Self::Unmatched };
        let change = measured / stored - 1.0;
        if measured > stored * (1.0 + TOLERANCE) {
            Self::Grown(change)
        } else if measured < stored * (1.0 - TOLERANCE) {
            Self::Shrunk(-change)
        } else {
            Self::Same
        }
    }

    fn is_good(self) -> bool {
        !matches!(self, Self::Grown(_) | Self::Unmatched)
    }

    fn text(self) -> String {
        match self {
            Self::Same => String::new(),
            Self::Grown(by) => format!("GREW by {:.1} %", by * 100.0),
            Self::Shrunk(by) => {
                format!("shrank by {:.1} %: update the number, or it may grow back unseen", by * 100.0)
            }
            Self::Unmatched => "NOT in both: update the numbers".into(),
        }
    }
}

/// Every path that is stored or measured.
fn compare<'a>(stored: &'a Counts, measured: &'a Counts) -> BTreeMap<&'a str, Verdict> {
    let number = |counts: &Counts, path: &str| counts.get(path).copied();
    let paths = stored.keys().chain(measured.keys());
    paths.map(|path| (path.as_str(), Verdict::of(number(stored, path), number(measured, path)))).collect()
}

fn made_with() -> Result<MadeWith, Problem> {
    if cfg!(debug_assertions) {
        return Err("the counts are those of the release profile: cargo run --release -p gate".into());
    }
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = measure::output(Command::new(rustc).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    Ok(MadeWith {
        rustc: version.lines().next().unwrap_or_default().to_owned(),
        target: std::env::var("CARGO_BUILD_TARGET").unwrap_or_else(|_| host.to_owned()),
        profile: "release".to_owned(),
        rustflags: std::env::var("RUSTFLAGS").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_percent_either_way_are_allowed() {
        let of = |measured| Verdict::of(Some(100.0), Some(measured));
        assert_eq!([of(97.0), of(100.0), of(102.9)], [Verdict::Same; 3]);
        assert!(matches!(of(103.1), Verdict::Grown(by) if (by - 0.031).abs() < 1e-9));
        assert!(matches!(of(96.9), Verdict::Shrunk(by) if (by - 0.031).abs() < 1e-9));
        assert!(!of(103.1).is_good() && of(96.9).is_good() && of(102.9).is_good());
    }

    #[test]
    fn a_path_on_one_side_alone_is_an_error() {
        let counts = |path: &str| Counts::from([(path.to_owned(), 1.0)]);
        let (stored, measured) = (counts("a"), counts("b"));
        let verdicts = compare(&stored, &measured);
        assert_eq!(verdicts.into_iter().collect::<Vec<_>>(), [("a", Verdict::Unmatched), ("b", Verdict::Unmatched)]);
        assert!(!Verdict::Unmatched.is_good());
    }
}
