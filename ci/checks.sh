# shellcheck shell=bash
# Steps of ci/test.sh and ci/quick.sh, to be sourced after ci/steps.sh.

# A part of Rust that not every installation has.
component() { # its name, the command of cargo
  cargo "$2" --version >/dev/null 2>&1 || skip "cargo $2 is not installed: rustup component add $1"
}

scripts() {
  ci/steps_test.sh
  ci/release_test.sh
  ci/left_out_test.sh
  command -v shellcheck >/dev/null || skip "shellcheck is not installed"
  shellcheck --external-sources ci/*.sh
}

formatting() {
  component rustfmt fmt
  cargo fmt --all --check
  cargo fmt --manifest-path compare/Cargo.toml --check
  cargo fmt --manifest-path crates/memif-python/Cargo.toml --check
  cargo fmt --manifest-path examples-net/Cargo.toml --check
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

# The command as tests of the workspace have had it built: for a package alone it would be another build.
with_command() {
  [ ! -x target/debug/memif ] || export MEMIF_COMMAND=$PWD/target/debug/memif
}

features_tested() { # more arguments of cargo
  with_command
  cargo test -p memif --features "$FEATURES" --lib --locked "$@" -- awaiting flow naps &&
    cargo test -p memif --features "$FEATURES" --test awaiting --test smoltcp --locked "$@" &&
    cargo build -p memif --features "$FEATURES" --examples --locked
}

features_as_documented() {
  cargo test -p memif --features "$FEATURES" --doc --locked
}

# Servers and clients with stacks of others (examples-net/).
examples_net() {
  with_command
  cargo test --manifest-path examples-net/Cargo.toml --locked
}

compile_examples_net() {
  with_command
  cargo test --manifest-path examples-net/Cargo.toml --locked --no-run &&
    cargo clippy --manifest-path examples-net/Cargo.toml --all-targets --locked -- -D warnings
}

documentation() {
  RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features --locked
}

# Most of the time went into optimising what the models do not use.
interleavings() {
  RUSTFLAGS="--cfg loom" cargo test -p memif --lib --locked --target-dir target/loom interleavings
}

# What else the crates are to compile for, as far as Rust has it here: nothing is linked, so no other compiler is
# needed. A target that is missing is no failure anywhere, since it says nothing of this source.
other_targets() {
  local target sysroot there=()
  sysroot=$(rustc --print sysroot)
  for target in x86_64-unknown-linux-musl aarch64-unknown-linux-gnu riscv64gc-unknown-linux-gnu; do
    if [ -d "$sysroot/lib/rustlib/$target" ]; then
      there+=(--target "$target")
    else
      echo "not checked: Rust has no $target here (rustup target add $target)"
    fi
  done
  [ ${#there[@]} -eq 0 ] || cargo check --locked -p memif -p memif-capi -p memif-cli --all-features "${there[@]}" \
    --target-dir target/others
}
