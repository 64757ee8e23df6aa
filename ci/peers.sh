#!/usr/bin/env bash
# Runs the command against DPDK, Open vSwitch and Suricata of later Debian releases, in chroots that debootstrap makes
# of Debian's packages. Not a part of ci/test.sh. As root on a Debian-like machine.
#
#   ci/peers.sh DIRECTORY                  all cases with all releases; chroots stay in DIRECTORY for the next run
#   ci/peers.sh DIRECTORY RELEASE...       some of: trixie (DPDK 24.11, OVS 3.5, Suricata 7), sid (DPDK 25.11, OVS 4.0),
#                                          bookworm (DPDK 22.11, OVS 3.1)
#   --case NAME                            only that case; may be repeated
#   --list                                 names the cases
#   --tests                                in place of the cases the tests of DPDK (crates/memif, crates/memif-cli), with
#                                          the testpmd of each release
#   --remove                               removes the chroots and logs in DIRECTORY
#
# MEMIF in the environment is the program to test; without it `cargo build --release` makes one. What each case printed
# is in DIRECTORY/log. Each case has a network, processes, /run and mounts of its own, which end with it.
set -euo pipefail

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
  exit "$1"
}

releases=(trixie sid)
# Most ends of a link are made by Debian's packages; names of DPDK's carry its version, which differs.
packages=(dpdk dpdk-dev librte-net-memif librte-mempool-ring openvswitch-switch openvswitch-switch-dpdk iproute2 procps)

cases=(
  dpdk_server dpdk_server_jumbo dpdk_server_owner
  dpdk_client dpdk_client_4_4 dpdk_client_1_4 dpdk_client_zero_copy
  dpdk_client_of_responder
  ovs_server ovs_server_auto ovs_server_one_queue ovs_server_jumbo ovs_client
  suricata
)

# ---- chroots

make_root() { # release
  local root=$directory/$1 name
  [ -e "$root.made" ] && return
  rm -rf "$root"
  echo "making the chroot of $1"
  debootstrap --variant=minbase "$1" "$root" "$("$here/ci/mirror.sh" --debian)"
  # No service is to start.
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  # A mirror may lag behind.
  echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/99mirror"
  chroot "$root" apt-get update -qq
  local wanted=()
  for name in "${packages[@]}" suricata; do
    case $name in
      librte-*) name=$(chroot "$root" apt-cache --names-only search "^${name}[0-9.]*\$" | cut -d' ' -f1 | sort | tail -n 1) ;;
      suricata) [ "$1" = trixie ] || continue ;;
    esac
    wanted+=("$name")
  done
  # shellcheck disable=SC2016
  unshare --mount --propagation private sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$root" \
    env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  touch "$root.made"
}

# ---- inside: helpers of the cases

inside_peer() { chroot "$root" "$@"; }

fail() {
  echo "failed: $*"
  exit 1
}

skip() {
  echo "skipped: $*"
  exit 77
}

# Waits until a file has a text.
await() { # file text
  local tries=0
  until grep -qsF -- "$2" "$1"; do
    [ $((tries += 1)) -lt 300 ] || fail "no \"$2\" in $1"
    sleep 0.1
  done
}

await_file() {
  local tries=0
  until [ -e "$1" ]; do
    [ $((tries += 1)) -lt 300 ] || fail "no $1"
    sleep 0.1
  done
}

# testpmd that answers pings, in the background, with the arguments of its device and options before and after `--`.
testpmd() { # device eal-options testpmd-options
  # shellcheck disable=SC2086
  sleep infinity | inside_peer stdbuf -oL dpdk-testpmd --lcores 0@0,1@1 --no-pci $2 \
    "--vdev=net_memif0,$1,socket=/run/dpdk.sock,socket-abstract=no" \
    -- --total-num-mbufs=16384 --forward-mode=icmpecho --tx-offloads=0x8000 $3 >/run/testpmd.log 2>&1 &
}
SMALL="--no-huge -m 512"

ping_once() { # options
  # shellcheck disable=SC2086
  timeout 60 "$memif" ping 192.168.1.2 --ip 192.168.1.1 --count 20 --interval 0.02 --timeout 10 --connect-timeout 30 $1
}

ping_all() { # options
  ping_once "$1" | tee /run/ping.log
  grep -qF "20 packets transmitted, 20 received, 0% packet loss" /run/ping.log || fail "ping $1"
}

