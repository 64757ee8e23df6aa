"""Interfaces for coroutines."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, AsyncIterator, Deque, Iterable, List, Optional, Union

from ._errors import TimeoutError as NoLink
from ._memif import as_packets

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ._memif import Interface
    from ._types import Peer

_BATCH = 64
_SHORTEST_PAUSE = 50e-6
_LONGEST_PAUSE = 1e-3
_LOOK = 5e-3


class AsyncInterface:
    """An interface whose waits are those of an event loop. `async with memif.Interface(...) as interface` gives one.

    One task at a time receives, and any number sends. What is not here is on `interface`, the interface itself.
    """

    def __init__(self, interface: Interface) -> None:
        self.interface = interface
        self._kept: Deque[bytes] = deque()

    async def wait_connected(self, timeout: Optional[float] = 10.0) -> Peer:
        """As Interface.wait_connected."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                return self.interface.wait_connected(0)
            except NoLink:
                # Nothing but a look tells a link that is not there yet from one that will be.
                if until is not None and time.monotonic() >= until:
                    raise
            await asyncio.sleep(_LOOK)

    async def recv(self, max: int = _BATCH, timeout: Optional[float] = None) -> List[bytes]:
        """As Interface.recv."""
        if self._kept:
            return [self._kept.popleft() for _ in range(min(max, len(self._kept)))]
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            packets = self.interface.recv(max, 0)
            if packets:
                return packets
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return []
            await self._readable(left)

    async def send(self, packets: Union[Iterable[Buffer], Buffer], timeout: Optional[float] = None) -> int:
        """As Interface.send."""
        rest = as_packets(packets)
        until = None if timeout is None else time.monotonic() + timeout
        sent, pause = 0, _SHORTEST_PAUSE
        try:
            while True:
                now = self.interface.send(rest[sent:], 0)
                sent += now
                if sent == len(rest) or (until is not None and time.monotonic() >= until):
                    return sent
                # Nothing signals room.
                pause = _SHORTEST_PAUSE if now else min(2 * pause, _LONGEST_PAUSE)
                await asyncio.sleep(pause)
        except Exception as error:
            if hasattr(error, "sent"):
                error.sent += sent
            raise

    async def _readable(self, timeout: Optional[float]) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        number = self.interface.fileno()

        def told() -> None:
            if not ready.done():
                ready.set_result(None)

        loop.add_reader(number, told)
        try:
            await asyncio.wait_for(ready, timeout)
        except asyncio.TimeoutError:
            pass
        finally:
            loop.remove_reader(number)

    async def close(self) -> None:
        """Closes the interface."""
        await close(self.interface)

    async def __aenter__(self) -> AsyncInterface:
        return self

    async def __aexit__(self, *_raised: object) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next packet. Ends with an error, as recv() does, when the link goes down."""
        if not self._kept:
            self._kept.extend(await self.recv())
        return self._kept.popleft()


async def close(interface: Interface) -> None:
    """Closes an interface beside the loop: its end may wait a moment for the peer."""
    await asyncio.get_running_loop().run_in_executor(None, interface.close)
