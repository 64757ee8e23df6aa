"""Why something failed, with the advice that the command gives."""

import builtins
from typing import Optional


class Error(Exception):
    """Whatever this package raises for a reason of its own."""

    reason: str
    """What happened."""
    advice: Optional[str]
    """What to do about it, if there is advice."""
    sent: int = 0
    """Packets that a call of send() sent before."""

    def __init__(self, reason: str, advice: Optional[str] = None) -> None:
        super().__init__(reason, advice)
        self.reason = reason
        self.advice = advice

    def __str__(self) -> str:
        return self.reason if self.advice is None else f"{self.reason}; {self.advice}"


class OptionError(Error, ValueError):
    """An option that cannot be, or does not fit the others."""


class SocketError(Error, OSError):
    """A socket cannot be opened, or an interface not be added to it."""


class ClosedError(Error, ValueError):
    """The interface or its socket was closed here."""


class ForkedError(Error, RuntimeError):
    """The socket belongs to the process that forked this one."""


class NotConnectedError(Error, ConnectionError):
    """There is no link."""


class TimeoutError(NotConnectedError, builtins.TimeoutError):
    """No link came up in time."""


class DisconnectedError(NotConnectedError):
    """The link went down; the next one may be up already."""


class BreachError(DisconnectedError):
    """The link went down because the peer broke the protocol."""

    breach: str = ""
    """Which of its rules: a name, as `DescriptorCount`."""


class PacketError(Error, ValueError):
    """A packet of no bytes, or one that is longer than this link takes."""


class QueueError(Error, LookupError):
    """The link has no such queue."""
