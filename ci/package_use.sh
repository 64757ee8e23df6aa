#!/usr/bin/env bash
# Uses the packages that ci/package.sh made, as somebody would who has nothing else of this project. What this release
# lacks (man, zsh, fish, systemd) is left out.
#
#   ci/package_use.sh                       uses what is installed
#   ci/package_use.sh --life OLDER NEW      in a root that is thrown away: installs the packages of the directory OLDER,
#                                           upgrades to those of NEW, uses, removes and purges them, and looks whether
#                                           anything stays
#   ci/package_use.sh --boot NEW            as the first process of such a root: installs the packages of NEW, starts
#                                           systemd, and under it the services; writes to /tmp/services
set -euo pipefail

packages=(memif libmemif-dev libmemif)
work=$(mktemp -d)
# Shells put files of their own there.
export HOME=$work
running=()
end() {
  [ ${#running[@]} -eq 0 ] || kill "${running[@]}" 2>/dev/null || true
  wait
  rm -rf "$work"
}
trap end EXIT

die() {
  echo "error: $*" >&2
  exit 1
}

has() { command -v "$1" >/dev/null; }

says() { # words, of what is read
  local text
  text=$(cat)
  grep -qF -- "$1" <<<"$text" || die "\"$1\" is missing in:" $'\n' "$text"
}

quietly() { "$@" >"$work/log" 2>&1 || die "$*:" $'\n' "$(cat "$work/log")"; }

answers() { # socket, address, more arguments
  memif ping "$2" --socket "$1" --count 3 --interval 10ms --connect-timeout 60 "${@:3}" 2>"$work/ping.log" |
    says " 0% packet loss"
}

files_are_whole() {
  local name
  for name in "${packages[@]}"; do [ -s "$(dpkg-query --control-path "$name" md5sums)" ] || die "$name: no sums"; done
  [ -z "$(dpkg --verify "${packages[@]}")" ] || die "$(dpkg --verify "${packages[@]}")"
}

command_works() {
  memif --version
  memif responder --role master --socket "$work/first.sock" --ip 192.168.1.2 >"$work/responder.log" &
  running+=($!)
  answers "$work/first.sock" 192.168.1.2
  memif show "$work/first.sock" | says "may connect"
  local extcap
  extcap=$(compgen -G '/usr/lib/*/wireshark/extcap/memif-extcap')
  "$extcap" --extcap-interfaces | says "interface {value=memif}"
  echo "a ping was answered"
}

pages_are_read() {
  has man || return 0
  local pages page warnings
  mapfile -t pages < <(dpkg -L memif | grep '/man1/memif.*\.1\.gz$')
  [ ${#pages[@]} -ge 14 ] || die "${#pages[@]} pages"
  for page in "${pages[@]}"; do
    warnings=$(MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 "$page" 2>&1 >"$work/page")
    [ -z "$warnings" ] || die "$page: $warnings"
    # Bold letters are struck twice, and lines drawn out.
    sed 's/.\x08//g' "$work/page" | tr -s ' ' | says "SEE ALSO"
  done
  man -P cat memif-ping | says "MEMIF_SOCKET"
  echo "${#pages[@]} pages are read"
}

# The completions that files of the package bring.
shells_complete() {
  local shells=bash
  completed_by_bash memif ping --sock | says "--socket"
  completed_by_bash memif show "$work/fir" | says "$work/first.sock"
  if has fish; then
    fish --no-config -c '. /usr/share/fish/vendor_completions.d/memif.fish
      complete --do-complete "memif ping --sock"' | says "--socket"
    shells+=" fish"
  fi
  if has zsh; then
    # shellcheck disable=SC2016
    zsh -fc 'autoload -U compinit; compinit -D; autoload +X _memif; print $_comps[memif]' | says "_memif"
    shells+=" zsh"
  fi
  echo "completes: $shells"
}

completed_by_bash() { # words, the last of which is completed
  # shellcheck disable=SC2016
  bash -c '. /usr/share/bash-completion/completions/memif
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE=$* && COMP_POINT=${#COMP_LINE}
    _memif memif "${@: -1}" && printf "%s\n" "${COMPREPLY[@]}"' bash "$@"
}

units_are_right() {
  has systemd-analyze || return 0
  local unit
  for unit in memif-responder@192.168.1.2 memif-bridge@tap0; do
    quietly systemd-analyze verify --man=yes "$unit.service"
    # It says what it does not know, and that is no error of its own.
    [ ! -s "$work/log" ] || die "$unit: $(cat "$work/log")"
  done
  echo "units are right"
}

c_compiles() {
  if ! has cc || ! has pkg-config; then return 0; fi
  local examples=/usr/share/doc/libmemif-dev/examples flags program
  read -r -a flags < <(pkg-config --cflags --libs libmemif)
  for program in "$examples"/*.c; do
    cc -O2 -Wall -Werror -pthread "$program" -o "$work/$(basename "$program" .c)" "${flags[@]}"
  done
  "$work/responder" "$work/c.sock" master >"$work/c.log" &
  running+=($!)
  answers "$work/c.sock" 192.168.1.1 --ip 192.168.1.2
  read -r -a flags < <(pkg-config --static --cflags --libs libmemif)
  cc -static -pthread "$examples/responder.c" -o "$work/static" "${flags[@]}"
  "$work/static" "$work/static.sock" master >"$work/static.log" &
  running+=($!)
  answers "$work/static.sock" 192.168.1.1 --ip 192.168.1.2
  echo "C programs were compiled, and answered pings"
  has dpkg-shlibdeps || return 0
  # As a package of such a program finds out what it depends on.
  mkdir -p "$work/debian"
  printf 'Source: program\n\nPackage: program\nArchitecture: any\n' >"$work/debian/control"
  (cd "$work" && dpkg-shlibdeps -O responder) >"$work/depends" 2>"$work/log" || die "$(cat "$work/log")"
  says "libmemif (>= " <"$work/depends"
}

use() {
  files_are_whole
  command_works
  pages_are_read
  shells_complete
  units_are_right
  c_compiles
}

files() {
  find / -xdev \( -path /var/cache -o -path /var/log -o -path /var/lib/dpkg \) -prune -o -print | sort
}

life() { # directory of older packages, of newer ones
  files >"$work/before"
  quietly dpkg --install "$1"/*.deb
  memif responder --role master --socket "$work/upgraded.sock" --ip 192.168.1.2 >"$work/upgraded.log" &
  running+=($!)
  answers "$work/upgraded.sock" 192.168.1.2
  quietly dpkg --install "$2"/*.deb
  # Who runs is not disturbed.
  answers "$work/upgraded.sock" 192.168.1.2
  use
  quietly dpkg --remove "${packages[@]}"
  [ ! -e /usr/bin/memif ] || die "memif is there after its package was removed"
  quietly dpkg --purge "${packages[@]}"
  files | diff "$work/before" - >"$work/left" || die "left behind:" $'\n' "$(cat "$work/left")"
}

# ---- services, where systemd can be the first process

boot() { # directory of packages
  quietly dpkg --install "$1"/memif_*.deb
  # What is mounted on /tmp stays, but not what is in it for a service.
  cp "$0" /usr/local/bin/use-services
  cat >/etc/systemd/system/try.service <<'END'
[Service]
Type=oneshot
Environment=HOME=/root
ExecStart=/usr/local/bin/use-services --services
StandardOutput=append:/tmp/services
StandardError=append:/tmp/services
ExecStopPost=/bin/systemctl --force --force poweroff
END
  mkdir -p /etc/systemd/system/multi-user.target.wants
  ln -s ../try.service /etc/systemd/system/multi-user.target.wants/
  ln -sf /lib/systemd/system/multi-user.target /etc/systemd/system/default.target
  exec env container=lxc /lib/systemd/systemd --system --log-target=null --show-status=no
}

services() {
  local unit tries=0
  mkdir -p /run/vpp
  printf 'MEMIF_SOCKET=/run/memif/lab.sock\nMEMIF_OPTIONS="--role master"\n' >/etc/default/memif-responder-192.168.1.2
  printf 'MEMIF_SOCKET=/run/memif/lab.sock\n' >/etc/default/memif-bridge-tap0
  quietly systemctl enable --now memif-responder@192.168.1.2 memif-bridge@tap0
  # Two services of one link, each with no more rights than it needs.
  until [ "$(cat /sys/class/net/tap0/carrier 2>/dev/null)" = 1 ]; do
    [ $((tries += 1)) -le 600 ] || die "no link: $(systemctl --no-pager status 'memif-*')"
    sleep 0.1
  done
  systemctl stop memif-bridge@tap0
  [ ! -e /sys/class/net/tap0 ] || die "the device outlives its service"
  answers /run/memif/lab.sock 192.168.1.2
  for unit in memif-responder@192.168.1.2 memif-bridge@tap0; do
    systemd-analyze security --no-pager "$unit" | tail -n 1
  done
  quietly dpkg --purge memif
  [ -z "$(systemctl --no-legend --plain list-units 'memif-*')" ] || die "a service outlives its package"
  ! compgen -G '/etc/systemd/system/*.wants/memif-*' || die "a service that was enabled is left behind"
  [ ! -e /run/memif ] || die "/run/memif is left behind"
  echo "services work"
}

case ${1:-} in
  --boot) boot "$2" ;;
  --services) services ;;
  --life) life "$2" "$3" ;;
  "") use ;;
  *) die "see the head of this file" ;;
esac
