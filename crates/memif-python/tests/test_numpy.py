"""Arrays in and out."""

import array
import ctypes
import mmap

import pytest
from conftest import PATIENCE, Thread, memif

numpy = pytest.importorskip("numpy")


ADDRESSES = [
    numpy.full((2, 8), None, object),
    numpy.zeros((2, 2), [("number", "u2"), ("anything", object)]),
    (ctypes.py_object * 2)(),
    (ctypes.c_void_p * 2)(),
    (ctypes.c_char_p * 2)(),
    (ctypes.c_wchar_p * 2)(),
    (ctypes.POINTER(ctypes.c_int) * 2)(),
]
"""Bytes of a peer would become addresses that the interpreter follows."""


def test_rows_are_packets(pair):
    slave, master = pair
    sent = numpy.arange(64 * 60, dtype="u1").reshape(64, 60)
    assert slave.send(sent) == 64
    received, lengths = numpy.full((100, 60), 9, "u1"), numpy.zeros(100, "u4")
    assert master.recv_into(received, PATIENCE, lengths=lengths) == 64
    assert (received[:64] == sent).all() and (received[64:] == 9).all()
    assert lengths.tolist() == 64 * [60] + 36 * [0]
    assert slave.send(sent[::2, :]) == 32, "rows that do not lie in a row"
    assert master.recv_into(received, PATIENCE) == 32
    assert (received[:32] == sent[::2]).all()
    assert slave.send(numpy.zeros((0, 60), "u1")) == 0
    assert master.recv_into(received, 0) == 0


def test_words_of_any_size(pair):
    slave, master = pair
    sent = numpy.arange(40, dtype=">u4").reshape(4, 10)
    slave.send(sent)
    received = numpy.zeros((4, 10), ">u4")
    assert master.recv_into(received, PATIENCE) == 4 and (received == sent).all()


def test_packets_of_other_lengths(pair):
    slave, master = pair
    slave.send([b"short", b"exactly!", b"longer than that"])
    received, lengths = numpy.full((3, 8), 9, "u1"), numpy.zeros(3, "u4")
    assert master.recv_into(received, PATIENCE, lengths=lengths) == 3
    assert [bytes(row) for row in received] == [b"short\0\0\0", b"exactly!", b"longer t"]
    assert lengths.tolist() == [5, 8, 16]


def test_one_packet(pair):
    slave, master = pair
    room = bytearray(b"." * 10)
    slave.send([b"packet", b"longer than that"])
    assert master.recv_into(room, PATIENCE) == 6 and room == b"packet...."
    assert master.recv_into(memoryview(room)[2:6], PATIENCE) == 16 and room == b"palong...."
    assert master.recv_into(room, 0) == 0
    assert master.recv_into(array.array("d", [0.0]), 0) == 0


@pytest.mark.parametrize(
    ["buffer", "lengths", "error", "words"],
    [
        (b"read-only", None, TypeError, "writable"),
        (bytearray(), None, ValueError, "at least one byte"),
        (numpy.zeros((2, 2, 2), "u1"), None, ValueError, "one or two dimensions, not 3"),
        (numpy.zeros((4, 4), "u1")[:, ::2], None, TypeError, "contiguous"),
        (7, None, TypeError, "bytes-like"),
        (numpy.zeros((4, 4), "u1"), numpy.zeros(3, "u4"), ValueError, "4 numbers of 32 bits"),
        (numpy.zeros((4, 4), "u1"), numpy.zeros(4, "u8"), ValueError, "4 numbers of 32 bits"),
        (numpy.zeros((4, 4), "u1"), bytes(16), ValueError, "4 numbers of 32 bits"),
        (numpy.zeros((4, 4), "u1"), numpy.zeros(8, "u4")[::2], TypeError, "lengths must be contiguous"),
        (numpy.zeros((4, 6), "u1").T, None, TypeError, "give a whole array"),
        (numpy.zeros((2, 65537), "u1"), None, ValueError, "longer than any packet: give at most 65536"),
        *((held, None, TypeError, "give an array of numbers") for held in ADDRESSES),
    ],
)
def test_what_cannot_be_received_into(pair, buffer, lengths, error, words):
    slave, master = pair
    slave.send([b"stay"])
    with pytest.raises(error, match=words):
        master.recv_into(buffer, 0, lengths=lengths)
    assert master.recv(timeout=PATIENCE) == [b"stay"], "nothing was lost for it"


@pytest.mark.parametrize("held", ADDRESSES)
def test_addresses_are_no_packets(pair, held):
    for packets in (held, [b"first", held]):
        with pytest.raises(TypeError, match="objects and addresses are no bytes"):
            pair[0].send(packets)
    assert pair[0].counters().tx_packets == 0


@pytest.mark.parametrize("kind", ["c16", "?", "V3", [("Offset", "u1"), ("XPOZ", "<u2")], "S4", "f2"])
def test_other_kinds_of_numbers(pair, kind):
    slave, master = pair
    sent = numpy.frombuffer(bytes(range(1, 1 + 6 * numpy.dtype(kind).itemsize)), kind).reshape(2, 3)
    assert slave.send(sent) == 2
    received = numpy.zeros((2, 3), kind)
    assert master.recv_into(received, PATIENCE) == 2 and received.tobytes() == sent.tobytes()


def test_room_for_much_more_than_comes(pair):
    """What is not filled takes no memory of ours."""

    def memory():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * mmap.PAGESIZE

    slave, master = pair
    unreserved = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000
    with mmap.mmap(-1, 1 << 30, unreserved) as room:
        before = memory()
        slave.send([b"packet"])
        assert master.recv_into(room, PATIENCE) == 6 and room[:8] == b"packet\0\0"
        rows = memoryview(room).cast("B", (1 << 14, 1 << 16))
        assert slave.send([b"row"] * 1000) == 1000
        assert [master.recv_into(rows, PATIENCE) for _ in range(4)] == [256, 256, 256, 232]
        assert room[255 << 16 : (255 << 16) + 4] == b"row\0"
        assert memory() - before < 1 << 27
        rows.release()


def test_an_array_that_others_write_to_meanwhile(pair):
    """What is sent is a copy."""
    slave, master = pair
    array_ = numpy.zeros((64, 60), "u1")
    going = True

    def write():
        while going:
            array_[:] += 1

    thread = Thread(write)
    received = numpy.empty((64, 60), "u1")
    for _ in range(200):
        assert slave.send(array_, PATIENCE) == 64
        assert master.recv_into(received, PATIENCE) == 64
    going = False
    thread.result()
