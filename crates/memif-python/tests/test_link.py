"""Links between two interfaces of ours: packets, options, and what is told of them."""

import array
import os
import socket
import sys
import time
from pathlib import Path

import pytest
from conftest import PATIENCE, Thread, echo, memif, receive, until

PACKETS = [bytes([number % 256]) * (1 + 97 * number % 3000) for number in range(1000)]


def test_packets_both_ways(pair):
    slave, master = pair
    thread = Thread(echo, master, len(PACKETS))
    sender = Thread(slave.send, PACKETS)
    assert receive(slave, len(PACKETS)) == PACKETS
    assert sender.result() == len(PACKETS)
    thread.result()
    counters = slave.counters()
    size = sum(map(len, PACKETS))
    assert (counters.rx_packets, counters.rx_bytes, counters.tx_packets, counters.tx_bytes) == (1000, size, 1000, size)


def test_packet_by_packet(pair):
    slave, master = pair
    assert master.recv_one(0) is None
    for packet in PACKETS:
        assert slave.send(packet) == 1
        assert master.recv_one(PATIENCE) == packet
    assert slave.send([b"one", b"two", b"three"]) == 3
    assert [next(master), master.recv_one(0), next(iter(master))] == [b"one", b"two", b"three"]
    assert master.recv_one(0.01) is None
    with pytest.raises(ValueError, match="number of seconds"):
        master.recv_one(float("nan"))
    counters = master.counters()
    assert (counters.rx_packets, counters.rx_bytes) == (1003, sum(map(len, PACKETS)) + 11)
    slave.send([b"last"])
    slave.close()
    received = []
    with pytest.raises(memif.DisconnectedError, match="by the peer"):
        for packet in master:
            received.append(packet)
    assert received == [b"last"]


def test_packet_by_packet_when_the_ring_is_full(pair):
    """What there is no room for waits, and nothing is lost or comes twice."""
    slave, master = pair

    def send():
        return sum(slave.send(b"%d" % number) for number in range(10000))

    sender = Thread(send)
    assert [master.recv_one(PATIENCE) for _ in range(10000)] == [b"%d" % number for number in range(10000)]
    assert sender.result() == 10000


def test_packet_by_packet_of_several_queues(path):
    with memif.Interface(path, role="master", queues=2) as master, memif.Interface(path, queues=2) as slave:
        slave.wait_connected(PATIENCE), master.wait_connected(PATIENCE)
        for number in range(100):
            assert slave.send(b"%d" % number, queue=number % 2) == 1
            assert master.recv_one(PATIENCE) == b"%d" % number


def test_three_lines_and_an_address(path):
    with memif.Interface(path, role="master") as master, memif.Interface(Path(path)) as slave:
        assert slave.wait_connected().interface_name == master.wait_connected().interface_name == "memif0"
        slave.send([b"packet"])
        assert master.recv() == [b"packet"]
    assert not os.path.exists(path)


def test_whatever_holds_bytes_is_a_packet(pair):
    slave, master = pair
    packets = [b"ab", bytearray(b"cd"), memoryview(b"efgh")[::2], array.array("H", [1])]
    assert slave.send(packets) == slave.send(iter(packets)) == slave.send(tuple(packets)) == 4
    assert receive(master, 12) == 3 * [b"ab", b"cd", b"eg", array.array("H", [1]).tobytes()]
    for one in packets:
        assert slave.send(one) == 1
    assert receive(master, 4) == [b"ab", b"cd", b"eg", array.array("H", [1]).tobytes()]
    assert slave.send([]) == 0
    assert slave.send(memoryview(b"abcdef").cast("B", (3, 2))) == 3
    assert receive(master, 3) == [b"ab", b"cd", b"ef"]


def test_an_iterable_that_says_it_is_longer(pair):
    class Packets:
        def __len__(self):
            return sys.maxsize

        def __iter__(self):
            return iter([b"packet"])

    assert pair[0].send(Packets()) == 1


