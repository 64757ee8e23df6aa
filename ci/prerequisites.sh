#!/usr/bin/env bash
# Installs what the tests need, as root on a Debian-like machine; says what is missing anywhere else.
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
  "g++ g++"
  "ip iproute2"
  "iperf3 iperf3"
  "node nodejs"
  "node.h libnode-dev"
  "npm npm"
  "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk openvswitch-switch-dpdk"
  "ping iputils-ping"
  "pkg-config pkg-config"
  "python3 python3"
  "strace strace"
  "valgrind valgrind"
  "/usr/lib/*/dpdk/pmds-*/librte_net_memif.so* librte-net-memif"
  "/usr/lib/*/dpdk/pmds-*/librte_mempool_ring.so* librte-mempool-ring"
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
      librte-*) apt-cache --names-only search "^$name[0-9.]*\$" | cut -d' ' -f1 | sort | tail -n 1 ;;
      *) ! apt-cache show "$name" >/dev/null 2>&1 || echo "$name" ;;
    esac
  done
}

mapfile -t packages < <(missing)
[ ${#packages[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes
  apt-get update -qq
  mapfile -t packages < <(missing | known)
  echo "installing: ${packages[*]}"
  apt-get install -y -qq "${packages[@]}" >/dev/null
  mapfile -t left < <(missing what)
  [ ${#left[@]} -eq 0 ] || echo "still missing, so the tests that need them are skipped: ${left[*]}"
else
  echo "missing: ${packages[*]}"
  echo "The tests that need them are skipped. To run them too, run this as root on a Debian-like system, or install these"
  echo "packages (those of DPDK have its version at the end of their names: apt-cache search librte-net-memif)."
fi
