//! Every place that a slave's buffers can lie.

use std::sync::Arc;

use rustix::fs::{MemfdFlags, fstat, ftruncate, memfd_create};

use super::{Pair, packet};
use crate::config::{InterfaceConfig, Memory};
use crate::error::{Breach, ConfigError, SendError};
use crate::link::SlaveMemory;
use crate::shm::placement::tests::mapped_kib;
use crate::shm::tests::mapped_by_the_caller;

/// Bytes that a slave with rings of 64 and the default buffers needs.
const NEEDED: u64 = 2 * 64 * 2176;

fn config(memory: Memory) -> InterfaceConfig {
    InterfaceConfig::slave(0).ring_size(64).memory(memory)
}

fn carries_packets(memory: Memory, regions: usize) {
    let mut pair = Pair::new(config(memory), InterfaceConfig::master(0));
    assert_eq!(pair.master.handle.region_details().len(), regions);
    assert_eq!(pair.slave.handle.region_details(), pair.master.handle.region_details());
    for number in 0..300 {
        let bytes = packet(number, 1 + number as usize * 30);
        pair.slave.tx[0].send(&bytes).unwrap();
        let mut batch = pair.master.rx[0].recv(1).unwrap();
        assert!((&mut batch).into_iter().all(|packet| packet.to_vec() == bytes));
        drop(batch);
        pair.master.tx[0].send(&bytes).unwrap();
        let mut batch = pair.slave.rx[0].recv(1).unwrap();
        assert!((&mut batch).into_iter().all(|packet| packet.to_vec() == bytes));
    }
    assert_eq!(pair.master.rx[0].counters().packets, 300);
    assert_eq!(pair.slave.rx[0].counters().packets, 300);
}

fn memfd(size: u64) -> Arc<std::os::fd::OwnedFd> {
    let fd = memfd_create("callers", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&fd, size).unwrap();
    Arc::new(fd)
}

#[test]
fn buffers_lie_where_they_are_asked_to() {
    carries_packets(Memory::OneRegion, 1);
    carries_packets(Memory::RingsApart, 2);
    let fd = memfd(NEEDED);
    // Reused by a second connection.
    carries_packets(Memory::File { fd: Arc::clone(&fd), size: NEEDED }, 2);
    carries_packets(Memory::File { fd, size: NEEDED }, 2);
    carries_packets(Memory::Mapped(Arc::new(mapped_by_the_caller(&memfd(NEEDED), NEEDED))), 2);
}

#[test]
fn nobody_can_run_memory_of_the_library_as_a_program() {
    use rustix::fs::{SealFlags, fcntl_get_seals};

    // Kernels before 6.3 have no such seal.
    let known = memfd_create("probe", MemfdFlags::NOEXEC_SEAL).is_ok();
    for memory in [Memory::OneRegion, Memory::RingsApart] {
        let memory = SlaveMemory::allocate(&config(memory), 1, 1, 6).unwrap();
        for (fd, _) in memory.regions() {
            assert_eq!(fcntl_get_seals(fd).unwrap().contains(SealFlags::EXEC), known);
        }
    }
}

#[test]
fn memory_that_is_too_small_is_refused_up_front() {
    let size = NEEDED - 1;
    assert_eq!(
        config(Memory::File { fd: memfd(size), size }).validate(),
        Err(ConfigError::MemoryTooSmall { size, needed: NEEDED })
    );
    let mapping = Arc::new(mapped_by_the_caller(&memfd(NEEDED), NEEDED - 1));
    assert!(config(Memory::Mapped(mapping)).validate().is_err());
    let huge =
        config(Memory::File { fd: memfd(1), size: u64::MAX }).ring_size(16_384).buffer_size(65_535).rx_queues(100);
    assert!(matches!(huge.validate(), Err(ConfigError::BuffersTooLarge(_))));
}

