//! Sentences.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::util::{Directory, abstract_name, command, master, memif, start};

/// Whether a line is a sentence of extcap: a word, and values in braces.
#[track_caller]
fn is_sentence(line: &str) {
    let (word, mut rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
    assert!(["extcap", "interface", "dlt", "arg", "value"].contains(&word), "{line}");
    while !rest.is_empty() {
        let (value, after) =
            rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).unwrap_or_else(|| panic!("{line}"));
        assert!(value.contains('=') && !value.contains('{'), "{line}");
        rest = after;
    }
}

/// What it prints.
#[track_caller]
fn asked(arguments: &str) -> String {
    let out = memif(&format!("extcap {arguments}")).finish().code(0).out;
    out.lines().for_each(is_sentence);
    out
}

/// The interface of that process's link.
#[track_caller]
pub(crate) fn interface_of(pid: u32) -> String {
    let interfaces = asked("--extcap-interfaces --extcap-version=4.0");
    let line = interfaces.lines().find(|line| line.contains(&format!(" {pid} (")));
    let line = line.unwrap_or_else(|| panic!("no {pid} in {interfaces}"));
    line.split_once("{value=").unwrap().1.split_once('}').unwrap().0.to_owned()
}

pub(crate) fn interfaces() {
    let socket = abstract_name();
    let mut master = master(&socket, "");
    let _slave = memif(&format!("responder --socket {socket} --ip 192.168.1.3"));
    master.expect("connected");
    let interfaces = asked("--extcap-interfaces --extcap-version=4.0");
    assert!(interfaces.starts_with("extcap {version="), "{interfaces}");
    assert!(interfaces.contains("interface {value=memif}{display=memif endpoint at a socket}"), "{interfaces}");
    assert!(interface_of(master.pid()).starts_with("memif-"));
    // By its name in the folder of Wireshark it is the same.
    let directory = Directory::new();
    symlink(env!("CARGO_BIN_EXE_memif"), directory.path("memif-extcap")).unwrap();
    let mut linked = Command::new(directory.path("memif-extcap"));
    linked.args(["--extcap-interfaces", "--extcap-version"]);
    start(linked, "memif-extcap").finish().code(0).says("interface {value=memif}");
}

pub(crate) fn of_an_interface() {
    let socket = abstract_name();
    let mut master = master(&socket, "--mode ip");
    let mut ping = memif(&format!("ping 192.168.1.2 --mode ip --interval 0.05 --socket {socket}"));
    ping.expect("icmp_seq=2");
    master.expect("connected");
    let link = interface_of(master.pid());
    assert!(asked("--extcap-dlts --extcap-interface memif").contains("{number=1}{name=EN10MB}"));
    assert!(asked(&format!("--extcap-dlts --extcap-interface {link}")).contains("{name=RAW}"));
    for (name, option) in [("memif", "--socket"), (link.as_str(), "--direction")] {
        let config = asked(&format!("--extcap-config --extcap-interface {name}"));
        assert!(config.contains(&format!("{{call={option}}}")) && config.contains("{call=--mode}"), "{config}");
        // Every option that it names is one.
        let help = command("extcap --help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        for call in config.split("{call=").skip(1).filter_map(|rest| rest.split('}').next()) {
            assert!(help.contains(call), "{call}");
        }
    }
}

pub(crate) fn wrong_use() {
    for (arguments, answer) in [
        ("", "memif extcap --install"),
        ("--user", "goes with --install or --uninstall"),
        ("--extcap-dlts --extcap-interface eth0", "there is no interface eth0"),
        ("--extcap-config", "--extcap-interface is missing"),
        ("--capture --extcap-interface memif", "--fifo is missing"),
        ("--capture --extcap-interface memif --fifo /nonexistent/x", "cannot write to the pipe /nonexistent/x"),
    ] {
        memif(&format!("extcap {arguments}")).finish().code(2).complains(answer);
    }
    let directory = Directory::new();
    fs::write(directory.path("file"), "something").unwrap();
    let into = format!("extcap --capture --extcap-interface memif --fifo {}", directory.text("file"));
    memif(&into).finish().code(2).complains("is no pipe");
    assert_eq!(fs::read_to_string(directory.path("file")).unwrap(), "something");
}

pub(crate) fn install() {
    let directory = Directory::new();
    let of_home = |arguments: &str| {
        let mut command = command(arguments);
        command.env("HOME", directory.path("")).env_remove("XDG_CONFIG_HOME");
        start(command, arguments).finish()
    };
    let said = of_home("extcap --install --user").code(0);
    let place = said.out.split(" -> ").next().unwrap().to_owned();
    assert!(place.starts_with(&directory.text("")), "{said:?}");
    assert!(fs::symlink_metadata(&place).unwrap().is_symlink());
    // Once more is the same. tshark finds it there.
    of_home("extcap --install --user").code(0);
    let listed = Command::new("tshark").arg("-D").env("HOME", directory.path("")).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains(". memif (memif endpoint at a socket)"), "{listed}");
    of_home("extcap --uninstall --user").code(0).says("is gone");
    assert!(fs::symlink_metadata(&place).is_err());
    of_home("extcap --uninstall --user").code(0).says("there is no link");
    fs::write(&place, "something else").unwrap();
    of_home("extcap --install --user").code(2).complains("is there and no link: remove it");
    let mut nowhere = command("extcap --install --user");
    nowhere.env("HOME", "/proc/nowhere").env_remove("XDG_CONFIG_HOME");
    start(nowhere, "extcap").finish().code(2).complains("look at HOME");
}
