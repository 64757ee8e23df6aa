#!/usr/bin/env bash
# Every check of the project. On a user's machine, tests whose needs are missing are skipped with a reason;
# with CI=true in the environment nothing may be skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "prerequisites"
ci/prerequisites.sh

component() { # name, probe
  if cargo "$2" --version >/dev/null 2>&1; then return 0; fi
  echo "skipped: cargo $2 is not installed (rustup component add $1)"
  [ "${CI:-}" != true ]
  return 1
}

step "formatting"
if component rustfmt fmt; then
  cargo fmt --all --check
  cargo fmt --manifest-path compare/Cargo.toml --check
fi

step "lints"
if component clippy clippy; then cargo clippy --workspace --all-targets --all-features --locked -- -D warnings; fi

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features --locked

step "tests"
cargo test --workspace --locked

step "the comparison measures something (compare/)"
cargo test --manifest-path compare/Cargo.toml --no-default-features --locked

step "both rings under every interleaving (loom)"
RUSTFLAGS="--cfg loom" cargo test -p memif --lib --release --locked --target-dir target/loom ring::tests::interleavings

step "instructions per packet"
cargo run --release --locked -p gate

step "demo, as the README runs it"
cargo run --release --locked -- demo

echo
echo "all checks passed"
