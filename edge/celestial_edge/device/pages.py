"""Giving memory back: pages of a mapped file that were read once and will hardly be read again."""

from __future__ import annotations

import ctypes
import mmap
from pathlib import Path


def release_pages(path: Path) -> int:
    """Drops the pages that this process has resident of a file that a library mapped; read again, they come back.

    LiteRT maps a model and XNNPACK packs a copy of its weights when it is loaded: from then on the mapped ones only
    take room.

    Args:
        path: The file.

    Returns:
        Bytes of address space that were released; 0 where the system does not tell its mappings or has no such call.
    """
    advice = getattr(mmap, "MADV_DONTNEED", None)
    try:
        maps = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return 0
    if advice is None:
        return 0
    wanted = str(path.resolve())
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    released = 0
    for line in maps:
        # Address range, rights, offset, device, inode, name: only the name may hold spaces.
        fields = line.split(maxsplit=5)
        # What was written to privately would be lost; what is only read comes back from the file.
        if len(fields) == 6 and fields[5] == wanted and fields[1].startswith("r--"):
            first, last = (int(address, 16) for address in fields[0].split("-"))
            if madvise(first, last - first, advice) == 0:
                released += last - first
    return released
