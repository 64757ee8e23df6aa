"""What the process does: forks, ends, starts interpreters, and opens and closes for a long time."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from conftest import PATIENCE, memif, run

SETUP = """
import os, sys, threading, memif
path = sys.argv[1]
socket = memif.Socket(path)
master, slave = memif.Interface(socket, role="master"), memif.Interface(socket)
master.wait_connected(60), slave.wait_connected(60)
"""


AGAIN = """
def again(call):
    def run():
        while True:
            try:
                call()
            except memif.Error:
                pass
    threading.Thread(target=run, daemon=True).start()
"""


def test_a_child_of_a_fork_gets_an_error(path):
    """Whatever it calls; it ends, and its parent goes on."""
    run(
        SETUP
        + """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
waiting = threading.Thread(target=slave.recv)
waiting.start()
child = os.fork()
if child == 0:
    calls = [slave.recv, slave.recv_one, slave.counters, lambda: slave.peer, slave.wait_connected, slave.fileno,
             slave.details, socket.events, socket.next_event, lambda: master.recv_into(bytearray(9)),
             lambda: slave.send([b"x"]), lambda: slave.send(b"x"), lambda: memif.Interface(socket, 7)]
    for call in calls:
        try:
            call()
        except memif.ForkedError as error:
            assert "after the fork" in str(error)
        else:
            os._exit(1)
    assert not slave.connected
    slave.close(), socket.close()
    with memif.Interface(path + "2", role="master") as own, memif.Interface(path + "2") as other:
        other.wait_connected(60)
        other.send([b"of the child"])
        assert own.recv(timeout=60) == [b"of the child"]
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
master.send([b"of the parent"])
waiting.join(60)
assert not waiting.is_alive() and os.path.exists(path)
""",
        path,
    )


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(path, method):
    run(
        """
import multiprocessing, sys, warnings, memif
warnings.simplefilter("ignore", DeprecationWarning)

def answer(path, ready):
    with memif.Interface(path, role="master") as interface:
        ready.set()
        interface.wait_connected(60)
        interface.send(interface.recv(timeout=60))
        interface.flush(60)

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[2])
    ready = context.Event()
    process = context.Process(target=answer, args=(sys.argv[1], ready))
    process.start()
    ready.wait(60)
    with memif.Interface(sys.argv[1]) as interface:
        interface.wait_connected(60)
        interface.send([b"packet"])
        assert interface.recv(timeout=60) == [b"packet"]
    process.join(60)
    assert process.exitcode == 0
"""
        if method == "fork"
        else """
import sys, memif, subprocess
code = "import sys, memif; i = memif.Interface(sys.argv[1], role='master'); i.wait_connected(60); " \\
       "i.send(i.recv(timeout=60)); i.flush(60)"
other = subprocess.Popen([sys.executable, "-c", code, sys.argv[1]])
with memif.Interface(sys.argv[1]) as interface:
    interface.wait_connected(60)
    interface.send([b"packet"])
    assert interface.recv(timeout=60) == [b"packet"]
assert other.wait(60) == 0
""",
        path,
        method,
    )


@pytest.mark.parametrize(
    "end",
    [
        "",
        "sys.exit(0)",
        "threading.Thread(target=slave.recv, daemon=True).start(); master.fileno()",
        "[threading.Thread(target=slave.recv, daemon=True).start() for _ in range(3)]; master.send([b'x'] * 1024)",
        "[again(call) for call in [lambda: slave.recv_one(0.001), lambda: slave.send(iter([b'x']), 0), slave.counters, "
        "slave.details, socket.events, lambda: slave.peer, lambda: memif.Interface(socket, 7).close()]]",
        "keep = [slave, master]; keep.append(keep)",
        "del socket, master, slave",
    ],
)
def test_the_interpreter_ends_with_links_up(path, end):
    """Peers are told, the socket file goes, and no thread of Python's is ended within a call."""
    run(SETUP + AGAIN + end, path)
    assert not os.path.exists(path)


def test_the_peer_hears_of_the_end(path):
    with memif.Interface(path, role="master") as interface:
        run("import sys, memif; i = memif.Interface(sys.argv[1]); i.wait_connected(60); i.send([b'last'])", path)
        assert interface.socket.next_event(PATIENCE).kind == "connected"
        assert interface.recv(timeout=PATIENCE) == [b"last"]
        with pytest.raises(memif.DisconnectedError, match="disconnected by the peer"):
            interface.recv(timeout=PATIENCE)


def test_ctrl_c_ends_a_program(path):
    code = SETUP + "print('ready', flush=True)\nslave.recv()"
    process = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGINT and b"KeyboardInterrupt" in errors
    assert not os.path.exists(path)


def test_subinterpreters_are_refused():
    """By name, and the first interpreter goes on."""
    run(
        """
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
import memif
other = interpreters.create()
code = '''
try:
    import memif
except ImportError as error:
    assert "subinterpreters" in str(error), error
else:
    raise SystemExit("imported")
'''
try:
    told = interpreters.run_string(other, code)
except Exception as error:
    told = error
assert told is None, told
interpreters.destroy(other)
with memif.Socket("@memif-first-interpreter") as socket:
    pass
"""
    )


def figures():
    """Descriptors, threads and bytes of memory of this process."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return len(os.listdir("/proc/self/fd")), threading.active_count(), len(os.listdir("/proc/self/task")), pages


def test_cycles_of_open_and_close(path):
    """100,000 with CI=true, else as many as MEMIF_CYCLES says. Of a hundred, one brings a link up and ends it, one is
    dropped and not closed, eight open a socket with an interface, and the others an interface of a socket that stays.
    """
    cycles = int(os.environ.get("MEMIF_CYCLES", 100_000 if os.environ.get("CI") == "true" else 1000))
    with memif.Interface(path, 1, role="master") as master:

        def cycle(number):
            kind = number % 100
            if kind == 0:
                with memif.Interface(path, 1) as slave:
                    slave.wait_connected(PATIENCE)
                    slave.fileno()
                    master.wait_connected(PATIENCE)
                    slave.send([b"packet"])
                    assert master.recv(1, PATIENCE)
                    try:
                        slave.close()
                        master.recv(1, PATIENCE)
                    except memif.DisconnectedError:
                        pass
            elif kind == 1:
                interface = memif.Interface(path + "2", role="master")
                interface.fileno()
                del interface
            elif kind < 10:
                with memif.Socket(path + "2") as socket:
                    memif.Interface(socket, role="master" if number % 2 else "slave").close(0)
            else:
                memif.Interface(master.socket, 2, role="master").close(0)

        for number in range(min(cycles // 10, 1000)):
            cycle(number)
        before = figures()
        for number in range(cycles):
            cycle(number)
        after = figures()
        assert after[:3] == before[:3]
        # Some pages of an allocator's, however many cycles.
        assert after[3] - before[3] < 2048, (before, after)
