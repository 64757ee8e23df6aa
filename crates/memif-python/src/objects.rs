//! What is told of interfaces and events, as objects of Python: dataclasses of `memif/_types.py`.

use std::time::UNIX_EPOCH;

use memif::{Counters, Details, Peer, QueueDetails, RegionDetails};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::control::Happened;
use crate::errors::Told;

type Object<'py> = PyResult<Bound<'py, PyAny>>;

/// Calls the class with those values.
macro_rules! object {
    ($py:expr, $class:literal, $($name:ident: $value:expr),+ $(,)?) => {{
        // The class is a program of Python's.
        let _call = crate::exit::Call::begin($py);
        let values = PyDict::new($py);
        $(values.set_item(pyo3::intern!($py, stringify!($name)), $value)?;)+
        $py.import("memif._types")?.getattr($class)?.call((), Some(&values))
    }};
}

pub(crate) fn peer<'py>(py: Python<'py>, peer: &Peer) -> Object<'py> {
    let known = peer.credentials;
    object!(py, "Peer",
        app_name: peer.app_name.to_string(),
        interface_name: peer.interface_name.to_string(),
        pid: known.map(|known| known.pid),
        uid: known.map(|known| known.uid),
        gid: known.map(|known| known.gid),
    )
}

pub(crate) fn event<'py>(py: Python<'py>, happened: &Happened) -> Object<'py> {
    let (role, id) = happened.interface.unzip();
    object!(py, "Event",
        kind: happened.kind,
        time: happened.time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
        interface_id: id,
        role: role.map(|role| role.to_string()),
        reason: &happened.told.reason,
        advice: &happened.told.advice,
        breach: &happened.breach,
        peer: happened.peer.as_ref().map(|known| peer(py, known)).transpose()?,
    )
}

pub(crate) fn counters<'py>(py: Python<'py>, rx: &Counters, tx: &Counters) -> Object<'py> {
    object!(py, "Counters",
        rx_packets: rx.packets,
        rx_bytes: rx.bytes,
        rx_dropped: rx.dropped,
        rx_bad_descriptors: rx.bad_descriptors,
        rx_resyncs: rx.resyncs,
        rx_wake_ups: rx.wake_ups,
        tx_packets: tx.packets,
        tx_bytes: tx.bytes,
        tx_ring_full: tx.ring_full,
        tx_bad_descriptors: tx.bad_descriptors,
        tx_signals: tx.signals,
    )
}

pub(crate) fn details<'py>(py: Python<'py>, details: &Details, last: Option<Told>) -> Object<'py> {
    let queues = |all: &[QueueDetails]| all.iter().map(|one| queue(py, one)).collect::<PyResult<Vec<_>>>();
    let last_reason = last.map(|told| match told.advice {
        Some(advice) => format!("{}; {advice}", told.reason),
        None => told.reason,
    });
    object!(py, "Details",
        interface_id: details.id,
        interface_name: details.interface_name.to_string(),
        app_name: details.app_name.to_string(),
        role: details.role.to_string(),
        mode: details.mode.to_string(),
        socket: details.socket.to_string(),
        secret_set: details.secret_set,
        link_up: details.link_up,
        last_reason: last_reason,
        peer: details.peer.as_ref().map(|known| peer(py, known)).transpose()?,
        rx_queues: queues(&details.rx)?,
        tx_queues: queues(&details.tx)?,
        regions: details.regions.iter().map(|one| region(py, one)).collect::<PyResult<Vec<_>>>()?,
        surplus_queues: details.surplus_queues,
    )
}

fn region<'py>(py: Python<'py>, region: &RegionDetails) -> Object<'py> {
    object!(py, "Region", index: region.index, size_bytes: region.size)
}

fn queue<'py>(py: Python<'py>, queue: &QueueDetails) -> Object<'py> {
    let counters = &queue.counters;
    object!(py, "Queue",
        index: queue.index,
        ring_size_slots: queue.ring_size,
        used_slots: queue.used_slots,
        buffer_size_bytes: queue.buffer_size,
        region: queue.region,
        offset_bytes: queue.offset,
        head: queue.head,
        tail: queue.tail,
        flags: queue.flags,
        packets: counters.packets,
        bytes: counters.bytes,
        ring_full_packets: counters.ring_full,
        bad_descriptors: counters.bad_descriptors,
        dropped_packets: counters.dropped,
        resyncs: counters.resyncs,
        wake_ups: counters.wake_ups,
        signals: counters.signals,
    )
}