# Open vSwitch with one bridge. Before 4.0 it needs to be told of its memory; see the user manual.
switch() {
  inside_peer mkdir -p /run/openvswitch
  inside_peer ovsdb-tool create /run/conf.db /usr/share/openvswitch/vswitch.ovsschema
  inside_peer ovsdb-server /run/conf.db --remote=punix:/run/openvswitch/db.sock --pidfile --detach
  inside_peer ovs-vsctl --no-wait init
  inside_peer ovs-vsctl --no-wait set Open_vSwitch . other_config:dpdk-init=true other_config:pmd-cpu-mask=0x1 \
    other_config:dpdk-extra="--no-huge --legacy-mem -m 512 --no-pci"
  inside_peer /usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk --pidfile --detach --log-file=/run/ovs.log >/dev/null 2>&1
  inside_peer ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev
}

port() { # name number role socket settings...
  local name=$1 device=net_memif$2,role=$3,socket=$4,socket-abstract=no,id=0$bsize
  shift 4
  inside_peer ovs-vsctl add-port br0 "$name" -- set interface "$name" type=dpdk "options:dpdk-devargs=$device" "$@"
  [ "$(inside_peer ovs-vsctl get interface "$name" error)" = "[]" ] || { tail /run/ovs.log; fail "port $name"; }
}

ovs_is_4() { [ "$(inside_peer ovs-vsctl --version | sed -n 's/.* //;1s/\..*//p')" -ge 4 ]; }

# ---- cases: each ping has a testpmd of its own, which is to forward as long as its link is up and no longer

dpdk_server() {
  testpmd role=server "$SMALL" ""
  await_file /run/dpdk.sock
  await /run/testpmd.log "Press enter"
  ping_all "--socket /run/dpdk.sock --size 2000"
}

dpdk_server_jumbo() {
  testpmd role=server,bsize=9216 "$SMALL" "--mbuf-size=9472"
  await /run/testpmd.log "Press enter"
  ping_all "--socket /run/dpdk.sock --size 8972 --buffer-size 9216"
}

dpdk_server_owner() {
  case $release in bookworm) skip "owner-uid and owner-gid exist since DPDK 24.11" ;; esac
  testpmd role=server,owner-uid=1234,owner-gid=4321 "$SMALL" ""
  await /run/testpmd.log "Press enter"
  [ "$(stat -c %u:%g /run/dpdk.sock)" = 1234:4321 ] || fail "$(stat /run/dpdk.sock)"
  ping_all "--socket /run/dpdk.sock"
}

client() { # rxq txq device eal-options
  ping_all "--socket /run/dpdk.sock --role master" &
  local ping=$!
  await_file /run/dpdk.sock
  testpmd "role=client$3" "${4:-$SMALL}" "--rxq=$1 --txq=$2"
  wait "$ping" || { tail -n 30 /run/testpmd.log; fail "ping"; }
}

dpdk_client() { client 1 1 "" ""; }
dpdk_client_4_4() { client 4 4 "" ""; }
# More receive than transmit queues are not for a testpmd that sends back: it sends on the queue that has the number of
# the one received on.
dpdk_client_1_4() { client 1 4 "" ""; }

# Shows its memory instead of copying. From 25.11 on DPDK needs huge pages for that.
dpdk_client_zero_copy() {
  local memory="--single-file-segments $SMALL"
  if [ "$release" = sid ]; then
    enough_huge_pages || more_huge_pages || skip "needs $HUGE_PAGES free huge pages: sysctl vm.nr_hugepages=$HUGE_PAGES"
    mkdir /run/huge
    mount -t hugetlbfs none "$root/run/huge"
    memory="--single-file-segments --huge-dir=/run/huge -m 512"
  fi
  client 1 1 ",zero-copy=yes" "$memory"
}

readonly HUGE_PAGES=300
huge_pages=/proc/sys/vm/nr_hugepages
[ -e "$huge_pages" ] || huge_pages=/dev/null # A kernel without any.
enough_huge_pages() { [ "$(awk '/^HugePages_Free/ { n = $2 } END { print n + 0 }' /proc/meminfo)" -ge "$HUGE_PAGES" ]; }
# Whoever runs the case puts the number back.
more_huge_pages() {
  echo $(($(cat "$huge_pages") + HUGE_PAGES)) 2>/dev/null >"$huge_pages" && enough_huge_pages
}