@pytest.mark.parametrize(
    ["packets", "error", "words"],
    [
        ("text", TypeError, "not text"),
        (["text"], TypeError, "packet 0 is str"),
        ([b"a", 7], TypeError, "packet 1 is int"),
        (7, TypeError, "iterable of packets"),
        (memoryview(bytes(8)).cast("B", (2, 2, 2)), ValueError, "one or two dimensions, not 3"),
    ],
)
def test_what_is_no_packet(pair, packets, error, words):
    with pytest.raises(error, match=words):
        pair[0].send(packets)
    assert pair[0].counters().tx_packets == 0


def test_packets_that_do_not_fit(pair):
    slave, master = pair
    for packet, words in [(b"", "at least one byte"), (bytes(65536), "longer than 65535")]:
        with pytest.raises(memif.PacketError, match=words) as told:
            slave.send([b"first", packet, b"last"])
        assert told.value.sent == 1
        assert master.recv(timeout=PATIENCE) == [b"first"]
    assert slave.send([bytes(65535)]) == 1
    assert master.recv(timeout=PATIENCE) == [bytes(65535)]
    with pytest.raises(memif.QueueError, match="no transmit queue 1"):
        slave.send([b"packet"], queue=1)


def test_a_full_ring(pair):
    slave, master = pair
    assert slave.send([b"packet"] * 2000, 0) == 1024
    assert slave.send([b"packet"] * 2000, 0.02) == 0
    thread = Thread(slave.send, [b"more"] * 976)
    assert receive(master, 2000) == [b"packet"] * 1024 + [b"more"] * 976
    assert thread.result() == 976 and slave.flush(PATIENCE)
    assert slave.counters().tx_ring_full > 0


def test_time_outs(pair):
    slave, _ = pair
    start = time.monotonic()
    assert slave.recv(timeout=0.06) == [] == slave.recv(timeout=0) == slave.recv(timeout=-1)
    assert time.monotonic() - start >= 0.06
    with pytest.raises(ValueError, match="number of seconds"):
        slave.recv(timeout=float("nan"))
    with pytest.raises(ValueError, match="at least 1"):
        slave.recv(0)


def test_numbers_and_addresses_that_cannot_be(pair):
    slave, _ = pair
    with pytest.raises(ValueError, match="max is at least 1"):
        slave.recv(-1)
    with pytest.raises(memif.QueueError, match="from 0 on"):
        slave.send(b"packet", queue=-1)
    with pytest.raises(memif.OptionError, match="from 0 to 4294967295"):
        memif.Interface(slave.socket, -1)
    # Nor do numbers that no word of the machine holds.
    assert slave.recv(2**70, 0) == []
    with pytest.raises(memif.QueueError, match="the link has 1"):
        slave.send(b"packet", queue=2**70)
    for id in (2**70, -(2**70)):
        with pytest.raises(memif.OptionError, match="from 0 to 4294967295"):
            memif.Interface(slave.socket, id)
    with pytest.raises(memif.SocketError) as told:
        memif.Interface("/nonexistent/memif.sock", role="master")
    assert "another socket with socket" in str(told.value) and "--" not in str(told.value)


def test_several_queues(path):
    with memif.Socket(path) as socket:
        with memif.Interface(socket, role="master", queues=3) as master:
            with memif.Interface(socket, queues=3, ring_size="1k", buffer_size=256, no_chains=True) as slave:
                master.wait_connected(PATIENCE), slave.wait_connected(PATIENCE)
                for queue in range(3):
                    assert slave.send([bytes([queue])] * 10, queue=queue) == 10
                assert sorted(receive(master, 30)) == sorted([bytes([queue]) for queue in range(3)] * 10)
                details = slave.details()
                assert len(details.rx_queues) == len(details.tx_queues) == 3
                assert details.tx_queues[0].buffer_size_bytes == 256 and details.tx_queues[2].packets == 10
                with pytest.raises(memif.PacketError):
                    slave.send([bytes(257)])


