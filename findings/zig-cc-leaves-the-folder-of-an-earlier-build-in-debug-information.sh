#!/usr/bin/env bash
# A program linked by `zig cc` may carry the folder of another program, which was built before it on that machine.
#
# zig has no compiled unwinder and no start files: it compiles its own source of them for whatever it links first, and
# keeps the objects in its global cache. Their debug information has the folder in which zig was started then
# (DW_AT_comp_dir), whatever the options of this program map paths to: -ffile-prefix-map goes for its own source alone.
# Later programs get the same objects. So two builds in two folders compare equal while they share a cache, and differ
# on another machine, or once the cache was emptied; and a project's debug files name folders of another. It goes for
# Rust too, where cargo-zigbuild links by it, though rustc was told to map everything. For reproducible debug files each
# build needs a cache of its own (ZIG_GLOBAL_CACHE_DIR), and zig a folder of the same name to be started in and another
# to lie in. Stripped programs do not show it, but for the sum of the debug file in .gnu_debuglink.
#
# Seen with ziglang 0.15.2 of PyPI on Linux 6.18, x86-64:
#   folders that the second program names, with the cache of the first: /one
#   the same bytes as the first: yes
#   the second program built again with an empty cache: /two
#   the same bytes as before: no
#
# Needs python3 with venv, readelf and 700 MB in the temporary folder; takes about a minute.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv tools
tools/bin/pip install -q --disable-pip-version-check ziglang==0.15.2

mkdir one two
cat >one/depth.c <<'END'
#include <unwind.h>
static _Unwind_Reason_Code count(struct _Unwind_Context *context, void *depth) {
  (void)context;
  ++*(int *)depth;
  return _URC_NO_REASON;
}
int main(void) {
  int depth = 0;
  _Unwind_Backtrace(count, &depth);
  return depth == 0;
}
END
cp one/depth.c two/

# Objects of the program itself are never kept for the next: the local cache is a new one each time.
build() { # folder, program
  (
    cd "$1"
    ZIG_GLOBAL_CACHE_DIR=$work/cache ZIG_LOCAL_CACHE_DIR=$(mktemp -d -p "$work") "$work/tools/bin/python" -m ziglang cc \
      -g "-ffile-prefix-map=$PWD=/src" -target "$(uname -m)-linux-gnu.2.31" depth.c -lunwind -o "$work/$2"
  )
}

# Folders in which something of a program was compiled, below ours and outside of zig.
folders() { # program
  readelf --debug-dump=info "$1" 2>/dev/null | sed -n "s,^.*DW_AT_comp_dir.*: $work\(/[a-z]*\)\$,\1,p" | sort -u | paste -sd' '
}

same() { if cmp -s "$1" "$2"; then echo yes; else echo no; fi; }

build one first
build two second
shared=$(folders second)
equal=$(same first second)
rm -rf cache
build two again
own=$(folders again)
still=$(same second again)
echo "folders that the second program names, with the cache of the first: $shared"
echo "the same bytes as the first: $equal"
echo "the second program built again with an empty cache: $own"
echo "the same bytes as before: $still"
[ "$shared" = /one ]
[ "$equal" = yes ]
[ "$own" = /two ]
[ "$still" = no ]
