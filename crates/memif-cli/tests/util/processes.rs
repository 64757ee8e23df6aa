//! What `/proc` tells of a process and its threads.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

/// Reads a file of each thread of a process; those that have ended are left out.
pub(crate) fn of_threads(pid: u32, file: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let path = |task: fs::DirEntry| -> PathBuf { task.path().join(file) };
    tasks.filter_map(|task| fs::read_to_string(path(task)).ok()).collect()
}

/// Processes that a process started.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let lists = of_threads(pid, "children");
    lists.iter().flat_map(|list| list.split_whitespace()).filter_map(|pid| pid.parse().ok()).collect()
}

/// Whether all threads of a process sleep.
pub(crate) fn sleeps(pid: u32) -> bool {
    let asleep = |stat: &String| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'));
    let threads = of_threads(pid, "stat");
    !threads.is_empty() && threads.iter().all(asleep)
}

/// Lets a process of this user open so many files more than it has now, or as many as this one where none are given.
pub(crate) fn limit_files(pid: u32, more: Option<u64>) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    let all = getrlimit(Resource::Nofile);
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("a process of ours");
    let open: HashSet<u64> = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    // The limit is on numbers, and one that was inherited may be high.
    let free = |more: u64| (0..).filter(|number| !open.contains(number)).nth(more.try_into().expect("a few"));
    let current = more.map_or(all.current, free);
    prlimit(Some(pid), Resource::Nofile, Rlimit { current, ..all }).expect("limits can be set");
}

/// Lets a process of this user map so many bytes more than it has now.
pub(crate) fn limit_memory(pid: u32, more: u64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process of ours");
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("its size");
    let kilobytes: u64 = line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number");
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    let limit = Rlimit { current: Some(kilobytes * 1024 + more), maximum: None };
    prlimit(Some(pid), Resource::As, limit).expect("limits can be set");
}
