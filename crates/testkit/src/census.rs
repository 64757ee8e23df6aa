//! How many descriptors and shared mappings this process has, to see that they come back.

use std::collections::BTreeMap;
use std::path::Path;

use crate::patience::{Patience, STEP};

/// A count of what a process holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// Number of descriptors by what they are (`socket`, `anon_inode:[eventfd]`, a path ...).
    pub fds: BTreeMap<String, usize>,
    /// Number of shared mappings by file.
    pub mappings: BTreeMap<String, usize>,
}

impl Census {
    /// Of this process, now.
    #[must_use]
    pub fn now() -> Self {
        Self::of(std::process::id())
    }

    /// Of any process, now.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let mut fds = BTreeMap::new();
        let directory = format!("/proc/{pid}/fd");
        for entry in std::fs::read_dir(&directory).expect("/proc").flatten() {
            let Ok(target) = std::fs::read_link(entry.path()) else { continue };
            if target == Path::new(&directory) {
                continue;
            }
            let target = target.to_string_lossy();
            let kind = match target.split_once(':') {
                Some((kind @ ("socket" | "pipe"), _)) => kind,
                _ => &target,
            };
            *fds.entry(kind.to_owned()).or_insert(0) += 1;
        }
        let mut mappings = BTreeMap::new();
        for line in std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("/proc").lines() {
            let mut words = line.split_whitespace();
            let shared = words.nth(1).is_some_and(|flags| flags.ends_with('s'));
            let file = words.skip(3).collect::<Vec<_>>().join(" ");
            // By which the library signals, from the first signal of a process to its end.
            if shared && !file.starts_with("/[aio]") {
                *mappings.entry(file).or_insert(0) += 1;
            }
        }
        Self { fds, mappings }
    }

    /// Adds what was opened, and takes away what was closed, between two other counts.
    pub fn add_difference(&mut self, before: &Census, after: &Census) {
        let add = |to: &mut BTreeMap<String, usize>, before: &BTreeMap<_, _>, after: &BTreeMap<_, _>| {
            for (name, count) in after {
                *to.entry(String::clone(name)).or_insert(0) += count;
            }
            for (name, count) in before {
                let entry = to.entry(String::clone(name)).or_insert(0);
                *entry = entry.saturating_sub(*count);
            }
            to.retain(|_, count| *count > 0);
        };
        add(&mut self.fds, &before.fds, &after.fds);
        add(&mut self.mappings, &before.mappings, &after.mappings);
    }

    /// Number of descriptors.
    #[must_use]
    pub fn fd_count(&self) -> usize {
        self.fds.values().sum()
    }

    /// Number of shared mappings.
    #[must_use]
    pub fn mapping_count(&self) -> usize {
        self.mappings.values().sum()
    }

    /// Whether what was held before is held now, and nothing else. Of pipes it may be less: they are those of programs
    /// that tests start, and one that ended before the first count may have been read to its end since.
    fn is_back_to(&self, before: &Census) -> bool {
        let pipes = |census: &Census| census.fds.get("pipe").copied().unwrap_or(0);
        let without = |census: &Census| {
            let mut census = census.clone();
            census.fds.remove("pipe");
            census
        };
        pipes(self) <= pipes(before) && without(self) == without(before)
    }

    /// Waits until this process holds again what it held `before`, or fails with the difference.
    #[track_caller]
    pub fn wait_back_to(before: &Census) {
        let mut patience = Patience::default();
        loop {
            let now = Census::now();
            if now.is_back_to(before) {
                return;
            }
            assert!(
                patience.more(),
                "descriptors or mappings were not given back in {STEP:?}:\nbefore {before:?}\nnow    {now:?}"
            );
        }
    }

    /// Descriptors of this process that are not closed on exec, by what they are, 0 to 2 left out.
    #[must_use]
    pub fn inherited() -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc/self/fdinfo").expect("/proc").flatten() {
            let number = entry.file_name().to_string_lossy().into_owned();
            let Ok(info) = std::fs::read_to_string(entry.path()) else { continue };
            let flags = info
                .lines()
                .find_map(|line| line.strip_prefix("flags:"))
                .and_then(|text| u32::from_str_radix(text.trim(), 8).ok())
                .unwrap_or(0);
            let cloexec = flags & 0o2_000_000 != 0;
            if !cloexec && number.parse::<u32>().is_ok_and(|n| n > 2) {
                let target = std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap_or_default();
                found.push(format!("{number} {}", target.display()));
            }
        }
        found
    }
}

/// Numbers of `/proc/<pid>/status` and `/proc/<pid>/task/*/status`, summed over the threads of a process.
#[must_use]
pub fn voluntary_switches(pid: u32) -> u64 {
    let mut sum = 0;
    for entry in std::fs::read_dir(format!("/proc/{pid}/task")).expect("/proc").flatten() {
        let Ok(status) = std::fs::read_to_string(entry.path().join("status")) else { continue };
        for line in status.lines() {
            if let Some(text) = line.strip_prefix("voluntary_ctxt_switches:") {
                sum += text.trim().parse::<u64>().unwrap_or(0);
            }
        }
    }
    sum
}

/// Processor time of a process in clock ticks, user and system.
#[must_use]
pub fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    rest.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum()
}

/// Resident bytes of this process, by the named line of `/proc/self/status` (`VmRSS`, `RssShmem` ...).
#[must_use]
pub fn memory(line: &str) -> u64 {
    memory_of(std::process::id(), line)
}

/// The same of any process.
#[must_use]
pub fn memory_of(pid: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("/proc");
    status
        .lines()
        .find_map(|l| l.strip_prefix(line)?.strip_prefix(':'))
        .and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::{FileKind, SharedFile};

    #[test]
    fn what_is_opened_is_counted_and_comes_back() {
        // Other tests of this binary open files at the same time: look at a kind of their own.
        let count = |census: &Census| {
            let own = |name: &&String| name.contains("memif-census");
            (census.fds.iter().filter(|(n, _)| own(n)).count(), census.mappings.iter().filter(|(n, _)| own(n)).count())
        };
        let fd = rustix::fs::memfd_create("memif-census", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        rustix::fs::ftruncate(&fd, 4096).unwrap();
        let file = SharedFile::from_fd(fd, 4096);
        assert_eq!(count(&Census::now()), (1, 0));
        file.write(0, b"x");
        assert_eq!(count(&Census::now()), (1, 1));
        drop(file);
        assert_eq!(count(&Census::now()), (0, 0));
        assert!(memory("VmRSS") > 0);
        assert!(voluntary_switches(std::process::id()) > 0);
        let _ = SharedFile::create(FileKind::Sealed, 1);
    }
}