@pytest.mark.parametrize(
    ["options", "words"],
    [
        ({"ring_size": 1000}, "a power of two from 1 to 16384"),
        ({"ring_sise": 512}, "ring_size"),
        ({"role": "boss"}, "master .or server. or slave"),
        ({"mode": "token-ring"}, "possible values: ethernet, ip"),
        ({"queues": 2, "rx_queues": 1}, "cannot be used with"),
        ({"require_sealed": True}, "role master"),
        ({"socket_mode": 0o600}, "role master"),
        ({"secret": "x" * 30}, "1 to 23 bytes"),
        ({"name": "x" * 40}, "at most 31 bytes"),
        ({"role": "master", "rx_queues": "auto"}, "rx_queues auto is for the slave"),
        ({"secret_file": "/nonexistent"}, "cannot read the secret"),
        ({"path": "/tmp/memif.sock"}, "path is no option: give one of role, "),
        ({"role": "master", "socket_mode": -1}, "an octal number up to 777"),
        ({"role": "master", "socket_mode": 2**70}, "an octal number up to 777"),
    ],
)
def test_options_say_what_to_give(path, options, words):
    with pytest.raises(memif.OptionError, match=words) as told:
        memif.Interface(path, **options)
    assert "--" not in str(told.value) and isinstance(told.value, ValueError)


@pytest.mark.parametrize(
    ["options", "words"],
    [
        ({"secret": b"bytes"}, "secret takes text or a number, not bytes"),
        ({"name": object()}, "name takes text or a number, not object"),
        ({"no_chains": 1}, "no_chains is True or False"),
        ({"ring_size": False}, "leave it out"),
    ],
)
def test_options_of_the_wrong_kind(path, options, words):
    with pytest.raises(TypeError, match=words):
        memif.Interface(path, **options)


def test_options_of_a_socket_go_to_it(path):
    with memif.Socket(path, app_name="lab", socket_mode=0o600, retry_period=0.1, allow_uid=[0, os.getuid()]) as socket:
        with pytest.raises(memif.OptionError, match="give it to Socket"):
            memif.Interface(socket, app_name="lab")
        with memif.Interface(socket, role="master", name="port") as master, memif.Interface(socket) as slave:
            assert slave.wait_connected(PATIENCE).app_name == "lab"
            assert slave.peer.interface_name == "port" and slave.peer.uid == os.getuid()
            assert os.stat(path).st_mode & 0o777 == 0o600
            assert master.role == "master" and not master.closed
        with pytest.raises(memif.SocketError, match="id 3 is taken"):
            memif.Interface(socket, 3), memif.Interface(socket, 3)
    with pytest.raises(memif.OptionError, match="give it to Interface"):
        memif.Socket(path, ring_size=512)
    with pytest.raises(memif.OptionError, match="ring_sise is no option"):
        memif.Socket(path, ring_sise=512)
    with pytest.raises(TypeError, match="a path"):
        memif.Socket(7)


def test_both_names_of_the_options_are_the_commands():
    """The stubs name each option of the command, and no other one."""
    stub = Path(memif.__file__).with_name("_memif.pyi").read_text()
    of_socket, of_interface = memif._memif.option_names()
    parts = stub.split("class ")
    assert all(f"        {name}:" in parts[1] for name in of_socket if name != "socket")
    assert all(f"        {name}:" in parts[2] for name in of_interface if name != "id")
    assert parts[1].count(" = None,\n") == len(of_socket)
    assert parts[2].count(" = None,\n") == len(of_interface) + len(of_socket)


def test_why_there_is_no_link_with_advice(path):
    with memif.Interface(path) as interface:
        with pytest.raises(memif.NotConnectedError, match="no link yet"):
            interface.send([b"packet"])
        with pytest.raises(memif.TimeoutError) as told:
            interface.wait_connected(0.05)
        assert told.value.advice == f"start the master (VPP, or memif with role master), or check socket {path}"
        assert isinstance(told.value, TimeoutError) and isinstance(told.value, ConnectionError)
        assert str(told.value) == f"{told.value.reason}; {told.value.advice}"
        event = interface.socket.next_event(PATIENCE)
        assert (event.kind, event.interface_id, event.role) == ("connect_failed", 0, "slave")
        assert interface.details().last_reason == f"{event.reason}; {event.advice}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.bind(path)
            other.listen()
            until(lambda: "another kind of program" in (interface.details().last_reason or ""))