#[test]
fn a_file_shorter_than_said_is_an_error_and_no_fault() {
    let config = config(Memory::File { fd: memfd(4096), size: NEEDED });
    assert_eq!(config.validate(), Ok(()));
    let error = SlaveMemory::allocate(&config, 1, 1, 6).unwrap_err();
    assert!(error.to_string().contains("shorter"), "{error}");
    let (pipe, _other) = rustix::pipe::pipe().unwrap();
    let config = config.memory(Memory::File { fd: Arc::new(pipe), size: NEEDED });
    assert!(SlaveMemory::allocate(&config, 1, 1, 6).is_err());
}

#[test]
fn a_mapping_of_the_library_is_no_memory_of_the_caller() {
    let fd = memfd(NEEDED);
    let mapping = Arc::new(crate::shm::Mapping::map(&*fd, NEEDED, false).unwrap());
    let config = config(Memory::Mapped(mapping));
    assert!(SlaveMemory::allocate(&config, 1, 1, 6).is_err());
}

/// A peer takes memory of the caller away that cannot be sealed, and a good one comes after it.
#[test]
fn memory_that_was_taken_away_serves_the_next_link() {
    let fd = Arc::new(memfd_create("callers", MemfdFlags::CLOEXEC).unwrap());
    ftruncate(&fd, NEEDED).unwrap();
    let memory = Memory::Mapped(Arc::new(mapped_by_the_caller(&fd, NEEDED)));
    let mut before: Vec<Pair> = Vec::new();
    for _ in 0..3 {
        carries_packets(memory.clone(), 2);
        let mut pair = Pair::new(config(memory.clone()), InterfaceConfig::master(0));
        assert_eq!(pair.slave.tx[0].send(&[1; 60]), Ok(()));
        ftruncate(&fd, 0).unwrap();
        let error = (0..3).find_map(|_| pair.slave.tx[0].send(&[1; 60]).err());
        assert_eq!(error, Some(SendError::Breach(Breach::MemoryGone)));
        assert!(!pair.slave.tx[0].is_drained());
        let error = SlaveMemory::allocate(&config(memory.clone()), 1, 1, 6).unwrap_err().to_string();
        assert!(error.contains("shorter") && error.contains("a peer has cut it"), "{error}");
        ftruncate(&fd, NEEDED).unwrap();
        // Nothing that went down comes back with the memory.
        before.push(pair);
        for Pair { slave, .. } in &mut before {
            assert_eq!(slave.tx[0].send(&[1; 60]), Err(SendError::Disconnected));
        }
    }
    carries_packets(memory, 2);
}

/// Of a thousand links most rest, and tables with an entry per slot would be most of what they take.
#[test]
fn a_link_that_rests_has_no_tables_and_few_pages() {
    let (slave, master) = (InterfaceConfig::slave(0), InterfaceConfig::master(0));
    let mut pair = None;
    let made = allocation_counter::measure(|| pair = Some(Pair::new(slave.clone(), master)));
    let mut pair = pair.unwrap();
    assert!(made.bytes_current < 8192, "{} bytes of two ends", made.bytes_current);
    let region = pair.slave.rx[0].scan.core.regions.get(0).unwrap();
    let page = rustix::param::page_size() as u64;
    // The header of the ring to receive on, on which the buffers are posted.
    assert!(mapped_kib(region) * 1024 <= page);

    let memory = SlaveMemory::allocate(&slave, 1, 1, 10).unwrap();
    memory.write_rings(&slave).unwrap();
    let pages = fstat(&*memory.regions()[0].0).unwrap().st_blocks as u64 * 512;
    // The decoy, the ring to receive on, and what it begins and ends on.
    assert!(pages <= (16 << 10) + 2 * page, "{pages} bytes of the file");

    // The first packet brings them, whichever end sends it.
    for (tx, rx) in [(&mut pair.slave.tx[0], &mut pair.master.rx[0]), (&mut pair.master.tx[0], &mut pair.slave.rx[0])] {
        let first = allocation_counter::measure(|| {
            tx.send(&[7; 60]).unwrap();
            assert_eq!(rx.recv(8).unwrap().packets().count(), 1);
        });
        assert!(first.bytes_current > 32 << 10);
    }
}
