#!/usr/bin/env bash
# tcpdump refuses to divide by the first byte of a header: "len / ip[0] > 3" is a "division by zero" to it, while
# "len / ip[1] > 3" is not; and "1 << ip[40] = 2" shifts "by more than 31 bits", "1 << ip[8] = 2" does not.
#
# libpcap wants to refuse constants that cannot be right, and looks at the first constant of the right operand. In ip[0]
# that is the 0 between the brackets, whatever the byte is. A zero that is worked out is let pass: "len / (1 - 1) = 0"
# is taken with -O, and matches nothing. Where the field is needed, let another number come first: "len / (1 * ip[0])",
# which then does not check the protocol either, so "ip and len / (1 * ip[0]) > 3".
#
# Seen with tcpdump 4.99.3-1 and libpcap0.8 1.10.3-1 of Debian 12, on Linux 6.18, x86-64:
#   len / ip[0] > 3: division by zero
#   len / ip[1] > 3: taken
#   ip and len / (1 * ip[0]) > 3: taken
#   1 << ip[40] = 2: shift by more than 31 bits
#   1 << ip[8] = 2: taken
#
# Needs a Debian-like machine with bookworm's packages at hand, for `apt-get download`, and the libraries that they
# depend on (libdbus-1-3, libssl3).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get download -qq tcpdump=4.99.3-1 libpcap0.8=1.10.3-1
for package in ./*.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$work/root/usr/lib/$(uname -m)-linux-gnu

expect() { # filter answer
  local said answer=taken
  if ! said=$(root/usr/bin/tcpdump -d -y EN10MB "$1" 2>&1 >/dev/null); then
    answer=$(sed -n 's/^tcpdump: //p' <<<"$said")
  fi
  echo "$1: $answer"
  [ "$answer" = "$2" ]
}

expect "len / ip[0] > 3" "division by zero"
expect "len / ip[1] > 3" taken
expect "ip and len / (1 * ip[0]) > 3" taken
expect "1 << ip[40] = 2" "shift by more than 31 bits"
expect "1 << ip[8] = 2" taken
