"""Every block of README.md that is a program runs, beside a responder at the address that it has of VPP."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PATIENCE, until

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"^```([^\n]+)\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Variables with which the default socket is that of a responder."""
    path = str(tmp_path_factory.mktemp("readme") / "memif.sock")
    command = [sys.executable, "-m", "memif", "responder", "--role", "master", "--socket", path, "--ip", "192.168.1.1"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        until(lambda: os.path.exists(path))
        directory = os.path.dirname(sys.executable)
        yield {**os.environ, "MEMIF_SOCKET": path, "PATH": f"{directory}:{os.environ['PATH']}"}
    finally:
        process.terminate()
        process.wait(PATIENCE)
        process.stdin.close()


def run(command, environment):
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("code", [code for kind, code in BLOCKS if kind == "python"])
def test_program(environment, code):
    printed = run([sys.executable, "-c", code], environment)
    assert printed, "it tells what it did"
    if "lost" in code:
        assert "100 answers, 0 lost" in printed


@pytest.mark.parametrize("code", [code for kind, code in BLOCKS if kind == "python pytest"])
def test_tests(pytester, code):
    pytester.makepyfile(code)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=code.count("def test_"))


@pytest.mark.parametrize("line", [line for kind, code in BLOCKS if kind == "sh" for line in code.splitlines()])
def test_command(environment, line):
    if line.startswith("pip install"):
        pytest.importorskip(line.split()[2])
    else:
        assert run(line.split(), environment)


def test_there_are_some():
    assert [kind for kind, _ in BLOCKS] == ["sh", "python", "python", "python", "python", "python pytest", "python", "sh"]
