//! Who has queues of a TUN or TAP device, as far as `/proc` shows it to this user.

use std::fs;
use std::path::Path;

/// Names and process ids of other programs that have queues of the device of that name, as a clause that follows the
/// name; empty where none is seen.
///
/// The kernel tells the name alone, and there may be a device of that name in each network namespace: only programs of
/// this one are meant.
pub(super) fn clause(device: &str) -> String {
    let own = std::process::id();
    let namespace = fs::read_link("/proc/self/ns/net").ok();
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = process.path();
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if pid == own || fs::read_link(path.join("ns/net")).ok() != namespace || !has_queue(&path, device) {
            continue;
        }
        let program = fs::read(path.join("comm")).unwrap_or_default();
        found.push(format!("{} (pid {pid})", program.trim_ascii_end().escape_ascii()));
    }
    match found.len() {
        0 => String::new(),
        1 => format!(", which {} has", found.concat()),
        _ => format!(", which {} have", found.join(" and ")),
    }
}

fn has_queue(process: &Path, device: &str) -> bool {
    let descriptors = fs::read_dir(process.join("fdinfo")).into_iter().flatten().flatten();
    descriptors.filter_map(|descriptor| fs::read_to_string(descriptor.path()).ok()).any(|info| is_queue(&info, device))
}

/// Whether a descriptor of which `/proc` says that is a queue of the device.
fn is_queue(info: &str, device: &str) -> bool {
    info.lines().filter_map(|line| line.strip_prefix("iff:")).any(|name| name.trim() == device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_told_from_other_descriptors() {
        let info = |name| format!("pos:\t0\nflags:\t0104002\nmnt_id:\t29\nino:\t93\niff:\t{name}\n");
        assert!(is_queue(&info("tap0"), "tap0"));
        for other in [info("tap00"), info(""), "pos:\t0\nflags:\t02\n".to_owned(), String::new()] {
            assert!(!is_queue(&other, "tap0"), "{other}");
        }
        assert_eq!(clause("no-such-device"), "");
    }
}
