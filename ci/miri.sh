#!/usr/bin/env bash
# Miri over what needs no kernel: shared memory as rings, queues and slots use it, both ends of a link on the same
# bytes, hostile ends among them, and the handshake. Memory of this process stands in for shared files. Not a part
# of ci/test.sh: it needs a nightly toolchain, and where that is missing the script says so and ends well.
#
# Usage: ci/miri.sh [TESTS]...: some other tests, by parts of their names.
#
# shellcheck disable=SC2317 # Steps are functions, called by name.
cd "$(dirname "$0")/.." || exit
. ci/steps.sh

tests=("$@")
[ ${#tests[@]} -gt 0 ] || tests=(
  shm::
  ring::
  proto::
  queue::core_tests::
  queue::slots::tests::
  queue::tests::{copying,forwarding,hostile,keeping,leftovers,pair,regressions,scans,traffic,views,written}
)
# What waits, maps a file or handles a signal, which Miri knows nothing of; threads that look again and again, which it
# takes hours for; and of what is tried with many numbers, only little.
skipped=(
  shm::guard shm::placement shm::sigbus
  shm::mapping::tests::{a_guarded,memory_that,nothing_maps,pages_are}
  queue::slots::tests::property
  queue::tests::keeping::another_thread
)
export PROPTEST_CASES=2

miri() {
  cargo +nightly miri --version >/dev/null 2>&1 ||
    skip "there is no nightly with Miri: rustup toolchain install nightly --component miri,rust-src"
  # Of loads and stores that others make meanwhile it has a model that does not know cursors and the words that they lie
  # in as the same bytes; loom has one that does.
  export MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-disable-weak-memory-emulation"
  cargo +nightly miri test -p memif --lib --all-features --locked --target-dir target/miri -- \
    "${skipped[@]/#/--skip=}" "${tests[@]}"
}

step "Miri" miri
closing "passed"
