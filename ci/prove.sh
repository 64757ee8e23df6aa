#!/usr/bin/env bash
# Proves what this project promises, for nights and releases; ci/test.sh has a short form of nearly all of it. Some parts
# take as long as they take: on two quiet processors three quarters of an hour the first time, when everything is
# compiled and fetched, and half of that later. The others share the rest of the time, as if it were the first.
#
#   ci/prove.sh [MINUTES]       about so many in all, 60 if not said; never less than 5 for what can be shared
#   ci/prove.sh --list          names the parts
#   ci/prove.sh --part NAME     only that one; may be repeated
#
# What each printed is in target/prove/log, what fuzzers found interesting in target/prove/corpus, for the next run; the
# figures of this run, as text for docs/proof.md, in target/prove/summary.md. A part whose needs are missing is left out
# with a reason, or fails where CI=true.
#
# shellcheck disable=SC2317 # Steps are functions, called by name.
cd "$(dirname "$0")/.." || exit
. ci/steps.sh
. ci/checks.sh

readonly fixed=45
readonly parts=(asan fuzz miri loom kill soak faults valgrind peers)

usage() {
  sed -n '2,/^# shellcheck/{/^# shellcheck/d;s/^# \{0,1\}//;p}' "$0"
  exit "$1"
}

minutes=60 chosen=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage 0 ;;
    --list)
      printf '%s\n' "${parts[@]}"
      exit
      ;;
    --part)
      [[ $# -gt 1 && " ${parts[*]} " == *" $2 "* ]] || { echo "no part ${2:-}: see --list" >&2; exit 2; }
      chosen+=("$2")
      shift
      ;;
    *[!0-9]* | '') usage 2 >&2 ;;
    *) minutes=$1 ;;
  esac
  shift
