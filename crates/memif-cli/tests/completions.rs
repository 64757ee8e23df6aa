//! `memif completions`: what the shells themselves make of the scripts.

#![allow(clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod util;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use testkit::{Need, Suite};
use util::{Directory, abstract_name, memif, start};

fn main() {
    Suite::new()
        .test("values_come_from_the_definition", &[], definition)
        .test("sockets_numbers_and_links_are_those_of_the_host", &[], of_the_host)
        .test("tap_devices_are_named", &[Need::NetNamespace, Need::Program("ip"), Need::Program("unshare")], taps)
        .test("bash_completes", &[Need::Program("bash")], bash)
        .test("zsh_completes", &[Need::Program("zsh")], zsh)
        .test("fish_completes", &[Need::Program("fish")], fish)
        .run();
}

/// What the script is answered for the last of the words.
fn answers(words: &[&str]) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memif"));
    command.args(["completions", "bash", "--answer", &(words.len() - 1).to_string(), "--"]).args(words);
    lines(command, &words.join(" "))
}

fn lines(command: Command, name: &str) -> Vec<String> {
    start(command, name).finish().code(0).out.lines().map(str::to_owned).collect()
}

/// The values alone.
fn values(words: &[&str]) -> Vec<String> {
    let value = |line: &String| line.split('\t').next().unwrap_or_default().to_owned();
    answers(words).iter().map(value).collect()
}

fn definition() {
    assert_eq!(values(&["memif", "pi"]), ["ping"]);
    assert!(answers(&["memif", "pi"])[0].starts_with("ping\tSend ICMP echo requests"));
    assert_eq!(values(&["memif", "ping", "--rol"]), ["--role"]);
    assert_eq!(values(&["memif", "ping", "--role", ""]), ["slave", "master"]);
    assert_eq!(values(&["memif", "ping", "--role=m"]), ["--role=master"]);
    assert_eq!(values(&["memif", "bench", "--rx-mode", "a"]), ["adaptive"]);
    assert_eq!(values(&["memif", "bench", "nd"]), ["ndr"]);
    assert_eq!(values(&["memif", "completions", "z"]), ["zsh"]);
    assert_eq!(values(&["memif", "man", "comp"]), ["completions"]);
    assert!(values(&["memif", "ping", "--ring-size", ""]).is_empty());
    // Where nothing may stand, nothing is said.
    assert!(values(&["memif", "nothing", "--like", "th"]).is_empty());
    memif("completions bash --answer 99 -- memif").finish().code(0);
}

fn of_the_host() {
    let directory = Directory::new();
    let (path, name) = (directory.text("memif.sock"), abstract_name());
    let mut by_path = memif(&format!("responder --role master --socket {path} --id 48151"));
    by_path.expect("master on");
    let mut by_name = memif(&format!("responder --role master --socket {name} --id=62342"));
    by_name.expect("master on");

    let typed = path.strip_suffix(".sock").expect("it ends so");
    assert_eq!(answers(&["memif", "show", typed]), [format!("{path}\ta program listens")]);
    assert!(values(&["memif", "ping", "--socket", "@"]).contains(&name));
    assert!(values(&["memif", "ping", &format!("--socket={name}")]).contains(&format!("--socket={name}")));
    // Files that are no socket are there, too, to make one beside them; of directories the way goes on.
    fs::write(directory.path("other"), "").expect("it can be written");
    assert!(values(&["memif", "show", &directory.text("oth")]).contains(&directory.text("other")));

    let numbers = answers(&["memif", "ping", "--id", ""]);
    let of = |number: &str, pid: u32| {
        let line = format!("{number}\tof memif {pid}");
        assert!(numbers.contains(&line), "{line} in {numbers:?}");
    };
    of("48151", by_path.pid());
    of("62342", by_name.pid());

    let mut ping = memif(&format!("ping 192.168.1.2 --socket {path} --id 48151"));
    ping.expect("icmp_seq=1");
    let pids = answers(&["memif", "links", "--pid", ""]);
    let link = answers(&["memif", "capture", "--attach", ""]);
    for pid in [by_path.pid(), ping.pid()] {
        assert!(pids.contains(&format!("{pid}\tmemif")), "{pids:?}");
        assert!(link.iter().any(|line| line.contains(&format!("memif {pid}"))), "{link:?}");
    }
    let id = link.iter().find(|line| line.contains(&format!("memif {}", ping.pid()))).expect("its link is there");
    assert!(memif("links").finish().code(0).out.contains(id.split('\t').next().expect("there is one")));
    for program in [by_path, by_name, ping] {
        program.terminate();
        program.finish();
    }
}

