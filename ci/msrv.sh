#!/usr/bin/env bash
# The oldest releases of Rust that the project promises to build with: the `rust-version` of the workspace for all that
# is installed or depended on, and that of smoltcp for the library's feature of that name. Not a part of ci/test.sh: it
# needs these releases, and where one is missing the script says so and ends well.
#
# shellcheck disable=SC2317 # Steps are functions, called by name.
cd "$(dirname "$0")/.." || exit
. ci/steps.sh

promised=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
readonly promised
# As smoltcp 0.14 states it.
readonly for_smoltcp=1.91

# All features of the library but smoltcp.
features() {
  sed -n '/^\[features\]$/,/^$/s/^\([a-z-]*\) = .*/\1/p' crates/memif/Cargo.toml |
    grep -vxe default -e smoltcp | paste -sd,
}

check() { # the release, more arguments of cargo
  # In a release nothing may be left out.
  [ "${CI:-}" != true ] || cargo "+$1" --version >/dev/null 2>&1 || ! command -v rustup >/dev/null ||
    rustup toolchain install "$1" --profile minimal
  cargo "+$1" --version >/dev/null 2>&1 || skip "there is no Rust $1: rustup toolchain install $1 --profile minimal"
  cargo "+$1" check --locked --target-dir target/msrv "${@:2}"
}

step "the library with Rust $promised, all features but smoltcp" check "$promised" -p memif --features "$(features)"
step "the library with Rust $for_smoltcp, all features" check "$for_smoltcp" -p memif --all-features
step "what is built on it with Rust $promised" check "$promised" --lib --bins \
  -p memif-capi -p memif-capture -p memif-cli -p memif-watch
step "the Python package with Rust $promised" check "$promised" --manifest-path crates/memif-python/Cargo.toml
closing "passed"
