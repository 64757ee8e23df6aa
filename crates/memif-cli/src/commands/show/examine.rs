//! Puts together what the file system and the tables of sockets say about an address.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use memif::SocketAddress;

use super::access::{self, Found};
use super::probe::{self, Probed};
use super::processes::{Namespace, Survey};
use super::report::{Held, Kind, SocketReport, Verdict, type_name};
use crate::paths::{REMOVED, is_removed};
use memif_watch::sockets::{Entry, State};

/// Explains an address.
pub(super) fn examine(address: &SocketAddress, survey: &Survey) -> SocketReport {
    let (uid, user) = access::this_user();
    let mut report = SocketReport {
        address: address.to_string(),
        kind: Kind::Path,
        verdict: Verdict::Missing,
        explanation: String::new(),
        file: None,
        missing_directory: None,
        sockets: Vec::new(),
        may_connect: None,
        forbidden_by: None,
        uid,
        user,
        hints: Vec::new(),
        not_seen: Vec::new(),
    };
    match address {
        SocketAddress::Path(path) => examine_path(&mut report, path, survey),
        SocketAddress::Abstract(name) => examine_name(&mut report, address, name, survey),
    }
    if let Some(error) = &survey.unreadable {
        report
            .not_seen
            .push(format!("the sockets of this network namespace: /proc/net/unix: {error}; is /proc mounted?"));
    }
    if survey.hidden_processes > 0 {
        report.not_seen.push(format!(
            "what {} processes of other users hold; run as root to see who holds the socket",
            survey.hidden_processes,
        ));
    }
    if survey.in_container {
        report.not_seen.push("processes outside this container; run `memif show` on the host to see them".to_owned());
    }
    report
}

fn examine_path(report: &mut SocketReport, path: &Path, survey: &Survey) {
    let found = access::look(path);
    let id = match &found {
        Found::File { id, is_socket: true, .. } => Some(*id),
        _ => None,
    };
    let spellings = Spellings::of(path);
    for namespace in &survey.namespaces {
        for entry in &namespace.entries {
            if !matches!(entry.state, State::Listening | State::Bound) {
                continue;
            }
            match spellings.compare(entry, namespace, survey, id) {
                Match::Reached => report.sockets.push(held(entry, namespace, survey)),
                Match::Elsewhere => report.hints.push(format!(
                    "{} holds a socket that was bound to this path, but its file was removed, so nobody can reach \
                     it: restart that program",
                    held(entry, namespace, survey).who(),
                )),
                Match::Other => {}
            }
        }
    }
    if report.sockets.len() > 1 {
        report.hints.push(
            "several sockets were bound to this path; only the one made last can be reached: stop \
             the other programs"
                .to_owned(),
        );
    }
    hint_at_the_other_kind(report, b'@', path.as_os_str().as_bytes(), survey);
    let listener = report.sockets.iter().find(|held| held.listening);
    let master = report.sockets.iter().any(Held::is_master);
    let (verdict, explanation) = match found {
        Found::Missing(Some(directory)) => {
            report.missing_directory = Some(directory.display().to_string());
            (
                Verdict::Missing,
                format!(
                    "does not exist, nor does the directory {}; start the program that makes it (VPP makes \
                     /run/vpp), or share it with the container this runs in",
                    directory.display(),
                ),
            )
        }
        Found::Missing(None) => {
            (Verdict::Missing, "does not exist; start the master (VPP, or memif with --role master)".to_owned())
        }
        Found::NotADirectory => (Verdict::Missing, "a part of the path is not a directory; check the path".to_owned()),
        Found::Hidden => {
            report.may_connect = Some(false);
            report.forbidden_by = access::obstacle(path);
            (Verdict::NoPermission, no_permission())
        }
        Found::Failed(error) => (Verdict::Missing, format!("cannot be looked at: {error}; check the path")),
        Found::File { report: file, is_socket: false, .. } => {
            let explanation = format!("is a {}, not a socket; check the path", file.file_type,);
            report.file = Some(file);
            (Verdict::NotASocket, explanation)
        }
        Found::File { report: file, .. } => {
            report.file = Some(file);
            report.forbidden_by = access::obstacle(path);
            report.may_connect = Some(report.forbidden_by.is_none());
            match listener {
                _ if master && report.forbidden_by.is_some() => (Verdict::NoPermission, no_permission()),
                _ if master => (Verdict::Ready, ready()),
                Some(listener) => (Verdict::WrongType, wrong_type(listener.socket_type)),
                None if !report.sockets.is_empty() => (Verdict::NobodyListens, not_listening()),
                None => match probe::ask(&SocketAddress::Path(path.to_owned())) {
                    Probed::Listens => (Verdict::Ready, ready_unseen()),
                    Probed::Bound => (Verdict::NobodyListens, not_listening()),
                    Probed::OtherType(kind) => (Verdict::WrongType, wrong_type(kind)),
                    Probed::Nobody if is_removed(path) => (Verdict::NobodyListens, removed()),
                    Probed::Nobody => (
                        Verdict::NobodyListens,
                        "is a socket that nobody holds any more; start the master (VPP and memif replace the file, \
                         for DPDK and libmemif remove it first)"
                            .to_owned(),
                    ),
                    Probed::Unknown => (
                        Verdict::Unknown,
                        "is a socket, and who listens cannot be seen from here: a program outside this container or \
                         network namespace, or nobody any more"
                            .to_owned(),
                    ),
                },
            }
        }
    };
    (report.verdict, report.explanation) = (verdict, explanation);
}