def test_a_secret(path):
    with memif.Interface(path, role="master", secret="right") as master:
        with memif.Interface(path, secret="wrong") as slave:
            with pytest.raises(memif.TimeoutError, match="secret"):
                slave.wait_connected(0.2)
            assert "same secret" in master.socket.next_event(PATIENCE).advice
        with memif.Interface(path, secret="right") as slave:
            slave.wait_connected(PATIENCE)
            assert slave.details().secret_set


def test_a_link_that_comes_and_goes(path):
    with memif.Interface(path, role="master") as master:
        for _ in range(3):
            with memif.Interface(path) as slave:
                slave.wait_connected(PATIENCE)
                slave.send([b"left", b"behind"])
                assert master.socket.next_event(PATIENCE).kind == "connected"
            # What came before the end comes before the end.
            assert receive(master, 2) == [b"left", b"behind"]
            with pytest.raises(memif.DisconnectedError) as told:
                master.recv(timeout=PATIENCE)
            assert "disconnected by the peer" in str(told.value)
            with pytest.raises(memif.NotConnectedError):
                master.recv(timeout=0)
            assert master.socket.next_event(PATIENCE).kind == "disconnected"
        assert master.counters().rx_packets == 6


def test_a_new_link_after_wait_connected(path):
    """Who asks for the next link does not hear of the end of the last one."""
    with memif.Interface(path, role="master") as master:
        with memif.Interface(path) as slave:
            slave.wait_connected(PATIENCE)
            slave.send([b"one"])
            assert receive(master, 1) == [b"one"]
        until(lambda: not master.connected)
        with memif.Interface(path) as slave:
            slave.wait_connected(PATIENCE), master.wait_connected(PATIENCE)
            slave.send([b"two"])
            assert receive(master, 1) == [b"two"]
            assert master.send([b"three"]) == 1
            assert receive(slave, 1) == [b"three"]


def test_closed(path):
    socket = memif.Socket(path)
    interface = memif.Interface(socket, role="master")
    other = memif.Interface(socket, 1, role="master")
    interface.close()
    for call in [interface.recv, interface.recv_one, interface.__next__, interface.wait_connected, interface.fileno, lambda: interface.send([b"x"])]:
        with pytest.raises(memif.ClosedError, match="open another one"):
            call()
    assert interface.closed and not other.closed and not socket.closed
    interface.close()
    socket.close()
    assert other.closed and socket.closed and "closed" in repr(socket)
    with pytest.raises(memif.ClosedError):
        other.recv(timeout=PATIENCE)
    with pytest.raises(memif.ClosedError):
        memif.Interface(socket, 2)
    with pytest.raises(memif.ClosedError):
        while True:
            socket.next_event(PATIENCE)
    socket.close()


def test_mode_ip(path):
    with memif.Interface(path, role="master", mode="ip") as master, memif.Interface(path, mode="ip") as slave:
        slave.wait_connected(PATIENCE)
        assert master.mode == slave.mode == slave.details().mode == "ip"


def test_recording(pair, tmp_path):
    slave, master = pair
    with memif.Recording(tmp_path / "link.pcapng") as recording:
        slave.record(recording)
        slave.send([b"out" * 20])
        assert receive(master, 1)
        master.send([b"in" * 30])
        assert receive(slave, 1)
        slave.record(None)
        slave.send([b"unseen"])
        with pytest.raises(ValueError, match="mode"):
            slave.record(memif.Recording(tmp_path / "ip.pcapng", mode="ip"))
        assert recording.close() == 2 == recording.close()
    from scapy.utils import rdpcap

    assert [bytes(packet) for packet in rdpcap(str(tmp_path / "link.pcapng"))] == [b"out" * 20, b"in" * 30]
    with pytest.raises(OSError, match="cannot write to"):
        memif.Recording("/nonexistent/x.pcapng")
