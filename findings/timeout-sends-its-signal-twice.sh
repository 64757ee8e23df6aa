#!/usr/bin/env bash
# timeout(1) sends its signal twice: once to the command, and once to the whole process group, in which the command is.
#
# So a program that takes a second SIGTERM (or, with -s INT, a second Ctrl-C) for "end at once, without the summary"
# does that under timeout, though nobody asked twice. Whether it sees one signal or two is a race: the second is merged
# with the first while that is pending. With --foreground there is one signal. A program that wants a second signal to
# mean something has to ask how long after the first it came.
#
# Seen with coreutils 9.1-1 and strace 6.1-0.1 of Debian 12 on Linux 6.18, x86-64:
#   timeout: kill(COMMAND, SIGTERM) kill(0, SIGTERM)
#   timeout --foreground: kill(COMMAND, SIGTERM)
#
# Needs a Debian-like machine with bookworm's packages at hand, for `apt-get download`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

apt-get download -qq coreutils=9.1-1 strace=6.1-0.1 libunwind8=1.6.2-3
for package in ./*.deb; do dpkg -x "$package" root; done
timeout=$work/root/usr/bin/timeout
export LD_LIBRARY_PATH=$work/root/usr/lib/$(uname -m)-linux-gnu

signals() {
  root/usr/bin/strace -f -qq -e trace=kill -e signal=none -o calls "$@" || true
  # The first process is timeout itself, which alone calls kill here.
  grep -o 'kill(.*SIGTERM' calls | sed 's/^kill(\([1-9][0-9]*\),/kill(COMMAND,/; s/$/)/' | tr '\n' ' ' | sed 's/ $//'
}

plain=$(signals "$timeout" 0.3 sleep 10)
foreground=$(signals "$timeout" --foreground 0.3 sleep 10)
echo "timeout: $plain"
echo "timeout --foreground: $foreground"
[ "$plain" = "kill(COMMAND, SIGTERM) kill(0, SIGTERM)" ]
[ "$foreground" = "kill(COMMAND, SIGTERM)" ]
