"""What is told of interfaces and events. Fields have the names of `memif --json`."""

from dataclasses import dataclass
from typing import List, Optional


@dataclass(frozen=True)
class Peer:
    """The other end of a link, by its own words and by the kernel's."""

    app_name: str
    interface_name: str
    pid: Optional[int]
    """0 when the process is not visible from here; None where the kernel does not tell."""
    uid: Optional[int]
    gid: Optional[int]


@dataclass(frozen=True)
class Event:
    """Something that happened to a link, or why there is none."""

    kind: str
    """connected, disconnected, connect_failed, refused, left, surplus_queues, accept_failed, accept_resumed, failed"""
    time: float
    """Seconds since 1970."""
    interface_id: Optional[int]
    """None where it is about no interface, or not known."""
    role: Optional[str]
    reason: str
    advice: Optional[str]
    breach: Optional[str]
    """The rule of the protocol that the peer broke, if it did: a name, as `DescriptorCount`."""
    peer: Optional[Peer]


@dataclass(frozen=True)
class Counters:
    """Counts of all links of an interface so far."""

    rx_packets: int
    rx_bytes: int
    rx_dropped: int
    """Packets with a bad descriptor, or longer than allowed."""
    rx_bad_descriptors: int
    rx_resyncs: int
    """Times that the peer overran the ring and reading started afresh."""
    rx_wake_ups: int
    tx_packets: int
    tx_bytes: int
    tx_ring_full: int
    """Packets that found no room at first."""
    tx_bad_descriptors: int
    tx_signals: int


@dataclass(frozen=True)
class Queue:
    """One queue of the present link."""

    index: int
    ring_size_slots: int
    used_slots: int
    buffer_size_bytes: int
    region: int
    offset_bytes: int
    head: int
    tail: int
    flags: int
    packets: int
    bytes: int
    ring_full_packets: int
    bad_descriptors: int
    dropped_packets: int
    resyncs: int
    wake_ups: int
    signals: int


@dataclass(frozen=True)
class Region:
    """One region of the memory of the present link."""

    index: int
    size_bytes: int


@dataclass(frozen=True)
class Details:
    """How an interface stands."""

    interface_id: int
    interface_name: str
    app_name: str
    role: str
    mode: str
    socket: str
    secret_set: bool
    link_up: bool
    last_reason: Optional[str]
    """Why there is no link, and what to do, as far as that is known."""
    peer: Optional[Peer]
    rx_queues: List[Queue]
    tx_queues: List[Queue]
    regions: List[Region]
    surplus_queues: bool
    """Whether the peer transmits on more queues than the link has."""