# What a generator of the client sends on all its queues comes to the responder, which drops it.
dpdk_client_of_responder() {
  "$memif" responder --role master --socket /run/dpdk.sock --json >/run/responder.log &
  local responder=$!
  await_file /run/dpdk.sock
  mkfifo /run/typed
  chroot "$root" stdbuf -oL dpdk-testpmd --lcores 0@0,1@1 --no-pci --no-huge -m 512 \
    --vdev=net_memif0,role=client,socket=/run/dpdk.sock,socket-abstract=no \
    -- -i --total-num-mbufs=16384 --forward-mode=flowgen --rxq=4 --txq=4 </run/typed >/run/testpmd.log 2>&1 &
  exec 8>/run/typed
  await /run/testpmd.log "testpmd> "
  echo start >&8
  await /run/responder.log '"type":"connected"'
  sleep 1
  echo stop >&8
  await /run/testpmd.log "Accumulated forward statistics"
  await /run/testpmd.log "Done."
  local sent
  sent=$(sed -n '/Accumulated/,$ s/.*TX-packets: \([0-9]*\).*/\1/p' /run/testpmd.log | tail -n 1)
  sleep 1
  kill -TERM "$responder"
  wait "$responder" || true
  tail -n 1 /run/responder.log
  echo "sent $sent"
  grep -q "\"received_packets\":$sent," /run/responder.log || fail "other than sent"
}

between_ports() { # options sizes...
  local options=$1 size
  shift
  # shellcheck disable=SC2086
  "$memif" responder --ip 192.168.1.2 --socket /run/left.sock $options >/run/responder.log 2>&1 &
  await /run/responder.log "connected to"
  for size in "$@"; do ping_all "--socket /run/right.sock --size $size $options"; done
}

two_servers() { # settings...
  switch
  port left 0 server /run/left.sock "$@"
  port right 1 server /run/right.sock "$@"
}

ovs_server() {
  two_servers
  between_ports "--rx-queues 2" 56 1472
}

ovs_server_auto() {
  two_servers
  between_ports "--rx-queues auto" 56 1472
}

# With one receive queue here nothing of the switch comes, and the command says why.
ovs_server_one_queue() {
  two_servers
  "$memif" responder --ip 192.168.1.2 --socket /run/left.sock --rx-queues auto >/run/responder.log 2>&1 &
  await /run/responder.log "connected to"
  ping_once "--socket /run/right.sock" >/run/ping.log 2>&1 && fail "ping with one receive queue"
  cat /run/ping.log
  grep -q "more queues than this link has receive queues (1)" /run/ping.log || fail "nothing said of it"
}

# OVS 4.0 gives a port room for long packets only where its buffers have it.
ovs_server_jumbo() {
  local ours="--rx-queues 2"
  if ovs_is_4; then
    bsize=,bsize=9216
    ours="$ours --buffer-size 9216"
  fi
  two_servers mtu_request=9000
  between_ports "$ours" 56 3000 8972
}

ovs_client() {
  switch
  port there 0 server /run/there.sock
  "$memif" responder --ip 192.168.1.2 --socket /run/there.sock --rx-queues 2 >/run/responder.log 2>&1 &
  await /run/responder.log "connected to"
  ping_all "--socket /run/here.sock --role master" &
  local ping=$!
  await_file /run/here.sock
  port here 1 client /run/here.sock
  wait "$ping" || fail "ping"
}

# By the configuration that docs/suricata.md prints.
suricata() {
  [ -x "$root/usr/bin/suricata" ] || skip "not in this release"
  # shellcheck disable=SC2016
  sed -n '/^```yaml$/,/^```$/{/^```/d;p}' "$here/docs/suricata.md" >/run/suricata.yaml
  chroot "$root" suricata -c /run/suricata.yaml --dpdk -l /run >/run/suricata.log 2>&1 &
  local suricata=$!
  await_file /run/vpp/suricata.sock
  await /run/suricata.log "Engine started"
  "$memif" bench --part generator --socket /run/vpp/suricata.sock --rate 100k --seconds 3 --json | tee /run/generator.log
  # Its counters are complete in the statistics that it writes at its end.
  kill -INT "$suricata"
  wait "$suricata" || true
  local sent counted
  sent=$(sed -n 's/.*"sent_packets":\([0-9]*\).*/\1/p' /run/generator.log)
  counted=$(awk '/decoder.pkts/ { n = $(NF) } END { print n + 0 }' /run/stats.log)
  echo "sent $sent, counted $counted"
  [ "$counted" -ge "$sent" ] || fail "Suricata counted too few"
}

# ---- running them

here=$(cd "$(dirname "$0")/.." && pwd)

if [ "${1:-}" = --inside ]; then
  directory=$2 release=$3 memif=$4 root=$2/$3 bsize=
  mount -t proc proc /proc
  mount -t tmpfs tmpfs /run
  mount --bind /run "$root/run"
  mount --rbind /dev "$root/dev"
  mount --rbind /sys "$root/sys"
  mount --bind /proc "$root/proc"
  mkdir /run/vpp
  ip link set lo up
  trap 'status=$?; case $status in 0 | 77) ;; *) tail -n 40 /run/*.log /run/openvswitch/*.log 2>/dev/null ;; esac; exit $status' EXIT
  "$5"
  exit
