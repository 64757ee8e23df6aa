# shellcheck shell=bash
# Steps of a check, to be sourced: each is run whatever the ones before it came to, and the end names all that failed.
#
#   step [--after NAME]... NAME COMMAND [ARGUMENT]...
#                       COMMAND may be a function; it runs in a shell of its own that ends at its first error. Not run if
#                       a step after which it comes did not pass.
#   beside [--after NAME]... NAME COMMAND [ARGUMENT]...
#                       starts COMMAND with what the steps after this one leave of the processors, behind those that were
#                       started so before. Its step is where it is joined.
#   join NAME           the step of a COMMAND that was started beside others: waits for it and shows what it said
#   skip REASON         ends a step that cannot be done here; where CI=true that is a failure
#   closing WORDS       lists all steps, then what failed, and ends the script: with 1 if anything failed, or else saying
#                       WORDS
#
# The script that sources this does without `set -e`.
set -uo pipefail

readonly skipped_status=77
# Of each step that was asked for, in their order: its name, what became of it, seconds, and lines that tell why it
# failed.
step_names=() step_ends=() step_seconds=() step_reasons=()
step_files=$(mktemp -d)
# Of each command beside the steps, by its name: the file of what it says, and steps without which it is not run. Groups
# of processes, to be ended with the script.
declare -A beside_files=() beside_needs=()
beside_groups=() beside_last=
at_exit() {
  local group
  for group in "${beside_groups[@]}"; do kill -- "-$group" 2>/dev/null; done
  rm -rf "$step_files"
}
trap at_exit EXIT
# Ctrl-C ends everything, and not only the step.
trap 'exit 130' INT

nothing_may_be_skipped() { [ "${CI:-}" = true ]; }

skip() {
  if nothing_may_be_skipped; then
    echo "error: with CI=true nothing may be skipped: $*" >&2
    exit 1
  fi
  echo "skipped: $*"
  exit "$skipped_status"
}

step() {
  local before=() name
  while [ "$1" = --after ]; do
    before+=("$2")
    shift 2
  done
  name=$1
  shift
  printf '\n== %s\n' "$name"
  local need
  for need in "${before[@]}"; do
    if ! passed "$need"; then
      note "$name" "not run" 0 "comes after \"$need\", which did not pass"
      return
    fi
  done

  local start=$SECONDS output tee status seconds
  # What it says is kept, to be looked through for reasons.
  exec {output}> >(exec tee "$step_files/output" 2>/dev/null)
  tee=$!
  times >"$step_files/before"
  # In a shell of its own, and not as a condition: `set -e` would not count there.
  (
    set -e
    "$@"
  ) >&"$output" 2>&1
  status=$?
  times >"$step_files/after"
  exec {output}>&-
  # Until everything is shown. Not for longer: a process that a test left behind may hold the pipe open.
  local tries=0
  while kill -0 "$tee" 2>/dev/null && [ $((tries += 1)) -le 50 ]; do sleep 0.02; done
  seconds=$((SECONDS - start))

  local end=passed reasons=
  case $status in
    0) ;;
    # Where nothing may be skipped `skip` does not end so, but a program may, as curl without certificates does.
    "$skipped_status") if nothing_may_be_skipped; then end=FAILED; else end=skipped; fi ;;
    *) end=FAILED ;;
  esac
  if [ "$end" = FAILED ]; then
    reasons=$(reasons)
    reasons=${reasons:-exit status $status}
  fi
  printf -- '-- %s: %s after %d s, %d s of processors\n' "$name" "$end" "$seconds" "$(processor_seconds)"
  note "$name" "$end" "$seconds" "$reasons"
}

beside() {
  local before=() wanted=1
  while [ "$1" = --after ]; do
    before+=("$1" "$2")
    passed "$2" || wanted=0
    shift 2
  done
  local name=$1 file=$step_files/beside.${#beside_files[@]} last=$beside_last
  shift
  beside_files[$name]=$file
  beside_needs[$name]=$(printf '%s\n' "${before[@]}")
  [ "$wanted" -eq 1 ] || return 0
  set -m
  (
    [ -z "$last" ] || ended "$last"
    renice -n 19 -p "$BASHPID" >/dev/null
    (
      set -e
      "$@"
    )
    echo $? >"$file.status"
  ) >"$file" 2>&1 </dev/null &
  beside_groups+=($!)
  set +m
  echo $! >"$file.group"
  beside_last=$file
}

join() {
  local before=()
  [ -z "${beside_needs[$1]}" ] || mapfile -t before <<<"${beside_needs[$1]}"
  step "${before[@]}" "$1" end_of_beside "${beside_files[$1]}"
}

end_of_beside() {
  ended "$1"
  cat "$1"
  return "$(cat "$1.status" 2>/dev/null || echo 1)"
}

# Waits for what is no child of the shell that asks.
ended() { while kill -0 -- "-$(cat "$1.group")" 2>/dev/null && [ ! -e "$1.status" ]; do sleep 0.2; done; }

# What the step used of all processors, from the second line of what `times` said before and after: user and system time
# of the programs that have ended, as in 1m2.345s.
processor_seconds() {
  awk 'FNR == 2 { sum = 0; for (i = 1; i <= 2; i++) { split($i, t, "[ms]"); sum += 60 * t[1] + t[2] }; all[++file] = sum }
    END { printf "%.0f", all[2] - all[1] }' "$step_files/before" "$step_files/after"
}

passed() { # a step that was skipped did not fail
  local i
  for i in "${!step_names[@]}"; do
    [ "${step_names[i]}" != "$1" ] || case ${step_ends[i]} in passed | skipped) return 0 ;; *) return 1 ;; esac
  done
  echo "error: no step \"$1\" was asked for before" >&2
  return 1
}

note() {
  step_names+=("$1") step_ends+=("$2") step_seconds+=("$3") step_reasons+=("$4")
}

# Lines of a step's output that name tests that failed, programs of tests that died, errors, and files that are not
# formatted.
reasons() {
  sed 's/\x1b\[[0-9;]*m//g' "$step_files/output" |
    grep -aE '^(test .* FAILED$|test .* took more than |error(\[[A-Z0-9]+\])?:|Diff in | +`-p |In .*\.sh line )' |
    awk '!seen[$0]++' | head -n 40
}

closing() {
  local i failed=() total=0
  printf '\n== all steps\n'
  for i in "${!step_names[@]}"; do
    printf '%6d s  %-8s %s\n' "${step_seconds[i]}" "${step_ends[i]}" "${step_names[i]}"
    total=$((total + step_seconds[i]))
    case ${step_ends[i]} in passed | skipped) ;; *) failed+=("$i") ;; esac
  done
  printf '%6d s\n\n' "$total"
  if [ ${#failed[@]} -eq 0 ]; then
    echo "$*"
    exit 0
  fi
  for i in "${failed[@]}"; do
    printf '%s: %s\n' "${step_ends[i]}" "${step_names[i]}"
    # shellcheck disable=SC2001
    sed 's/^/    /' <<<"${step_reasons[i]}"
  done
  printf '\n%d of %d steps did not pass\n' ${#failed[@]} ${#step_names[@]}
  exit 1
}
