"""Runs that are made from another model: what was done to which parent, and the network that training starts from."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celestialkeras.errors import RunError
from celestialkeras.files import PARTIAL_PREFIX, replacing, sha256_of, write_text
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.models.cost import registered_cost
from celestialkeras.training.observer import Outcome
from celestialkeras.training.options import TrainOptions
from celestialkeras.training.run import RUNS, Run, check_new_run, create_run
from celestialkeras.training.schedule import class_weights
from celestialkeras.training.strip_stem import check_stem

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Derivation:
    """How a run was made from a model.

    Attributes:
        verb: What was done: `prune`, `factorize`, `distil` or `qat`.
        options: What the verb was asked, plain JSON values.
        parent: Path of the parent's `.keras` file, absolute.
        parent_sha256: SHA-256 of that file.
        figures: What the verb measured before and after, plain JSON values; empty if nothing.
    """

    verb: str
    options: Mapping[str, Any]
    parent: str
    parent_sha256: str
    figures: Mapping[str, Any]


def derive_run(
    parent_model: Path,
    options: TrainOptions,
    derivation: Derivation,
    model: keras.Model | None,
    name: str | None = None,
    runs: Path = RUNS,
) -> Run:
    """Makes the run folder of what a verb made of a model, and points `latest` at it.

    Args:
        parent_model: The parent's `.keras` file, which `derivation` must be of.
        options: How the run is trained: the parent's, with epochs, learning rate and minutes of the fine-tuning. With
            a `model`, precision becomes float32, in which every saved model computes.
        derivation: What was done.
        model: The network that training starts from; None for fresh weights of the registered model.
        name: Name of the run; by default the model's name and the time.
        runs: Folder of runs.

    Returns:
        A run to give to `training.loop.train` or `finish_without_training`.

    Raises:
        DatasetError: There is no such data set.
        ModelError: Without a `model`: the registered one does not take frames of the chosen size. The network cannot be
            trained in strips, and is to be.
        RunError: The parent is no longer the file of the derivation, `model` is not built for frames of the chosen
            size, a class has no training frames, or the name is not allowed or taken.
    """
    check_new_run(name, runs)
    if (found := sha256_of(parent_model)) != derivation.parent_sha256:
        raise RunError(
            f"{parent_model}: has changed since it was read; do the step again."
            f" Received: SHA-256 {found}, expected {derivation.parent_sha256}"
        )
    dataset = open_dataset(options.data)
    class_weights(dataset)
    input_shape = options.input_shape(dataset.shape)
    if model is None:
        registered_cost(options.model, input_shape, **options.model_options)
    elif model.input_shape[1:] != input_shape:
        raise RunError(
            f"model {model.name!r} is not built for frames of {input_shape[0]} x {input_shape[1]} pixels; choose `size`"
            f" accordingly. Received: size={options.size}, a model that takes {model.input_shape[1:]}"
        )
    else:
        options = replace(options, precision="float32")
    check_stem(options, dataset.shape, model)
    runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=PARTIAL_PREFIX, dir=runs) as folder:
        extra = Run(Path(folder))
        write_text(extra.derivation, json.dumps(asdict(derivation), indent=1, allow_nan=False) + "\n")
        if model is not None:
            model.save(extra.start)
        return create_run(options, dataset.digest, runs, name, contents=extra.folder)


def read_derivation(run: Run) -> Derivation | None:
    """How a run was made from a model; None for a run that `celestial train` made.

    Raises:
        RunError: `derivation.json` cannot be read or is not what a verb wrote.
    """
    try:
        return Derivation(**json.loads(run.derivation.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{run.derivation}: not what a verb wrote ({error}); do the step again") from error


def finish_without_training(run: Run) -> None:
    """Makes the network that a derived run starts from its model, after 0 epochs.

    Args:
        run: From `derive_run`, with a model.

    Raises:
        RunError: The run has no network to start from.
    """
    if not run.start.is_file():
        raise RunError(f"{run.folder}: nothing to keep without training, it has no {run.start.name}")
    with replacing(run.model) as partial:
        shutil.copyfile(run.start, partial)
    outcome = Outcome(epochs=0, best_epoch=0, best_validation_loss=None, ended_by="epochs")
    write_text(run.outcome, json.dumps(asdict(outcome), indent=1) + "\n")
