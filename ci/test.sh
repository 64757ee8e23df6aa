#!/usr/bin/env bash
# Every check of the project. All of them are run, whatever the ones before came to, and those that failed are named in
# the end. On a user's machine, tests whose needs are missing are skipped with a reason; with CI=true in the environment
# nothing may be skipped.
#
# shellcheck disable=SC2317 # Steps are functions, called by name.
cd "$(dirname "$0")/.." || exit
. ci/steps.sh
. ci/checks.sh

# What is built once does not pay for being built in parts.
! nothing_may_be_skipped || export CARGO_INCREMENTAL=0

# What the tests need, so that none of them waits for a compiler. The container waits for a mirror and a disk: side by
# side they leave no processor idle. cargo's locks keep them apart.
compile() {
  local wrong=0 container
  prepare_container &
  container=$!
  compile_tests || wrong=1
  wait "$container" || wrong=1
  return "$wrong"
}

# Those of compare/, and what the user manual has cargo run, are other builds.
compile_tests() {
  cargo test --workspace --locked --no-run &&
    cargo build --package examples --examples --locked &&
    features_tested --no-run &&
    cargo test --manifest-path compare/Cargo.toml --no-default-features --features smoltcp --locked --no-run
}

# Which few tests need, and late: they end in long stretches of one thread each.
compile_releases() {
  cargo build --release --locked --lib --package memif-capi &&
    cargo build --release --locked --package memif-cli &&
    cargo build --release --locked --package gate
}

# Where its test can be run. When this fails, the test tries again, and says why.
prepare_container() {
  local program
  for program in apt-get buildah debootstrap; do command -v "$program" >/dev/null || return 0; done
  [ "$(id -u)" -ne 0 ] || ci/container.sh --quick target/container || true
}

step "prerequisites" ci/prerequisites.sh
step "scripts" scripts
step "formatting" formatting
step "lints" lints
step "what is packed of the crates" ci/crates.sh --quick
step "documentation" documentation
step "compiling" compile
# While tests wait, which most do for most of their time.
beside --after "compiling" "compiling what is released" compile_releases
beside --after "compiling" "compiling servers and clients with stacks of others" compile_examples_net
beside --after "compiling" "both rings under every interleaving (loom)" interleavings
beside --after "compiling" "compiling for AddressSanitizer and fuzzing" ci/sanitize.sh --build-only
beside --after "compiling" "compiling for packages" ci/package.sh --build-only
beside --after "compiling" "what else it compiles for (musl, aarch64, riscv64)" other_targets
step --after "compiling" "tests" cargo test --workspace --locked --no-fail-fast
step --after "compiling" "tests of features (async-io, flow, smoltcp, tokio)" features_tested
step --after "compiling" "features as documented" features_as_documented
step --after "compiling" "the comparison measures something (compare/)" \
  cargo test --manifest-path compare/Cargo.toml --no-default-features --features smoltcp --locked
join "compiling what is released"
join "compiling servers and clients with stacks of others"
step --after "compiling servers and clients with stacks of others" \
  "servers and clients with stacks of others (examples-net/)" examples_net
join "both rings under every interleaving (loom)"
join "compiling for AddressSanitizer and fuzzing"
join "compiling for packages"
step --after "compiling for AddressSanitizer and fuzzing" "AddressSanitizer and fuzzing, some seconds of each" \
  ci/sanitize.sh
step --after "compiling for packages" "Debian packages: made, looked over, installed, used, purged" ci/package.sh
step --after "compiling" "instructions per packet" cargo run --release --locked -p gate
step "Python: the wheel, its types and its tests (crates/memif-python)" ci/python.sh
join "what else it compiles for (musl, aarch64, riscv64)"
step --after "compiling" "demo, as the README runs it" cargo run --release --locked -- demo

closing "all checks passed"
