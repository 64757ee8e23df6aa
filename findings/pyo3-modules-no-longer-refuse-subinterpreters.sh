#!/usr/bin/env bash
# An extension module made with PyO3 used to say, when a second interpreter of a process imported it, that "PyO3 modules
# do not yet support subinterpreters". Made with PyO3 0.29 it is imported there without a word, and what it keeps in
# statics, as types, names and exceptions that PyO3 caches, are objects of the first interpreter.
#
# The check is still there (impl_/pymodule.rs), and its comment says what it is for, but only modules within modules come
# through it: the outermost is made in several phases by now, by Python itself. Python refuses a module that says nothing
# of interpreters in those with a lock of their own (3.12 and later), and lets it into all others. A module that must not
# be shared has to look by itself: the module `builtins`, for one, lies elsewhere in each interpreter.
#
# Seen with rpds-py, one module whose two releases differ in that, on Python 3.11.7, Linux 6.18, x86-64:
#   rpds-py 0.30.0 (PyO3 0.27.2): PyO3 modules do not yet support subinterpreters, see https://github.com/PyO3/pyo3/issues/576
#   rpds-py 2026.9.1 (PyO3 0.29.3): imported
#
# Needs python3 of version 3.11 with venv, on x86-64.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

[ "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = 3.11 ] || { echo "needs Python 3.11" >&2; exit 2; }

cat >second.py <<'EOF'
import _xxsubinterpreters as interpreters
import rpds
second = interpreters.create()
interpreters.run_string(second, """
try:
    import rpds
    print("imported")
except ImportError as error:
    print(error)
""")
interpreters.destroy(second)
EOF

expect() { # release of rpds-py, release of PyO3, answer
  local answer pyo3
  python3 -m venv --clear "$1"
  "$1/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: "rpds-py==$1"
  pyo3=$(grep -ahoE 'pyo3-[0-9]+\.[0-9]+\.[0-9]+' "$1"/lib/python3.11/site-packages/rpds/*.so | sort -u | sed -n 1p)
  answer=$("$1/bin/python" second.py)
  echo "rpds-py $1 (PyO3 ${pyo3#pyo3-}): $answer"
  [ "${pyo3#pyo3-}" = "$2" ] && [ "$answer" = "$3" ]
}

expect 0.30.0 0.27.2 "PyO3 modules do not yet support subinterpreters, see https://github.com/PyO3/pyo3/issues/576"
expect 2026.9.1 0.29.3 imported
