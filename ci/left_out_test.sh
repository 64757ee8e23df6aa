#!/usr/bin/env bash
# Proves of ci/peers.sh and ci/prove.sh that what fails, or was left out, is not said to have passed. In a copy of them, with
# other programs in place of those that take hours.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir -p "$place/bin" "$place/fuzz/fuzz_targets"
cp -r ci "$place/ci"
cd "$place" || exit

program() { # name; what it does is on standard input
  { echo '#!/bin/sh'; cat; } >"bin/$1"
  chmod +x "bin/$1"
}

wrong=0
expect() { # status, line or !line..., -- command and arguments
  local status=$1 lines=() got=0 line
  shift
  while [ "$1" != -- ]; do lines+=("$1"); shift; done
  shift
  env -u CI MEMIF=/bin/true PATH="$place/bin:$PATH" "$@" >said 2>&1 </dev/null || got=$?
  for line in "${lines[@]}"; do
    case $line in
      !*) ! grep -qE -- "${line#!}" said ;;
      *) grep -qE -- "$line" said ;;
    esac || got="$got, and not: $line"
  done
  [ "$got" = "$status" ] && return
  echo "error: $*: status $got, where $status was expected, said:" >&2
  cat said >&2
  wrong=1
}

# Whatever is done there takes root, but nothing comes so far.
program id <<<'echo 0'
program unshare <<<'exit 0'
program chroot <<<'exit 0'
program debootstrap <<<'echo "no mirror"; exit 1'
expect 1 "no mirror" "!passed" -- ci/peers.sh roots trixie
[ ! -e roots/trixie.made ] || { echo "error: a chroot counts as made that was not" >&2; wrong=1; }

program cargo <<<'echo "error: no such command" >&2; exit 101'
expect 0 "^-- Miri: skipped " "^\| Miri \| skipped \|.*\| skipped: there is no nightly" -- ci/prove.sh --part miri
program cargo <<<'echo "killed_at_random: ignored, needs luck" >&2; echo "test result: ok. 0 passed; 0 failed; 1 ignored"'
expect 0 "^\| kill -9 in traffic \| skipped \|.*\| skipped: needs luck" -- ci/prove.sh --part kill
program cargo <<<'echo "kill -9 of the slave: 1 times"; echo "test result: ok. 1 passed; 0 failed; 0 ignored"'
expect 0 "^\| kill -9 in traffic \| passed \|.*\| kill -9 of the slave: 1 times \|" -- ci/prove.sh --part kill

[ "$wrong" -eq 0 ] || exit 1
echo "ci/peers.sh and ci/prove.sh say what failed and what was left out"
