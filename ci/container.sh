#!/usr/bin/env bash
# Builds the image of the Dockerfile without an image registry, as root on a Debian-like machine: the builder image
# comes from debootstrap and the mirror that apt uses here, Rust and the packages from this user's rustup and cargo.
#
#   ci/container.sh [--quick] DIRECTORY    keeps images and caches there; a second run takes seconds
#
# With --quick the program is not optimised, which is enough for tests and takes a fraction of the time.
#
# Afterwards: buildah --storage-driver vfs --root DIRECTORY/images --runroot DIRECTORY/run from localhost/icmp-responder
set -euo pipefail
flags=--offline
if [ "${1:-}" = --quick ]; then
  shift
  # Settings of the profile from which the one that the Dockerfile builds has them.
  flags+=" --config profile.release.opt-level=0 --config profile.release.lto=false --config profile.release.codegen-units=256"
fi
[ $# -eq 1 ] || { echo "give the directory for images and caches, as in: $0 target/container" >&2; exit 2; }
mkdir -p "$1"
directory=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
exec 9>"$directory/lock"
flock 9

export BUILDAH_ISOLATION=chroot
images() { buildah --storage-driver vfs --root "$directory/images" --runroot "$directory/run" "$@"; }

builder=localhost/memif-builder
if ! images inspect --type image "$builder" >/dev/null 2>&1; then
  # shellcheck source=/dev/null
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  mirror=$(ci/mirror.sh)
  root=$directory/builder
  rm -rf "$root"
  debootstrap --variant=minbase --include=gcc,libc6-dev "$suite" "$root" "$mirror" >"$directory/debootstrap.log" 2>&1 ||
    { tail -n 20 "$directory/debootstrap.log" >&2; exit 1; }
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  tar -C "$root" -cf "$directory/builder.tar" --exclude=./dev --exclude=./proc --exclude=./sys .
  rm -rf "$root"
  container=$(images from scratch)
  images add "$container" "$directory/builder.tar" /
  images commit --rm --quiet "$container" "$builder"
  rm "$directory/builder.tar"
fi

cargo fetch --locked --target "$(rustc -vV | sed -n "s/^host: //p")"
cargo_home=${CARGO_HOME:-$HOME/.cargo}
volumes=(
  --volume "$(rustc --print sysroot):/opt/rust:ro"
  --volume "$cargo_home/registry:/root/.cargo/registry:ro"
)
for config in config.toml config; do
  [ ! -e "$cargo_home/$config" ] || volumes+=(--volume "$cargo_home/$config:/root/.cargo/$config:ro")
done
# What was compiled stays there for the next run.
mkdir -p "$directory/compiled"
volumes+=(--volume "$directory/compiled:/src/target")
images build --quiet --tag localhost/icmp-responder "${volumes[@]}" \
  --build-arg "BUILDER=$builder" --build-arg TOOLCHAIN=/opt/rust/bin \
  --build-arg "CARGO_FLAGS=$flags" \
  --pull=never --file Dockerfile .
# Images that the tag has left.
images rmi --prune >/dev/null 2>&1 || true
