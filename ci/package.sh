#!/usr/bin/env bash
# Makes Debian packages in dist/: memif, libmemif and libmemif-dev.
#
#   ci/package.sh                 builds them, looks them over (lintian) and, as root on a Debian-like machine that has
#                                 none of them, installs, uses and purges them here: a part of ci/test.sh
#   ci/package.sh DIRECTORY       builds them, and installs, uses, upgrades, removes and purges them in fresh roots of
#                                 Debian bookworm and trixie, made by debootstrap in DIRECTORY, where they stay as they
#                                 were for the next run; as root
#   ci/package.sh --build-only    compiles what the first of these needs, and makes nothing
#
# Packages run on the release that they were built on and on later ones: build on the oldest. MEMIF_VERSION in the
# environment is the version in place of that of Cargo.toml; DEBFULLNAME and DEBEMAIL say who made them.
set -euo pipefail
cd "$(dirname "$0")/.."

CARGO_DEB=3.8.0
tools=$PWD/target/tools
work=$PWD/target/debian
dist=$PWD/dist
releases=(bookworm trixie)

die() {
  echo "error: $*" >&2
  exit 1
}

left_out() { # why
  [ "${CI:-}" != true ] || die "with CI=true nothing may be left out: $*"
  echo "left out: $*"
}

version=${MEMIF_VERSION:-$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)}
# For Debian, what comes before a version has a tilde: 0.2.0-rc.1 would be newer than 0.2.0.
debian() { echo "${version/-/\~}-1"; }
export DEBFULLNAME=${DEBFULLNAME:-memif for Rust} DEBEMAIL=${DEBEMAIL:-maintainers@memif.invalid}
# The same sources give the same packages.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat --format=%Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH

compile() {
  if [ "$("$tools/bin/cargo-deb" --version 2>/dev/null)" != "cargo-deb $CARGO_DEB" ]; then
    # Compression is that of the program xz.
    cargo install --quiet --locked --debug --no-default-features --version $CARGO_DEB --root "$tools" \
      --target-dir "$tools/build" cargo-deb
  fi
  # The profile `dist` is this one without its symbols, which are stripped below.
  cargo build --release --locked --package memif-cli --bin memif
  cargo build --release --locked --package memif-capi --lib --bin libmemif-install
}

# What is made of the compiled programs, where Cargo.toml looks for it.
prepare() {
  local triplet memif=target/release/memif
  triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
  rm -rf "$work"
  mkdir -p "$work/completions" "$work/extcap/$triplet/wireshark/extcap"
  $memif man --directory "$work/man" --date "$(date --utc --date="@$SOURCE_DATE_EPOCH" +%F)" >/dev/null
  $memif completions bash >"$work/completions/memif"
  $memif completions zsh >"$work/completions/_memif"
  $memif completions fish >"$work/completions/memif.fish"
  ln -s /usr/bin/memif "$work/extcap/$triplet/wireshark/extcap/memif-extcap"
  target/release/libmemif-install --prefix /usr --libdir "lib/$triplet" --destdir "$work/libmemif" >/dev/null
  strip --strip-unneeded --remove-section=.comment --remove-section=.note "$work/libmemif/usr/lib/$triplet/libmemif.so"
  strip --strip-debug --remove-section=.comment "$work/libmemif/usr/lib/$triplet/libmemif.a"
  cp CHANGELOG.md "$work/changelog.upstream"
  changelog >"$work/changelog"
}