done
[ ${#chosen[@]} -gt 0 ] || chosen=("${parts[@]}")

out=$PWD/target/prove
mkdir -p "$out/log"
rm -rf "$out/facts"
mkdir "$out/facts"

# What can be shared, in seconds, and how: half of it to the fuzzers, a fifth to either side's deaths, the rest to the
# soak.
share=$(((minutes - fixed) * 60))
[ "$share" -ge 300 ] || share=300
targets=(fuzz/fuzz_targets/*.rs)
# Two of them run at a time.
export SECONDS_EACH=$((share / ${#targets[@]}))
export MEMIF_KILL_SECONDS=$((share / 10))
export MEMIF_SOAK_SECONDS=$((share * 3 / 10))

# ---- parts; each says with `fact` how many of what it did

fact() {
  # A test that was left out ends well, and tells nothing.
  [ -n "$*" ] || skip "$(sed -n 's/^.*: ignored, //p' "$log" | sort -u | paste -sd';')"
  echo "$*" >>"$out/facts/$part"
}

# What tests said of a kind, from the log so far.
told() { sed -nE "s/^(test .* \.\.\. )?($1.*)/\2/p" "$log"; }

count_of_tests() { # a run of cargo test that is in the log
  awk '/^test result: ok/ { passed += $4; ignored += $8 } END { printf "%d tests passed, %d ignored", passed, ignored }' "$log"
}

asan() {
  ci/sanitize.sh tests
  fact "unit tests of the library under AddressSanitizer: $(count_of_tests)"
}

fuzz() {
  CORPUS=$out/corpus ci/sanitize.sh fuzzing
  fact "$SECONDS_EACH s of each fuzz target under AddressSanitizer, with overflow checks and all corpora kept so far:" \
    "$(awk '/^[a-z_]+:$/ { name = $1 } /executed_units/ { printf "%s%s %d inputs", sep, name, $2; sep = ", " }' "$log" |
      tr -d ':')"
}

miri() {
  ci/miri.sh
  # That script ends well where it was left out.
  ! grep -q '^-- Miri: skipped ' "$log" || skip "$(sed -n 's/^skipped: //p' "$log")"
  fact "Miri: $(count_of_tests)"
}

loom() {
  interleavings
  fact "every interleaving of both ends of a ring and of the cores on it: $(count_of_tests)"
}

# Built as tests are in ci/test.sh; the soak is to be fast.
kill_9() {
  cargo test -p memif --test two_processes --locked -- --nocapture --exact killed_at_random
  fact "$(told 'kill -9 of')"
}

soak() {
  cargo test --release -p memif --test two_processes --locked -- --nocapture --exact soak
  fact "$(told 'soak: ')"
}

faults() {
  export MEMIF_FAULTS=all
  cargo test -p memif-cli --test injection --locked -- --nocapture
  cargo test -p memif-capi --test library --locked -- --nocapture --exact system_calls_that_fail
  fact "$(told '[a-zA-Z ]+: [0-9]+ of its')"
}

# What else of the C programs is compared and sanitised is in the same test program.
valgrind_of_c() {
  command -v valgrind >/dev/null || skip "valgrind is not installed"
  local name
  # The program of these tests takes one filter.
  for name in programs_under_valgrind programs_with_address_sanitizer; do
    cargo test -p memif-capi --test library --locked -- --exact "$name"
  done
  fact "all C programs of crates/memif-capi/tests/c under valgrind, leaks counted as errors, and under AddressSanitizer"
}

peers() {
  [ "$(id -u)" -eq 0 ] || skip "chroots need root: run it with sudo"
  command -v debootstrap >/dev/null || skip "debootstrap is not installed"
  ci/peers.sh "$out/peers"
  ci/peers.sh "$out/peers" --tests
  fact "$(grep -E '^(trixie|sid): ' "$log" | sort -u | tr '\n' ';' | sed 's/;$//; s/;/; /g')." \
    "$(awk '/ passed, .* skipped$/ && !cases { cases = $0 } END { print "Cases of ci/peers.sh: " cases }' "$log");" \
    "tests of crates/memif and crates/memif-cli with testpmd: $(count_of_tests)"
}

# ---- running them

declare -A names=(
  [asan]="unit tests under AddressSanitizer"
  [fuzz]="fuzzing"
  [miri]="Miri"
  [loom]="every interleaving (loom)"
  [kill]="kill -9 in traffic"
  [soak]="soak"
  [faults]="system calls that fail"
  [valgrind]="C programs under valgrind"
  [peers]="DPDK, Open vSwitch and Suricata of later releases"
)
declare -A functions=([kill]=kill_9 [valgrind]=valgrind_of_c)

# Runs a part with its output in a log; the end of that shows when it did not pass.
logged() {
  part=$1 log=$out/log/$1.log
  exec 3>&1
  trap 'status=$?; [ "$status" -eq 0 ] || tail -n 40 "$log" >&3; exit "$status"' EXIT
  exec >"$log" 2>&1
  "${functions[$part]:-$part}"
}

# As a table of Markdown.
summary() {
  local dirty='' i name
  git diff --quiet HEAD 2>/dev/null || dirty=" with changes"
  echo "$(date -u +%Y-%m-%d), commit $(git rev-parse --short=10 HEAD 2>/dev/null || echo unknown)$dirty;" \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors," \
    "$(awk '/^MemTotal/ { printf "%d GB", $2 / 1e6 }' /proc/meminfo); Linux $(uname -r); $(rustc --version | cut -d' ' -f1-2);" \
    "ci/prove.sh $minutes."
  printf '\n| part | result | time | what |\n|---|---|---|---|\n'
  for i in "${!step_names[@]}"; do
    name=${chosen[i]}
    printf '| %s | %s | %d:%02d min | %s |\n' "${step_names[i]}" "${step_ends[i]}" \
      $((step_seconds[i] / 60)) $((step_seconds[i] % 60)) \
      "$(if [ -s "$out/facts/$name" ]; then paste -sd' ' "$out/facts/$name"; else tail -n 1 "$out/log/$name.log"; fi)"
  done
}

for name in "${chosen[@]}"; do step "${names[$name]}" logged "$name"; done
printf '\n'
summary | tee "$out/summary.md"
closing "all of it passed; the figures are in target/prove/summary.md"
