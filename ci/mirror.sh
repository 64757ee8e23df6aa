#!/usr/bin/env bash
# Prints where apt takes the release of this machine from; with --debian a mirror of Debian: that one if this machine is
# Debian, or else one that everybody may use. For debootstrap.
set -euo pipefail

# shellcheck source=/dev/null
. /etc/os-release
if [ "${1:-}" = --debian ] && [ "$ID" != debian ]; then
  mirror=
else
  # Whatever format its lists have. Others than the distribution's are among them, and those of its security updates.
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Identifier: Packages' 2>/dev/null |
    awk -v suite="${VERSION_CODENAME:-}" '$1 == suite && $2 == "main" && !found++ { print $3 }') || true
fi
if [ -z "$mirror" ]; then
  [ "${1:-}" = --debian ] || { echo "error: apt knows no mirror of this release: see /etc/apt" >&2; exit 1; }
  mirror=http://deb.debian.org/debian
fi
echo "$mirror"
