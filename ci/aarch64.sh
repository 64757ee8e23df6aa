#!/usr/bin/env bash
# The unit tests of crate memif on aarch64, which copies packets with assembly of its own, run by qemu-user. Not a part
# of ci/test.sh: what it needs is not on every machine, and where it is missing the script says so and ends well.
#
# shellcheck disable=SC2317 # Steps are functions, called by name.
cd "$(dirname "$0")/.." || exit
. ci/steps.sh

readonly target=aarch64-unknown-linux-gnu

needs() {
  command -v qemu-aarch64 >/dev/null || skip "qemu-aarch64 is not installed (Debian: qemu-user)"
  command -v aarch64-linux-gnu-gcc >/dev/null ||
    skip "aarch64-linux-gnu-gcc is not installed (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross)"
  [ "${CI:-}" != true ] || ! command -v rustup >/dev/null || rustup target add "$target"
  [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] || skip "Rust has no $target here: rustup target add $target"
}

unit_tests() {
  needs
  export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
  export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
  # qemu-user passes signals and eventfds on in its own way: what waits for them, and the guard, is left out.
  cargo test -p memif --lib --locked --target "$target" -- \
    shm::copy ring:: wire:: proto:: queue::tests::traffic queue::tests::hostile queue::tests::scans queue::tests::forwarding
}

step "unit tests on aarch64" unit_tests
closing "passed"
