"""memif, the shared memory packet interface of VPP and DPDK, from Python.

    import memif

    with memif.Interface("/run/vpp/memif.sock", id=0) as interface:
        interface.wait_connected()
        interface.send([packet])
        answers = interface.recv(timeout=1)

Interface is a link to one peer, Socket the control socket of several. For scapy see memif.scapy, for coroutines
`async with memif.Interface(...) as interface`, and `python -m memif` is the command.
"""

from ._asyncio import AsyncInterface
from ._errors import (
    BreachError,
    ClosedError,
    DisconnectedError,
    Error,
    ForkedError,
    NotConnectedError,
    OptionError,
    PacketError,
    QueueError,
    SocketError,
    TimeoutError,
)
from ._memif import Interface, Recording, Socket, __version__
from ._types import Counters, Details, Event, Peer, Queue, Region

__all__ = [
    "AsyncInterface",
    "BreachError",
    "ClosedError",
    "Counters",
    "Details",
    "DisconnectedError",
    "Error",
    "Event",
    "ForkedError",
    "Interface",
    "NotConnectedError",
    "OptionError",
    "PacketError",
    "Peer",
    "Queue",
    "QueueError",
    "Recording",
    "Region",
    "Socket",
    "SocketError",
    "TimeoutError",
    "__version__",
]