fn examine_name(report: &mut SocketReport, address: &SocketAddress, name: &[u8], survey: &Survey) {
    report.kind = Kind::Abstract;
    let printed = printed(name);
    for namespace in &survey.namespaces {
        for entry in &namespace.entries {
            if !matches!(entry.state, State::Listening | State::Bound) {
                continue;
            }
            if entry.name == printed {
                report.sockets.push(held(entry, namespace, survey));
            } else if let Some(hint) = misspelt(entry, &printed) {
                let who = held(entry, namespace, survey).who();
                report.hints.push(format!("{who} {hint}"));
            }
        }
    }
    hint_at_the_other_kind(report, b'/', name, survey);
    let here = |held: &&Held| held.same_network_namespace;
    let listener = report.sockets.iter().filter(here).find(|held| held.listening);
    let (verdict, explanation) = match listener {
        _ if report.sockets.iter().filter(here).any(Held::is_master) => {
            report.may_connect = Some(true);
            (Verdict::Ready, ready())
        }
        Some(listener) => {
            let text = wrong_type(listener.socket_type);
            report.may_connect = Some(true);
            (Verdict::WrongType, text)
        }
        None if report.sockets.iter().any(|held| held.same_network_namespace) => {
            (Verdict::NobodyListens, not_listening())
        }
        None => match report.sockets.first() {
            Some(elsewhere) => {
                let pid = elsewhere.holders.first().map_or_else(|| "PID".to_owned(), |holder| holder.pid.to_string());
                report.may_connect = Some(false);
                let text = format!(
                    "is held in another network namespace, and abstract names do not cross; run in that one \
                     (nsenter --net --target {pid}), or use a path in a shared directory"
                );
                (Verdict::OtherNamespace, text)
            }
            None if survey.unreadable.is_some() && probe::ask(address) == Probed::Listens => {
                report.may_connect = Some(true);
                (Verdict::Ready, ready_unseen())
            }
            None => (
                Verdict::Missing,
                "nobody in this network namespace has that name; start the master, or run in its namespace (a \
                 container has one of its own unless started with --network host)"
                    .to_owned(),
            ),
        },
    };
    (report.verdict, report.explanation) = (verdict, explanation);
}

fn ready() -> String {
    "a program listens as memif masters do, and this user may connect".to_owned()
}

fn not_listening() -> String {
    "a program has bound the socket and does not listen; wait, or look whether it is halted".to_owned()
}

fn no_permission() -> String {
    "this user may not connect; run as one who may, or change the permissions (memif: --socket-mode, \
     --socket-group; VPP: group of the runtime directory)"
        .to_owned()
}

fn ready_unseen() -> String {
    "a program that cannot be seen from here listens as memif masters do, and this user may connect".to_owned()
}

/// A file that was mounted by itself stays when its name goes.
fn removed() -> String {
    format!("is a socket that nobody holds any more; {REMOVED}")
}

fn wrong_type(socket_type: &str) -> String {
    format!(
        "a program listens, with a {socket_type} socket where memif uses seqpacket: it is no memif master; check the address",
    )
}

