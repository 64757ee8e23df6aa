"""Peers that break the protocol. Each costs an exception that names the breach, and the interpreter goes on: the same
interface takes a good peer afterwards. The rows are those of docs/protocol.md 8 that packets can meet."""

import os
import struct

import pytest
from conftest import PATIENCE, Thread, memif, until
from raw_peer import (
    ACK,
    ADD_REGION,
    ADD_RING,
    BUFFER,
    HELLO,
    LOG2,
    M2S,
    NEXT,
    RING,
    S2M,
    SIZE,
    SLOTS,
    Master,
    Slave,
    message,
)


@pytest.fixture
def master(path):
    with memif.Interface(path, role="master") as interface:
        yield interface
        # Whatever came before: a good slave gets through.
        slave = Slave(path)
        slave.handshake()
        interface.wait_connected(PATIENCE)
        slave.send(b"good")
        assert interface.recv(timeout=PATIENCE) == [b"good"]
        slave.close()


@pytest.fixture
def slave(path, master):
    slave = Slave(path)
    slave.handshake()
    master.wait_connected(PATIENCE)
    yield slave
    slave.close()


def breach_of_recv(interface):
    """The breach that a receive call tells, and again the end of that link from the one after."""
    with pytest.raises(memif.BreachError) as told:
        for _ in range(3):
            interface.recv(timeout=PATIENCE)
    assert "broke the protocol" in str(told.value)
    with pytest.raises(memif.NotConnectedError):
        interface.recv(timeout=0)
    return told.value.breach


def breach_of_send(interface):
    with pytest.raises(memif.BreachError) as told:
        for _ in range(SLOTS + 1):
            interface.send([b"packet"], 0.05)
    return told.value.breach


@pytest.mark.parametrize("head", [SLOTS + 1, 0x8000, 0xFFFF])
def test_m01_head_beyond_the_ring(master, slave, head):
    """An overrun need not be hostile: it is counted, and the next packet comes."""
    slave.rings[S2M].head = head
    slave.signal(S2M)
    until(lambda: not master.recv(timeout=0) and master.counters().rx_resyncs == 1)
    slave.send(b"after")
    assert master.recv(timeout=PATIENCE) == [b"after"]


def test_m01_overruns_without_an_end(master, slave):
    """A thousand of them in a row are."""
    thread = Thread(breach_of_recv, master)
    while thread.is_alive():
        slave.rings[S2M].head = slave.rings[S2M].head + SLOTS + 1
        slave.signal(S2M)
    assert thread.result() == "Overrun"


@pytest.mark.parametrize("head", [SLOTS + 1, 0x8000, 0xFFFF])
def test_m01_head_of_the_sending_ring(master, slave, head):
    slave.rings[M2S].head = head
    assert breach_of_send(master) == "Cursor"


@pytest.mark.parametrize(
    ["what", "descriptor"],
    [
        ("m06: no such region", {"region": 1}),
        ("m06: no such region at all", {"region": 0xFFFF}),
        ("m07: behind the region", {"offset": SIZE}),
        ("m07: over its end", {"offset": SIZE - 3}),
        ("m07: wraps around", {"offset": 0xFFFFFFFC}),
        ("m08: no length", {"length": 0}),
        ("m08: longer than the region", {"length": 0xFFFFFFFF}),
    ],
)
def test_m06_to_m08_descriptors(master, slave, what, descriptor):
    """A bad descriptor costs its packet and no other one, and is counted."""
    slave.send(b"before")
    slave.send(b"evil", **descriptor)
    slave.send(b"after")
    received = []
    while len(received) < 2:
        received += master.recv(timeout=PATIENCE)
    assert received == [b"before", b"after"], what
    assert master.counters().rx_dropped == 1


def test_m09_chain_without_an_end(master, slave):
    for _ in range(SLOTS):
        slave.send(b"part", flags=NEXT)
    assert breach_of_recv(master) == "EndlessChain"


def test_m12_bytes_that_change(master, slave):
    """What is received is a copy: it stays what it is."""
    slave.send(b"first")
    packet = master.recv(timeout=PATIENCE)[0]
    slave.memory[slave.buffer(S2M, 0) : slave.buffer(S2M, 0) + 5] = b"other"
    assert packet == b"first"


def test_f06_memory_that_goes_away(path, master):
    """A peer that cuts its file takes its memory away while it is read."""
    slave = Slave(path, seal=False)
    slave.handshake()
    master.wait_connected(PATIENCE)
    slave.send(b"before")
    assert master.recv(timeout=PATIENCE) == [b"before"]
    os.ftruncate(slave.file, 0)
    assert breach_of_recv_or_send(master) == "MemoryGone"
    slave.control.close()


