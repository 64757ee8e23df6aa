#!/usr/bin/env bash
# A program written in Rust survives the first SIGBUS that is sent to it, and only the first.
#
# The default action of SIGBUS ends a process, and a C program without a handler does end. Rust's runtime installs a
# handler for SIGSEGV and SIGBUS in every program that has a `main` (it tells a stack overflow from other faults). For a
# signal that is no overflow it puts the default action back and returns, so that a true fault repeats and is then
# fatal. A signal that was sent does not repeat: it is gone, and the next one is deadly. So whoever signals a Rust
# program with SIGBUS as a test, or forwards one, sees it ignored once.
#
# Seen with ruff 0.14.5 from PyPI (a program in Rust) on Linux 6.18, x86-64, and as contrast with sleep of coreutils
# 9.1:
#   ruff: after one SIGBUS: alive; after two: ended by signal 7
#   sleep: after one SIGBUS: ended by signal 7
#
# Needs python3 with venv and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
ulimit -c 0

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'ruff==0.14.5'
[ "$(venv/bin/ruff --version)" = "ruff 0.14.5" ]
mkfifo input

# Starts the command, which waits for its input, sends the number of signals, and says how it ended.
after() { # number of signals, command...
  local signals=$1 pid status=0
  shift
  "$@" <input >/dev/null 2>&1 &
  pid=$!
  exec 9>input
  # Until the command itself, and not the shell before it, waits.
  until [ "$(tr '\0' ' ' <"/proc/$pid/cmdline")" != "$(tr '\0' ' ' <"/proc/$$/cmdline")" ] &&
    grep -q '^State:.*sleeping' "/proc/$pid/status"; do sleep 0.1; done
  for _ in $(seq "$signals"); do
    sleep 0.5
    kill -BUS "$pid"
  done
  sleep 0.5
  if grep -q '^State:.*[RS] ' "/proc/$pid/status" 2>/dev/null; then
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null || true
    echo alive
  else
    wait "$pid" 2>/dev/null || status=$?
    echo "ended by signal $((status - 128))"
  fi
  exec 9>&-
}

one=$(after 1 venv/bin/ruff check -)
two=$(after 2 venv/bin/ruff check -)
contrast=$(after 1 sleep 60)
echo "ruff: after one SIGBUS: $one; after two: $two"
echo "sleep: after one SIGBUS: $contrast"
[ "$one" = alive ]
[ "$two" = "ended by signal 7" ]
[ "$contrast" = "ended by signal 7" ]
