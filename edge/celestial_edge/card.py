"""The artifact's contract: a folder with `.tflite` file(s), golden frames and the `card.json` that describes them.

The card says what the model takes, what it gives, how it was made and how well it did, and holds the SHA-256 of every
other file. A hash beside a file shows corruption, not tampering.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from celestial_edge.recipes import PLAIN
from celestialkeras.errors import ArtifactError
from celestialkeras.files import replacing, sha256_of, write_text
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.lcid.stretch import Stretch

SCHEMA = 2
"""Version of the card; other versions are refused."""

CARD_NAME = "card.json"
MODEL_NAME = "model.tflite"
GOLDEN_NAME = "golden.npz"


@dataclass(frozen=True)
class InputContract:
    """What goes into the model.

    Attributes:
        frame_shape: Rows and columns of a chip.
        binning: Side of the squares of pixels averaged into one.
        dtype: `int8` (`code - 128`, scale 1/255, zero point -128), `int16` (`code * 128`, scale 1/32640, zero point 0)
            or `float32` (`code / 255`).
        stretch: Shape of the stretch from counts to codes.
    """

    frame_shape: tuple[int, int]
    binning: int
    dtype: str
    stretch: Stretch

    @property
    def model_shape(self) -> tuple[int, int]:
        """Rows and columns of the model's input."""
        return self.frame_shape[0] // self.binning, self.frame_shape[1] // self.binning


@dataclass(frozen=True)
class Segment:
    """One of the graphs that run one after another.

    Attributes:
        file: Name of its `.tflite` file.
        stride: Rows of the plane that it takes from one row of the plane that it gives to the next. A graph that takes
            fewer rows than there are is run over strips of them; of one that takes them all this is 1.
    """

    file: str
    stride: int


@dataclass(frozen=True)
class Card:
    """The contents of `card.json`.

    Attributes:
        model: Name of the network, such as `celestialnet_edge`.
        recipe: How weights and activations are stored, by name, such as `static_wi8_ai8`.
        input: What goes into the model.
        temperature: What the logits are divided by before the softmax.
        files: SHA-256 of every file of the artifact, by name.
        provenance: Hashes of model, data and calibration set; tool versions; `made_by`, the command line that made it;
            `kernels`, what `celestial_edge.device.machine.describe_kernels` said where the golden logits were made.
        accuracy: What was measured before and after conversion, and what the gate said.
        layout: How the network is laid out in graphs: `plain`, `whole` or `strips`.
        segments: The graphs, in the order in which they run.
    """

    model: str
    recipe: str
    input: InputContract
    temperature: float
    files: Mapping[str, str]
    provenance: Mapping[str, Any]
    accuracy: Mapping[str, Any]
    layout: str = PLAIN
    segments: tuple[Segment, ...] = (Segment(MODEL_NAME, 1),)

    def to_json(self) -> dict[str, Any]:
        """The card as plain data."""
        return {"schema": SCHEMA, "labels": list(LABELS), "output": "logits", **asdict(self)}


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


def read_golden(folder: Path) -> GoldenFrames:
    """Reads the golden frames of an artifact whose hashes were checked.

    Raises:
        ArtifactError: They are missing or not what the card promises.
    """
    path = folder / GOLDEN_NAME
    try:
        with np.load(path, allow_pickle=False) as stored:
            return GoldenFrames(stored["codes"], stored["logits"], stored["labels"])
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path}: cannot be read ({error}); export the artifact again") from error


def write_card(folder: Path, card: Card) -> None:
    """Writes `card.json` into an artifact folder, the last file of it."""
    write_text(folder / CARD_NAME, json.dumps(card.to_json(), indent=1) + "\n")


def hash_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in an artifact folder but the card, by name."""
    return {
        path.name: sha256_of(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != CARD_NAME and not path.name.startswith(".")
    }


def read_card(folder: str | Path) -> Card:
    """Reads a card and checks every file that it names.

    Args:
        folder: The artifact.

    Returns:
        The card. When this returns, the artifact's files are the ones that it was written for.

    Raises:
        ArtifactError: No artifact there, a card that cannot be read or is of another schema, or a file that is
            missing or altered.
    """
    folder = Path(folder)
    path = folder / CARD_NAME
    if not folder.is_dir():
        raise ArtifactError(f"{folder}: no such artifact folder; `celestial quantize --int8` makes one")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder}: no artifact, it has no {CARD_NAME}") from error
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path}: cannot be read ({error})") from error
    card = _parse(data, path)
    for segment in card.segments:
        if segment.file not in card.files:
            raise ArtifactError(f"{path}: names no {segment.file}")
    for name, expected in card.files.items():
        if Path(name).name != name:
            raise ArtifactError(f"{path}: file names may not leave the folder. Received: {name!r}")
        if not (folder / name).is_file():
            raise ArtifactError(f"{folder}: {name} is missing; copy the artifact again")
        if (found := sha256_of(folder / name)) != expected:
            raise ArtifactError(
                f"{folder}: {name} was truncated or altered (SHA-256 {found[:12]}..., the card says "
                f"{expected[:12]}...); copy the artifact again"
            )
    return card


def _parse(data: Any, path: Path) -> Card:
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        schema = data.get("schema") if isinstance(data, dict) else data
        raise ArtifactError(f"{path}: schema must be {SCHEMA}. Received: {schema!r}")
    if data.get("labels") != list(LABELS) or data.get("output") != "logits":
        raise ArtifactError(
            f"{path}: a foreign artifact; labels must be {list(LABELS)} and the output logits. "
            f"Received: {data.get('labels')!r}, {data.get('output')!r}"
        )
    try:
        contract = data["input"]
        shape = contract["frame_shape"]
        if contract["binning"] < 1 or not 0 < data["temperature"] < math.inf:
            raise ValueError(f"binning={contract['binning']}, temperature={data['temperature']}")
        return Card(
            model=str(data["model"]),
            recipe=str(data["recipe"]),
            input=InputContract(
                frame_shape=(int(shape[0]), int(shape[1])),
                binning=int(contract["binning"]),
                dtype=str(contract["dtype"]),
                stretch=Stretch(**contract["stretch"]),
            ),
            temperature=float(data["temperature"]),
            files={str(name): str(digest) for name, digest in data["files"].items()},
            provenance=dict(data["provenance"]),
            accuracy=dict(data["accuracy"]),
            layout=str(data["layout"]),
            segments=_segments(data["segments"]),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ArtifactError(f"{path}: not a card that can be read ({error!r})") from error


def _segments(data: Any) -> tuple[Segment, ...]:
    segments = tuple(Segment(str(entry["file"]), int(entry["stride"])) for entry in data)
    if not segments or min(segment.stride for segment in segments) < 1:
        raise ValueError(f"segments={data}")
    return segments
