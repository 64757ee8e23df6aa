//! Which devices are of memory: told by numbers alone, before any file of theirs is touched.
//!
//! A file that a process has mapped may lie on a file system whose server is that very process (FUSE), and then even
//! asking for its type waits for an answer that need not come.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, fstat, major, memfd_create, minor};

use crate::sockets::namespace;

/// Number of a device, as it stands in `maps` and in `mountinfo`.
pub(crate) type Device = (u32, u32);

/// Text of `/proc/PID/mountinfo` that is read of one namespace.
const MAX_TEXT: u64 = 16 << 20;

/// The devices of memory that are known.
#[derive(Debug)]
pub(crate) struct Devices {
    /// Those that are, and those that are known to be none. A number means the same to all processes.
    known: HashMap<Device, bool>,
    /// Whose mounts were read: by their namespace, and the root of the process, since no others are listed.
    read: HashSet<(u64, PathBuf)>,
}

impl Devices {
    /// Those of files without a name.
    pub(crate) fn new() -> Self {
        let flags = std::iter::once(MemfdFlags::empty()).chain(huge_pages());
        let known = flags.filter_map(device_of).map(|device| (device, true)).collect();
        Self { known, read: HashSet::new() }
    }

    /// Whether a file of that device, which that process has mapped, lies in memory.
    pub(crate) fn are_memory(&mut self, device: Device, pid: u32) -> bool {
        if let Some(known) = self.known.get(&device) {
            return *known;
        }
        let root = fs::read_link(format!("/proc/{pid}/root"));
        let (Some(mounts), Ok(root)) = (namespace(&pid.to_string(), "mnt"), root) else { return false };
        if self.read.insert((mounts, root))
            && let Ok(text) = File::open(format!("/proc/{pid}/mountinfo"))
        {
            parse(text, |device, is_memory| {
                self.known.entry(device).or_insert(is_memory);
            });
        }
        self.known.get(&device) == Some(&true)
    }
}

/// Flags for memory of huge pages of each size.
fn huge_pages() -> impl Iterator<Item = MemfdFlags> {
    /// Where the size stands in the flags, as its logarithm (`MFD_HUGE_SHIFT`).
    const SHIFT: u32 = 26;
    let sizes = fs::read_dir("/sys/kernel/mm/hugepages").into_iter().flatten().flatten();
    sizes.filter_map(|size| {
        let name = size.file_name();
        let kibibytes: u64 = name.to_str()?.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let log2 = kibibytes.checked_mul(1024)?.checked_ilog2()?;
        Some(MemfdFlags::HUGETLB | MemfdFlags::from_bits_retain(log2 << SHIFT))
    })
}

/// The device of memory of that kind. A file without a byte takes none.
fn device_of(flags: MemfdFlags) -> Option<Device> {
    let file = memfd_create("memif-watch", flags | MemfdFlags::CLOEXEC).ok()?;
    let device = fstat(&file).ok()?.st_dev;
    Some((major(device), minor(device)))
}

/// Tells of the devices of mounts whether they are memory. Nothing of what cannot be read.
fn parse(text: impl Read, mut tell: impl FnMut(Device, bool)) {
    let mut text = BufReader::with_capacity(1 << 16, text.take(MAX_TEXT));
    let mut line = Vec::new();
    while text.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
        if let Some((device, is_memory)) = line.strip_suffix(b"\n").and_then(mount) {
            tell(device, is_memory);
        }
        line.clear();
    }
}

/// `30 25 0:27 / /dev/shm rw,relatime shared:7 - tmpfs name rw`: spaces within a field are escaped by the kernel, and
/// the type is the kernel's own word.
fn mount(line: &[u8]) -> Option<(Device, bool)> {
    let mut words = line.split(|byte| *byte == b' ');
    let (major, minor) = str::from_utf8(words.nth(2)?).ok()?.split_once(':')?;
    // Root, place and options stand between; then come fields of any number.
    words.by_ref().nth(2)?;
    words.find(|word| *word == b"-")?;
    let is_memory = matches!(words.next()?, b"tmpfs" | b"hugetlbfs");
    Some(((major.parse().ok()?, minor.parse().ok()?), is_memory))
}

#[cfg(test)]
mod tests {
    use testkit::FileKind;

    use super::*;

    #[test]
    fn only_devices_of_memory_are() {
        let mut devices = Devices::new();
        let mut is = |kind: FileKind| {
            let status = fstat(kind.create(0)).unwrap();
            devices.are_memory((major(status.st_dev), minor(status.st_dev)), std::process::id())
        };
        assert!(is(FileKind::Sealed) && is(FileKind::Tmpfs) && !is(FileKind::Disk));
        if device_of(MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB).is_some() {
            assert!(is(FileKind::Huge));
        }
        assert!(!devices.are_memory((0, 0), std::process::id()));
    }

    #[test]
    fn the_type_is_what_the_kernel_says() {
        let text = b"\
30 25 0:27 / /dev/shm rw,relatime - tmpfs tmpfs rw,size=24684092k\n\
31 25 0:28 / /dev/huge rw shared:7 master:1 - hugetlbfs none rw,pagesize=2M\n\
32 25 0:29 / /home/x/\\040-\\040tmpfs rw,nosuid - fuse tmpfs rw,user_id=7\n\
33 25 0:30 / /home/x rw - fuse.tmpfs tmpfs rw\n\
34 25 254:1 / /mnt rw - ext4 /dev/tmpfs rw\n\
35 25 0:31 / /a rw -\n\
36 25 0:32 - tmpfs x\n\
37 25 zero:1 / /a rw - tmpfs x rw\n\
38 25 0:33 / /a rw - tmpfs x rw";
        let mut told = Vec::new();
        parse(&text[..], |device, is_memory| told.push((device, is_memory)));
        assert_eq!(told, [((0, 27), true), ((0, 28), true), ((0, 29), false), ((0, 30), false), ((254, 1), false)]);
    }
}