def breach_of_recv_or_send(interface):
    with pytest.raises(memif.BreachError) as told:
        for _ in range(3):
            interface.send([b"packet"], 0)
            interface.recv(timeout=0.01)
    return told.value.breach


def test_m14_flags_of_the_peer(master, slave):
    """Nonsense in the flags of a ring is nonsense."""
    slave.rings[S2M].flags = 0xFFFF
    slave.rings[M2S].flags = 0xFFFE
    slave.send(b"packet")
    assert master.recv(timeout=PATIENCE) == [b"packet"]
    assert master.send([b"answer"]) == 1


@pytest.mark.parametrize(
    ["breach", "handshake"],
    [
        ("UnexpectedMessage", lambda slave: slave.handshake(init=message(ACK))),
        ("UnknownType", lambda slave: slave.handshake(init=message(99))),
        ("MessageLength", lambda slave: slave.handshake(init=b"short")),
        ("DescriptorCount", lambda slave: slave.handshake(fds=[])),
        ("RegionIndex", lambda slave: slave.handshake(region=message(ADD_REGION, struct.pack("<HQ", 1, SIZE)))),
        ("RegionFile", lambda slave: slave.handshake(region=message(ADD_REGION, struct.pack("<HQ", 0, 2 * SIZE)))),
        ("RegionType", lambda slave: slave.handshake(fds=[slave.events[0]])),
        (
            "RingSize",
            lambda slave: slave.handshake(ring=message(ADD_RING, struct.pack("<HHHIBH", 1, 0, 0, 0, 15, 0))),
        ),
        (
            "RingIndex",
            lambda slave: slave.handshake(ring=message(ADD_RING, struct.pack("<HHHIBH", 1, 0, 0, RING, LOG2, 0))),
        ),
    ],
)
def test_handshakes(path, master, breach, handshake):
    """Before there is a link it is an event, with the name and with advice."""
    slave = Slave(path)
    with pytest.raises((AssertionError, ConnectionError)):
        handshake(slave)
    event = master.socket.next_event(PATIENCE)
    assert (event.kind, event.breach) == ("refused", breach)
    assert event.advice
    with pytest.raises(memif.TimeoutError) as told:
        master.wait_connected(0)
    assert told.value.reason.endswith(event.reason) and told.value.advice == event.advice
    slave.close()


@pytest.fixture
def raw_master(path):
    master = Master(path)
    yield master
    master.close()


@pytest.fixture
def interface(path, raw_master):
    with memif.Interface(path, retry_period=0.05) as interface:
        yield interface


def connect(raw_master, interface):
    raw_master.accept()
    raw_master.handshake()
    interface.wait_connected(PATIENCE)
    raw_master.wait_posted()


@pytest.mark.parametrize("tail", [1025, 0x8000])
def test_m02_tail_beyond_the_head(raw_master, interface, tail):
    connect(raw_master, interface)
    raw_master.rings[S2M].tail = tail
    with pytest.raises(memif.BreachError) as told:
        for _ in range(2000):
            interface.send([b"packet"], 0.05)
    assert told.value.breach == "Cursor"


def test_m13_region_and_offset_on_return(raw_master, interface):
    """Where a slave's buffers lie it knows itself."""
    connect(raw_master, interface)
    ring = raw_master.rings[M2S]
    _, region, _, offset = ring.read(0)[:4]
    raw_master.regions[region][offset : offset + 4] = b"true"
    ring.descriptor(0, 0, 0xFFFF, 4, 0xFFFFFFF0)
    ring.tail = 1
    raw_master.signal(M2S)
    assert interface.recv(timeout=PATIENCE) == [b"true"]


def test_m08_length_over_capacity(raw_master, interface):
    connect(raw_master, interface)
    ring = raw_master.rings[M2S]
    ring.descriptor(0, 0, 0, 0xFFFFFFFF, 0)
    ring.tail = 1
    raw_master.signal(M2S)
    assert breach_of_recv(interface) == "OverCapacity"


def test_masters_that_speak_otherwise(raw_master, interface):
    for hello, words in [
        (raw_master.hello(low=0x0300, high=0x0300), "update the master"),
        (message(99), "another protocol"),
        (message(HELLO)[:64], "another protocol"),
    ]:
        raw_master.accept(hello)
        until(lambda: any(words in (event.advice or "") for event in interface.socket.events()))
        raw_master.control.close()
    connect(raw_master, interface)


def test_the_end_of_a_peer_ends_waits(raw_master, interface):
    connect(raw_master, interface)
    thread = Thread(interface.recv)
    raw_master.control.close()
    with pytest.raises(memif.DisconnectedError) as told:
        thread.result()
    assert not isinstance(told.value, memif.BreachError) and "closed by the peer" in str(told.value)
