#!/usr/bin/env bash
# Makes everything of a release in dist/, with its checksums. Nothing is uploaded and nothing tagged; the end says what
# is left to do.
#
#   ci/release.sh [--dry-run] VERSION
#
# First it is looked whether the sources are those of that version: in every Cargo.toml and Cargo.lock, with a chapter
# in CHANGELOG.md, committed, and not tagged elsewhere. Everything that is not so is said, and nothing is built then.
# --dry-run goes on all the same, and says what it would build. As root on Debian, since packages are tried in roots of
# their own, which stay below target/packages.
set -euo pipefail
cd "$(dirname "$0")/.."

dry=
if [ "${1:-}" = --dry-run ]; then
  dry=yes
  shift
fi
case ${1:-} in
  "" | -*)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
    exit 2
    ;;
esac
version=$1
dist=$PWD/dist

# ---- whether these are its sources

wrong=0
wrong() {
  echo "wrong: $*" >&2
  wrong=1
}

[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || wrong "$version is no semantic version, as 0.1.0 is"

# Of the crates of a workspace, what cargo says itself.
versions() { # manifest
  cargo metadata --no-deps --locked --format-version 1 --manifest-path "$1" |
    python3 -c 'import json, sys
for package in json.load(sys.stdin)["packages"]:
    if package["name"].startswith("memif"):
        print(package["name"], package["version"])'
}
for manifest in Cargo.toml crates/memif-python/Cargo.toml; do
  while read -r name found; do
    [ "$found" = "$version" ] || wrong "$name has the version $found ($manifest)"
  done < <(versions $manifest || echo "$manifest, which cargo cannot read or whose Cargo.lock is old, unknown")
done

grep -q "^## $version\b" CHANGELOG.md ||
  wrong "CHANGELOG.md has no chapter $version: \"## Unreleased\" gets that name, and the date"

if ! git rev-parse --git-dir >/dev/null 2>&1; then
  wrong "this is no clone"
else
  [ -z "$(git status --porcelain)" ] || wrong "there is what is not committed: git status"
  tagged=$(git rev-parse --quiet --verify "refs/tags/v$version^{commit}" || true)
  [ -z "$tagged" ] || [ "$tagged" = "$(git rev-parse HEAD)" ] || wrong "v$version is tagged already, on another commit"
fi

if [ "$wrong" -ne 0 ] && [ -z "$dry" ]; then
  echo "nothing was built" >&2
  exit 1
fi

# ---- what it is made of: each function puts its files into that directory, and fails where it cannot

source_archive() { # directory
  git archive --prefix="memif-$version/" -o "$1/memif-$version.tar.gz" HEAD
}

debian_packages() { # directory
  ci/package.sh target/packages
  # That is where it puts them.
  [ "$1" = "$dist" ]
}

python_wheels() { # directory
  ci/python.sh target/wheels
  cp target/wheels/wheels/* "$1"
}

# Programs for those who have neither Debian nor a compiler, with what they are made of (SBOM).
binaries() { # directory
  if [ ! -x ci/binaries.sh ]; then
    echo "left out: ci/binaries.sh is not here"
    return
  fi
  ci/binaries.sh "$1"
}

parts=(source_archive binaries debian_packages python_wheels)

# One file for all, whatever the parts made of their own.
checksums() {
  (cd "$dist" && rm -f SHA256SUMS && find . -type f -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum >SHA256SUMS)
}

if [ -n "$dry" ]; then
  echo "would empty $dist, and make there: ${parts[*]}, SHA256SUMS"
  [ "$wrong" -eq 0 ] || echo "but nothing before what is wrong is put right"
  exit "$wrong"
fi

rm -rf "$dist"
mkdir -p "$dist"
for part in "${parts[@]}"; do
  printf '\n== %s\n' "$part"
  "$part" "$dist"
done
checksums
printf '\n== dist\n'
(cd "$dist" && sha256sum --check --quiet SHA256SUMS && ls -l)
cat <<END

What is left, by hand: git tag v$version, and to publish dist/ and the crates (cargo publish, in the order memif,
memif-watch, memif-capture, memif-cli, memif-capi).
END
