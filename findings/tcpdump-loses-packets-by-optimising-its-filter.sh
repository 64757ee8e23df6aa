#!/usr/bin/env bash
# tcpdump's filters are optimised, and the optimiser of libpcap makes another filter of some: packets that match are not
# shown, unless it is switched off (-O).
#
# "ip host A and B or A or C" takes what has A or C as source or destination: an address that stands alone keeps the
# words before it, and whatever has A and B has A. tcpdump -O shows a packet from C to somebody else; tcpdump does not,
# and the program of eight instructions that "tcpdump -d" prints compares the destination with C, but not the source. It
# takes a test that stands there twice, as in a filter that was put together by a script, and no truncated packet, tag
# or option. So where packets seem to be missing, ask again with -O, or take the repetition out.
#
# Seen with tcpdump 4.99.3-1 and libpcap0.8 1.10.3-1 of Debian 12, on a file, on Linux 6.18, x86-64:
#   tcpdump: 1 of 2
#   tcpdump -O: 2 of 2
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

# Two packets of UDP: from 10.0.0.1 to 10.0.0.9, and from 10.0.0.3 to 10.0.0.9.
python3 - <<'PYTHON'
import struct

with open("two.pcap", "wb") as file:
    file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    for last in (1, 3):
        ethernet = bytes(12) + b"\x08\x00"
        ip = struct.pack(">BBHHHBBH4B4B", 0x45, 0, 28, 1, 0, 64, 17, 0, 10, 0, 0, last, 10, 0, 0, 9)
        packet = ethernet + ip + struct.pack(">HHHH", 1000, 53, 8, 0)
        packet += bytes(60 - len(packet))
        file.write(struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)
PYTHON

shown() {
  root/usr/bin/tcpdump "$@" -n -r two.pcap \
    "ip host 10.0.0.1 and 10.0.0.2 or 10.0.0.1 or 10.0.0.3" 2>/dev/null | wc -l
}

optimised=$(shown)
plain=$(shown -O)
echo "tcpdump: $optimised of 2"
echo "tcpdump -O: $plain of 2"
[ "$optimised" -eq 1 ]
[ "$plain" -eq 2 ]
