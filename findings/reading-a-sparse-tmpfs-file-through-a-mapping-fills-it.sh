#!/usr/bin/env bash
# Reading the holes of a file on tmpfs through a mapping fills them: a look costs as much memory as a write.
#
# On a file system with a disk, or for anonymous memory, a read of what was never written is served by a page of zeros
# that everybody shares. tmpfs, hence memfd and /dev/shm, allocates a page of its own for each page that a mapping
# reads, and charges it to the cgroup of the reader, also through a mapping that is read-only, and a private one. `read`
# and `pread` of the same holes allocate nothing. So a monitor that maps shared memory "only to look" (rings, pools of
# buffers, a core of a virtual machine) makes it grow to its full size; numpy.memmap with mode "r" is such a look,
# numpy.fromfile is not.
#
# Seen with numpy 2.3.5 from PyPI on Linux 6.18, x86-64; blocks of 512 bytes after reading 8 MiB of holes of a memfd:
#   memmap r 16384
#   memmap c 16384
#   fromfile 0
#
# Needs python3 (3.11 or later) with venv and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'numpy==2.3.5'
cat >look.py <<'PYTHON'
import os
import numpy

SIZE = 8 << 20


def blocks_after(look):
    fd = os.memfd_create("holes")
    os.ftruncate(fd, SIZE)
    assert os.fstat(fd).st_blocks == 0
    assert look(f"/proc/self/fd/{fd}") == 0
    return os.fstat(fd).st_blocks


print("memmap r", blocks_after(lambda path: numpy.memmap(path, numpy.uint8, "r").max()))
print("memmap c", blocks_after(lambda path: numpy.memmap(path, numpy.uint8, "c").max()))
print("fromfile", blocks_after(lambda path: numpy.fromfile(path, numpy.uint8).max()))
PYTHON
venv/bin/python look.py | tee seen
diff seen - <<'EXPECTED'
memmap r 16384
memmap c 16384
fromfile 0
EXPECTED
