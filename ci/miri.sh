#!/usr/bin/env bash
# Miri over the unsafe code that needs no kernel: the copy routine for processors without assembly. Not a part of
# ci/test.sh: it needs a nightly toolchain, and where that is missing the script says so and ends well.
#
# shellcheck disable=SC2317 # Steps are functions, called by name.
cd "$(dirname "$0")/.." || exit
. ci/steps.sh

miri() {
  cargo +nightly miri --version >/dev/null 2>&1 ||
    skip "there is no nightly with Miri: rustup toolchain install nightly --component miri,rust-src"
  cargo +nightly miri test -p memif --lib --locked --target-dir target/miri -- shm::copy
}

step "Miri" miri
closing "passed"
