#!/usr/bin/env bash
# Open vSwitch on DPDK: a memif device whose first attach failed cannot be attached under its name any more, whatever
# is mended, until the daemon is restarted; and ovs-vsctl says 0 to each try.
#
# A daemon that was killed leaves the socket file of a memif server behind, and DPDK does not take a path that exists.
# So the port is not attached, which the file's name in the log explains. But with the file removed, and the port
# deleted and added anew, even with another socket path, it fails again: the driver gave up and left an ethernet device
# of that name allocated ("Ethernet device with name net_memif0 already allocated" in the log alone). The same port with
# another device name, net_memif1, is attached at once, at the very path that was in the way. All the while ovs-vsctl
# prints the error and exits with 0, since the row is in the database; scripts have to read the column "error" of the
# interface.
#
# Seen with openvswitch-switch-dpdk 3.1.0-2+deb12u1, DPDK 22.11.11-0+deb12u1 (Debian 12) on Linux 6.18, x86-64:
#   file in the way: exit 0, not attached
#   file removed, port added anew: exit 0, not attached
#   another path: exit 0, not attached
#   first path, another device name: exit 0, attached
#
# Needs root, debootstrap, a Debian mirror, 300 MB in the temporary folder and 600 MB of memory.
set -euo pipefail
dpdk=22.11.11-0+deb12u1
ovs=3.1.0-2+deb12u1

if [ "${1:-}" != inside ]; then
  work=$(mktemp -d)
  trap 'rm -rf --one-file-system "$work"' EXIT
  root=$work/root
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(COMPONENT) $(REPO_URI)' 'Identifier: Packages' 2>/dev/null |
    awk '$1 == "main" && $2 !~ /security/ { print $2; exit }')
  {
    debootstrap --variant=minbase bookworm "$root" "${mirror:-http://deb.debian.org/debian}"
    # No service is to start.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod +x "$root/usr/sbin/policy-rc.d"
    chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      "openvswitch-switch-dpdk=$ovs" "librte-net-memif23=$dpdk" "librte-mempool-ring23=$dpdk"
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
mkdir "$root/run/openvswitch"

run() { chroot "$root" "$@"; }
run ovsdb-tool create /run/conf.db /usr/share/openvswitch/vswitch.ovsschema
run ovsdb-server /run/conf.db --remote=punix:/run/openvswitch/db.sock --pidfile --detach
run ovs-vsctl --no-wait init
run ovs-vsctl --no-wait set Open_vSwitch . other_config:dpdk-init=true other_config:pmd-cpu-mask=0x1 \
  other_config:dpdk-extra="--no-huge --legacy-mem -m 512 --no-pci"
run /usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk --pidfile --detach --log-file=/run/ovs.log >/dev/null 2>&1
run ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev

# Adds the port, says how that went, and takes it away again.
try() { # device socket
  local status=0 state=attached
  run ovs-vsctl add-port br0 port -- set interface port type=dpdk \
    "options:dpdk-devargs=$1,role=server,socket=/run/$2,socket-abstract=no,id=0" 2>/dev/null || status=$?
  [ "$(run ovs-vsctl get interface port error)" = "[]" ] || state="not attached"
  run ovs-vsctl del-port br0 port
  echo "exit $status, $state"
}

# What a daemon leaves that was killed: bound, and nobody has it.
run perl -MSocket -e \
  'socket(my $s, PF_UNIX, SOCK_SEQPACKET, 0) or die $!; bind($s, sockaddr_un("/run/first.sock")) or die $!'
[ -S "$root/run/first.sock" ]
in_the_way=$(try net_memif0 first.sock)
rm -f "$root/run/first.sock"
removed=$(try net_memif0 first.sock)
another_path=$(try net_memif0 second.sock)
another_name=$(try net_memif1 first.sock)

echo "file in the way: $in_the_way"
echo "file removed, port added anew: $removed"
echo "another path: $another_path"
echo "first path, another device name: $another_name"
[ "$in_the_way" = "exit 0, not attached" ]
[ "$removed" = "exit 0, not attached" ]
[ "$another_path" = "exit 0, not attached" ]
[ "$another_name" = "exit 0, attached" ]
grep -q "Ethernet device with name net_memif0 already allocated" "$root/run/ovs.log"
