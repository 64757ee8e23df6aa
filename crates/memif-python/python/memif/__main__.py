"""The command memif, as `python -m memif` and as the program `memif` of the package."""

import signal
import sys

from ._memif import run_command


def main() -> int:
    """Runs the command with the arguments of this process."""
    # What the command does not take is to end it as it ends any program.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    arguments = ["memif", *sys.argv[1:]]
    return run_command(arguments, [sys.executable, "-m", "memif"])


if __name__ == "__main__":
    sys.exit(main())