fn taps() {
    let mut shell = Command::new("unshare");
    let script = "ip tuntap add dev taptest0 mode tap && ip tuntap add dev tuntest0 mode tun && mount -t sysfs sysfs /sys \
                  && exec \"$0\" completions fish --answer 3 -- memif bridge --tap t";
    shell.args(["--net", "--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_memif")]);
    let found = lines(shell, "a network namespace with devices");
    assert_eq!(found, ["taptest0\ta TAP device", "tuntest0\ta TUN device, for --mode ip"]);
}

/// A folder with nothing but the command, to be put in front of PATH, and the script in it.
fn installed(shell: &str, file: &str) -> (Directory, String) {
    let directory = Directory::new();
    symlink(env!("CARGO_BIN_EXE_memif"), directory.path("memif")).expect("a link can be made");
    let script = memif(&format!("completions {shell}")).finish().code(0).out;
    fs::write(directory.path(file), script).expect("it can be written");
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", directory.path("").display());
    (directory, path)
}

fn shell(program: &str, path: &str, directory: &Path, script: &str) -> Vec<String> {
    let mut shell = Command::new(program);
    shell.env("PATH", path).env("HOME", directory).current_dir(directory);
    match program {
        "bash" => shell.args(["--norc", "-c"]),
        "zsh" => shell.args(["-f", "-c"]),
        _ => shell.args(["--no-config", "-c"]),
    };
    shell.arg(script);
    lines(shell, program)
}

/// bash cuts words at = : and @, and replaces what stands behind the last of them, the @ included.
fn bash() {
    let (directory, path) = installed("bash", "script");
    let name = abstract_name();
    let mut responder = memif(&format!("responder --role master --socket {name}"));
    responder.expect("master on");
    let own = |line: &str, words: &[&str], replaced: &str| {
        let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
        let script = format!(
            ". ./script; COMP_WORDS=({}); COMP_CWORD={}; COMP_LINE='{line}'; COMP_POINT={}; _memif memif '{replaced}'; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            quoted.join(" "),
            words.len() - 1,
            line.len()
        );
        shell("bash", &path, &directory.path(""), &script)
    };
    let mut all = own("memif ping --sock", &["memif", "ping", "--sock"], "--sock");
    all.sort();
    assert_eq!(all, ["--socket", "--socket-group", "--socket-mode", "--socket-owner"]);
    let part = &name[..name.len() - 1];
    let bare = &part[1..];
    let typed = format!("memif  ping --socket {part}");
    assert_eq!(own(&typed, &["memif", "ping", "--socket", "@", bare], part), [name.as_str()]);
    let typed = format!("memif ping --socket={part}");
    assert_eq!(own(&typed, &["memif", "ping", "--socket", "=@", bare], part), [name.as_str()]);
    assert_eq!(own("memif ping --role=m", &["memif", "ping", "--role", "=", "m"], "m"), ["master"]);
    assert_eq!(own("memif ping --role=", &["memif", "ping", "--role", "="], ""), ["slave", "master"]);
    assert_eq!(own("memif ping  ", &["memif", "ping", ""], "").first().map(String::as_str), Some("--ip"));
    fs::write(directory.path("a trace.pcap"), "").expect("it can be written");
    assert_eq!(own("memif replay a", &["memif", "replay", "a"], "a"), ["a\\ trace.pcap"]);
    // None of them is to be run when the line is.
    for (file, quoted) in [("b;id", "b\\;id"), ("c$(id)", "c\\$\\(id\\)"), ("d&", "d\\&"), ("e`id`", "e\\`id\\`")] {
        fs::write(directory.path(file), "").expect("it can be written");
        let first = &file[..1];
        assert_eq!(own(&format!("memif replay {first}"), &["memif", "replay", first], first), [quoted]);
    }
    responder.terminate();
    responder.finish();
}

/// zsh hands candidates to a widget, so a function of that name says what it was given.
fn zsh() {
    let (directory, path) = installed("zsh", "_memif");
    let script = "compdef() { :; }; _describe() { print -l -- ${(P)3}; }; . ./_memif; \
                  words=(memif ping --role ''); CURRENT=4; _memif; words=(memif pi); CURRENT=2; _memif";
    let found = shell("zsh", &path, &directory.path(""), script);
    assert_eq!(found[..2], ["slave:", "master:"]);
    assert!(found[2].starts_with("ping:Send ICMP"), "{found:?}");
    // As a file of fpath.
    let script = "fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; print $_comps[memif]";
    assert_eq!(shell("zsh", &path, &directory.path(""), script), ["_memif"]);
}

fn fish() {
    let (directory, path) = installed("fish", "memif.fish");
    let complete = |line: &str| {
        let script = format!(". ./memif.fish; complete --do-complete '{line}'");
        shell("fish", &path, &directory.path(""), &script)
    };
    assert_eq!(complete("memif ping --role "), ["slave", "master"]);
    assert!(complete("memif pi")[0].starts_with("ping\tSend ICMP"));
    fs::write(directory.path("trace.pcap"), "").expect("it can be written");
    assert_eq!(complete("memif replay tr"), ["trace.pcap"]);
}
