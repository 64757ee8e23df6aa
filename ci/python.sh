#!/usr/bin/env bash
# Builds the wheel of crates/memif-python, looks it over, installs it into an empty environment and runs its tests there.
#
#   ci/python.sh                 for this machine, as tests are built: a part of ci/test.sh, some 2 minutes
#   ci/python.sh --build-only    what of that takes a compiler or a download, and no test: to be run beside other things
#   ci/python.sh DIRECTORY       as it is released: wheels for x86-64 and aarch64 that run on manylinux2014 and later, in
#                                DIRECTORY/wheels, and the sdist; installed without a compiler here and, as root, in
#                                chroots of Debian trixie and sid, which stay in DIRECTORY for the next run; the one for
#                                aarch64 under qemu-user (Debian: qemu-user), with that architecture's Python
#
# Takes a Python from 3.9 on with venv, and what `pip` brings. Scapy 2.6 and the newest are both tested.
set -euo pipefail
cd "$(dirname "$0")/.."

crate=crates/memif-python
manifest=$crate/Cargo.toml
work=$PWD/target/python
wheels=$work/wheels
python=${PYTHON:-python3}
oldest_scapy=2.6.1

die() {
  echo "error: $*" >&2
  exit 1
}

if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    apt-get -qq -o DPkg::Lock::Timeout=600 install -y python3-venv >/dev/null || die "cannot install python3-venv"
  else
    die "$python has no venv: install it (Debian: python3-venv)"
  fi
fi

# An environment that has what a file of requirements says, as it says it now.
environment() { # directory, requirements
  local stamp=$1/made
  if ! { [ -e "$stamp" ] && cmp -s "$2" "$stamp"; }; then
    "$python" -m venv --clear "$1"
    pip "$1" --requirement "$2"
    cp "$2" "$stamp"
  fi
}

pip() { # environment, arguments
  local environment=$1
  shift
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --retries 5 "$@"
}

tool() {
  local name=$1
  shift
  PATH=$work/tools/bin:$PATH "$work/tools/bin/$name" "$@"
}

# Of every wheel, whoever built it.
check() { # wheel
  tool twine check --strict "$1"
  tool auditwheel show "$1"
  tool check-wheel-contents "$1"
  tool abi3audit --strict --report "$1" | tail -n 1
}

# In an environment that has nothing but the wheel: the package, the command, and both ends of a link.
install_alone() { # wheel
  "$python" -m venv --clear "$work/empty"
  pip "$work/empty" --no-index "$1"
  # Nobody has a compiler there.
  env -i PATH=/nonexistent HOME=/nonexistent "$work/empty/bin/python" -X dev -W error -c "$three_lines"
  "$work/empty/bin/memif" --version
  "$work/empty/bin/python" -m memif demo | grep "0% packet loss"
}

three_lines='
import memif
with memif.Socket("@ci-python") as s, memif.Interface(s, role="master") as master, memif.Interface(s) as slave:
    slave.wait_connected(60)
    master.wait_connected(60)
    slave.send([b"packet"])
    assert master.recv(timeout=60) == [b"packet"]
print("a packet came over a link")
'

stubs() {
  (cd "$crate" && "$work/tests/bin/python" -m mypy --config-file pyproject.toml)
  # What is installed, from where nothing else is found.
  (cd "$work" && tests/bin/python -m mypy.stubtest memif._memif --ignore-disjoint-bases)
}

tests() { # arguments of pytest
  (cd "$crate" && PYTHONMALLOC=debug "$work/tests/bin/python" -X dev -m pytest -p no:cacheprovider "$@")
}

# Once more it takes seconds.
build_short() {
  rm -rf "$wheels"
  tool maturin build --profile dev --locked --manifest-path "$manifest" --target-dir target --interpreter "$python" \
    --out "$wheels"
  if cargo clippy --version >/dev/null 2>&1; then
    cargo clippy --manifest-path "$manifest" --target-dir target --locked -- -D warnings
  fi
}

