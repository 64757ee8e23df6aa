#!/usr/bin/env bash
# The crates as they would be published: packed, unpacked elsewhere and compiled from that alone; documented as
# docs.rs does; and their interfaces compared with those of the last tag, so that a version tells what it must.
#
#   ci/crates.sh [--quick]
#
# With --quick they are packed and what is in them is looked at, which takes seconds.
#
# shellcheck disable=SC2317 # Steps are functions, called by name.
cd "$(dirname "$0")/.." || exit
. ci/steps.sh

readonly crates=(memif memif-capture memif-watch memif-capi memif-cli)
readonly SEMVER_CHECKS=0.51.0
tools=$PWD/target/crates/tools

# What people and registries look for, and nothing that only this repository has a use for.
files() {
  local crate file list
  for crate in "${crates[@]}"; do
    list=$(cargo package --list --locked --allow-dirty -p "$crate")
    for file in Cargo.toml LICENSE-APACHE LICENSE-MIT; do
      grep -qx "$file" <<<"$list" || { echo "error: $crate is packed without $file" >&2; return 1; }
    done
    ! grep '^tests/' <<<"$list" || { echo "error: $crate is packed with tests that need testkit" >&2; return 1; }
  done
  cargo metadata --format-version 1 --no-deps --locked | python3 -c '
import json, sys
needed = ["description", "license", "readme", "rust_version", "keywords", "categories"]
packages = {package["name"]: package for package in json.load(sys.stdin)["packages"]}
for name in sys.argv[1:]:
    missing = [field for field in needed if not packages[name][field]]
    if missing or packages[name]["publish"] == []:
        sys.exit(f"error: {name} cannot be published without {missing}")
others = [name for name, package in packages.items() if name not in sys.argv and package["publish"] != []]
if others:
    sys.exit(f"error: {others} would be published, too: say publish = false, or list them in ci/crates.sh")
' "${crates[@]}"
}

# Each is compiled from its archive, with the others as they were packed.
packed() {
  cargo package --locked --allow-dirty "${crates[@]/#/--package=}"
}

# docs.rs has a nightly compiler; this one is told to take what that takes.
documented() {
  local crate
  for crate in "${crates[@]}"; do
    RUSTC_BOOTSTRAP=1 RUSTDOCFLAGS="--cfg docsrs -D warnings" \
      cargo doc --locked --no-deps --all-features --target-dir target/docsrs -p "$crate"
  done
}

interfaces() {
  local tag
  tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null || true)
  if [ -z "$tag" ]; then
    # Not skipped: there is nothing to compare with before the first release.
    echo "no version has a tag yet (v0.1.0 will): nothing to compare with"
    return
  fi
  [[ $("$tools/bin/cargo-semver-checks" semver-checks --version 2>/dev/null) == *" $SEMVER_CHECKS" ]] ||
    cargo install --quiet --locked --root "$tools" --target-dir target/crates/build "cargo-semver-checks@$SEMVER_CHECKS"
  # The command and the C library have no interface in Rust.
  PATH=$tools/bin:$PATH cargo semver-checks --baseline-rev "$tag" -p memif -p memif-capture -p memif-watch
}

step "files and fields" files
if [ "${1:-}" != --quick ]; then
  step --after "files and fields" "compiled from what is packed" packed
  step "documented as on docs.rs" documented
  step "interfaces beside those of the last tag" interfaces
fi
closing "the crates are fit to be published"
