#!/usr/bin/env bash
# TX-bytes of a DPDK port of net_memif count bytes of packets that were not sent.
#
# Of a packet in several mbufs the driver adds up the bytes of each while it copies. When the ring has no room for the
# rest, it gives the packet back to the application and takes the slots back, but not the bytes. So every try at a full
# ring counts once more what was copied of it, and TX-bytes / TX-packets is more than any packet has, while TX-packets
# is right. It takes a full ring and packets whose number of slots does not divide the size of the ring: with two mbufs
# each it never shows, with three it may be several times the truth. Opposite, RX-bytes is right. A rate in bits per
# second of such a sender has to be computed from its packets, or read at the receiver.
#
# Seen with dpdk-testpmd and net_memif of DPDK 24.11.8-0+deb13u1 (Debian 13) on Linux 6.18, x86-64; how much it is
# depends on how often the ring is found full:
#   500,500: 1000.0 bytes per packet sent, 1000.0 per packet received
#   500,500,500: 4775.0 bytes per packet sent, 1500.0 per packet received
#
# Needs root, debootstrap, a Debian mirror, 400 MB in the temporary folder and two processors.
set -euo pipefail

version=24.11.8-0+deb13u1

if [ "${1:-}" != inside ]; then
  work=$(mktemp -d)
  trap 'rm -rf --one-file-system "$work"' EXIT
  root=$work/root
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(COMPONENT) $(REPO_URI)' 'Identifier: Packages' 2>/dev/null |
    awk '$1 == "main" && $2 !~ /security/ { print $2; exit }')
  {
    debootstrap --variant=minbase trixie "$root" "${mirror:-http://deb.debian.org/debian}"
    chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      "dpdk-dev=$version" "librte-net-memif25=$version" "librte-mempool-ring25=$version"
  } >"$work/log" 2>&1 || { tail "$work/log"; exit 1; }
  # Processes, mounts and a network that end with it.
  unshare --mount --net --pid --ipc --fork --kill-child --propagation private -- \
    timeout --kill-after=5 120 "$0" inside "$root"
  exit
fi

root=$2
for directory in dev sys; do mount --rbind "/$directory" "$root/$directory"; done
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
cd "$root/run"

# Waits until a testpmd has printed a text.
await() { # name text
  until grep -qF -- "$2" "$1.log"; do sleep 0.1; done
}

# A testpmd that is typed to through the descriptor of that number. The last option allows it packets in several mbufs.
testpmd() { # name role mode descriptor
  mkfifo "$1.typed"
  chroot "$root" stdbuf -oL dpdk-testpmd --lcores 0@0,1@1 --no-huge -m 256 --no-pci "--file-prefix=$1" \
    "--vdev=net_memif0,role=$2,socket=/run/memif.sock,socket-abstract=no" \
    -- -i --total-num-mbufs=4096 "--forward-mode=$3" --tx-offloads=0x8000 <"$1.typed" >"$1.log" 2>&1 &
  eval "exec $4>$1.typed"
  await "$1" "testpmd> "
}

# Bytes per packet of a port.
per_packet() { # name, RX or TX
  sed -n "s/^ *$2-packets: \([0-9]*\) *$2-[me][a-z]*: .*$2-bytes: *\([0-9]*\)$/\1 \2/p" "$1.log" |
    awk '{ packets = $1; bytes = $2 } END { printf "%.1f", bytes / packets }'
}

# Packets of mbufs of these lengths, for half a second.
measure() { # lengths
  testpmd server server rxonly 7
  testpmd client client txonly 8
  local client=$!
  echo "set txpkts $1" >&8
  echo start >&7
  echo start >&8
  sleep 0.5
  echo stop >&8
  await client "Done."
  sleep 0.5
  echo "show port stats 0" | tee /dev/fd/7 >&8
  await server "Tx-bps"
  await client "Tx-bps"
  sent=$(per_packet client TX)
  received=$(per_packet server RX)
  echo "$1: $sent bytes per packet sent, $received per packet received"
  echo quit >&8
  wait "$client"
  echo quit >&7
  wait
  rm -f ./*.typed ./*.log memif.sock
}

measure 500,500
[ "$sent $received" = "1000.0 1000.0" ]
measure 500,500,500
[ "$received" = 1500.0 ]
[ "${sent%.*}" -gt 1500 ]