fi

directory='' remove='' tests='' chosen=() found=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage 0 ;;
    --list) printf '%s\n' "${cases[@]}"; exit ;;
    --remove) remove=yes ;;
    --tests) tests=yes ;;
    --case)
      [[ $# -gt 1 && " ${cases[*]} " == *" $2 "* ]] || { echo "no case ${2:-}: see --list" >&2; exit 2; }
      chosen+=("$2")
      shift
      ;;
    trixie | sid | bookworm) found+=("$1") ;;
    -*) usage 2 >&2 ;;
    *) [ -z "$directory" ] || usage 2 >&2; directory=$1 ;;
  esac
  shift
done
[ -n "$directory" ] || usage 2 >&2
mkdir -p "$directory/log"
directory=$(cd "$directory" && pwd)
if [ -n "$remove" ]; then
  for release in trixie sid bookworm; do rm -rf --one-file-system "${directory:?}/$release" "$directory/$release.made"; done
  rm -rf "$directory/log"
  rmdir "$directory" 2>/dev/null || true
  exit
fi
[ "$(id -u)" -eq 0 ] || { echo "needs root, for chroots and namespaces: run it with sudo" >&2; exit 2; }
command -v debootstrap >/dev/null || { echo "needs debootstrap: apt-get install debootstrap" >&2; exit 2; }
[ ${#found[@]} -gt 0 ] && releases=("${found[@]}")
[ ${#chosen[@]} -gt 0 ] && cases=("${chosen[@]}")
if [ -z "$tests" ] && [ -z "${MEMIF:-}" ]; then
  cargo build --release --locked --manifest-path "$here/Cargo.toml" -p memif-cli
  MEMIF=$here/target/release/memif
fi

# A program that becomes the testpmd of a release, with mounts of its own but for /tmp, where the tests have their
# sockets.
testpmd_of() { # release
  local program=$directory/$1.testpmd root=$directory/$1
  cat >"$program" <<EOF
#!/bin/sh
exec unshare --mount --propagation private sh -c '
  for mount in proc sys dev tmp; do mount --rbind "/\$mount" "$root/\$mount" || exit; done
  mount -t tmpfs tmpfs "$root/run" && exec chroot "$root" dpdk-testpmd "\$@"' testpmd "\$@"
EOF
  chmod +x "$program"
  echo "$program"
}

run_tests() { # release
  MEMIF_TESTPMD=$(testpmd_of "$1")
  # Tests that are left out end well: here they are what was asked for.
  export MEMIF_TESTPMD TMPDIR=/tmp CI=true
  # Without huge pages, which the case of zero copy has for DPDK 25.11.
  local left_out=()
  [ "$1" != sid ] || left_out=(--skip zero_copy_client)
  cargo test --manifest-path "$here/Cargo.toml" -p memif -p memif-cli --test dpdk --locked --no-fail-fast -- "${left_out[@]}"
}

# Runs a function that ends at its first error, and says in `status` what it came to: as a condition it would go on.
attempt() { # function and arguments
  set +e
  (
    set -e
    "$@"
  )
  status=$?
  set -e
}

failed=0 passed=0 skipped=0 status=0
for release in "${releases[@]}"; do
  attempt make_root "$release" >"$directory/log/$release.make" 2>&1
  [ "$status" -eq 0 ] || { tail -n 20 "$directory/log/$release.make" >&2; exit 1; }
  # shellcheck disable=SC2016
  chroot "$directory/$release" dpkg-query -W -f '${Package} ${Version}\n' dpdk openvswitch-switch-dpdk suricata 2>/dev/null |
    sed "s/^/$release: /" || true # Not all of them are in each release.
  if [ -n "$tests" ]; then
    echo "$release: tests of DPDK"
    attempt run_tests "$release"
    if [ "$status" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    continue
  fi
  for name in "${cases[@]}"; do
    log=$directory/log/$release.$name
    status=0 had=$(cat "$huge_pages")
    timeout --kill-after=5 120 unshare --mount --net --pid --ipc --fork --kill-child --propagation private -- \
      "$0" --inside "$directory" "$release" "$MEMIF" "$name" >"$log" 2>&1 </dev/null || status=$?
    [ "$(cat "$huge_pages")" = "$had" ] || echo "$had" >"$huge_pages"
    case $status in
      0) echo "$release $name: passed"; passed=$((passed + 1)) ;;
      77) echo "$release $name: $(tail -n 1 "$log")"; skipped=$((skipped + 1)) ;;
      *) echo "$release $name: failed ($status), see $log"; failed=$((failed + 1)) ;;
    esac
  done
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
