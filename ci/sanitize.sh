#!/usr/bin/env bash
# Unit tests of the library under AddressSanitizer, and every fuzz target for some seconds under the same (`SECONDS_EACH`,
# 8 if not set), two at a time, with inputs that are kept in `CORPUS` (target/fuzz/corpus). With a stable compiler:
# RUSTC_BOOTSTRAP lets it take the flags.
#
# Usage: ci/sanitize.sh [tests | fuzzing | --build-only]: one of the two, or nothing run; without it both.
#
# shellcheck disable=SC2317 # Steps are functions, called by name.
cd "$(dirname "$0")/.." || exit
. ci/steps.sh

export RUSTC_BOOTSTRAP=1
# A target of its own name, so that build scripts and macros, which run on this machine, are built as ever.
target=$(rustc --print host-tuple)
each=${SECONDS_EACH:-8}
corpora=${CORPUS:-target/fuzz/corpus}

sanitized() { # more arguments of cargo
  RUSTFLAGS="-Zsanitizer=address" cargo test --package memif --lib --all-features --locked \
    --target "$target" --target-dir target/asan "$@"
}

# The flags of cargo-fuzz, without which that is one program more to install.
coverage=(
  -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Ccodegen-units=1 --cfg fuzzing -Zsanitizer=address
)

fuzz_targets() {
  RUSTFLAGS="${coverage[*]}" cargo build --manifest-path fuzz/Cargo.toml --release --locked \
    --target "$target" --target-dir target/fuzz
}

fuzz() { # one target
  local corpus=$corpora/$1 log=target/fuzz/$1.log status=0
  mkdir -p "$corpus" target/fuzz/artifacts
  # Each input of the queues makes a link: those are slow, and long inputs say no more.
  "target/fuzz/$target/release/$1" -max_total_time="$each" -max_len=2500 -len_control=0 -timeout=60 \
    -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix=target/fuzz/artifacts/ "$corpus" >"$log" 2>&1 || status=$?
  echo "$1:"
  grep --extended-regexp 'ERROR|SUMMARY|panicked|stat::number_of_executed_units|artifact_prefix' "$log" || status=1
  return "$status"
}

fuzzed() {
  fuzz_targets
  local name running=() wrong=0
  for name in fuzz/fuzz_targets/*.rs; do
    fuzz "$(basename "$name" .rs)" &
    running+=($!)
    [ ${#running[@]} -eq 2 ] || continue
    wait "${running[0]}" || wrong=1
    running=("${running[1]}")
  done
  wait "${running[@]}" || wrong=1
  return "$wrong"
}

build_only() { sanitized --no-run && fuzz_targets; }

case ${1:-} in
  --build-only) step "compiling for AddressSanitizer and fuzzing" build_only ;;
  '' | tests | fuzzing)
    [ "${1:-}" = fuzzing ] || step "unit tests under AddressSanitizer" sanitized
    [ "${1:-}" = tests ] || step "fuzzing, $each s for each target" fuzzed
    ;;
  *)
    echo "usage: $0 [tests | fuzzing | --build-only]" >&2
    exit 2
    ;;
esac
closing "passed"
