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

# Two at a time: it takes one processor, whatever is said of threads of tests.
first=(
  shm::
  ring::
  queue::core_tests::
  queue::tests::{copying,forwarding,hostile,keeping,leftovers,pair,regressions,traffic,views,written}
)
second=(
  proto::
  queue::slots::tests::
)
if [ $# -gt 0 ]; then first=("$@") second=(); fi
# What waits, maps a file or handles a signal, which Miri knows nothing of; what counts the memory of a process, which
# that of links belongs to there; threads that look again and again, and packets or regions by thousands, which it
# takes an hour and more for; and of what is tried with many numbers, only little.
skipped=(
  shm::guard shm::placement shm::sigbus
  shm::mapping::tests::{a_guarded,memory_that,nothing_maps,pages_are}
  proto::tests::handshake::regions_that_no_index
  ring::tests::model
  queue::core_tests::adversary
  queue::slots::tests::property
  queue::slots::tests::traffic::{a_chain_is_cut,numbers_of_slots,packets_cross,posting_whole_buffers}
  queue::tests::forwarding::{a_slot_changes,packets_of_every_origin}
  queue::tests::keeping::another_thread
  queue::tests::pair::packets_of_every_length
  queue::tests::regressions::{a_lost_link,a_receiver_that,useless_buffers}
  queue::tests::traffic::{any_sizes,forwarding_exchanges,more_than_65536,queues_work_in,rings_for_either}
)
export PROPTEST_CASES=2

miri() {
  cargo +nightly miri --version >/dev/null 2>&1 ||
    skip "there is no nightly with Miri: rustup toolchain install nightly --component miri,rust-src"
  # Of loads and stores that others make meanwhile it has a model that does not know cursors and the words that they lie
  # in as the same bytes; loom has one that does.
  export MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-disable-weak-memory-emulation"
  interpret --no-run
  local other='' said=target/miri/second.log status=0
  if [ ${#second[@]} -gt 0 ]; then
    interpret -- "${skipped[@]/#/--skip=}" "${second[@]}" >"$said" 2>&1 &
    other=$!
  fi
  interpret -- "${skipped[@]/#/--skip=}" "${first[@]}" || status=$?
  if [ -n "$other" ]; then
    wait "$other" || status=$?
    cat "$said"
  fi
  return "$status"
}

interpret() { # more arguments of cargo
  cargo +nightly miri test -p memif --lib --all-features --locked --target-dir target/miri "$@"
}

step "Miri" miri
closing "passed"
