#!/usr/bin/env bash
# Installs what the tests need, as root on a Debian-like machine, and the parts of Rust where rustup is there; says what
# is missing anywhere else. With --release also what a release takes (ci/release.sh).
set -euo pipefail

# Program or file, and the packages that bring it. DPDK's drivers have its version in their packages' names.
needs=(
  "arping arping"
  "buildah buildah"
  "cc gcc libc6-dev"
  "clang clang"
  "clang++ clang"
  "curl curl"
  "debootstrap debootstrap"
  "dpdk-testpmd dpdk dpdk-dev"
  "dpkg-architecture dpkg-dev"
  "dumpcap tshark"
  "editcap wireshark-common"
  "fish fish"
  "g++ g++"
  "groff groff-base"
  "gzip gzip"
  "ip iproute2"
  "iperf3 iperf3"
  "lintian lintian"
  "man man-db"
  "mandoc mandoc"
  "mergecap wireshark-common"
  "node nodejs"
  "node.h libnode-dev"
  "npm npm"
  "nsenter util-linux"
  "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk openvswitch-switch-dpdk"
  "ping iputils-ping"
  "pkg-config pkg-config"
  "prometheus prometheus"
  "promtool prometheus"
  "python3 python3"
  "/usr/lib/python3*/ensurepip/__init__.py python3-venv"
  "/usr/lib/python3/dist-packages/dpkt/__init__.py python3-dpkt"
  "/usr/lib/python3/dist-packages/scapy/__init__.py python3-scapy"
  "shellcheck shellcheck"
  "strace strace"
  "tcpdump tcpdump"
  "text2pcap wireshark-common"
  "tshark tshark"
  "valgrind valgrind"
  "xz xz-utils"
  "zsh zsh"
  "zstd zstd"
  "/usr/lib/*/dpdk/pmds-*/librte_net_memif.so* librte-net-memif"
  "/usr/lib/*/dpdk/pmds-*/librte_mempool_ring.so* librte-mempool-ring"
)
# What tests programs for other processors.
if [ "${1:-}" = --release ]; then
  needs+=(
    "aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
    "qemu-aarch64 qemu-user"
    "readelf binutils"
  )
fi
# Parts of Rust that not every installation has: as rustup calls them, the command of cargo that they bring, Debian's
# package.
components=(
  "rustfmt fmt rustfmt"
  "clippy clippy rust-clippy"
)

is_there() {
  case $1 in
    node.h)
      # The package of Debian has the headers of node apart; others bring them along.
      [ -e /usr/include/node/node.h ] || [ -e "$(dirname "$(command -v node || echo /x/x)")/../include/node/node.h" ]
      ;;
    /*) compgen -G "$1" >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

missing() { # the packages, or with "what": the programs and files
  local need
  for need in "${needs[@]}"; do
    is_there "${need%% *}" && continue
    if [ "${1:-}" = what ]; then echo "${need%% *}"; else tr ' ' '\n' <<<"${need#* }"; fi
  done
}

# Names as they are in this release; what it does not have is left out.
known() {
  local name
  while read -r name; do
    case $name in
      librte-*) apt-cache --names-only search "^${name}[0-9.]*\$" | cut -d' ' -f1 | sort -V | tail -n 1 ;;
      *) ! apt-cache show "$name" >/dev/null 2>&1 || echo "$name" ;;
    esac
  done
}

# Another apt may be at work, as on a machine that has just started, and mirrors have bad moments.
apt() { apt-get -qq -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@"; }

install_packages() {
  export DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes
  # Old lists name files that mirrors no longer have. Those of a mirror that cannot be asked just now may still do.
  apt update || echo "apt-get update failed: going on with the lists that are there"
  local packages package
  mapfile -t packages < <(missing | known | sort -u)
  [ ${#packages[@]} -gt 0 ] || return 0
  echo "installing: ${packages[*]}"
  apt install -y "${packages[@]}" >/dev/null && return
  echo "that failed as a whole: one by one"
  for package in "${packages[@]}"; do
    apt install -y "$package" >/dev/null || echo "not installed: $package"
  done
}

lacks_components() { # the lines of those that are missing
  local component cargo_command
  for component in "${components[@]}"; do
    read -r _ cargo_command _ <<<"$component"
    cargo "$cargo_command" --version >/dev/null 2>&1 || echo "$component"
  done
}

lacking=0

if ! command -v cargo >/dev/null; then
  echo "missing: Rust. Get it from https://rustup.rs, or install the packages rustc and cargo where they are new enough:"
  grep '^rust-version' "$(dirname "$0")/../Cargo.toml"
  exit 1
fi
mapfile -t lack < <(lacks_components)
if [ ${#lack[@]} -gt 0 ] && command -v rustup >/dev/null; then
  rustup component add "${lack[@]%% *}" || true
  mapfile -t lack < <(lacks_components)
fi
for component in "${lack[@]}"; do
  read -r name command package <<<"$component"
  echo "missing: cargo $command, so its check is left out. With rustup: rustup component add $name; from Debian: apt install $package"
  lacking=1
done

mapfile -t packages < <(missing)
if [ ${#packages[@]} -gt 0 ]; then
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    install_packages
    mapfile -t left < <(missing what)
    if [ ${#left[@]} -gt 0 ]; then
      echo "still missing, so what needs them is left out: ${left[*]}"
      lacking=1
    fi
  else
    echo "missing: ${packages[*]}"
    echo "What needs them is left out. To have it too, run this as root on a Debian-like system, or install these packages (those"
    echo "of DPDK have its version at the end of their names: apt-cache search librte-net-memif)."
    lacking=1
  fi
fi

if [ "$lacking" -eq 1 ] && [ "${CI:-}" = true ]; then
  echo "error: with CI=true nothing may be missing"
  exit 1
fi
