//! What users without privileges see.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use super::util::reports::reports;
use super::util::{Directory, Program, command, start};
use super::{link_of, responder_and_ping, rings, roles};

/// `memif` as a user and group that have nothing.
fn as_nobody(arguments: &str) -> Program {
    let memif = command(arguments);
    let mut nobody = Command::new("setpriv");
    nobody.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"]);
    nobody.arg(memif.get_program()).args(memif.get_args());
    start(nobody, arguments)
}

/// A directory that everybody may write to.
fn open_directory() -> Directory {
    let directory = Directory::new();
    fs::set_permissions(directory.path(""), Permissions::from_mode(0o777)).unwrap();
    directory
}

pub(super) fn own_links() {
    let directory = open_directory();
    let socket = directory.text("memif.sock");
    let mut responder = as_nobody(&format!("responder --role master --socket {socket}"));
    responder.expect("master on");
    let mut ping = as_nobody(&format!("ping 192.168.1.2 --socket {socket} --interval 0.05"));
    ping.expect("icmp_seq=2");
    let blocks = |link: &Value| {
        // By root, who may follow the mapping.
        let pid = ping.pid();
        let inode: u64 = link["link"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
        let mappings = fs::read_dir(format!("/proc/{pid}/map_files")).unwrap().flatten();
        let found = mappings.filter_map(|entry| fs::metadata(entry.path()).ok());
        use std::os::unix::fs::MetadataExt;
        found.into_iter().find(|file| file.ino() == inode).map(|file| file.blocks())
    };
    let seen = link_of(ping.pid());
    ping.signal(rustix::process::Signal::STOP);
    let before = blocks(&seen);
    let finished = as_nobody(&format!("links --json --pid {}", ping.pid())).finish();
    let all = reports(&finished);
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if matches!(scope.trim(), "" | "0") {
        let link = all.iter().find(|report| report["type"] == "link").unwrap_or_else(|| panic!("{finished:#?}"));
        let expected = [(ping.pid(), "slave"), (responder.pid(), "master")];
        assert_eq!(roles(link), expected.map(|(pid, role)| (u64::from(pid), role.to_owned())));
        // No end keeps the descriptor of its memory.
        assert_eq!(link["regions"][0]["read_by"], "process");
        assert!(rings(link, "slave", "sent_slots")[0].as_u64() >= rings(&seen, "slave", "sent_slots")[0].as_u64());
    } else {
        let named = all.iter().any(|report| {
            let reason = report["reason"].as_str().unwrap_or_default();
            report["what"] == "memory" && reason.contains("ptrace_scope")
        });
        assert!(named, "{finished:#?}");
    }
    assert!(before.is_some() && blocks(&seen) == before, "{before:?} blocks before");
    ping.signal(rustix::process::Signal::CONT);
}

pub(super) fn not_permitted() {
    let directory = Directory::new();
    let (responder, _ping) = responder_and_ping(&directory);
    let finished = as_nobody(&format!("links --json --pid {}", responder.pid())).finish().code(1);
    let all = reports(&finished);
    let named = all.iter().find(|report| report["processes"][0]["pid"] == responder.pid()).expect("it is named");
    assert_eq!((&named["type"], &named["what"]), (&"not_seen".into(), &"process".into()));
    assert_eq!(named["reason"], "other users' processes take root, or CAP_SYS_PTRACE");
    as_nobody("links")
        .finish()
        .says("not seen: the memory of ")
        .says("other users' processes take root, or CAP_SYS_PTRACE");
}
