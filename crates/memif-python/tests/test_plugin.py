"""The fixtures, and the command."""

import subprocess
import sys

import pytest
from conftest import PATIENCE, needs


def test_the_fixtures_in_a_project_of_their_user(pytester):
    pytester.makepyfile(
        """
        import memif, pytest

        def test_pair(memif_pair):
            slave, master = memif_pair
            slave.send([b"packet"])
            assert master.recv(timeout=60) == [b"packet"]

        @pytest.mark.parametrize("memif_peer", ["responder"], indirect=True)
        def test_peer(memif_peer):
            with memif.Interface(memif_peer.socket) as interface:
                assert interface.wait_connected(60).app_name.startswith("memif")

        def test_good(memif_pair, memif_capture):
            memif_capture.record(memif_pair[0]).send([b"unimportant"])

        def test_bad(memif_pair, memif_capture):
            memif_capture.record(memif_pair[0]).send([b"important"])
            assert memif_pair[1].recv(timeout=60) == [b"other"]
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--basetemp=kept")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.re_match_lines([r".*memif capture.*", r".*memif\.pcapng"])
    files = list(pytester.path.glob("kept/**/*.pcapng"))
    assert len(files) == 1 and b"important" in files[0].read_bytes()
    assert b"unimportant" not in files[0].read_bytes()


def test_what_fixtures_there_are(pytester):
    listed = pytester.runpytest_subprocess("--fixtures").stdout.str()
    assert all(name in listed for name in ["memif_pair", "memif_peer", "memif_capture"])


def command(*arguments, **options):
    command = [sys.executable, "-m", "memif", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, **options)


def test_the_command():
    assert command("--version").stdout.startswith("memif ")
    done = command("ping", "--ring-size", "1000", "192.168.1.1")
    assert done.returncode == 2 and "a power of two" in done.stderr
    done = command("show", "/nonexistent/memif.sock")
    assert done.returncode == 1 and done.stdout
    assert "Usage: memif" in command("--help").stdout


def test_the_command_starts_its_other_end():
    """Two processes, of which this interpreter is the program."""
    done = command("bench", "--seconds", "0.2", "--size", "64", "--json")
    assert done.returncode == 0 and '"lost_packets":0' in done.stdout.replace(" ", ""), done.stdout + done.stderr


def test_ping_between_the_command_and_a_peer(memif_peer):
    done = command("ping", memif_peer.ip, "--socket", memif_peer.socket, "--count", "3", "--interval", "0.01")
    assert done.returncode == 0 and "3 received" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("memif_peer", ["testpmd"], indirect=True)
def test_testpmd(memif_peer):
    assert memif_peer.process.poll() is None


@pytest.fixture(autouse=True)
def testpmd_where_it_is_wanted(request):
    if "testpmd" in request.node.name:
        needs("dpdk-testpmd")
