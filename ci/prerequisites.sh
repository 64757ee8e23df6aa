#!/usr/bin/env bash
# Installs what the tests need, as root on a Debian-like machine; says what is missing anywhere else.
set -euo pipefail

missing=()
need() { # program, package
  command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}
need arping arping
need cc gcc
need curl curl
need dpdk-testpmd dpdk
need ip iproute2
need iperf3 iperf3
need ping iputils-ping
need python3 python3
need strace strace
need buildah buildah
need debootstrap debootstrap
# The driver is a package of its own, and its name ends with the version of DPDK.
find_driver() { ls /usr/lib/*/dpdk/pmds-*/librte_net_memif.so* >/dev/null 2>&1; }
find_driver || missing+=(librte-net-memif)

[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  for i in "${!missing[@]}"; do
    if [ "${missing[$i]}" = librte-net-memif ]; then
      missing[i]=$(apt-cache --names-only search '^librte-net-memif[0-9]+$' | cut -d' ' -f1 | sort | tail -n 1)
    fi
  done
  echo "installing: ${missing[*]}"
  apt-get install -y -qq "${missing[@]}" >/dev/null
else
  echo "missing: ${missing[*]}"
  echo "The tests that need them are skipped. To run them too, install these packages, or run this as root on a Debian-like system."
fi