fn held(entry: &Entry, namespace: &Namespace, survey: &Survey) -> Held {
    let count = |state| {
        let same = |other: &&Entry| other.state == state && other.name == entry.name;
        namespace.entries.iter().filter(same).count()
    };
    Held {
        socket_type: type_name(entry.kind),
        listening: entry.state == State::Listening,
        holders: survey.holders(entry.inode).to_vec(),
        network_namespace: namespace.number,
        same_network_namespace: namespace.own,
        open_connections: count(State::Connected),
        waiting_connections: count(State::Waiting),
    }
}

/// How a path may stand in a table of sockets.
struct Spellings {
    given: PathBuf,
    absolute: Option<PathBuf>,
    real: Option<PathBuf>,
}

/// Whether a socket of a table is the one at the path.
#[derive(Debug, PartialEq, Eq)]
enum Match {
    Reached,
    /// It was bound to that path, where its file is no more.
    Elsewhere,
    Other,
}

impl Spellings {
    fn of(path: &Path) -> Self {
        Self { given: path.to_owned(), absolute: std::path::absolute(path).ok(), real: path.canonicalize().ok() }
    }

    /// `id` is the file at the path, if it is a socket.
    fn compare(&self, entry: &Entry, namespace: &Namespace, survey: &Survey, id: Option<(u64, u64)>) -> Match {
        // Abstract names come with @ in front.
        if entry.name.first().is_none_or(|first| *first == b'@') {
            return Match::Other;
        }
        let spelt = |path: &Path| path.as_os_str().as_bytes() == entry.name;
        let same_text = (self.given.is_absolute() && spelt(&self.given))
            || [&self.absolute, &self.real].into_iter().flatten().any(|path| spelt(path));
        let last = |path: &[u8]| path.rsplit(|byte| *byte == b'/').next().map(<[u8]>::to_vec);
        let names = [Some(&self.given), self.real.as_ref()].into_iter().flatten();
        let same_last = names.into_iter().any(|path| last(path.as_os_str().as_bytes()) == last(&entry.name));
        if !same_text && !same_last {
            return Match::Other;
        }
        // Only its holder knows where the name leads: it may have another root or working directory.
        let holders = survey.holders(entry.inode);
        let file = holders.iter().find_map(|holder| Survey::file_of(holder, &entry.name));
        if id.is_some() && (id == file || holders.is_empty() && same_text && namespace.own) {
            Match::Reached
        } else if !holders.is_empty() && same_text && namespace.own {
            Match::Elsewhere
        } else {
            Match::Other
        }
    }
}

/// The same text as an address of the other kind may be what was meant: DPDK's sockets are abstract unless told
/// otherwise.
fn hint_at_the_other_kind(report: &mut SocketReport, kind: u8, name: &[u8], survey: &Survey) {
    let wanted = if kind == b'@' { printed(name) } else { name.to_vec() };
    let own = survey.namespaces.iter().filter(|namespace| namespace.own);
    let listens = |entry: &&Entry| entry.state == State::Listening && entry.name == wanted;
    for namespace in own {
        let Some(entry) = namespace.entries.iter().find(listens) else { continue };
        let who = held(entry, namespace, survey).who();
        report.hints.push(if kind == b'@' {
            format!(
                "{who} listens on the abstract name of that text: give {} (DPDK's sockets are abstract \
                 unless it is started with socket-abstract=no)",
                wanted.escape_ascii(),
            )
        } else {
            format!("{who} listens on the path {}: leave the @ out", wanted.escape_ascii())
        });
        return;
    }
}

/// An abstract name as the kernel prints it.
fn printed(name: &[u8]) -> Vec<u8> {
    let zeros_shown = name.iter().map(|byte| if *byte == 0 { b'@' } else { *byte });
    std::iter::once(b'@').chain(zeros_shown).collect()
}

/// Names that programs make by mistake out of the wanted one.
fn misspelt(entry: &Entry, wanted: &[u8]) -> Option<&'static str> {
    let rest = entry.name.strip_prefix(wanted);
    if rest.is_some_and(|rest| !rest.is_empty() && rest.iter().all(|byte| *byte == b'@')) {
        return Some("has that name padded with zero bytes, which is another name: no memif program finds it so");
    }
    let doubled = entry.name.strip_prefix(b"@") == Some(wanted);
    doubled.then_some("has the name with an @ of its own before it: for DPDK write socket=NAME without @")
}

#[cfg(test)]
#[path = "examine_tests.rs"]
mod tests;
