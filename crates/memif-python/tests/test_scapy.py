"""MemifSocket under what scapy does with its sockets."""

import errno
import time

import pytest
from conftest import PATIENCE, Thread, memif, needs, receive
from scapy.automaton import ObjectPipe
from scapy.config import conf
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw, fuzz
from scapy.sendrecv import AsyncSniffer, bridge_and_sniff, sniff
from scapy.volatile import RandNum

from memif.scapy import MemifSocket

conf.verb = 0
# Where a machine has no route, scapy knows no address of ours.
ME = "02:00:00:00:00:01"


def ping(number, ip="192.168.1.2", mac="ff:ff:ff:ff:ff:ff"):
    return Ether(src=ME, dst=mac) / IP(src="192.168.1.1", dst=ip) / ICMP(id=7, seq=number) / b"sixteen bytes..."


def mac_of(link, ip):
    """The hardware address of a neighbour."""
    request = Ether(src=ME, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=ME, psrc="192.168.1.1", pdst=ip)
    answer = link.sr1(request, timeout=PATIENCE)
    assert answer[ARP].psrc == ip
    return answer[ARP].hwsrc


@pytest.fixture
def sockets(pair):
    slave, master = (MemifSocket(interface) for interface in pair)
    with slave, master:
        yield slave, master


@pytest.mark.parametrize("memif_peer", ["responder", "testpmd"], indirect=True)
def test_a_thousand_pings(memif_peer):
    with MemifSocket(memif_peer.socket) as link:
        mac = mac_of(link, memif_peer.ip)
        answers, unanswered = link.sr([ping(number, mac=mac) for number in range(1000)], timeout=PATIENCE)
        assert len(answers) == 1000 and not unanswered
        assert [answer[ICMP].seq for _, answer in answers] == list(range(1000))
        assert all(query.sent_time <= answer.time <= time.time() for query, answer in answers)


@pytest.mark.parametrize("memif_peer", ["responder"], indirect=True)
def test_one_answer(memif_peer):
    with MemifSocket(memif_peer.socket) as link:
        mac = mac_of(link, memif_peer.ip)
        assert link.sr1(ping(1, mac=mac), timeout=PATIENCE)[Raw].load == b"sixteen bytes..."
        assert link.sr1(ping(1, "192.168.1.77"), timeout=0.1) is None


def test_sniff(sockets):
    slave, master = sockets
    sniffer = AsyncSniffer(opened_socket=master, count=20)
    sniffer.start()
    for number in range(20):
        slave.send(ping(number))
    sniffer.join(PATIENCE)
    assert [packet[ICMP].seq for packet in sniffer.results] == list(range(20))
    slave.send(ping(1))
    slave.send(Ether() / IP() / UDP())
    found = sniff(opened_socket=master, lfilter=lambda packet: UDP in packet, count=1, timeout=PATIENCE)
    assert len(found) == 1
    # Ended by its user while nothing comes.
    sniffer = AsyncSniffer(opened_socket=master)
    sniffer.start()
    while not sniffer.running or not hasattr(sniffer, "stop_cb"):
        time.sleep(0.001)
    assert not sniffer.stop()
    assert master.recv() is None


def test_sniffing_ends_with_the_link(path):
    with memif.Interface(path, role="master") as interface:
        with MemifSocket(path) as slave, MemifSocket(interface) as master:
            sniffer = AsyncSniffer(opened_socket=master)
            sniffer.start()
            slave.send(ping(1))
            slave.close()
            sniffer.join(PATIENCE)
            assert len(sniffer.results) == 1 and master.closed and not interface.closed


def test_bridge(tmp_path):
    """Two links joined, and what goes over them seen."""
    with memif.Socket(tmp_path / "bridge.sock") as socket:
        masters = [memif.Interface(socket, number, role="master") for number in range(2)]
        ends = [MemifSocket(socket, number) for number in range(2)]
        inner = [MemifSocket(master) for master in masters]
        control = ObjectPipe("control")
        bridge = Thread(
            lambda: bridge_and_sniff(*inner, xfrm12=lambda packet: packet, count=6, timeout=PATIENCE, store=True)
        )
        for number in range(3):
            ends[0].send(ping(number))
            assert receive(ends[1].interface, 1) == [bytes(ping(number))]
            ends[1].send(ping(number + 10))
            assert receive(ends[0].interface, 1) == [bytes(ping(number + 10))]
        assert len(bridge.result()) == 6
        control.close()
        for end in ends:
            end.close()


def test_answering_machine(sockets):
    from scapy.layers.l2 import ARP_am

    slave, master = sockets
    sniffer = AsyncSniffer(opened_socket=master, count=1, prn=lambda request: master.send(answer(request)))

    def answer(request):
        machine = ARP_am(IP_addr="192.168.1.9", ARP_addr="02:00:00:00:00:09")
        return machine.make_reply(request)

    sniffer.start()
    request = Ether(src=ME, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=ME, psrc="192.168.1.1", pdst="192.168.1.9")
    assert slave.sr1(request, timeout=PATIENCE)[ARP].hwsrc == "02:00:00:00:00:09"
    sniffer.join(PATIENCE)


def test_ip_mode(path):
    with memif.Interface(path, role="master", mode="ip") as master, MemifSocket(path, mode="ip") as slave:
        slave.send(IP(dst="192.168.1.2") / ICMP())
        slave.send(IPv6(dst="fd00::2") / ICMPv6EchoRequest())
        packets = receive(master, 2)
        assert [packet[0] >> 4 for packet in packets] == [4, 6]
        master.send(packets)
        seen = sniff(opened_socket=slave, count=2, timeout=PATIENCE)
        assert ICMP in seen[0] and ICMPv6EchoRequest in seen[1]


def test_fuzzed_packets_come_as_they_went(sockets):
    """The same seed, the same packets."""
    import random

    slave, master = sockets

    def packets(seed):
        random.seed(seed)
        return [bytes(Ether() / fuzz(IP(dst="192.168.1.2") / UDP(dport=RandNum(1, 9))))[:1500] for _ in range(50)]

    assert packets(5) == packets(5) != packets(6)
    slave.interface.send(packets(5))
    assert receive(master.interface, 50) == packets(5)


def test_a_ring_that_nobody_empties(pair):
    with MemifSocket(pair[0], send_timeout=0.02) as link:
        with pytest.raises(OSError, match="no room") as told:
            for _ in range(1025):
                link.send(ping(1))
        assert told.value.errno == errno.ENOBUFS


def test_no_link(path):
    with pytest.raises(memif.TimeoutError, match="start the master"):
        MemifSocket(path, connect_timeout=0.05)
    with MemifSocket(path, connect_timeout=None) as link:
        assert link.recv() is None
        with pytest.raises(memif.NotConnectedError):
            link.send(ping(1))
    assert link.closed and link.fileno() == -1
    with pytest.raises(TypeError, match="made here"):
        MemifSocket(memif.Interface("@memif-never"), ring_size=512)


@pytest.fixture(autouse=True)
def testpmd_where_it_is_wanted(request):
    if "testpmd" in request.node.name:
        needs("dpdk-testpmd")


def test_testpmd_is_the_peer_where_it_is(memif_peer):
    assert memif_peer.name == "testpmd"
    with MemifSocket(memif_peer.socket) as link:
        assert link.interface.peer.app_name.startswith("DPDK")
