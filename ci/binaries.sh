#!/usr/bin/env bash
# The command and the C library as they are given to people without a compiler, for x86-64 and aarch64:
#
#   ci/binaries.sh [--quick] DIRECTORY
#
# puts into DIRECTORY, for each processor,
#
#   memif-VERSION-PROCESSOR-static.tar.gz       the command as one static program (musl), for any Linux
#   memif-VERSION-PROCESSOR-glibc2.31.tar.gz    the command, and libmemif.so, .a, .h and .pc, for /usr/local of systems
#                                               with glibc 2.31 (Debian 11, Ubuntu 20.04) or later
#   *-debug.tar.gz                              what a debugger finds beside them (gnu-debuglink)
#   *.cdx.json                                  what they are made of (CycloneDX)
#
# and SHA256SUMS of all. Everything is stripped (profile dist). It is built twice, from copies of the source in two
# folders, and all files have to be the same bytes, without a path of this machine. Then it is looked into (readelf) and
# run: here, on foreign processors by qemu-user, and in a new root of Debian 11, where a C program is linked against the
# library.
#
# Tools are installed below target/binaries, in the versions that stand here: zig from PyPI, which links for any version
# of glibc, and cargo-cyclonedx and cargo-deny from crates.io. Nothing is installed anywhere else. As root on a
# Debian-like machine with debootstrap all is done; elsewhere it says what it leaves out. With --quick it builds once, for
# this processor alone, and leaves out licences, contents and the root of Debian 11.
#
# shellcheck disable=SC2317 # Steps are functions, called by name.
cd "$(dirname "$0")/.." || exit
. ci/steps.sh

readonly GLIBC=2.31
readonly ZIG=0.15.2 ZIGBUILD=0.24.0 CYCLONEDX=0.5.9 DENY=0.20.2
readonly OLD=bullseye # which has that glibc

quick=
if [ "${1:-}" = --quick ]; then
  quick=yes
  shift
