"""Files that are whole or absent: written to a temporary name beside their target, synced and renamed."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PARTIAL_PREFIX = ".partial-"
"""How the temporary names begin; such files and folders outlive only a process that was killed while it wrote."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path` to write to; renames it to `path` when the block ends well.

    The temporary name keeps the suffix of `path`, since some writers choose their format by it. When the block
    raises, the temporary file goes and `path` stays as it was.

    Args:
        path: The final name. Missing parent folders are made.

    Yields:
        The temporary path. The block must create the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=PARTIAL_PREFIX, suffix=path.suffix, dir=path.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        with partial.open("rb+") as written:
            os.fsync(written.fileno())
        # mkstemp makes private files; what lands has the rights that the user's umask gives.
        partial.chmod(user_rights(0o666))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def user_rights(mode: int) -> int:
    """The rights `mode`, less those that the user's umask withholds."""
    mask = os.umask(0)
    os.umask(mask)
    return mode & ~mask


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text to `path`, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def discard_partials(folder: Path) -> None:
    """Removes the files and folders that killed processes left half-written; nothing else may write to `folder`."""
    for partial in folder.glob(f"{PARTIAL_PREFIX}*"):
        # A link goes itself, never the folder that it names.
        if partial.is_dir() and not partial.is_symlink():
            shutil.rmtree(partial)
        else:
            partial.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal, read in pieces of 1 MiB."""
    with path.open("rb") as source:
        return sha256_of_stream(source)


def sha256_of_stream(source: BinaryIO) -> str:
    """SHA-256 of what an open file holds from where it stands to its end, in hexadecimal, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    while piece := source.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()
