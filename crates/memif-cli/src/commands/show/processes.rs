//! Who holds a socket, as far as `/proc` shows it to this user.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use memif_watch::sockets::{self, Entry, namespace};
use serde::Serialize;

use crate::users::user_name;

/// A process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Holder {
    /// Process id as seen from here.
    pub(super) pid: u32,
    /// Its name in the kernel, at most 15 bytes.
    pub(super) program: String,
    pub(super) uid: u32,
    pub(super) user: Option<String>,
}

/// The sockets of one network namespace.
#[derive(Debug)]
pub(super) struct Namespace {
    /// Its number; 0 when it cannot be read.
    pub(super) number: u64,
    /// Whether it is the one of this process.
    pub(super) own: bool,
    pub(super) entries: Vec<Entry>,
}

/// What could be read.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) namespaces: Vec<Namespace>,
    /// By number of the socket.
    holders: HashMap<u64, Vec<Holder>>,
    /// Processes whose descriptors this user may not see.
    pub(super) hidden_processes: usize,
    /// Whether there may be processes that are not even listed: this is not the first pid namespace.
    pub(super) in_container: bool,
    /// Why the table of this namespace could not be read.
    pub(super) unreadable: Option<String>,
}

impl Survey {
    /// Reads the sockets of all network namespaces that can be seen, and who holds them.
    pub(super) fn take() -> Self {
        let mut survey = Self { in_container: memif_watch::in_container(), ..Self::default() };
        let own = namespace("self", "net");
        match named("self") {
            Ok(entries) => {
                survey.namespaces.push(Namespace { number: own.unwrap_or_default(), own: true, entries });
            }
            Err(error) => survey.unreadable = Some(error.to_string()),
        }
        let mut known: HashSet<_> = own.into_iter().collect();
        let Ok(processes) = fs::read_dir("/proc") else { return survey };
        for process in processes.flatten() {
            let name = process.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            survey.look_at(pid, &mut known);
        }
        survey
    }

    fn look_at(&mut self, pid: u32, known: &mut HashSet<u64>) {
        let pid_text = pid.to_string();
        if let Some(number) = namespace(&pid_text, "net")
            && known.insert(number)
            && let Ok(entries) = named(&pid_text)
        {
            self.namespaces.push(Namespace { number, own: false, entries });
        }
        let Ok(numbers) = sockets::held_by(pid) else {
            // It may also have ended just now.
            if Path::new("/proc").join(&pid_text).exists() {
                self.hidden_processes += 1;
            }
            return;
        };
        let mut holder = None;
        for inode in numbers {
            let holder = holder.get_or_insert_with(|| describe(pid)).clone();
            let holders = self.holders.entry(inode).or_default();
            if !holders.contains(&holder) {
                holders.push(holder);
            }
        }
    }

    /// The processes that hold the socket of that number.
    pub(super) fn holders(&self, inode: u64) -> &[Holder] {
        if inode == 0 {
            return &[];
        }
        self.holders.get(&inode).map_or(&[], Vec::as_slice)
    }

    /// The file at which a name that was bound by that process lies, by device and number. Its root and working
    /// directory may be others than ours.
    pub(super) fn file_of(holder: &Holder, name: &[u8]) -> Option<(u64, u64)> {
        let name = Path::new(OsStr::from_bytes(name));
        let path = match name.strip_prefix("/") {
            Ok(below) => PathBuf::from(format!("/proc/{}/root", holder.pid)).join(below),
            Err(_) => PathBuf::from(format!("/proc/{}/cwd", holder.pid)).join(name),
        };
        fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
    }
}

fn describe(pid: u32) -> Holder {
    let program = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let uid = fs::metadata(format!("/proc/{pid}")).map_or(u32::MAX, |metadata| metadata.uid());
    Holder { pid, program: program.trim_ascii_end().escape_ascii().to_string(), uid, user: user_name(uid) }
}

/// The sockets of a network namespace that have a name.
fn named(process: &str) -> std::io::Result<Vec<Entry>> {
    let mut entries = sockets::table(process)?;
    entries.retain(|entry| !entry.name.is_empty());
    Ok(entries)
}