# CHANGELOG.md's first chapter, in the form of Debian.
changelog() {
  printf 'memif (%s) unstable; urgency=medium\n\n' "$(debian)"
  awk '/^## / { chapter++; next }
    chapter == 1 && /^- / { printf "%s%s", entries++ ? "\n" : "", substr($0, 3); next }
    chapter == 1 && entries && NF { sub(/^ +/, " "); printf "%s", $0 }
    END { print "" }' CHANGELOG.md | tr -d '`' | while read -r entry; do
    fold --spaces --width=74 <<<"$entry" | sed 's/ *$//; s/^/    /; 1s/^    /  * /'
  done
  printf '\n -- %s <%s>  %s\n' "$DEBFULLNAME" "$DEBEMAIL" "$(date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")"
}

# Into that directory.
build() { # directory
  mkdir -p "$1"
  # All that lie there are installed.
  rm -f "$1"/memif_*.deb "$1"/libmemif_*.deb "$1"/libmemif-dev_*.deb
  prepare
  local deb=("$tools/bin/cargo-deb" --quiet --locked --offline --no-build --strip --compress-system --output "$1"
    --deb-version "$(debian)" --maintainer "$DEBFULLNAME <$DEBEMAIL>")
  "${deb[@]}" --package memif-cli
  "${deb[@]}" --package memif-capi --variant runtime
  "${deb[@]}" --package memif-capi
  control "$(package "$1" memif)" foreign
  control "$(package "$1" libmemif)" same
  control "$(package "$1" libmemif-dev)" same
}

# What cargo-deb does not say: the version of a dependency, in place of @VERSION@; whether one package serves programs
# of every architecture (foreign), or those of several are installed side by side (same), for which cargo-deb would move
# files; sums for `dpkg --verify`; and for dpkg-shlibdeps, of packages with programs in C, that such a program depends on
# the library, which by its name, without a number, that could not know.
control() { # package, Multi-Arch
  rm -rf "$work/again"
  dpkg-deb --raw-extract "$1" "$work/again"
  (
    cd "$work/again"
    sed -i "s/@VERSION@/$(debian)/; 1a Multi-Arch: $2" DEBIAN/control
    find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums
    library=$(find usr/lib -name libmemif.so)
    [ -z "$library" ] || symbols "$library" >DEBIAN/symbols
    chmod 644 DEBIAN/md5sums DEBIAN/symbols 2>/dev/null || true
  )
  dpkg-deb --root-owner-group -Zxz --build "$work/again" "$1" >/dev/null
}

symbols() { # library
  local since
  since=$(debian)
  echo "libmemif.so libmemif #MINVER#"
  nm --dynamic --defined-only "$1" | awk -v since="${since%-*}" '{ print " " $3 "@Base " since }' | LC_ALL=C sort
}

# As the archive of Debian would look at them. What they object to with reason stands in packaging/*.lintian-overrides,
# with ours.
contents() { # directory
  local deb
  for deb in memif libmemif libmemif-dev; do
    deb=$(package "$1" $deb)
    echo "$(basename "$deb"): $(stat --format=%s "$deb") bytes, $(dpkg-deb --field "$deb" Depends)"
  done
  if command -v lintian >/dev/null; then
    lintian --fail-on error,warning --tag-display-limit 0 --allow-root "$(package "$1" memif)" \
      "$(package "$1" libmemif)" "$(package "$1" libmemif-dev)"
  else
    left_out "packages are not looked over: lintian is not installed"
  fi
}

package() { # directory, name
  echo "$1/$2_$(debian)_$(dpkg --print-architecture).deb"
}

packages() { # directory, version
  local name
  for name in memif libmemif libmemif-dev; do version=$2 package "$1" $name; done
}

# Files that a package with documentation removed, as images of containers have it, would lack.
install() { dpkg --path-include='/usr/share/man/*' --path-include='/usr/share/doc/*' --install "$@" >/dev/null; }

# Here, where nobody has installed them.
try_here() {
  local name files
  for name in memif libmemif libmemif-dev; do
    if [ "$(dpkg-query --show --showformat='${Status}' $name 2>/dev/null | cut -d' ' -f3)" = installed ]; then
      left_out "packages are not tried here: $name is installed already"
      return
    fi
  done
  trap 'dpkg --purge memif libmemif-dev libmemif >/dev/null 2>&1' EXIT
  mapfile -t files < <(packages "$dist" "$version")
  install "${files[@]}"
  mapfile -t files < <(dpkg -L memif libmemif libmemif-dev | while read -r name; do [ -d "$name" ] || echo "$name"; done)
  ci/package_use.sh
  trap - EXIT
  dpkg --purge memif libmemif-dev libmemif >/dev/null
  for name in "${files[@]}"; do [ ! -e "$name" ] || die "$name is left behind"; done
  echo "installed, used and purged here"
}

# A release as it is for somebody who compiles C, reads pages and has completion.
root_of() { # release, directory
  local root=$2/$1 mirror
  [ ! -e "$root.made" ] || return 0
  rm -rf --one-file-system "$root"
  mirror=$(ci/mirror.sh --debian)
  debootstrap --variant=minbase --include=bash-completion,fish,gcc,groff-base,libc6-dev,man-db,pkg-config,systemd,zsh \
    "$1" "$root" "$mirror" >"$2/$1.log" 2>&1 || die "debootstrap $1: see $2/$1.log"
  touch "$root.made"
}

# Runs a command on top of that root, which stays as it is: what is written goes to memory, and ends with the processes.
in_root() { # release, directory, directory of older packages, command and arguments
  root_of "$1" "$2"
  mkdir -p "$2/top"
  : >"$2/$1.services"
  # shellcheck disable=SC2016 # They are the inner shell's.
  unshare --mount --net --pid --cgroup --uts --ipc --fork --kill-child -- bash -euc '
    root=$1 top=$2 new=$3 older=$4 script=$5 services=$6
    shift 6
    mount -t tmpfs tmpfs "$top" && mkdir "$top/upper" "$top/work" "$top/root"
    mount -t overlay overlay -o "lowerdir=$root,upperdir=$top/upper,workdir=$top/work" "$top/root"
    cd "$top/root"
    mount -t proc proc proc
    mount -t sysfs sysfs sys && mount -t cgroup2 cgroup2 sys/fs/cgroup
    mount -t tmpfs tmpfs dev && mkdir dev/net && ln -s /proc/self/fd dev
    while read -r name major minor; do mknod -m 666 "dev/$name" c "$major" "$minor"; done <<<"null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
net/tun 10 200"
    for name in tmp run; do mount -t tmpfs tmpfs $name; done
    mkdir tmp/new tmp/older
    touch tmp/services
    cp "$new"/*.deb tmp/new && cp "$older"/*.deb tmp/older && cp "$script" tmp/use.sh
    mount --bind "$services" tmp/services
    exec chroot . "$@"' bash "$2/$1" "$2/top" "$dist" "$3" "$PWD/ci/package_use.sh" "$2/$1.services" "${@:4}"
}

try_in() { # release, directory, directory of older packages
  in_root "$@" /tmp/use.sh --life /tmp/older /tmp/new
  # A system that is switched off ends by a signal.
  in_root "$@" /tmp/use.sh --boot /tmp/new || true
  cat "$2/$1.services"
  grep -qx "services work" "$2/$1.services" || die "$1: services do not"
  echo "$1: installed, upgraded, used, removed and purged"
}

long() { # directory
  if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then die "$0 DIRECTORY takes root and debootstrap"; fi
  mkdir -p "$1"
  local directory older release
  directory=$(cd "$1" && pwd)
  older=$directory/older
  compile
  rm -rf "$older"
  version=0.0.1 build "$older"
  build "$dist"
  contents "$dist"
  for release in "${releases[@]}"; do try_in "$release" "$directory" "$older"; done
}

short() {
  if ! command -v dpkg-architecture >/dev/null; then
    left_out "packages, which take a Debian-like machine with dpkg-dev"
    return
  fi
  compile
  build "$dist"
  contents "$dist"
  if [ "$(id -u)" -eq 0 ]; then try_here; else left_out "packages are not tried here, which takes root"; fi
}

case ${1:-} in
  -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" ;;
  --build-only) compile ;;
  -*) die "see --help" ;;
  "") short ;;
  *) long "$1" ;;
esac
