#!/usr/bin/env bash
# Proves of ci/steps.sh what the checks rely on: every step is run, every failure is named in the end, and then the
# status is 1.
set -uo pipefail
cd "$(dirname "$0")" || exit

file=$(mktemp)
trap 'rm -f "$file"' EXIT

# Runs the script on standard input with an environment; `said` is what it said, and its status. By way of a file: a
# pipe would wait for programs that are left behind.
run() {
  timeout 120 env "$@" bash -c ". ./steps.sh
$(cat)" >"$file" 2>&1
  local status=$?
  said=$(cat "$file" && echo "status $status")
}

wrong=0
expect() { # what it is about, lines in their order, among others; a line with ! must not be there
  local about=$1 said=$2 line rest=$2
  shift 2
  for line in "$@"; do
    case $line in
      !*)
        grep -qE "^${line#!}\$" <<<"$said" || continue
        echo "error: $about: there is a line ${line#!}"
        ;;
      *)
        if grep -qE "^$line\$" <<<"$rest"; then
          rest=$(sed -nE "0,\\%^$line\$%!p" <<<"$rest")
          continue
        fi
        echo "error: $about: no line $line in its place"
        ;;
    esac
    # shellcheck disable=SC2001
    sed 's/^/  | /' <<<"$said"
    wrong=1
    return
  done
}

run CI=false <<'SCRIPT'
tests() {
  echo "test good ... ok"
  echo "test result: ok. 1 passed; 0 failed"
  echo "test bad ... FAILED"
  echo "error: 1 target failed:" >&2
  return 101
}
halfway() {
  false
  echo "after an error"
}
step "first" true
step "tests" tests
step "an error within" halfway
step "a pipe" eval 'false | cat'
step "nothing of the kind" no-such-program
step "skipped" skip "there is no such thing here"
step --after "first" --after "skipped" "on good ground" echo "was run"
step --after "tests" "on bad ground" echo "was not run"
step --after "on bad ground" "on worse ground" echo "was not run"
step "last" echo "the last one was run"
closing "all is well"
SCRIPT
expect "failures" "$said" \
  "== first" "-- first: passed after .*" \
  "== tests" "test result: ok. 1 passed; 0 failed" "-- tests: FAILED after .*" \
  "!after an error" "-- an error within: FAILED after .*" \
  "-- a pipe: FAILED after .*" \
  "== nothing of the kind" "-- nothing of the kind: FAILED after .*" \
  "skipped: there is no such thing here" "-- skipped: skipped after .*" \
  "was run" "-- on good ground: passed after .*" \
  "!was not run" "== on bad ground" "== on worse ground" \
  "the last one was run" "-- last: passed after [0-9]+ s, [0-9]+ s of processors" \
  "== all steps" " +[0-9]+ s  passed   first" " +[0-9]+ s  FAILED   tests" " +0 s  not run  on worse ground" \
  "FAILED: tests" "    test bad ... FAILED" "    error: 1 target failed:" \
  "FAILED: an error within" "    exit status 1" "FAILED: a pipe" "FAILED: nothing of the kind" "    exit status 127" \
  "not run: on bad ground" "    comes after \"tests\", which did not pass" "not run: on worse ground" \
  "6 of 10 steps did not pass" "status 1" "!all is well"

run CI=true <<'SCRIPT'
step "skipped" skip "there is no such thing here"
step "a program of that status" bash -c 'exit 77'
step "last" true
closing "all is well"
SCRIPT
expect "nothing is skipped in CI" "$said" \
  "-- skipped: FAILED after .*" "-- a program of that status: FAILED after .*" "-- last: passed after .*" \
  "FAILED: skipped" "    error: with CI=true nothing may be skipped: there is no such thing here" \
  "FAILED: a program of that status" "    exit status 77" "status 1" "!all is well"

run CI=true <<'SCRIPT'
step "first" true
step "leaves a program behind" eval 'sleep 1000 & echo $! >&2'
step "last" true
closing "all is well"
SCRIPT
expect "all is well" "$said" \
  "-- first: passed after .*" "-- leaves a program behind: passed after .*" "-- last: passed after .*" "all is well" "status 0"
# The one left behind.
kill "$(sed -nE '/^== leaves/,/^--/s/^([0-9]+)$/\1/p' <<<"$said")" || wrong=1

run CI=true <<'SCRIPT'
slowly() { sleep 0.5; echo "slowly: done, nice $(nice)"; }
badly() { echo "error: badly"; false; echo "after an error"; }
step "good" true
step "bad" false
beside --after "good" "slow one" slowly
beside "bad one" badly
beside --after "bad" "on bad ground" echo "was not run"
beside "last one" echo "the last one was run"
step "between" echo "was between"
join "slow one"
join "bad one"
join "on bad ground"
join "last one"
closing "all is well"
SCRIPT
expect "what is run beside the steps" "$said" \
  "== between" "was between" "-- between: passed after .*" \
  "== slow one" "slowly: done, nice 19" "-- slow one: passed after .*" \
  "== bad one" "error: badly" "-- bad one: FAILED after .*" \
  "== last one" "the last one was run" "-- last one: passed after .*" \
  "FAILED: bad" "FAILED: bad one" "    error: badly" \
  "not run: on bad ground" "    comes after \"bad\", which did not pass" \
  "3 of 7 steps did not pass" "status 1" "!was not run" "!after an error"

run CI=true <<'SCRIPT'
beside "endless" eval 'sleep 1001 & wait'
step "meanwhile" sleep 0.3
exit 3
SCRIPT
expect "what is run beside ends with the script" "$said" "-- meanwhile: passed after .*" "status 3"
tries=0
while pgrep --full --exact 'sleep 1001' >/dev/null && [ $((tries += 1)) -le 50 ]; do sleep 0.1; done
! pgrep --full --exact 'sleep 1001' || { echo "error: a command beside the steps outlived them"; wrong=1; }

[ "$wrong" -eq 0 ] || exit 1
echo "ci/steps.sh runs every step and names every failure"
