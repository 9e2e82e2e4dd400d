"""What a training run is asked to do: checked before any work, written to and read from TOML."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from celestialkeras.errors import RunError
from celestialkeras.lcid.degradations import parse_degradation
from celestialkeras.lcid.variants import Size, resized_shape
from celestialkeras.models.registry import get_model
from celestialkeras.suggestions import did_you_mean
from celestialkeras.training.loss import LabelLoss

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
"""Number formats of training; weights are kept in float32 under each."""

STRATEGIES = ("single", "mirrored", "multiworker")
"""Where a network may be trained: in one process, on the GPUs of one machine, on several machines. It changes no more
than the rounding, and a run may be resumed under another one: so it is no option of the run."""

FULL_SIZE = "full"
"""The `size` of frames that are not binned."""

ROWS_AND_COLUMNS = re.compile("[1-9][0-9]{0,5}x[1-9][0-9]{0,5}")
"""A `size` that gives rows and columns."""

# Seeds of NumPy, Python and TensorFlow alike.
_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class TrainOptions:
    """Everything that decides the outcome of a run, together with the data set's own digest.

    Attributes:
        data: Data set folder, as `celestial data build` writes it.
        model: Name of a registered model.
        model_options: Options of its factory, by name.
        epochs: Passes over the training frames; 20 as in Zhang et al. 2024.
        batch_size: Frames a step.
        learning_rate: Highest rate of the cosine schedule.
        patience: Epochs without a lower validation loss after which the run ends early; 0 never ends early.
        minutes: Wall-clock budget: no epoch begins that would, if as long as the last one, end beyond it; 0 for none.
        size: `full`, the side of the squares of pixels averaged into one, or the frames' rows and columns as
            `ROWSxCOLUMNS`.
        seed: Of the first weights, the order of frames and their augmentation.
        precision: One of `PRECISIONS`.
        augment: Whether frames are flipped about their axes.
        degrade: What is done to frames, training and validation, such as `psf:3`; empty for nothing.
        degrade_share: Of the frames to which it is done; below 1, which ones is drawn anew for every epoch.
        stem_strips: In how many strips of rows the network's first blocks are computed, for less memory and the same
            result but for rounding; 0 for whole maps.
        focal_gamma: Exponent of the focal loss; 0 for cross-entropy, as in validation.
        label_smoothing: Share of a label that is spread over both classes; 0 for none, as in validation.
        keep_last: Whether the weights of the last epoch are kept, and not those of the lowest validation loss.

    Raises:
        DatasetError: There is no such degradation.
        RunError: A field has a wrong type or value.
        ModelError: The model, or one of its options, is unknown.
    """

    data: Path
    model: str = "celestialnet_edge"
    model_options: Mapping[str, Any] = field(default_factory=dict)
    epochs: int = 20
    batch_size: int = 8
    learning_rate: float = 1e-3
    patience: int = 8
    minutes: float = 0.0
    size: int | str = FULL_SIZE
    seed: int = 0
    precision: str = PRECISIONS[0]
    augment: bool = True
    degrade: str = ""
    degrade_share: float = 1.0
    stem_strips: int = 0
    focal_gamma: float = 0.0
    label_smoothing: float = 0.0
    keep_last: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.data, Path):
            raise self._refusal("data", "the path of a data set folder")
        self._check_whole("epochs", 1)
        self._check_whole("batch_size", 1)
        self._check_whole("patience", 0)
        self._check_whole("stem_strips", 0)
        self._check_whole("seed", 0, _LARGEST_SEED)
        rate = self.learning_rate
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < math.inf:
            raise self._refusal("learning_rate", "a finite number above 0")
        if (
            isinstance(self.minutes, bool)
            or not isinstance(self.minutes, (int, float))
            or not 0 <= self.minutes < math.inf
        ):
            raise self._refusal("minutes", "a finite number of at least 0")
        if isinstance(self.size, str):
            if self.size != FULL_SIZE and not ROWS_AND_COLUMNS.fullmatch(self.size):
                raise self._refusal("size", f"{FULL_SIZE!r}, a whole binning or ROWSxCOLUMNS such as 500x1000")
        else:
            self._check_whole("size", 1)
        if self.precision not in PRECISIONS:
            raise self._refusal("precision", f"one of {', '.join(PRECISIONS)}")
        for flag in ("augment", "keep_last"):
            if not isinstance(getattr(self, flag), bool):
                raise self._refusal(flag, "true or false")
        if not isinstance(self.degrade, str):
            raise self._refusal("degrade", "a text such as 'psf:3', empty for none")
        if self.degrade:
            parse_degradation(self.degrade)
        share = self.degrade_share
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
            raise self._refusal("degrade_share", "a number above 0 and at most 1")
        if share < 1 and not self.degrade:
            raise self._refusal("degrade_share", "1 where `degrade` does nothing")
        # Refuses losses that there are not.
        _ = self.label_loss
        if not isinstance(self.model, str):
            raise self._refusal("model", "the name of a model; `celestial models` lists them")
        if not isinstance(self.model_options, Mapping) or not all(
            isinstance(value, (bool, int, float, str)) for value in self.model_options.values()
        ):
            raise self._refusal("model_options", "a table of numbers, texts, true and false")
        get_model(self.model).check_options(self.model_options)

    @property
    def reading_size(self) -> Size:
        """`size` as frames are read by it: a whole binning, 1 at full size, or rows and columns."""
        if not isinstance(self.size, str):
            return self.size
        if self.size == FULL_SIZE:
            return 1
        rows, columns = self.size.split("x")
        return int(rows), int(columns)

    @property
    def label_loss(self) -> LabelLoss:
        """The loss against the labels in training.

        Raises:
            RunError: `focal_gamma` or `label_smoothing` is out of its range, or both are given.
        """
        return LabelLoss(self.focal_gamma, self.label_smoothing)

    def input_shape(self, frame_shape: tuple[int, int]) -> tuple[int, int, int]:
        """`(height, width, 1)` of the network's input.

        Args:
            frame_shape: Rows and columns of the data set's frames, pixels.

        Raises:
            DatasetError: They cannot be brought to `size`.
        """
        return (*resized_shape(frame_shape, self.reading_size), 1)

    def to_toml(self) -> str:
        """The options as TOML that `load_options` reads back; the data path is made absolute."""
        lines = []
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name != "model_options":
                lines.append(f"{one.name} = {_toml(value)}")
        lines += ["", "[model_options]"]
        lines += [f"{name} = {_toml(value)}" for name, value in self.model_options.items()]
        return "\n".join(lines) + "\n"

    def _check_whole(self, name: str, lowest: int, highest: int | None = None) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < lowest or value > (highest or value):
            upper = f" and at most {highest}" if highest else ""
            raise self._refusal(name, f"a whole number of at least {lowest}{upper}")

    def _refusal(self, name: str, rule: str) -> RunError:
        return RunError(f"`{name}` must be {rule}. Received: {name}={getattr(self, name)!r}")


def load_options(
    path: str | Path, defaults: Mapping[str, Any] | None = None, overrides: Mapping[str, Any] | None = None
) -> TrainOptions:
    """Reads options from a TOML file, such as the `config.toml` of a run.

    Args:
        path: The file. A relative `data` is taken from the working directory.
        defaults: Options for keys that the file leaves out, before those of `TrainOptions`.
        overrides: Options that go before the file's; `model_options` are merged name by name.

    Returns:
        The options.

    Raises:
        RunError: The file is missing or not TOML, a key is unknown (the nearest known one is offered) or missing, or
            a value is refused.
        ModelError: The model, or one of its options, is unknown.
    """
    path = Path(path)
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{path}: no such file; `celestial train --data DATA` needs none") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RunError(f"{path}: cannot be read as TOML ({error})") from error
    known = [one.name for one in fields(TrainOptions)]
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known)
            raise RunError(f"{path}: no option `{name}`{hint}; known are {', '.join(known)}. Received: {name}")
    overrides = dict(overrides or {})
    model_options = {**given.get("model_options", {}), **overrides.pop("model_options", {})}
    given = {**(defaults or {}), **given, **overrides, "model_options": model_options}
    if "data" not in given:
        raise RunError(f"{path}: `data` is missing; give the path of a data set folder")
    if isinstance(given["data"], str):
        given["data"] = Path(given["data"])
    try:
        return TrainOptions(**given)
    except RunError as error:
        raise RunError(f"{path}: {error}") from error


def _toml(value: Any) -> str:
    if isinstance(value, Path):
        value = str(value.resolve())
    if isinstance(value, bool):
        return str(value).lower()
    # A JSON text is a TOML basic string, but for DEL, which JSON leaves bare.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else repr(value)
