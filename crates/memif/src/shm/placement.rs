//! Where the pages of a mapping come from, and when.
//!
//! Shared memory has no pages until it is touched. Placement belongs to the file, so that it also holds for pages that
//! the peer touches first.

use std::io;

use rustix::io::Errno;
use rustix::mm::{Advice, madvise};

use super::mapping::Mapping;

/// Bytes of the huge pages that regions of the library are made of. Every machine with huge pages has these, but for
/// some kernels of ARM with base pages of 16 or 64 KiB.
pub(crate) const HUGE_PAGE: u64 = 2 << 20;

/// Bits of a set of nodes: the most that any kernel is built for.
const NODES: usize = 1024;
const WORD: usize = libc::c_ulong::BITS as usize;
/// What the kernel is told for it: it takes one bit less than it is told.
const NODES_TOLD: libc::c_ulong = NODES as libc::c_ulong + 1;

// From `linux/mempolicy.h`; libc does not have them.
const MPOL_BIND: libc::c_ulong = 2;
const MPOL_F_MEMS_ALLOWED: libc::c_ulong = 1 << 2;

type NodeSet = [libc::c_ulong; NODES / WORD];

impl Mapping {
    /// Takes all pages that are not there yet from that NUMA node and from no other, whoever touches them first.
    pub(crate) fn bind(&self, node: u32) -> io::Result<()> {
        let mut nodes: NodeSet = [0; NODES / WORD];
        let node = usize::try_from(node).unwrap_or(usize::MAX);
        let word = nodes.get_mut(node / WORD).ok_or(Errno::INVAL)?;
        *word = 1 << (node % WORD);
        // SAFETY: the call changes no byte of memory, only from where the kernel takes new pages for the file behind
        // this range, which is mapped as long as `self` is there. It reads as many bits of `nodes` as there are.
        let result = unsafe {
            libc::syscall(
                libc::SYS_mbind,
                self.start().as_ptr(),
                self.len(),
                MPOL_BIND,
                nodes.as_ptr(),
                NODES_TOLD,
                0 as libc::c_ulong,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Makes and maps all pages now, so that no access has to. Tells when there are too few, where an access would end
    /// the process or meet the [`guard`](super::guard).
    ///
    /// # Errors
    /// What the kernel says: `ENOMEM`, or `EFAULT` where huge pages are too few or the file is shorter than the
    /// mapping.
    pub(crate) fn populate(&self) -> io::Result<()> {
        self.advise(Advice::LinuxPopulateWrite)
    }

    /// Maps all pages of a file that has them. As if they were read, since then the kernel maps 16 with each look, and
    /// shared memory can be written all the same: 235 µs for 4.3 MiB, where it is 826 as if they were written.
    ///
    /// # Errors
    /// As [`populate`](Self::populate).
    pub(crate) fn map_all(&self) -> io::Result<()> {
        self.advise(Advice::LinuxPopulateRead)
    }

    fn advise(&self, advice: Advice) -> io::Result<()> {
        // SAFETY: the range is mapped as long as `self` is there, and neither advice changes a byte of it.
        match unsafe { madvise(self.start().as_ptr().cast(), self.len(), advice) } {
            Ok(()) => Ok(()),
            // Before Linux 5.14.
            Err(Errno::INVAL) => {
                self.touch();
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a byte of every page: of shared memory that makes the page, and maps it so that it can be written, too.
    fn touch(&self) {
        for offset in (0..self.len()).step_by(rustix::param::page_size()) {
            if let Some(byte) = self.slice(offset as u64, 1) {
                byte.read(0, &mut [0]);
            }
        }
    }
}

/// Whether memory of that node can be had, else what is in the way and what to do.
pub(crate) fn check_node(node: u32) -> Result<(), String> {
    let nodes = allowed_nodes().map_err(|error| match error.raw_os_error() {
        Some(libc::ENOSYS) => "this kernel knows no NUMA nodes: leave the node out".to_owned(),
        // Containers are often started so.
        Some(libc::EPERM) => "this process may not choose: give it CAP_SYS_NICE, or leave the node out".to_owned(),
        _ => error.to_string(),
    })?;
    if nodes.contains(&node) {
        return Ok(());
    }
    let names: Vec<_> = nodes.iter().map(u32::to_string).collect();
    Err(format!("this process can have memory of node {} only", names.join(", ")))
}

/// The nodes that have memory which this process may use.
fn allowed_nodes() -> io::Result<Vec<u32>> {
    let mut nodes: NodeSet = [0; NODES / WORD];
    // SAFETY: the kernel writes as many bits to `nodes` as there are; the null pointers stand for what is not asked.
    let result = unsafe {
        libc::syscall(
            libc::SYS_get_mempolicy,
            std::ptr::null_mut::<libc::c_int>(),
            nodes.as_mut_ptr(),
            NODES_TOLD,
            std::ptr::null_mut::<libc::c_void>(),
            MPOL_F_MEMS_ALLOWED,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let all = (0u32..).take(NODES);
    let bits = nodes.iter().flat_map(|word| (0..WORD).map(move |bit| word >> bit & 1 == 1));
    Ok(all.zip(bits).filter_map(|(node, there)| there.then_some(node)).collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::shm::tests::private_mapping;

    /// What the kernel says of the mapping: its line of `/proc/self/numa_maps`, empty where there is no such file.
    fn numa_line(mapping: &Mapping) -> String {
        let maps = std::fs::read_to_string("/proc/self/numa_maps").unwrap_or_default();
        let start = format!("{:x} ", mapping.start().addr());
        maps.lines().find(|line| line.starts_with(&start)).unwrap_or_default().to_owned()
    }

    /// KiB of the mapping that are mapped.
    pub(crate) fn mapped_kib(mapping: &Mapping) -> u64 {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let start = format!("{:x}-", mapping.start().addr());
        let mut lines = maps.lines().skip_while(|line| !line.starts_with(&start));
        let resident = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
        resident.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn populating_makes_every_page_and_changes_no_byte() {
        let ways: [fn(&Mapping); 3] = [|m| m.populate().unwrap(), |m| m.map_all().unwrap(), Mapping::touch];
        for fill in ways {
            let mapping = private_mapping(1 << 20);
            assert_eq!(mapped_kib(&mapping), 0);
            let slice = mapping.slice(500_000, 3).unwrap();
            slice.write(0, b"abc");
            fill(&mapping);
            assert_eq!(mapped_kib(&mapping), 1024);
            let mut bytes = [0; 3];
            slice.read(0, &mut bytes);
            assert_eq!(&bytes, b"abc");
        }
    }

    #[test]
    fn populating_a_file_that_is_cut_is_an_error_and_no_fault() {
        let fd = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        rustix::fs::ftruncate(&fd, 1 << 20).unwrap();
        let mapping = Mapping::map(&fd, 1 << 20, true).unwrap();
        rustix::fs::ftruncate(&fd, 0).unwrap();
        assert_eq!(mapping.populate().unwrap_err().raw_os_error(), Some(libc::EFAULT));
        assert_eq!(mapping.map_all().unwrap_err().raw_os_error(), Some(libc::EFAULT));
        assert!(!mapping.is_gone());
    }

    #[test]
    fn binding_shows_in_the_maps_and_a_node_that_is_not_there_is_an_error() {
        let Ok(nodes) = allowed_nodes() else {
            // No NUMA in this kernel, or no leave: then that is told.
            assert!(check_node(0).is_err());
            return;
        };
        let node = nodes[0];
        check_node(node).unwrap();
        let mapping = private_mapping(1 << 20);
        mapping.bind(node).unwrap();
        mapping.populate().unwrap();
        let line = numa_line(&mapping);
        assert!(line.contains(&format!("bind:{node} ")), "{line}");
        for missing in [63, 1023, 1024, u32::MAX] {
            if !nodes.contains(&missing) {
                assert!(mapping.bind(missing).is_err(), "{missing}");
                assert!(check_node(missing).unwrap_err().contains("only"), "{missing}");
            }
        }
    }
}
