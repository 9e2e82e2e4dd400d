"""Golden frames: a few frames that come with an artifact, and the logits that it must give for them."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from celestial_edge.card import Card, open_checked, read_card
from celestialkeras.errors import ArtifactError
from celestialkeras.files import replacing
from celestialkeras.lcid.manifest import LABELS

GOLDEN_NAME = "golden.npz"

# Seven whole chips; a damaged or hostile archive may claim any size.
_LARGEST_GOLDEN = 64 * 1024 * 1024

# What NumPy, zipfile and zlib raise on damaged archives; a header that claims more than there is memory for is one.
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
    tokenize.TokenError,
)


@dataclass(frozen=True, eq=False)
class GoldenFrames:
    """A few frames with the logits that the artifact must give for them.

    Attributes:
        codes: `uint8 (n, H, W)` at the model's input size.
        logits: `float32 (n, 2)`, as the artifact gave them where it was made.
        labels: `int64 (n,)`, true label codes.
    """

    codes: npt.NDArray[np.uint8]
    logits: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]


def write_golden(folder: Path, golden: GoldenFrames) -> None:
    """Writes `golden.npz` into an artifact folder."""
    with replacing(folder / GOLDEN_NAME) as partial:
        np.savez_compressed(partial, codes=golden.codes, logits=golden.logits, labels=golden.labels)


def read_golden(folder: Path, card: Card | None = None) -> GoldenFrames:
    """Reads the golden frames of an artifact.

    Args:
        folder: The artifact.
        card: Its card, if it was read; the frames are those that it names.

    Raises:
        ArtifactError: They are missing, altered, or not what the card promises.
    """
    card = card or read_card(folder)
    path = folder / GOLDEN_NAME
    if GOLDEN_NAME not in card.files:
        raise ArtifactError(f"{folder}: its card names no {GOLDEN_NAME}; export the artifact again")
    with ExitStack() as stack:
        checked = open_checked(folder, GOLDEN_NAME, card.files[GOLDEN_NAME], stack)
        try:
            with np.load(checked.source, allow_pickle=False) as stored:
                if (size := sum(member.file_size for member in stored.zip.infolist())) > _LARGEST_GOLDEN:
                    raise ValueError(f"{size} bytes of frames, more than the {_LARGEST_GOLDEN} that are read")
                golden = GoldenFrames(stored["codes"], stored["logits"], stored["labels"])
            _check_golden(golden, card.input.model_shape)
        except _DAMAGE as error:
            raise ArtifactError(f"{path}: cannot be read ({error}); export the artifact again") from error
        checked.require_unchanged()
    return golden


def _check_golden(golden: GoldenFrames, shape: tuple[int, int]) -> None:
    frames = len(golden.labels)
    if golden.codes.dtype != np.uint8 or golden.codes.shape != (frames, *shape):
        raise ValueError(f"codes must be uint8 {(frames, *shape)}, not {golden.codes.dtype} {golden.codes.shape}")
    if golden.logits.dtype != np.float32 or golden.logits.shape != (frames, len(LABELS)):
        raise ValueError(f"logits must be float32 {(frames, len(LABELS))}, not {golden.logits.shape}")
    if golden.labels.ndim != 1 or not np.isin(golden.labels, range(len(LABELS))).all():
        raise ValueError(f"labels must be codes of {LABELS}")
