"""What the tests have in common: a watchdog for each, sockets of their own, and help with other processes."""

import faulthandler
import os
import shutil
import subprocess
import sys
import threading
import time

import pytest

import memif

pytest_plugins = ["pytester"]
PATIENCE = 60.0
"""How long something may take that takes moments, on a machine that is several times slower."""


@pytest.fixture(autouse=True)
def watchdog():
    """A test that hangs ends the run, with the stacks of all threads."""
    faulthandler.dump_traceback_later(float(os.environ.get("MEMIF_WATCHDOG", 300)), exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "memif.sock")


@pytest.fixture
def pair(memif_pair):
    return memif_pair


def needs(program):
    """Where that program is missing the test is skipped, and fails where nothing may be skipped."""
    if shutil.which(program) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"with CI=true nothing may be skipped: {program} is not installed")
        pytest.skip(f"{program} is not installed")


def run(code, *arguments, status=0, **options):
    """Runs a program of Python and gives what it printed."""
    command = [sys.executable, "-X", "dev", "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **options)
    assert done.returncode == status, f"status {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def until(condition):
    """Waits for a condition that nothing signals."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.005)


class Thread(threading.Thread):
    """A thread that gives what its function gives, or raises what it raises."""

    def __init__(self, function, *arguments):
        super().__init__(daemon=True)
        self._function, self._arguments = function, arguments
        self._result = self._error = None
        self.start()

    def run(self):
        try:
            self._result = self._function(*self._arguments)
        except BaseException as error:
            self._error = error

    def result(self):
        self.join(PATIENCE)
        assert not self.is_alive(), "it did not end"
        if self._error is not None:
            raise self._error
        return self._result


def echo(interface, packets):
    """Sends back so many packets."""
    left = packets
    while left > 0:
        received = interface.recv(timeout=PATIENCE)
        assert received, "no packet came"
        assert interface.send(received, PATIENCE) == len(received)
        left -= len(received)


def receive(interface, packets):
    """Receives so many packets."""
    received = []
    while len(received) < packets:
        more = interface.recv(packets - len(received), PATIENCE)
        assert more, f"{len(received)} of {packets} packets came"
        received += more
    return received


__all__ = ["PATIENCE", "Thread", "echo", "memif", "needs", "receive", "run", "until"]
