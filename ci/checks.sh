# shellcheck shell=bash
# Steps of ci/test.sh and ci/quick.sh, to be sourced after ci/steps.sh.

# A part of Rust that not every installation has.
component() { # its name, the command of cargo
  cargo "$2" --version >/dev/null 2>&1 || skip "cargo $2 is not installed: rustup component add $1"
}

scripts() {
  ci/steps_test.sh
  command -v shellcheck >/dev/null || skip "shellcheck is not installed"
  shellcheck --external-sources ci/*.sh
}

formatting() {
  component rustfmt fmt
  cargo fmt --all --check
  cargo fmt --manifest-path compare/Cargo.toml --check
  cargo fmt --manifest-path crates/memif-python/Cargo.toml --check
}

lints() {
  component clippy clippy
  cargo clippy --workspace --all-targets --all-features --locked -- -D warnings &&
    features_alone
}

# The library with none of its features and with each alone, which shows a condition that is missing.
features_alone() {
  local feature
  for feature in "" async-io flow raw smoltcp tokio tracing; do
    cargo clippy -p memif --lib --locked --features "$feature" -- -D warnings || return
  done
}

# What nothing else of the workspace has, in one build.
FEATURES=async-io,flow,smoltcp,tokio

features_tested() { # more arguments of cargo
  cargo test -p memif --features "$FEATURES" --lib --locked "$@" -- awaiting flow &&
    cargo test -p memif --features "$FEATURES" --test awaiting --test smoltcp --locked "$@" &&
    cargo build -p memif --features "$FEATURES" --examples --locked
}

features_as_documented() {
  cargo test -p memif --features "$FEATURES" --doc --locked
}

documentation() {
  RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features --locked
}

# Most of the time went into optimising what the models do not use.
interleavings() {
  RUSTFLAGS="--cfg loom" cargo test -p memif --lib --locked --target-dir target/loom interleavings
}
