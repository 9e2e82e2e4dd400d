"""Damaged FITS files found by coverage: libFuzzer drives `read_frame` to lines that no file came to before.

    pip install atheris
    python benchmarks/fuzz_atheris.py CORPUS [-max_total_time=600] [-rss_limit_mb=1024]

`CORPUS` is a folder, which is made and filled with a whole file of each kind; what finds new lines is kept there, and
the next run begins with it. Half of the mutations are those of the tests, which know cards and blocks; the others are
libFuzzer's. Anything but a frame or a FrameError, warnings included, ends the run and leaves the file that did it,
`crash-SHA1`; so does one that takes more than 20 s or 1 GiB. Options are libFuzzer's. atheris runs on Linux and macOS;
none of this project's extras installs it.

`benchmarks/fuzz.py` runs many more files, by number, without coverage.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import atheris
import numpy as np

# What is imported here is instrumented: its lines are what is looked for.
with atheris.instrument_imports(include=["celestialkeras", "astropy.io.fits"]):
    from celestial_edge.device.quality import judge_frame
    from celestialkeras.errors import FrameError
    from celestialkeras.lcid.frames import read_frame
    from celestialkeras.lcid.stretch import Stretch, encode, estimate_background

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from fuzz_frames import mutate_file, small_chips, whole_files

LIMITS = ("-timeout=20", "-rss_limit_mb=1024", "-max_len=400000")

# By the bytes: a corpus knows no names.
_GZIP = b"\x1f\x8b"


def mutate(content: bytes, largest: int, seed: int) -> bytes:
    """One of the two kinds of mutation."""
    rng = np.random.default_rng(seed)
    # Those of the tests need a file, and a whole one where it is compressed.
    if content and rng.random() < 0.5:
        with suppress(OSError, EOFError, zlib.error):
            return mutate_file(content, rng)[:largest]
    return bytes(atheris.Mutate(content, largest))


def main() -> None:
    """Runs until a file is found, or as long as libFuzzer is told to."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit("name a folder for the corpus: python benchmarks/fuzz_atheris.py CORPUS [LIBFUZZER OPTION...]")
    corpus = Path(sys.argv[1])
    corpus.mkdir(parents=True, exist_ok=True)
    for name, content in whole_files().items():
        (corpus / name).write_bytes(content)
    warnings.simplefilter("error")
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as scratch, small_chips():
        raw = Path(scratch) / "some_raw.fits"
        packed = raw.with_suffix(".fits.gz")

        def run(content: bytes) -> None:
            path = packed if content[:2] == _GZIP else raw
            path.write_bytes(content)
            for hdu in (1, 4):
                try:
                    frame = read_frame(path, hdu)
                    background = estimate_background(frame)
                    judge_frame(frame, background)
                    encode(frame, Stretch(), background)
                except FrameError:
                    continue

        # The later of two options counts.
        atheris.Setup([*sys.argv[:2], *LIMITS, *sys.argv[2:]], run, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