short() {
  build_short
  local wheel=("$wheels"/*.whl)
  check "${wheel[0]}"
  install_alone "${wheel[0]}"
  pip "$work/tests" --force-reinstall --no-deps "${wheel[0]}"
  stubs
  tests
  pip "$work/tests" --no-deps "scapy==$oldest_scapy"
  tests tests/test_scapy.py -W ignore::DeprecationWarning
  rm "$work/tests/made"
}

# ---- as released

long() { # directory
  local directory=$1 target wheel
  mkdir -p "$directory"
  directory=$(cd "$directory" && pwd)
  wheels=$directory/wheels
  rm -rf "$wheels"
  tool maturin sdist --manifest-path "$manifest" --out "$wheels"
  for target in x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu; do
    if ! rustc --print sysroot | xargs -I{} test -d "{}/lib/rustlib/$target" && ! rustup target add "$target"; then
      echo "not built: $target, which this Rust does not have"
      continue
    fi
    tool maturin build --release --locked --zig --compatibility manylinux2014 --target "$target" \
      --manifest-path "$manifest" --target-dir target --interpreter "$python" --out "$wheels"
  done
  for wheel in "$wheels"/*.whl; do check "$wheel"; done
  tool twine check --strict "$wheels"/*.tar.gz
  local own
  own=$(compgen -G "$wheels/*_$(uname -m).whl")
  install_alone "$own"
  pip "$work/tests" --force-reinstall --no-deps "$own"
  tests
  # Where Rust is, the source is enough.
  "$python" -m venv --clear "$work/source"
  pip "$work/source" "maturin==1.16.0"
  PATH=$work/source/bin:$PATH pip "$work/source" --no-build-isolation "$wheels"/*.tar.gz
  "$work/source/bin/python" -c "$three_lines"
  if [ -e "$(compgen -G "$wheels/*_aarch64.whl")" ]; then under_qemu "$directory" "$wheels"/*_aarch64.whl; fi
  if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
    echo "not installed in other releases: that needs root and debootstrap"
    return
  fi
  local release
  for release in trixie sid; do in_release "$directory" "$release" "$own"; done
}

# Debian's Python of that architecture, which needs no installation to be run from where it lies.
under_qemu() { # directory, wheel
  if ! command -v qemu-aarch64 >/dev/null || ! command -v apt-get >/dev/null; then
    echo "not run: the wheel for aarch64, which needs qemu-aarch64 (Debian: qemu-user) and apt-get"
    return
  fi
  local root=$1/arm64 state=$1/arm64-apt python options
  if [ ! -e "$root.made" ]; then
    rm -rf "$root" "$state"
    mkdir -p "$root" "$state/lists/partial" "$state/cache/archives/partial" "$state/debs"
    options=(-qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$state" -o Dir::Cache="$state/cache"
      -o Dir::State::status=/dev/null)
    apt-get "${options[@]}" update || true
    python=$(apt-cache "${options[@]:1}" depends python3-minimal | sed -n 's/.*PreDepends: \(python3\.[0-9]*\)-minimal.*/\1/p')
    (cd "$state/debs" && apt-get "${options[@]}" download "$python-minimal" "lib$python-minimal" "lib$python-stdlib" \
      libc6 libgcc-s1 zlib1g libexpat1 libffi8)
    local package
    for package in "$state"/debs/*.deb; do dpkg -x "$package" "$root"; done
    touch "$root.made"
  fi
  rm -rf "$root/wheel"
  "$work/tools/bin/python" -m zipfile -e "$2" "$root/wheel"
  for python in "$root"/usr/bin/python3.*; do
    PYTHONPATH=$root/wheel qemu-aarch64 -L "$root" "$python" -c "$three_lines"
  done
  echo "aarch64: run under qemu-user"
}

# A chroot with that release's own Python, and nothing that compiles.
in_release() { # directory, release, wheel
  local root=$1/$2 made=$1/$2.made
  if [ ! -e "$made" ]; then
    rm -rf --one-file-system "$root"
    local mirror
    mirror=$(ci/mirror.sh --debian)
    debootstrap --variant=minbase --include=python3,python3-venv "$2" "$root" "$mirror" >"$1/$2.log" 2>&1 ||
      die "debootstrap $2: see $1/$2.log"
    touch "$made"
  fi
  cp "$3" "$root/tmp"
  local name
  name=$(basename "$3")
  # shellcheck disable=SC2016
  unshare --mount --pid --fork --kill-child -- sh -euc '
    mount -t proc proc "$1/proc"
    mount -t tmpfs tmpfs "$1/dev" && mknod -m 666 "$1/dev/null" c 1 3 && mknod -m 666 "$1/dev/urandom" c 1 9
    chroot "$1" sh -euc "if command -v cc >/dev/null; then echo there is a compiler >&2; exit 1; fi
      rm -rf /venv && python3 -m venv /venv && /venv/bin/pip install -q --no-index /tmp/$2"
    chroot "$1" /venv/bin/python -X dev -W error -c "$3"
    chroot "$1" /venv/bin/memif --version' sh "$root" "$name" "$three_lines"
  echo "$2: installed and run with $(chroot "$root" python3 --version)"
}

mkdir -p "$work"
environment "$work/tools" $crate/tests/requirements-tools.txt
environment "$work/tests" $crate/tests/requirements.txt
case ${1:-} in
  -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" ;;
  "") short ;;
  --build-only) build_short ;;
  -*) die "see --help" ;;
  *) long "$1" ;;
esac
