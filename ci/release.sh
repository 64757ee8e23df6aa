#!/usr/bin/env bash
# Makes everything of a release in dist/, with its checksums. Nothing is uploaded and nothing tagged; the end says what
# is left to do.
#
#   ci/release.sh [--dry-run] VERSION
#
# First it is looked whether the sources are those of that version: in every Cargo.toml and Cargo.lock, as the first
# chapter of CHANGELOG.md, committed, and not tagged elsewhere. Everything that is not so is said, and nothing is built
# then. --dry-run goes on all the same, and says what it would build. Before all else the crates are compiled as they
# would be published, with the oldest Rust that is promised, and tested on aarch64 (ci/crates.sh, ci/msrv.sh,
# ci/aarch64.sh). As root on Debian, since packages are tried in roots of their own, which stay below target/packages.
# What all that takes is installed (ci/prerequisites.sh; with rustup the Rust releases and targets). Nothing is left out:
# what cannot be made or tried here fails.
# Two hours on two processors; a second time, when everything was compiled and fetched, a fraction of that.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
  exit "$1"
}

dry='' version=''
for argument; do
  case $argument in
    --dry-run) dry=yes ;;
    -h | --help) usage 0 ;;
    -*) usage 2 >&2 ;;
    *)
      [ -z "$version" ] || usage 2 >&2
      version=$argument
      ;;
  esac
done
[ -n "$version" ] || usage 2 >&2
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
ours=
for manifest in Cargo.toml crates/memif-python/Cargo.toml; do
  while read -r name found; do
    ours+=" $name "
    [ "$found" = "$version" ] || wrong "$name has the version $found ($manifest)"
  done < <(versions $manifest)
done
[[ $ours == *" memif "*" memif-python "* ]] || wrong "cargo cannot read Cargo.toml, or crates/memif-python/Cargo.toml"

# Which other builds beside the workspace have, too.
for lock in Cargo.lock {compare,examples-net,fuzz,crates/memif-python}/Cargo.lock; do
  while read -r name found; do
    [[ $ours != *" $name "* || $found = "$version" ]] ||
      wrong "$name has the version $found ($lock: cargo update --workspace there)"
  done < <(awk -F '"' '$1 == "name = " { name = $2 } $1 == "version = " { print name, $2 }' "$lock")
done

# Debian's changelog is made of the first one.
chapter=$(awk '/^## / && !found++ { print $2 }' CHANGELOG.md)
[ "$chapter" = "$version" ] ||
  wrong "the first chapter of CHANGELOG.md is $chapter: \"## Unreleased\" becomes \"## $version\", and the date"

if ! git rev-parse --git-dir >/dev/null 2>&1; then
  wrong "this is no clone"
else
  [ -z "$(git status --porcelain)" ] || wrong "there is what is not committed: git status"
  tagged=$(git rev-parse --quiet --verify "refs/tags/v$version^{commit}" || true)
  [ -z "$tagged" ] || [ "$tagged" = "$(git rev-parse HEAD)" ] || wrong "v$version is tagged already, on another commit"
fi

if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
  wrong "packages are tried in roots of their own, which takes root, Debian and debootstrap"
fi

if [ "$wrong" -ne 0 ] && [ -z "$dry" ]; then
  echo "nothing was built" >&2
  exit 1
fi

# ---- what it is made of: each function puts its files into that directory, and fails where it cannot

# The one of the Python package, with its own source alone, is called memif-VERSION.tar.gz.
source_archive() { # directory
  git archive --prefix="memif-$version/" -o "$1/memif-$version-source.tar.gz" HEAD
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
  ci/binaries.sh "$1"
}

# What a release has. A part that could not be made for one processor is missing here.
complete() {
  local kind processor name
  local expected=("memif-$version-source.tar.gz" "memif-cli-$version.cdx.json" "memif-capi-$version.cdx.json")
  for processor in x86_64 aarch64; do
    for kind in static glibc2.31; do
      expected+=("memif-$version-$processor-$kind.tar.gz" "memif-$version-$processor-$kind-debug.tar.gz")
    done
    expected+=("memif-*_$processor.whl")
  done
  for name in memif libmemif libmemif-dev; do expected+=("${name}_*.deb"); done
  for name in "${expected[@]}"; do
    compgen -G "$dist/$name" >/dev/null || { echo "error: dist/ has no $name" >&2; return 1; }
  done
}

checks=(ci/crates.sh ci/msrv.sh ci/aarch64.sh)
parts=(source_archive binaries debian_packages python_wheels)

# One file for all, whatever the parts made of their own. It is there, and empty, before the others are found.
checksums() {
  (cd "$dist" && find . -type f ! -path ./SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum >SHA256SUMS)
}

if [ -n "$dry" ]; then
  echo "would empty $dist, run ${checks[*]}, and make there: ${parts[*]}, SHA256SUMS"
  [ "$wrong" -eq 0 ] || echo "but nothing before what is wrong is put right"
  exit "$wrong"
fi

# In what is called from here, too, nothing may be left out.
export CI=true
ci/prerequisites.sh --release
rm -rf "$dist"
mkdir -p "$dist"
# What goes to a registry later can not be taken back from there.
for check in "${checks[@]}"; do
  printf '\n== %s\n' "$check"
  "$check"
done
for part in "${parts[@]}"; do
  printf '\n== %s\n' "$part"
  "$part" "$dist"
done
complete
checksums
printf '\n== dist\n'
(cd "$dist" && sha256sum --check --quiet SHA256SUMS && ls -l)
cat <<END

What is left, by hand: git tag v$version, and to publish dist/ and the crates (cargo publish, in the order memif,
memif-watch, memif-capture, memif-cli, memif-capi).
END
