#!/usr/bin/env bash
# The checks for before each commit: a few minutes, where everything was compiled before. What they leave out is said in
# the end.
cd "$(dirname "$0")/.." || exit
. ci/steps.sh
. ci/checks.sh

# Programs of tests that take seconds and need neither root nor a package.
programs=(
  # crates/testkit
  house
  # crates/memif
  vectors hostile_control hostile_memory vpp_like quiet
  # crates/memif-cli
  demo errors json life ping show usage
)

step "scripts" scripts
step "formatting" formatting
step "lints" lints
step "unit tests, and tests of seconds" \
  cargo test --workspace --lib --bins "${programs[@]/#/--test=}" --locked --no-fail-fast

closing "the quick checks passed; left out, and run by ci/test.sh: documentation and its examples, the tests of DPDK,
Open vSwitch, the kernel (bridge), two processes, idle ends, the scripted peers, the manual, the examples, the console,
queues, signals and waits of the command, memif bench, the container, the C library, futures and TCP/IP in user space;
loom, the instructions per packet, compare/, examples-net/, the Python package and the demo as released"
