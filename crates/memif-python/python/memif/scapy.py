"""A memif interface as a socket of scapy: for sr, srp, sniff, AsyncSniffer, bridge_and_sniff and answering machines.

    from memif.scapy import MemifSocket

    with MemifSocket("/run/vpp/memif.sock") as link:
        answer = link.sr1(Ether() / IP(dst="192.168.1.1") / ICMP(), timeout=2)
"""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING, Any, Optional, Tuple, Union, cast

from scapy.data import MTU
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet
from scapy.supersocket import SuperSocket

from ._errors import DisconnectedError, NotConnectedError
from ._memif import Interface

if TYPE_CHECKING:
    from os import PathLike

    from ._memif import Socket

__all__ = ["MemifSocket"]


class MemifSocket(SuperSocket):
    """A link as a socket of scapy, of whole Ethernet frames, or of IP packets in mode 'ip'.

    socket, id, options: as for memif.Interface; or an Interface, which is then not closed with this. Waits up to
    `connect_timeout` seconds for the link (None: not at all, packets come when there is one). A packet for which there
    is no room after `send_timeout` seconds is an OSError (ENOBUFS).

    recv() does not wait: select, sniff or sr do. The end of the link is the end of what is sniffed.
    """

    desc = "packets over a shared memory packet interface (memif)"
    async_select_unrequired = False

    def __init__(
        self,
        socket: Union[Interface, Socket, str, PathLike[str], None] = None,
        id: int = 0,
        *,
        connect_timeout: Optional[float] = 10.0,
        send_timeout: float = 10.0,
        **options: Any,
    ) -> None:
        # Until there is an interface there is nothing to close.
        self.closed = True
        self._owns = not isinstance(socket, Interface)
        if isinstance(socket, Interface):
            if options:
                raise TypeError("options are for an interface that is made here, and this one is there")
            interface = socket
        else:
            interface = Interface(socket, id, **options)
        self.interface = interface
        # What scapy itself does with them is overridden here.
        self.ins = self.outs = cast(Any, interface)
        self.iface = f"memif{interface.id}"
        self.send_timeout = send_timeout
        self.promisc = True
        try:
            # The descriptor is there from the start, so that no packet comes unnoticed.
            interface.fileno()
            if connect_timeout is not None:
                interface.wait_connected(connect_timeout)
        except BaseException:
            if self._owns:
                interface.close()
            raise
        self.closed = False

    def fileno(self) -> int:
        return -1 if self.closed else self.interface.fileno()

    def send(self, x: Packet) -> int:
        data = bytes(x)
        try:
            x.sent_time = time.time()
        except AttributeError:
            pass
        if self.interface.send([data], self.send_timeout) == 0:
            raise OSError(errno.ENOBUFS, f"no room on the ring for {self.send_timeout} s: look whether the peer receives")
        return len(data)

    def recv_raw(self, x: int = MTU) -> Tuple[Optional[type[Packet]], Optional[bytes], Optional[float]]:
        try:
            data = self.interface.recv_one(0)
        except DisconnectedError as error:
            raise EOFError(str(error)) from error
        except NotConnectedError:
            data = None
        if data is None:
            return None, None, None
        if self.interface.mode == "ip":
            return (IPv6 if data[0] >> 4 == 6 else IP), data, time.time()
        return Ether, data, time.time()

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._owns:
            self.interface.close()
