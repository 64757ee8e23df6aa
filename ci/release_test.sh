#!/usr/bin/env bash
# Tests what ci/release.sh says before it builds anything, in a repository of its own with what it looks at, and the sums
# that it writes in the end.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

git ls-files -z -- '*Cargo.toml' '*Cargo.lock' CHANGELOG.md ci/release.sh crates/*/src/lib.rs crates/*/src/main.rs |
  tar --null --files-from=- -cf - | tar -xf - -C "$place"
cd "$place"
# As a version that no other release has.
find . -name Cargo.toml -exec sed -i '/^name = "memif-python"/,/^version/s/^version = .*/version = "7.8.9"/
  /^\[workspace\.package\]/,/^version/s/^version = .*/version = "7.8.9"/' {} +
find . -name Cargo.toml -exec sed -i -E '/^memif[a-z-]* = \{.*path = /s/version = "[^"]*"/version = "7.8.9"/' {} +
find . -name Cargo.lock -exec sed -i -E '/^name = "memif(-(capi|capture|cli|python|watch))?"$/{n;s/"[^"]*"/"7.8.9"/}' {} +
sed -i '0,/^## .*/s//## 7.8.9 (2030-01-31)/' CHANGELOG.md
export GIT_CONFIG_GLOBAL=/dev/null
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b.invalid GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b.invalid
git init -q && git add -A && git commit -q -m first

wrong=0
# What is to build nothing leaves what is there.
mkdir dist && touch dist/kept && printf 'dist\nsaid\n' >.git/info/exclude

# The status is "any" where the machine decides, which may lack debootstrap.
says() { # status, words or !words..., -- arguments of the script
  local status=$1 words=() got=0 word
  shift
  while [ "$1" != -- ]; do words+=("$1"); shift; done
  shift
  ci/release.sh "$@" >said 2>&1 || got=$?
  [ "$status" = any ] || [ "$got" = "$status" ] || { echo "error: $*: status $got, not $status" >&2; wrong=1; }
  for word in "${words[@]}"; do
    case $word in
      !*) ! grep -qF -- "${word#!}" said ;;
      *) grep -qF -- "$word" said ;;
    esac || { echo "error: ci/release.sh $*, where \"$word\" was expected, said:" >&2; cat said >&2; wrong=1; }
  done
  [ -e dist/kept ] || { echo "error: ci/release.sh $* emptied dist/" >&2; wrong=1; mkdir dist; touch dist/kept; }
  rm said
}

right='!has the version'
says any "would empty" "$right" "!CHANGELOG" "!not committed" "!tagged" -- --dry-run 7.8.9
says any "would empty" "$right" -- 7.8.9 --dry-run
says 2 "ci/release.sh [--dry-run] VERSION" --
says 2 "ci/release.sh [--dry-run] VERSION" -- --dryrun 7.8.9
says 2 "ci/release.sh [--dry-run] VERSION" -- 7.8.9 7.9.0
says 1 "v7.8.9 is no semantic version" "nothing was built" -- v7.8.9
says 1 "memif has the version 7.8.9 (Cargo.toml)" "memif-python has the version 7.8.9" "first chapter" -- 7.8.10
# A longer version is another one, and a dot no other letter.
says 1 "first chapter of CHANGELOG.md is 7.8.9" -- 7.8.9-rc.1
echo x >>CHANGELOG.md
says 1 "not committed" "$right" -- 7.8.9
git commit -qam second
git tag v7.8.9 HEAD~1
says 1 "v7.8.9 is tagged already, on another commit" -- 7.8.9
git tag -f v7.8.9 >/dev/null
says any "!tagged" -- 7.8.9 --dry-run
sed -i -E '/^name = "memif"$/{n;s/"[^"]*"/"7.8.8"/}' fuzz/Cargo.lock
git commit -qam third
says 1 "memif has the version 7.8.8 (fuzz/Cargo.lock" -- 7.8.9
git checkout -q HEAD~1
sed -i '0,/^## .*/s//## Unreleased/' CHANGELOG.md
git commit -qam fourth
says 1 "is Unreleased" -- 7.8.9

# What it does in the end: the sums are of all files but their own, whatever was there.
cd "$here"
eval "$(sed -n '/^complete() {/,/^}/p; /^checksums() {/,/^}/p' ci/release.sh)"
dist=$place/sums
# shellcheck disable=SC2034 # `complete` asks for it.
version=7.8.9
mkdir -p "$dist/below"
echo old >"$dist/SHA256SUMS"
for file in one "two words" below/three; do echo "$file" >"$dist/$file"; done
for _ in {1..20}; do
  checksums
  if ! (cd "$dist" && sha256sum --check --quiet --strict SHA256SUMS) || [ "$(wc -l <"$dist/SHA256SUMS")" -ne 3 ]; then
    echo "error: sums of a release:" >&2
    cat "$dist/SHA256SUMS" >&2
    wrong=1
    break
  fi
done
! complete 2>/dev/null || { echo "error: a release without its files was complete" >&2; wrong=1; }

[ "$wrong" -eq 0 ] || exit 1
echo "ci/release.sh says what is wrong before it builds anything, and its sums are right"
