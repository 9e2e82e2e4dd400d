"""Files that are opened once: what is loaded through the open file are the bytes that were hashed.

A file that was hashed under its name and then loaded under its name may be another one by then. Here both happen
through one descriptor: no byte of a file that is put in its place in between is looked at, and that it was replaced or
written to in between is found out. Nothing is copied: a library maps the weights of the open file itself.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from celestialkeras.errors import ArtifactError
from celestialkeras.files import sha256_of_stream

_LARGEST_SMALL_FILE = 1 << 20

# Where the system gives open files names, Linux first.
_DESCRIPTOR_FOLDERS = (Path("/proc/self/fd"), Path("/dev/fd"))


@dataclass(frozen=True)
class OpenFile:
    """An open file and the SHA-256 of what it held.

    Attributes:
        path: Its name, under which there may be another file by now.
        source: The open file, at its first byte.
        sha256: In hexadecimal.
        state: Size and times of last change when hashing began.
    """

    path: Path
    source: BinaryIO
    sha256: str
    state: tuple[int, int, int]

    @classmethod
    def of(cls, path: Path, source: BinaryIO) -> OpenFile:
        """Hashes an open file."""
        state = _state(source)
        digest = sha256_of_stream(source)
        source.seek(0)
        return cls(path, source, digest, state)

    @property
    def mappable(self) -> Path:
        """A name of the open file itself, for libraries that take no descriptor; good as long as it is open.

        Where the system gives open files no names it is `path`.
        """
        named = (folder / str(self.source.fileno()) for folder in _DESCRIPTOR_FOLDERS)
        return next((name for name in named if name.exists()), self.path)

    def require_unchanged(self) -> None:
        """Refuses a file that was written to, or replaced, since hashing began.

        Raises:
            ArtifactError: It was.
        """
        if _state(self.source) != self.state:
            raise ArtifactError(
                f"{self.path}: was written to or replaced while it was loaded; load it again when it is at rest"
            )


@dataclass(frozen=True)
class Graph:
    """An open `.tflite` file, one of those that run one after another.

    Attributes:
        file: The file.
        stride: Rows of the plane that it takes from one row of the plane that it gives to the next; see `card.Segment`.
    """

    file: OpenFile
    stride: int


def open_regular(path: Path) -> BinaryIO:
    """Opens a file to read, and nothing but a file: a pipe or device would be waited for without end.

    Raises:
        OSError: There is none, or it may not be read.
        ArtifactError: It is no regular file.
    """
    source = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
        source.close()
        raise ArtifactError(f"{path}: must be a regular file")
    return source


def read_small(path: Path) -> bytes:
    """Reads a file of at most 1 MiB.

    Raises:
        OSError: There is none, or it may not be read.
        ArtifactError: It is no regular file, or larger.
    """
    with open_regular(path) as source:
        content = source.read(_LARGEST_SMALL_FILE + 1)
    if len(content) > _LARGEST_SMALL_FILE:
        raise ArtifactError(f"{path}: larger than the {_LARGEST_SMALL_FILE} bytes that such a file may have")
    return content


def _state(source: BinaryIO) -> tuple[int, int, int]:
    told = os.fstat(source.fileno())
    return told.st_size, told.st_mtime_ns, told.st_ctime_ns