fi
[ $# -eq 1 ] || { echo "give the directory for what is made, as in: $0 dist" >&2; exit 2; }
mkdir -p "$1" target/binaries
out=$(cd "$1" && pwd)
work=$(cd target/binaries && pwd)
here=$PWD
tools=$work/tools
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
host=$(uname -m)
processors=(x86_64 aarch64)
[ -z "$quick" ] || processors=("$host")
cargo_home=${CARGO_HOME:-$HOME/.cargo}
# Of the last change, for whatever has a date.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
export SOURCE_DATE_EPOCH

# rustc brings a linker, an objcopy and, for musl, a C library, all for every processor.
sysroot=$(rustc --print sysroot)
objcopy() {
  LD_LIBRARY_PATH=$sysroot/lib "$sysroot/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/rust-objcopy" "$@"
}

has_target() { # a target
  [ -d "$sysroot/lib/rustlib/$1" ] && return
  ! command -v rustup >/dev/null || rustup target add "$1" >/dev/null 2>&1 || true
  [ -d "$sysroot/lib/rustlib/$1" ] || skip "Rust has no $1 here: rustup target add $1"
}

python_tools() {
  command -v python3 >/dev/null || skip "python3 is not installed, which zig comes by"
  [ -x "$tools/zig/bin/python" ] || python3 -m venv "$tools/zig" || skip "python3 cannot make a venv (python3-venv)"
  "$tools/zig/bin/pip" install -q --disable-pip-version-check "ziglang==$ZIG" "cargo-zigbuild==$ZIGBUILD"
  # zig compiles start files and an unwinder of its own for what it links, and names the folder where it was started and
  # that of its source in their debug information. So it is started beside its source, by a name that is the same on
  # every machine; all that it is told are whole paths.
  local folder
  folder=$("$tools/zig/bin/python" -c 'import os, ziglang; print(os.path.dirname(ziglang.__file__))')
  cat >"$tools/zig-here" <<END
#!/bin/sh
cd "$folder" && PWD=/proc/self/cwd exec ./zig "\$@"
END
  chmod +x "$tools/zig-here"
}

cargo_tool() { # name, version
  local installed
  installed=$("$tools/bin/cargo-$1" "$1" --version 2>/dev/null || true)
  [[ $installed == *" $2" ]] ||
    cargo install --quiet --locked --root "$tools" --target-dir "$work/tools-build" "cargo-$1@$2"
}

# How everything is compiled: without a path of this machine, and with what a debugger wants, which is put apart later.
environment() { # folder of the source, folder to build in
  export CARGO_TARGET_DIR=$2 CARGO_INCREMENTAL=0
  export CARGO_PROFILE_DIST_DEBUG=limited CARGO_PROFILE_DIST_STRIP=none CARGO_PROFILE_DIST_SPLIT_DEBUGINFO=off
  local flags="--remap-path-prefix=$cargo_home=/usr/src/cargo --remap-path-prefix=$1=/usr/src/memif"
  # The last that fits counts, and the second may lie in the first.
  export RUSTFLAGS="$flags --remap-path-prefix=$2=/usr/src/build"
}

build_static() { # folder of the source, folder to build in, processor
  local target=$3-unknown-linux-musl
  (
    environment "$1" "$2"
    # lld takes no options of a C compiler.
    export RUSTFLAGS="$RUSTFLAGS -C linker=rust-lld -C link-self-contained=yes -C target-feature=+crt-static"
    cd "$1" && cargo build --profile dist --locked --target "$target" -p memif-cli --bin memif
  )
}

# cargo, as the installer of the C library calls it, which knows nothing of other processors.
zig_cargo() { # processor
  mkdir -p "$work/cargo-$1"
  cat >"$work/cargo-$1/cargo" <<END
#!/bin/sh
# build ARGUMENTS
shift
export CARGO_ZIGBUILD_ZIG_PATH="$tools/zig-here"
exec "$tools/zig/bin/cargo-zigbuild" zigbuild --target "$1-unknown-linux-gnu.$GLIBC" "\$@"
END
  chmod +x "$work/cargo-$1/cargo"
  echo "$work/cargo-$1/cargo"
}

build_glibc() { # folder of the source, folder to build in, processor, folder to install the C library in
  local cargo
  cargo=$(zig_cargo "$3")
  # The installer is built as itself, for this machine.
  cargo build -q --locked -p memif-capi --bin libmemif-install
  local installer=$CARGO_TARGET_DIR/debug/libmemif-install
  (
    environment "$1" "$2"
    cd "$1"
    "$cargo" build --profile dist --locked -p memif-cli --bin memif
    # It builds what lies beside it when it was compiled: the same source.
    CARGO=$cargo "$installer" --profile dist --prefix /usr/local --destdir "$4" >/dev/null
  )
}

# Everything for one processor, laid out as it is unpacked. Its debug information goes to a folder beside it.
lay_out() { # folder of the source, folder to build in, processor, folder to lay out in
  local static=$4/$3-static glibc=$4/$3-glibc$GLIBC
  rm -rf "$static" "$glibc" "$4/$3-c"
  mkdir -p "$static" "$glibc/bin"
  build_static "$1" "$2" "$3"
  install -m 755 "$2/$3-unknown-linux-musl/dist/memif" "$static/memif"
  build_glibc "$1" "$2" "$3" "$4/$3-c"
  mv "$4/$3-c"/usr/local/* "$glibc/"
  rm -r "$4/$3-c"
  install -m 755 "$2/$3-unknown-linux-gnu/dist/memif" "$glibc/bin/memif"
  local file
  for file in "$static/memif" "$glibc/bin/memif" "$glibc/lib/libmemif.so"; do split "$file" "$4"; done
  objcopy --strip-debug --enable-deterministic-archives "$glibc/lib/libmemif.a"
  for file in "$static" "$glibc/share/doc/memif"; do
    mkdir -p "$file"
    install -m 644 LICENSE-APACHE LICENSE-MIT README.md CHANGELOG.md "$file/"
  done
}

split() { # a file, the folder below which it lies
  local debug=$2/debug/${1#"$2"/}.debug
  mkdir -p "$(dirname "$debug")"
  objcopy --only-keep-debug "$1" "$debug"
  chmod 644 "$debug"
  objcopy --strip-all --add-gnu-debuglink="$debug" "$1"
}

build() { # processor
  # What an earlier run built is not what this one is to put together.
  rm -rf "$work/one/$1"-* "$work/one/debug/$1"-*
  [ -x "$tools/zig/bin/cargo-zigbuild" ] || skip "there is no zig"
  has_target "$1-unknown-linux-musl"
  has_target "$1-unknown-linux-gnu"
  from_copy "$work/first/place" "$work/first/build" "$1" "$work/one"
}

# For what comes after `build`, which may have been left out.
built() { # processor
  [ -d "$work/one/$1-glibc$GLIBC" ] || skip "nothing was built for $1"
}

# What git knows, with the changes that are in it.
copy_source() { # folder
  rm -rf "$1" && mkdir -p "$1"
  git ls-files -z | tar --null --files-from=- -cf - | tar -xf - -C "$1"
}

from_copy() { # folder for the source, folder to build in, processor, folder to lay out in
  copy_source "$1"
  # What an earlier run built for that processor, with other tools maybe, is not used, nor what zig kept of its own.
  rm -rf "$2/$3"-unknown-linux-* "$2/zig"
  # The installer of that place builds that source.
  (
    export CARGO_TARGET_DIR=$2 ZIG_GLOBAL_CACHE_DIR=$2/zig
    cd "$1"
    lay_out "$@"
  )
}

# From a copy of the source in another folder, and compared file by file.
build_again() { # processor
  built "$1"
  from_copy "$work/elsewhere/another/place" "$work/elsewhere/build" "$1" "$work/two"
  local file same=yes
  for file in "$work/one/$1"-* "$work/one/debug/$1"-*; do
    diff -rq "$file" "$work/two/${file#"$work/one/"}" || same=
  done
  [ -n "$same" ] || { echo "error: two builds differ" >&2; return 1; }
  echo "two builds of $1 in two folders: the same"
}

# Whether readelf shows it. Not by a pipe: grep leaves that when it has found what it looks for, readelf dies of it, and
# the whole counts as not found.
shows() { # file, option, pattern
  local text
  text=$(readelf "$2" "$1") || exit
  grep -q "$3" <<<"$text"
}

# That a file has no path of this machine: where one begins, since this clone may be /src, which is in other paths, too.
no_path() { # file
  local status=0
  LC_ALL=C grep -qaP "(?<![\w.-])(\Q$here\E|\Q$cargo_home\E)/" "$1" || status=$?
  # It would have 2 where it cannot read the file.
  [ "$status" -eq 1 ] || { echo "error: $1 has a path of this machine, or cannot be read" >&2; return 1; }
}

# What readelf finds: no interpreter and no library, or no version of glibc that is newer.
look_into() { # processor
  built "$1"
  command -v readelf >/dev/null || skip "readelf is not installed (Debian: binutils)"
  local static=$work/one/$1-static/memif glibc=$work/one/$1-glibc$GLIBC file needs newest
  ! shows "$static" -lW INTERP || { echo "error: $static has an interpreter" >&2; return 1; }
  ! shows "$static" -dW NEEDED || { echo "error: $static needs a library" >&2; return 1; }
  for file in "$glibc/bin/memif" "$glibc/lib/libmemif.so"; do
    newest=$(readelf -VW "$file" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -uV | tail -n 1)
    [ "$(printf '%s\n' "$newest" "$GLIBC" | sort -V | tail -n 1)" = "$GLIBC" ] ||
      { echo "error: $file needs glibc $newest" >&2; return 1; }
    needs=$(readelf -dW "$file" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | sort | tr '\n' ' ')
    echo "${file#"$work/one/"}: glibc $newest; $needs"
    [[ $needs =~ ^((ld-linux[^ ]*|lib(c|m|dl|rt|util|pthread|gcc_s))\.so\.[0-9]+ )+$ ]] ||
      { echo "error: $file needs what not every system has: $needs" >&2; return 1; }
  done
  shows "$glibc/lib/libmemif.so" -dW 'SONAME.*\[libmemif.so\]'
  for file in "$static" "$glibc/bin/memif" "$glibc/lib/libmemif.so"; do
    ! shows "$file" -SW '\.debug_info' || { echo "error: $file is not stripped" >&2; return 1; }
    shows "$file" -SW '\.gnu_debuglink'
    no_path "$file"
    no_path "$work/one/debug/${file#"$work/one/"}.debug"
  done
}

# A ping between two of them.
ping_with() { # command with its runner...
  local socket log status=0
  socket=@memif-binaries-$$
  log=$(mktemp)
  "$@" --version
  "$@" responder --role master --socket "$socket" --ip 192.168.1.2 >"$log" 2>&1 &
  local responder=$!
  "$@" ping 192.168.1.2 --socket "$socket" --count 3 --interval 0.1 --connect-timeout 60 || status=$?
  kill "$responder" 2>/dev/null
  wait "$responder" 2>/dev/null || true
  [ "$status" -eq 0 ] || cat "$log" >&2
  rm -f "$log"
  return "$status"
}

run() { # processor
  built "$1"
  local runner=() root=$work/one/$1-glibc$GLIBC
  if [ "$1" != "$host" ]; then
    command -v "qemu-$1" >/dev/null || skip "qemu-$1 is not installed (Debian: qemu-user)"
    runner=("qemu-$1")
  fi
  ping_with "${runner[@]}" "$work/one/$1-static/memif"
  if [ "$1" != "$host" ]; then
    [ -d "/usr/$1-linux-gnu" ] || skip "no glibc of $1 is installed (Debian: libc6-$1-cross)"
    runner+=(-L "/usr/$1-linux-gnu")
  fi
  ping_with "${runner[@]}" "$root/bin/memif"
}

# A new root of the oldest release that is promised: the command runs there, and a C program is linked and runs.
in_old_root() {
  built "$host"
  if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then skip "a new root takes root and debootstrap"; fi
  local root=$work/$OLD mirror
  if [ ! -e "$root.done" ]; then
    rm -rf "$root"
    mirror=$(ci/mirror.sh --debian)
    debootstrap --variant=minbase --include=gcc,libc6-dev,pkg-config "$OLD" "$root" "$mirror" >"$root.log" 2>&1 ||
      { tail -n 5 "$root.log" >&2; skip "no $OLD from the mirror of this machine"; }
    touch "$root.done"
  fi
  tar -xzf "$out/memif-$version-$host-glibc$GLIBC.tar.gz" -C "$root/usr/local" --strip-components=1
  install -m 644 crates/memif-capi/examples/*.[ch] "$root/tmp/"
  # shellcheck disable=SC2016
  chroot "$root" sh -euc '
    ldconfig
    for program in responder sender; do
      gcc -O2 "/tmp/$program.c" -o "/tmp/$program" $(pkg-config --cflags --libs libmemif)
      ldd "/tmp/$program" | grep -q /usr/local/lib/libmemif.so
    done
    gcc -O2 /tmp/sender.c -o /tmp/sender-static -l:libmemif.a $(pkg-config --static --cflags --libs libmemif)
    /tmp/responder @memif-old master &
    responder=$!
    # It would answer the next run, too.
    trap "kill $responder" EXIT
    for sender in sender sender-static; do /tmp/$sender @memif-old slave 100000; done
    memif ping 192.168.1.1 --ip 192.168.1.2 --socket @memif-old --count 3 --interval 0.1
    ldd --version | head -n 1'
}

# Names of the archives that are made of folders, without a date or a user of this machine.
archive() { # folder, name
  tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --transform "s,^\.,$2," \
    -C "$1" -cf - . | gzip -9n >"$out/$2.tar.gz"
}

archives() {
  local processor kind
  # Those alone: in a release the archive of the source lies beside them.
  rm -f "$out/memif-$version"-*-{static,"glibc$GLIBC"}{,-debug}.tar.gz
  for processor in "${processors[@]}"; do
    [ -d "$work/one/$processor-glibc$GLIBC" ] || continue
    for kind in static "glibc$GLIBC"; do
      archive "$work/one/$processor-$kind" "memif-$version-$processor-$kind"
      archive "$work/one/debug/$processor-$kind" "memif-$version-$processor-$kind-debug"
    done
  done
}

contents() {
  cargo_tool cyclonedx "$CYCLONEDX"
  local package source=$work/contents
  copy_source "$source"
  (cd "$source" && PATH=$tools/bin:$PATH cargo cyclonedx -q --format json --target all --override-filename contents)
  for package in memif-cli memif-capi; do
    # Without the time at which it was written, a number by chance and the folder, so that it is the same again.
    python3 - "$source/crates/$package/contents.json" "$out/$package-$version.cdx.json" \
      "$SOURCE_DATE_EPOCH" "$source" <<'END'
import json, sys, time, uuid
written, target, epoch, folder = sys.argv[1:]
with open(written) as file:
    contents = json.loads(file.read().replace(folder, "/usr/src/memif"))
contents["metadata"]["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(epoch)))
contents.pop("serialNumber", None)
text = json.dumps(contents, sort_keys=True)
contents["serialNumber"] = "urn:uuid:" + str(uuid.uuid5(uuid.NAMESPACE_URL, text))
with open(target, "w") as file:
    json.dump(contents, file, indent=1, sort_keys=True)
END
  done
}

licences() {
  cargo_tool deny "$DENY"
  local manifest
  for manifest in {.,compare,examples-net,fuzz,crates/memif-python}/Cargo.toml; do
    echo "$manifest"
    # No lock file has all crates of which deny.toml says that they may compile C.
    PATH=$tools/bin:$PATH cargo deny --manifest-path "$manifest" --all-features --config "$here/deny.toml" \
      check --allow unused-wrapper licenses bans sources
  done
}

sums() {
  cd "$out"
  # With --quick there are no contents.
  shopt -s nullglob
  local files=(memif-*"$version"*.tar.gz *.cdx.json)
  [ ${#files[@]} -gt 0 ] || skip "nothing was made"
  sha256sum -- "${files[@]}" | tee SHA256SUMS
}

builds=()
step "tools" python_tools
for processor in "${processors[@]}"; do
  step --after "tools" "$processor: build" build "$processor"
  builds+=(--after "$processor: build")
  step --after "$processor: build" "$processor: look into it" look_into "$processor"
  step --after "$processor: build" "$processor: run it" run "$processor"
  [ -n "$quick" ] || step --after "$processor: build" "$processor: build it again, elsewhere" build_again "$processor"
done
step "${builds[@]}" "archives" archives
if [ -z "$quick" ]; then
  step --after "archives" "in a new root of Debian 11" in_old_root
  step "licences (cargo deny)" licences
  step "contents (CycloneDX)" contents
fi
step --after "archives" "sums" sums
closing "all is in $out"
