"""Rates of the package, beside what Python programs use instead: the figures of docs/python.md.

    python rates.py [SECONDS] [ROUNDS]

One way, 64 bytes, two processes of Python; pings by scapy, to our responder over memif and to the kernel over a TAP. The
rows alternate, and medians of the rounds are printed. What needs the kernel is measured in a network namespace of its
own, as root, with `ip`; else it is left out. Take a release build of the wheel.
"""

import os
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time

PACKET = b"\xff" * 12 + b"\x08\x00" + bytes(50)
BATCH = 64
ME = "02:00:00:00:00:02"
PINGS = 1000


def count(receive, seconds):
    """Packets per second, from the first ones on; `receive` gives how many came, some 64 so that the clock is no matter."""
    total = first = receive()
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        total += receive()
    return (total - first) / (time.perf_counter() - start)


def one_by_one(receive, argument):
    """The same for what gives one packet."""

    def several():
        for _ in range(BATCH):
            assert receive(argument)
        return BATCH

    return several


def memif_ends(path, role):
    import memif

    interface = memif.Interface(path, role=role)
    interface.wait_connected(30)
    return interface


def receive_memif(path, kind, batch, seconds):
    interface = memif_ends(path, "master")
    if kind == "arrays":
        import numpy

        room = numpy.empty((int(batch), len(PACKET)), "u1")
        return count(lambda: interface.recv_into(room, 10), seconds)
    if kind == "recv_one":
        return count(one_by_one(interface.recv_one, 10), seconds)
    if kind == "loop":

        def several():
            for _ in zip(range(BATCH), interface):
                pass
            return BATCH

        return count(several, seconds)
    recv, most = interface.recv, int(batch)
    return count(lambda: len(recv(most, 10)), seconds)


def send_memif(path, kind, batch):
    import memif

    interface = memif_ends(path, "slave")
    packets = [PACKET] * int(batch)
    if kind == "arrays":
        import numpy

        packets = numpy.zeros((int(batch), len(PACKET)), "u1")
    elif kind != "lists":
        packets = PACKET
    send = interface.send
    try:
        while True:
            send(packets)
    except memif.DisconnectedError:
        pass


def raw_socket(device):
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    end.bind((device, 0))
    end.settimeout(10)
    return end


def receive_raw(seconds):
    return count(one_by_one(raw_socket("right").recv, 2048), seconds)


def send_raw():
    send = raw_socket("left").send
    while True:
        try:
            send(PACKET)
        except OSError:
            # No buffer was left.
            select.select([], [], [], 0)


def ping_memif(path):
    from scapy.config import conf
    from scapy.layers.inet import ICMP, IP
    from scapy.layers.l2 import ARP, Ether

    from memif.scapy import MemifSocket

    conf.verb = 0
    with MemifSocket(path) as link:
        mac = link.sr1(Ether(src=ME, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=ME, psrc="192.168.1.2", pdst="192.168.1.1"), timeout=10).hwsrc
        requests = [Ether(src=ME, dst=mac) / IP(src="192.168.1.2", dst="192.168.1.1") / ICMP(seq=seq) for seq in range(PINGS)]
        return ping(link, requests)


def ping_tap():
    from scapy.config import conf
    from scapy.layers.inet import ICMP, IP
    from scapy.layers.l2 import ARP, Ether
    from scapy.layers.tuntap import TunTapInterface

    conf.verb = 0
    link = TunTapInterface("tap0", mode_tun=False)
    subprocess.run("ip address add 192.168.1.1/24 dev tap0; ip link set tap0 up", shell=True, check=True)
    mac = link.sr1(Ether(src=ME, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=ME, psrc="192.168.1.2", pdst="192.168.1.1"), timeout=10).hwsrc
    requests = [
        Ether(src=ME, dst=mac) / IP(src="192.168.1.2", dst="192.168.1.1") / ICMP(seq=seq)
        for seq in range(PINGS)
    ]
    # The kernel asks once who that is.
    return ping(link, requests)


def ping(link, requests):
    start = time.perf_counter()
    answers, _ = link.sr(requests, timeout=5)
    # It waits no longer than for the last answer.
    took = time.perf_counter() - start
    return f"{took} {len(answers)}"


def end(*arguments, **options):
    return subprocess.Popen([sys.executable, __file__, "end", *map(str, arguments)], text=True, **options)


def one_way(receive, send):
    """What the receiver of two processes tells."""
    receiver = end(*receive, stdout=subprocess.PIPE)
    sender = end(*send)
    rate = float(receiver.communicate()[0])
    sender.terminate()
    sender.wait()
    return rate


def main(seconds=1.0, rounds=3):
    kernel = os.geteuid() == 0 and "memif_rates" not in os.environ
    if kernel:
        os.execvpe("unshare", ["unshare", "--net", sys.executable, *sys.argv], {**os.environ, "memif_rates": "1"})
    kernel = os.geteuid() == 0
    if kernel:
        setup = "ip link set lo up; ip link add left type veth peer name right; ip link set left up; ip link set right up"
        subprocess.run(setup, shell=True, check=True)
        for device in ("left", "right"):
            with open(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6", "w") as file:
                file.write("1")
    found = {}
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "memif.sock")
        responder_path = os.path.join(directory, "responder.sock")
        for _ in range(rounds):
            for batch in (BATCH, 4 * BATCH):
                for kind in ("lists", "arrays"):
                    rate = one_way(["receive_memif", path, kind, batch, seconds], ["send_memif", path, kind, batch])
                    found.setdefault(f"memif, {kind} of {batch}", []).append(rate)
            for kind in ("recv_one", "loop"):
                rate = one_way(["receive_memif", path, kind, 1, seconds], ["send_memif", path, kind, 1])
                found.setdefault(f"memif, {kind}", []).append(rate)
            if kernel:
                found.setdefault("AF_PACKET on veth", []).append(one_way(["receive_raw", seconds], ["send_raw"]))
            command = [sys.executable, "-m", "memif", "responder", "--role", "master", "--socket", responder_path]
            responder = subprocess.Popen(
                [*command, "--ip", "192.168.1.1"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
            )
            pings = {"sr() over memif": ["ping_memif", responder_path], "sr() over a TAP": ["ping_tap"]}
            for name, arguments in pings.items():
                if kernel or "TAP" not in name:
                    told = end(*arguments, stdout=subprocess.PIPE).communicate()[0].split()
                    found.setdefault(f"{name}, seconds", []).append(float(told[0]))
                    found.setdefault(f"{name}, answers", []).append(float(told[1]))
            responder.terminate()
            responder.wait()
    for name, values in found.items():
        print(f"{name:28} {statistics.median(values):14,.2f}   {min(values):,.2f} to {max(values):,.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["end"]:
        name, *arguments = sys.argv[2:]
        arguments = [float(word) if word.replace(".", "").isdigit() else word for word in arguments]
        told = globals()[name](*arguments)
        if told is not None:
            print(told)
    else:
        main(*map(float, sys.argv[1:2]), *map(int, sys.argv[2:3]))
