#!/usr/bin/env bash
# The packet counters of a DPDK port of net_memif read 0 while no peer is connected, and come back with the next one.
#
# A counter of a network port is expected to grow, or to begin anew when it is reset, and to be what it was when the
# cable is out. This driver adds up the rings of the link that is there: without a link the sum is 0, in the basic and
# in the extended statistics. Nothing was reset; as soon as another peer connects, the port shows what it had before,
# and goes on from there. So whoever reads counters at the end of a test, after the generator has gone, reads 0, and a
# collector that computes rates from them sees one reset, and one leap, per reconnection. Programs on top pass that on:
# read them while the link is up, or use what the application itself counts (testpmd's forward statistics).
#
# Seen with dpdk-testpmd and net_memif of DPDK 22.11.11-0+deb12u1 (Debian 12) on Linux 6.18, x86-64, N and M as the
# machine is fast:
#   client there: N
#   client gone: 0
#   another client there, which sent nothing: N
#   after its packets: N + M
#   that one gone: 0
#
# Needs root, debootstrap, a Debian mirror, 300 MB in the temporary folder and two processors.
set -euo pipefail

version=22.11.11-0+deb12u1

if [ "${1:-}" != inside ]; then
  work=$(mktemp -d)
  trap 'rm -rf --one-file-system "$work"' EXIT
  root=$work/root
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(COMPONENT) $(REPO_URI)' 'Identifier: Packages' 2>/dev/null |
    awk '$1 == "main" && $2 !~ /security/ { print $2; exit }')
  {
    debootstrap --variant=minbase bookworm "$root" "${mirror:-http://deb.debian.org/debian}"
    chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      "dpdk-dev=$version" "librte-net-memif23=$version" "librte-mempool-ring23=$version"
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

# Waits until a testpmd has printed a text that many times.
await() { # name text [count]
  until [ "$(grep -cF -- "$2" "$1.log" || true)" -ge "${3:-1}" ]; do sleep 0.1; done
}

# A testpmd that is typed to through the descriptor of that number.
testpmd() { # name role mode descriptor
  mkfifo "$1.typed"
  chroot "$root" stdbuf -oL dpdk-testpmd --lcores 0@0,1@1 --no-huge -m 256 --no-pci "--file-prefix=$1" \
    "--vdev=net_memif0,role=$2,socket=/run/memif.sock,socket-abstract=no" \
    -- -i --total-num-mbufs=4096 "--forward-mode=$3" <"$1.typed" >"$1.log" 2>&1 &
  eval "exec $4>$1.typed"
  await "$1" "testpmd> "
}

# What the server's port says that it received.
reads=0
received() {
  echo "show port stats 0" >&7
  reads=$((reads + 1))
  await server "NIC statistics" "$reads"
  await server "Tx-bps" "$reads"
  # Lines of the forward statistics have another second word.
  sed -n 's/^ *RX-packets: \([0-9]*\) *RX-missed.*/\1/p' server.log | tail -n 1
}

# Lets the client of that descriptor send for a while. Nobody forwards when a link ends.
send() { # name descriptor how-often
  echo start >&7
  echo start >&"$2"
  sleep 1
  echo stop >&"$2"
  await "$1" "Done."
  sleep 0.5
  echo stop >&7
  await server "Done." "$3"
}

testpmd server server rxonly 7
testpmd first client txonly 8
first=$!
send first 8 1
there=$(received)
echo quit >&8
wait "$first"
sleep 1
gone=$(received)
testpmd second client txonly 9
second=$!
sleep 1
another=$(received)
send second 9 2
after=$(received)
echo quit >&9
wait "$second"
sleep 1
gone_again=$(received)
echo quit >&7

echo "client there: $there"
echo "client gone: $gone"
echo "another client there, which sent nothing: $another"
echo "after its packets: $after"
echo "that one gone: $gone_again"
[ "$there" -gt 0 ]
[ "$gone" -eq 0 ]
[ "$another" -eq "$there" ]
[ "$after" -gt "$there" ]
[ "$gone_again" -eq 0 ]
