"""Fixtures for tests of programs that speak memif. pytest finds them by itself where this package is installed.

memif_pair     two interfaces that are connected to each other: (slave, master)
memif_peer     a program that answers, and how to reach it: DPDK's testpmd where it is installed, or else our responder
memif_capture  what goes over interfaces, in a pcapng file that stays if the test fails
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Generator, Iterator, List, Tuple

import pytest

from ._memif import Interface, Recording, Socket

_PATIENCE = 60.0


@pytest.fixture
def memif_pair() -> Iterator[Tuple[Interface, Interface]]:
    """Two interfaces of this process that are connected to each other: a slave and its master."""
    with tempfile.TemporaryDirectory(prefix="memif") as directory:
        with Socket(Path(directory, "pair.sock")) as socket:
            with Interface(socket, role="master") as master, Interface(socket) as slave:
                master.wait_connected(_PATIENCE)
                slave.wait_connected(_PATIENCE)
                yield slave, master


@dataclass
class Peer:
    """A program that answers ARP requests and pings."""

    name: str
    """'testpmd', which answers whatever address is asked for, or 'responder'."""
    socket: str
    """Its socket: it is the master there, with interface 0."""
    ip: str
    """An address that it answers for."""
    process: subprocess.Popen[str] = field(repr=False)


@pytest.fixture
def memif_peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """A program that answers pings over memif, as the master of interface 0."""
    wanted = getattr(request, "param", None) or ("testpmd" if shutil.which("dpdk-testpmd") else "responder")
    with tempfile.TemporaryDirectory(prefix="memif") as directory:
        socket, log = os.path.join(directory, "peer.sock"), Path(directory, "log")
        command = _responder(socket) if wanted == "responder" else _testpmd(socket)
        with open(log, "w") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, text=True, cwd=directory
            )
        try:
            _await_socket(socket, process, log)
            yield Peer(wanted, socket, "192.168.1.2", process)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin:
                process.stdin.close()


def _responder(socket: str) -> List[str]:
    options = ["--role", "master", "--socket", socket, "--ip", "192.168.1.2"]
    return [sys.executable, "-m", "memif", "responder", *options]


def _testpmd(socket: str) -> List[str]:
    # Memory of usual pages, and no device but the one: needs no preparation of the machine. It waits for its input.
    cores = "0@0,1@1" if (os.cpu_count() or 1) > 1 else "0@0,1@0"
    device = f"--vdev=net_memif0,role=server,id=0,socket={socket},socket-abstract=no"
    eal = ["--lcores", cores, "--no-huge", "-m", "512", "--no-pci", f"--file-prefix=memif{os.getpid()}", device]
    return ["dpdk-testpmd", *eal, "--", "--total-num-mbufs=8192", "--no-flush-rx", "--forward-mode=icmpecho"]


def _await_socket(socket: str, process: subprocess.Popen[str], log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while not os.path.exists(socket):
        if process.poll() is not None or time.monotonic() > until:
            pytest.fail(f"the peer did not come up: {log.read_text()}")
        time.sleep(0.02)


class Capture:
    """Records interfaces in a file: each by record(interface)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._recordings: Dict[str, Recording] = {}
        self._interfaces: List[Interface] = []

    def record(self, interface: Interface) -> Interface:
        """Records all packets of the interface from now on, and gives it back."""
        mode = interface.mode
        if mode not in self._recordings:
            path = self.path if not self._recordings else self.path.with_suffix(f".{mode}.pcapng")
            self._recordings[mode] = Recording(path, mode="ip" if mode == "ip" else "ethernet")
        interface.record(self._recordings[mode])
        self._interfaces.append(interface)
        return interface

    def finish(self, keep: bool) -> List[Path]:
        """Ends the recording, and gives the files that stay."""
        for interface in self._interfaces:
            if not interface.closed:
                interface.record(None)
        paths = []
        for recording in self._recordings.values():
            recording.close()
            path = Path(recording.path)
            if keep:
                paths.append(path)
            else:
                path.unlink()
        return paths


_outcome = pytest.StashKey[bool]()
_captures = pytest.StashKey[Capture]()


@pytest.fixture
def memif_capture(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Capture]:
    """Records interfaces in a pcapng file that stays, and is named in the report, if the test fails."""
    capture = Capture(tmp_path / "memif.pcapng")
    request.node.stash[_captures] = capture
    yield capture
    # Of a test that failed it was ended with the test, so that its report can name the file.
    if not request.node.stash.get(_outcome, False):
        capture.finish(keep=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    capture = item.stash.get(_captures, None)
    if capture is not None and report.when == "call" and report.failed:
        item.stash[_outcome] = True
        paths = "\n".join(map(str, capture.finish(keep=True)))
        report.sections.append(("memif capture", paths))
    return report
