"""What is compared, as it is typed: `NAME:SETTING=VALUE,...` for a network to train, a path for a model that exists."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias

from celestialkeras.errors import ModelError, RunError
from celestialkeras.models.pretrained import FRESH, IMAGENET
from celestialkeras.models.registry import get_model, list_models
from celestialkeras.suggestions import did_you_mean
from celestialkeras.training.options import TrainOptions
from celestialkeras.training.run import did_you_mean_run

# What all networks of a comparison have in common, or what says which network it is.
_COMMON = ("data", "minutes", "seed", "model", "model_options")

TRAINING_SETTINGS = tuple(one.name for one in fields(TrainOptions) if one.name not in _COMMON)
"""Settings of an entry that are those of its training, such as `size` and `epochs`; all others are its network's."""

Settings: TypeAlias = dict[str, bool | int | float | str]
"""Settings by name."""


@dataclass(frozen=True)
class Network:
    """A registered network, to be trained.

    Attributes:
        name: As it is typed and shown, such as `hr_celestialnet:width=0.25,size=full`.
        options: How it is trained, with the comparison's first seed.
    """

    name: str
    options: TrainOptions


@dataclass(frozen=True)
class Existing:
    """A model that is judged as it is.

    Attributes:
        name: The path as it is typed and shown.
        path: The run, `.keras` file or artifact, absolute.
        sha256: Of the `.keras` file or the artifact's card.
    """

    name: str
    path: Path
    sha256: str


Entry: TypeAlias = Network | Existing
"""One of what is compared."""


def names_network(text: str) -> bool:
    """Whether an entry is a registered network; any other one is a path.

    A folder that is called as a network is written with its path, `./alexnet`.

    Raises:
        ModelError: It is neither, nor a path that exists.
    """
    name, colon, _ = text.partition(":")
    if name in list_models():
        return True
    if Path(text).exists():
        return False
    if colon or not ("/" in text or Path(text).suffix):
        raise ModelError(
            f"an entry must be a network, NAME or NAME:SETTING=VALUE,..., or the path of a run, a .keras file or an"
            f" artifact{did_you_mean(name, list_models())}; networks are {', '.join(list_models())}. Received: {text!r}"
        )
    hint = did_you_mean_run(Path(text))
    raise ModelError(f"no such run, .keras file or artifact{hint}; `celestial train` makes a run. Received: {text!r}")


def parse_network(text: str, common: Mapping[str, Any]) -> Network:
    """Reads an entry that is a network.

    Args:
        text: `NAME` or `NAME:SETTING=VALUE,...`, such as `alexnet:size=512x1024,epochs=12`. Settings are those of the
            training (`TRAINING_SETTINGS`) and the options of the network.
        common: Training options for what the entry leaves open, `data` among them.

    Raises:
        ModelError: The network, or one of its options, is unknown.
        RunError: A setting is unknown, given twice, not written NAME=VALUE, or its value is refused.
        DatasetError: There is no such degradation.
    """
    name, _, rest = text.partition(":")
    options = get_model(name).options
    known = (*TRAINING_SETTINGS, *options)
    given = parse_settings(
        rest, known, f"{name} takes {', '.join(options) or 'none'}; training takes {', '.join(TRAINING_SETTINGS)}"
    )
    training = {key: value for key, value in given.items() if key in TRAINING_SETTINGS}
    network = {key: value for key, value in given.items() if key not in TRAINING_SETTINGS}
    weights = network.get("weights", FRESH)
    if weights not in (FRESH, IMAGENET):
        # The training runs in another process, and may be taken up from another folder.
        network["weights"] = str(Path(str(weights)).resolve())
    try:
        return Network(text, TrainOptions(**{**common, **training, "model": name, "model_options": network}))
    except RunError as error:
        raise RunError(f"{text}: {error}") from error


def parse_settings(text: str, known: Collection[str] = TRAINING_SETTINGS, accepted: str = "") -> Settings:
    """Reads `SETTING=VALUE,...`.

    Args:
        text: The settings; empty for none. Dashes in names count as underscores.
        known: Names that are accepted.
        accepted: What is accepted, in words for messages; by default the names.

    Returns:
        Whole numbers, numbers, `true` and `false` as such, all else as text.

    Raises:
        RunError: A setting is unknown (the nearest known one is offered), given twice, or not written NAME=VALUE.
    """
    accepted = accepted or f"known are {', '.join(known)}"
    found: Settings = {}
    for part in text.split(",") if text else ():
        name, equals, value = part.strip().partition("=")
        name = name.strip().replace("-", "_")
        if not name or not equals or not value.strip():
            raise RunError(f"a setting must be written NAME=VALUE; {accepted}. Received: {part!r} in {text!r}")
        if name not in known:
            hint = did_you_mean(name, known)
            raise RunError(f"no setting `{name}`{hint}; {accepted}. Received: {part.strip()}")
        if name in found:
            raise RunError(f"`{name}` is set twice. Received: {text!r}")
        found[name] = read_value(value.strip())
    return found


def read_value(text: str) -> bool | int | float | str:
    """A setting's value as it is typed: whole numbers, numbers, `true` and `false` as such, all else as text."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
