//! What may stand for a value, by the names that values have in the definition.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;

use clap::{Arg, Command, ValueHint};
use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};
use memif_watch::sockets::{self, SEQPACKET, State};

use crate::watching;

/// Whether a device is one of TUN/TAP: its flags stand in a file that no other has.
const TUN_FLAGS: &str = "tun_flags";
/// The flag of those with ethernet frames, and the one with IP packets.
const TUN: u32 = 1;

/// The definition, with what can be said of values.
pub(super) fn with_candidates(definition: Command) -> Command {
    let names: Vec<String> = definition.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    each(definition, &names)
}

fn each(command: Command, names: &[String]) -> Command {
    command.mut_args(|argument| with_values(argument, names)).mut_subcommands(|sub| each(sub, names))
}

fn with_values(argument: Arg, names: &[String]) -> Arg {
    let value = match argument.get_value_names() {
        Some([value, ..]) => value.to_string(),
        _ => return argument,
    };
    match (argument.get_id().as_str(), value.as_str()) {
        ("tap", _) => argument.add(ArgValueCandidates::new(tap_devices)),
        ("id" | "via_id", _) => argument.add(ArgValueCandidates::new(interface_numbers)),
        (_, "COMMAND") => {
            let names = names.to_vec();
            argument.add(ArgValueCandidates::new(move || names.iter().map(CompletionCandidate::new).collect()))
        }
        (_, "PATH|@NAME") => argument.add(ArgValueCompleter::new(socket)),
        (_, "PID") => argument.add(ArgValueCandidates::new(processes)),
        (_, "PID[/QUEUE]|LINK") => argument.add(ArgValueCandidates::new(links)),
        (_, "FILE" | "FILE.svg") => argument.value_hint(ValueHint::FilePath),
        (_, "DIR") => argument.value_hint(ValueHint::DirPath),
        _ => {
            let words = words_of(&value);
            if words.is_empty() || !argument.get_possible_values().is_empty() {
                return argument;
            }
            argument.add(ArgValueCandidates::new(move || words.iter().map(CompletionCandidate::new).collect()))
        }
    }
}

/// Values that are written out, as in `slave|master` or `N|auto`.
fn words_of(name: &str) -> Vec<String> {
    let alternatives: Vec<&str> = name.split('|').collect();
    let is_word = |word: &&&str| !word.is_empty() && word.bytes().all(|letter| letter.is_ascii_lowercase());
    if alternatives.len() < 2 {
        return Vec::new();
    }
    alternatives.iter().filter(is_word).map(|word| (*word).to_owned()).collect()
}

/// Sockets of memif's type that somebody listens on in this network namespace, and files.
fn socket(typed: &OsStr) -> Vec<CompletionCandidate> {
    let mut names: Vec<String> = sockets::table("self")
        .unwrap_or_default()
        .into_iter()
        .filter(|entry| entry.state == State::Listening && entry.kind == SEQPACKET)
        .filter_map(|entry| String::from_utf8(entry.name).ok())
        .filter(|name| name.starts_with(['/', '@']) && typed.to_str().is_some_and(|typed| name.starts_with(typed)))
        .collect();
    names.sort();
    names.dedup();
    let listening = || Some("a program listens".into());
    let mut all: Vec<_> = names.iter().map(|name| CompletionCandidate::new(name).help(listening())).collect();
    if !typed.as_encoded_bytes().starts_with(b"@") {
        let files = PathCompleter::any().complete(typed).into_iter();
        all.extend(files.filter(|file| !names.iter().any(|name| OsStr::new(name) == file.get_value())));
    }
    all
}

/// Numbers that programs were started with, since nothing else shows them.
fn interface_numbers() -> Vec<CompletionCandidate> {
    let mut numbers = BTreeMap::new();
    let own = std::process::id();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(line) = fs::read(process.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line);
        let words: Vec<&str> = line.split_terminator('\0').collect();
        if pid != own {
            for number in numbers_of(&words) {
                let program = words.first().and_then(|program| program.rsplit('/').next()).unwrap_or_default();
                numbers.entry(number).or_insert_with(|| format!("of {program} {pid}"));
            }
        }
    }
    let candidate =
        |(number, who): (&u32, &String)| CompletionCandidate::new(number.to_string()).help(Some(who.clone().into()));
    numbers.iter().map(candidate).collect()
}

/// The interface numbers in the arguments of this command, or of DPDK's programs.
fn numbers_of(words: &[&str]) -> Vec<u32> {
    let is_memif = words.first().is_some_and(|program| program.rsplit('/').next() == Some("memif"));
    let mut numbers = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let typed = match word.strip_prefix("--id") {
            Some("") if is_memif => words.get(at + 1).copied(),
            Some(value) if is_memif => value.strip_prefix('='),
            _ if word.contains("net_memif") => word.split(',').find_map(|part| part.strip_prefix("id=")),
            _ => None,
        };
        numbers.extend(typed.and_then(|typed| typed.parse::<u32>().ok()));
    }
    numbers
}

fn tap_devices() -> Vec<CompletionCandidate> {
    let devices = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let mut candidates: Vec<_> = devices
        .filter_map(|device| {
            let flags = fs::read_to_string(device.path().join(TUN_FLAGS)).ok()?;
            let flags = u32::from_str_radix(flags.trim().strip_prefix("0x")?, 16).ok()?;
            let kind = if flags & TUN == 0 { "a TAP device" } else { "a TUN device, for --mode ip" };
            Some(CompletionCandidate::new(device.file_name()).help(Some(kind.into())))
        })
        .collect();
    candidates.sort();
    candidates
}

/// Processes that have a link, as far as this user sees them.
fn processes() -> Vec<CompletionCandidate> {
    let host = watching::scan().unwrap_or_default();
    let ends = host.links.iter().flat_map(memif_watch::Link::ends);
    let found: BTreeMap<u32, String> = ends.map(|end| (end.process.pid, end.process.name.clone())).collect();
    let candidate =
        |(pid, name): (&u32, &String)| CompletionCandidate::new(pid.to_string()).help(Some(name.clone().into()));
    found.iter().map(candidate).collect()
}

/// Links as `memif links` names them, and processes that have one.
fn links() -> Vec<CompletionCandidate> {
    let host = watching::scan().unwrap_or_default();
    let names = |link: &memif_watch::Link| {
        let ends: Vec<_> = link.ends().iter().map(|end| format!("{} {}", end.process.name, end.process.pid)).collect();
        ends.join(" and ")
    };
    let by_number = host.links.iter();
    let mut all: Vec<_> = by_number
        .map(|link| {
            CompletionCandidate::new(link.id().to_string()).help(Some(format!("link of {}", names(link)).into()))
        })
        .collect();
    all.extend(processes());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_are_words() {
        assert_eq!(words_of("polling|interrupt|adaptive"), ["polling", "interrupt", "adaptive"]);
        assert_eq!(words_of("N|auto"), ["auto"]);
        for name in ["N", "PATH|@NAME", "PPS|BPS", "which"] {
            assert!(words_of(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn numbers_are_found_in_arguments() {
        let of = |line: &str| numbers_of(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(of("/usr/bin/memif responder --id 3 --ip 10.0.0.1 --id=4"), [3, 4]);
        assert_eq!(of("dpdk-testpmd --vdev=net_memif0,role=server,id=7,socket=/x -- -i"), [7]);
        for line in ["vi --id 3", "memif ping --id", "memif ping --id x", "memif ping --identity 3", ""] {
            assert!(of(line).is_empty(), "{line}");
        }
    }
}
