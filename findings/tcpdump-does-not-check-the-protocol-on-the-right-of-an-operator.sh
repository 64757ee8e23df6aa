#!/usr/bin/env bash
# In a filter of tcpdump, "tcp[13] + 1 = 3" looks at TCP only; "1 + tcp[13] = 3" looks at every packet, whatever it is.
#
# A field such as tcp[13] asks first whether the packet is TCP over IPv4 and no later fragment. In arithmetic only the
# left operand asks; the right one reads the byte at that place of any packet, which in UDP is a byte of the payload. So
# "ip[2:2] - ((tcp[12] & 0xf0) >> 2) > 40" looks at all of IPv4, and the well-known filter for segments with data is
# right only since "tcp port 80 and" stands before it. Say the protocol.
#
# Seen with tcpdump 4.99.3-1 and libpcap0.8 1.10.3-1 of Debian 12, on a file with one packet of UDP, with and without
# -O, on Linux 6.18, x86-64:
#   tcp[13] + 1 = 3: 0
#   1 + tcp[13] = 3: 1
#   tcp and 1 + tcp[13] = 3: 0
#
# Needs a Debian-like machine with bookworm's packages at hand, for `apt-get download`, the libraries that they depend
# on (libdbus-1-3, libssl3), and python3.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get download -qq tcpdump=4.99.3-1 libpcap0.8=1.10.3-1
for package in ./*.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$work/root/usr/lib/$(uname -m)-linux-gnu

# A packet of UDP in which byte 13 behind the header of IP is a 2.
python3 - <<'PYTHON'
import struct

with open("udp.pcap", "wb") as file:
    file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    payload = bytes([0, 0, 0, 0, 0, 2])
    ip = struct.pack(">BBHHHBBH4B4B", 0x45, 0, 34, 1, 0, 64, 17, 0, 10, 0, 0, 1, 10, 0, 0, 2)
    packet = bytes(12) + b"\x08\x00" + ip + struct.pack(">HHHH", 1000, 53, 14, 0) + payload
    packet += bytes(60 - len(packet))
    file.write(struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)
PYTHON

expect() { # filter count
  local option count
  for option in -n -O; do
    count=$(root/usr/bin/tcpdump "$option" -n -r udp.pcap "$1" 2>/dev/null | wc -l)
    [ "$count" -eq "$2" ]
  done
  echo "$1: $count"
}

expect "tcp[13] + 1 = 3" 0
expect "1 + tcp[13] = 3" 1
expect "tcp and 1 + tcp[13] = 3" 0
