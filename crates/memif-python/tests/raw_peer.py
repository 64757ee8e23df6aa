"""A memif peer in Python that does what it is told to, right or wrong, from the tables of docs/protocol.md."""

import array
import mmap
import os
import select
import socket
import struct

ACK, HELLO, INIT, ADD_REGION, ADD_RING, CONNECT, CONNECTED, DISCONNECT = range(1, 9)
VERSION = 0x0200
COOKIE = 0x03E31F20
LOG2 = 4
SLOTS = 1 << LOG2
RING = 128 + 16 * SLOTS
BUFFERS = 4096
"""Where the buffers begin: of S2M, then of M2S."""
BUFFER = 2048
SIZE = BUFFERS + 2 * SLOTS * BUFFER
S2M, M2S = 0, 1
NEXT = 1


def message(kind, body=b""):
    return struct.pack("<H", kind) + body + bytes(126 - len(body))


class Control:
    """The control connection of either role."""

    def __init__(self, connection):
        self.connection = connection
        connection.settimeout(60)

    def send(self, data, fds=()):
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.connection.sendmsg([data], ancillary)

    def receive(self):
        """Kind, body and descriptors of the next message; None at the end."""
        data, ancillary, _, _ = self.connection.recvmsg(128, socket.CMSG_SPACE(16))
        if not data:
            return None
        fds = []
        for _, _, packed in ancillary:
            fds += array.array("i", packed[: len(packed) - len(packed) % 4]).tolist()
        return struct.unpack_from("<H", data)[0], data[2:], fds

    def expect(self, kind):
        received = self.receive()
        assert received is not None and received[0] == kind, received
        return received

    def end(self):
        """The reason of a DISCONNECT, or None where it was closed without."""
        while True:
            received = self.receive()
            if received is None:
                return None
            if received[0] == DISCONNECT:
                return received[1][4:100].split(b"\0")[0].decode()

    def close(self):
        self.connection.close()


class Ring:
    """One ring in memory of both."""

    def __init__(self, memory, offset, log2=LOG2):
        self.memory, self.offset, self.slots = memory, offset, 1 << log2

    def _get(self, at):
        return struct.unpack_from("<H", self.memory, self.offset + at)[0]

    def _set(self, at, value):
        # One store of two bytes: a slice of its own type is written by memcpy.
        self.memory[self.offset + at : self.offset + at + 2] = struct.pack("<H", value & 0xFFFF)

    flags = property(lambda self: self._get(4), lambda self, value: self._set(4, value))
    head = property(lambda self: self._get(6), lambda self, value: self._set(6, value))
    tail = property(lambda self: self._get(64), lambda self, value: self._set(64, value))

    def descriptor(self, slot, flags, region, length, offset):
        at = self.offset + 128 + 16 * (slot % self.slots)
        struct.pack_into("<HHIII", self.memory, at, flags, region, length, offset, 0)

    def read(self, slot):
        return struct.unpack_from("<HHIII", self.memory, self.offset + 128 + 16 * (slot % self.slots))


class Slave:
    """Connects to a master and brings one region, with a ring each way."""

    def __init__(self, path, seal=True):
        self.control = Control(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        self.control.connection.connect(path)
        self.file = os.memfd_create("raw", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        os.ftruncate(self.file, SIZE)
        if seal:
            import fcntl

            fcntl.fcntl(self.file, 1033, 2 | 1)  # F_ADD_SEALS: that it does not shrink, and no more of them
        self.memory = mmap.mmap(self.file, SIZE)
        self.rings = [Ring(self.memory, RING * number) for number in (S2M, M2S)]
        self.events = [os.eventfd(0, os.EFD_NONBLOCK) if hasattr(os, "eventfd") else os.pipe()[0] for _ in self.rings]
        for number, ring in enumerate(self.rings):
            struct.pack_into("<I", self.memory, ring.offset, COOKIE)
            for slot in range(SLOTS):
                ring.descriptor(slot, 0, 0, BUFFER if number == M2S else 0, self.buffer(number, slot))

    def buffer(self, ring, slot):
        return BUFFERS + (ring * SLOTS + slot % SLOTS) * BUFFER

    def handshake(self, init=None, region=None, ring=None, fds=None):
        """The usual messages, or others in their place."""
        control = self.control
        control.expect(HELLO)
        control.send(init or self.init())
        control.expect(ACK)
        control.send(region or message(ADD_REGION, struct.pack("<HQ", 0, SIZE)), [self.file] if fds is None else fds)
        control.expect(ACK)
        for number in (S2M, M2S):
            usual = struct.pack("<HHHIBH", 1 if number == S2M else 0, 0, 0, RING * number, LOG2, 0)
            control.send(ring or message(ADD_RING, usual), [self.events[number]])
            control.expect(ACK)
        control.send(message(CONNECT, b"raw"))
        control.expect(CONNECTED)
        # All buffers for the master to send in.
        self.rings[M2S].head = SLOTS

    def init(self, version=VERSION, id=0, mode=0, secret=b""):
        secret, name = secret.ljust(24, b"\0"), b"raw peer".ljust(32, b"\0")
        return message(INIT, struct.pack("<HIB", version, id, mode) + secret + name)

    def send(self, data, flags=0, region=0, length=None, offset=None):
        """Puts one packet on the ring."""
        ring = self.rings[S2M]
        slot = ring.head
        at = self.buffer(S2M, slot)
        self.memory[at : at + len(data)] = data
        ring.descriptor(slot, flags, region, len(data) if length is None else length, at if offset is None else offset)
        ring.head = slot + 1
        self.signal(S2M)

    def signal(self, number):
        os.write(self.events[number], struct.pack("<Q", 1))

    def close(self):
        self.control.close()
        for fd in (*self.events, self.file):
            os.close(fd)
        self.memory.close()


class Master:
    """Listens, and maps what the first slave brings."""

    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        self.listener.listen()
        self.listener.settimeout(60)
        self.regions, self.rings, self.events, self.files = [], {}, {}, []

    def accept(self, hello=None):
        self.control = Control(self.listener.accept()[0])
        self.control.send(hello or self.hello())

    def hello(self, low=VERSION, high=VERSION):
        name = b"raw peer".ljust(32, b"\0")
        return message(HELLO, name + struct.pack("<HHHHHB", low, high, 255, 255, 255, 14))

    def handshake(self):
        """The usual answers until a link is up."""
        control = self.control
        while True:
            kind, body, fds = control.receive()
            self.files += fds
            if kind == CONNECT:
                break
            if kind == ADD_REGION:
                size = struct.unpack_from("<HQ", body)[1]
                self.regions.append(mmap.mmap(fds[0], size))
            elif kind == ADD_RING:
                flags, index, region, offset, log2, _ = struct.unpack_from("<HHHIBH", body)
                number = S2M if flags & 1 else M2S
                self.rings[number] = Ring(self.regions[region], offset, log2)
                self.events[number] = fds[0]
            control.send(message(ACK))
        control.send(message(CONNECTED, b"raw"))

    def signal(self, number):
        os.write(self.events[number], struct.pack("<Q", 1))

    def wait_posted(self):
        """Until the slave has posted its buffers."""
        while self.rings[M2S].head == 0:
            select.select([], [], [], 0.001)

    def close(self):
        for end in (getattr(self, "control", None), self.listener):
            if end is not None:
                end.close()
        for region in self.regions:
            region.close()
        for fd in self.files:
            os.close(fd)
