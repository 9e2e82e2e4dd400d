"""The artifact's contract: a folder with `.tflite` file(s), golden frames and the `card.json` that describes them.

The card says what the model takes, what it gives, how it was made and how well it did, and holds the SHA-256 of every
other file. A hash beside a file shows corruption, not tampering; `celestial_edge.trust` is for that.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from celestial_edge.opened import Graph, OpenFile, open_regular, read_small
from celestial_edge.recipes import PLAIN
from celestial_edge.signature import SIGNATURE_NAME
from celestial_edge.trust import Trust
from celestialkeras.errors import ArtifactError
from celestialkeras.files import sha256_of, write_text
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.lcid.stretch import Stretch

SCHEMA = 2
"""Version of the card; other versions are refused."""

CARD_NAME = "card.json"
MODEL_NAME = "model.tflite"

# All of an artifact's files are open at once while it is loaded.
_MOST_FILES = 64

# Four times the longer side of a chip.
_LARGEST_SIDE = 16384


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
        accuracy: What was measured before and after conversion, what the gate said, and on which frames the temperature
            was fitted, with what it does there.
        layout: How the network is laid out in graphs: `plain`, `whole` or `strips`.
        segments: The graphs, in the order in which they run.
        abstain: Least probability of a verdict; what is less probable is `undecided`. None decides always.
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
    abstain: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The card as plain data."""
        return {"schema": SCHEMA, "labels": list(LABELS), "output": "logits", **asdict(self)}


def write_card(folder: Path, card: Card) -> None:
    """Writes `card.json` into an artifact folder, the last file of it."""
    write_text(folder / CARD_NAME, json.dumps(card.to_json(), indent=1) + "\n")


def hash_files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in an artifact folder but the card and its signature, by name."""
    return {
        path.name: sha256_of(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name not in (CARD_NAME, SIGNATURE_NAME) and not path.name.startswith(".")
    }


@dataclass(frozen=True)
class OpenArtifact:
    """An artifact whose files were opened once and found to be those of its card.

    Attributes:
        folder: The artifact.
        card: Its card.
        encoded_card: The bytes of `card.json`.
        files: The open files by name: what is loaded through them are the bytes that were hashed.
    """

    folder: Path
    card: Card
    encoded_card: bytes
    files: Mapping[str, OpenFile]

    @property
    def card_sha256(self) -> str:
        """SHA-256 of the card, in hexadecimal: what to pin an artifact by."""
        return hashlib.sha256(self.encoded_card).hexdigest()

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """The graphs, in the order in which they run."""
        return tuple(Graph(self.files[segment.file], segment.stride) for segment in self.card.segments)


@contextmanager
def open_artifact(folder: str | Path, trust: Trust | None = None) -> Iterator[OpenArtifact]:
    """Opens an artifact, and checks it before a byte of it is interpreted.

    The card is judged first, as bytes, by what `trust` asks of it; then it is parsed, and every file that it names is
    opened and hashed. Files that are written to before the block ends are refused at its end.

    Args:
        folder: The artifact.
        trust: What it must prove; None for nothing beside that its files are those of its card.

    Yields:
        The open artifact.

    Raises:
        ArtifactError: No artifact there, one that is not trusted, a card that cannot be read or is of another schema,
            or a file that is missing or altered.
        MissingExtraError: A signature is asked for and cryptography is not installed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ArtifactError(f"{folder}: no such artifact folder; `celestial quantize --int8` makes one")
    path = folder / CARD_NAME
    try:
        encoded = read_small(path)
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder}: no artifact, it has no {CARD_NAME}") from error
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error})") from error
    if trust is not None:
        trust.check(encoded, folder, lambda name: read_small(folder / name))
    try:
        data = json.loads(encoded.decode("utf-8"))
    # Brackets within brackets exhaust the parser's stack.
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path}: cannot be read ({error})") from error
    card = _parse(data, path)
    with ExitStack() as stack:
        files = {name: open_checked(folder, name, digest, stack) for name, digest in card.files.items()}
        yield OpenArtifact(folder, card, encoded, files)
        for file in files.values():
            file.require_unchanged()


def read_card(folder: str | Path, trust: Trust | None = None) -> Card:
    """Reads a card and checks every file that it names, as `open_artifact` does.

    Args:
        folder: The artifact.
        trust: What it must prove; None for nothing beside that its files are those of its card.

    Returns:
        The card. When this returns, the artifact's files were the ones that it was written for.

    Raises:
        ArtifactError: See `open_artifact`.
    """
    with open_artifact(folder, trust) as artifact:
        return artifact.card


def open_checked(folder: Path, name: str, expected: str, stack: ExitStack) -> OpenFile:
    """Opens a file of an artifact, and refuses one that is not what the card says.

    Args:
        folder: The artifact.
        name: Its name.
        expected: SHA-256 that the card gives, in hexadecimal.
        stack: Closes it.

    Raises:
        ArtifactError: It is missing, cannot be read, or has another hash.
    """
    try:
        source = stack.enter_context(open_regular(folder / name))
        file = OpenFile.of(folder / name, source)
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder}: {name} is missing; copy the artifact again") from error
    except OSError as error:
        raise ArtifactError(f"{folder}: {name} cannot be read ({error.strerror})") from error
    if file.sha256 != expected:
        raise ArtifactError(
            f"{folder}: {name} was truncated or altered (SHA-256 {file.sha256[:12]}..., the card says "
            f"{expected[:12]}...); copy the artifact again"
        )
    return file


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
        if not 1 <= contract["binning"] <= min(shape) or not 0 < data["temperature"] < math.inf:
            raise ValueError(f"binning={contract['binning']}, temperature={data['temperature']}")
        # Memory is laid out by these.
        if len(shape) != 2 or not 0 < min(shape) <= max(shape) <= _LARGEST_SIDE:
            raise ValueError(f"frame_shape={shape}")
        abstain = data.get("abstain")
        if abstain is not None and not 0.5 <= abstain <= 1:
            raise ValueError(f"abstain={abstain}")
        card = Card(
            model=str(data["model"]),
            recipe=str(data["recipe"]),
            input=InputContract(
                frame_shape=(int(shape[0]), int(shape[1])),
                binning=int(contract["binning"]),
                dtype=str(contract["dtype"]),
                stretch=Stretch(**contract["stretch"]),
            ),
            temperature=float(data["temperature"]),
            files=_files(data["files"], path),
            provenance=dict(data["provenance"]),
            accuracy=dict(data["accuracy"]),
            layout=str(data["layout"]),
            segments=_segments(data["segments"]),
            abstain=None if abstain is None else float(abstain),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise ArtifactError(f"{path}: not a card that can be read ({error!r})") from error
    for segment in card.segments:
        if segment.file not in card.files:
            raise ArtifactError(f"{path}: names no {segment.file}")
    return card


def _files(data: Any, path: Path) -> dict[str, str]:
    files = {str(name): str(digest) for name, digest in data.items()}
    if len(files) > _MOST_FILES:
        raise ValueError(f"{len(files)} files, more than {_MOST_FILES}")
    for name in files:
        if Path(name).name != name or name in ("..", CARD_NAME) or "\0" in name:
            raise ArtifactError(f"{path}: file names may not leave the folder. Received: {name!r}")
    return files


def _segments(data: Any) -> tuple[Segment, ...]:
    segments = tuple(Segment(str(entry["file"]), int(entry["stride"])) for entry in data)
    if not segments or min(segment.stride for segment in segments) < 1:
        raise ValueError(f"segments={data}")
    return segments
