"""What was found of one trial: its logits on the clear and the blurry frames, its time and what its training took."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from celestialkeras.comparison.training import Training
from celestialkeras.errors import DatasetError, ModelError, RunError
from celestialkeras.evaluation.evaluate import evaluate, frame_batches
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.evaluation.predictor import Predictor
from celestialkeras.files import write_text
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.variants import Size
from celestialkeras.models.cost import Cost

RESULT_SCHEMA = "celestialkeras.comparison-result/1"
"""Name and version of a result's file; others are refused."""


@dataclass(frozen=True)
class Subject:
    """A model, opened.

    Attributes:
        predictor: What gives the logits.
        size: At which size it takes frames.
        kind: `run`, `model` or `artifact`.
        cost: Size and work of its Keras model; None where that is not at hand.
        training: What its training took; None where it has no finished run.
        source: The file that was opened, or the artifact's folder.
        sha256: Of the `.keras` file or the artifact's card.
    """

    predictor: Predictor
    size: Size
    kind: str
    cost: Cost | None
    training: Training | None
    source: Path
    sha256: str


@dataclass(frozen=True, eq=False)
class Result:
    """What was found of one trial.

    Attributes:
        kind: `network`, `run`, `model` or `artifact`.
        source: Path of the model that was judged.
        sha256: Of the `.keras` file or the artifact's card.
        clear: Predictions on the clear frames.
        blurry: Predictions on the blurry ones; None where there are none.
        milliseconds: Milliseconds a frame in a batch of one, median over the clear frames, the first excluded; None
            with a single frame.
        parameters: Weights that training changes; None where that is not known. So are the others.
        macs: Multiply-accumulate operations for one frame.
        training: What its training took.
    """

    kind: str
    source: str
    sha256: str
    clear: Predictions
    blurry: Predictions | None
    milliseconds: float | None
    parameters: int | None
    macs: int | None
    training: Training | None


def judge_subject(subject: Subject, clear: LcidDataset, blurry: LcidDataset | None, network: bool) -> Result:
    """Runs a model over the test side, frame by frame.

    Args:
        subject: The model.
        clear: Data set of the clear frames.
        blurry: Data set of the blurry ones.
        network: Whether it was trained for the comparison.

    Raises:
        DatasetError: Frames cannot be read.
        ModelError: The model refuses the frames.
    """

    def run_over(dataset: LcidDataset) -> tuple[Predictions, float | None]:
        batches = frame_batches(dataset, dataset.records("test"), subject.size, batch_size=1)
        found = evaluate(subject.predictor, batches)
        return found.predictions, found.timing.milliseconds

    predictions, milliseconds = run_over(clear)
    return Result(
        kind="network" if network else subject.kind,
        source=str(subject.source),
        sha256=subject.sha256,
        clear=predictions,
        blurry=run_over(blurry)[0] if blurry is not None else None,
        milliseconds=milliseconds,
        parameters=subject.cost.trainable if subject.cost else None,
        macs=subject.cost.macs if subject.cost else None,
        training=subject.training,
    )


def write_result(result: Result, path: Path) -> None:
    """Writes a result as JSON, whole or not at all; logits are written in full."""
    held = {
        "schema": RESULT_SCHEMA,
        **{name: getattr(result, name) for name in ("kind", "source", "sha256")},
        **{name: getattr(result, name) for name in ("milliseconds", "parameters", "macs")},
        "training": asdict(result.training) if result.training else None,
        "clear": result.clear.logits.tolist(),
        "blurry": result.blurry.logits.tolist() if result.blurry is not None else None,
    }
    write_text(path, json.dumps(held, allow_nan=False) + "\n")


def read_result(path: Path, clear: LcidDataset, blurry: LcidDataset | None) -> Result:
    """Reads what `write_result` wrote.

    Args:
        path: The file.
        clear: Data set of the clear frames, the same as then.
        blurry: Data set of the blurry ones.

    Raises:
        RunError: The file is not a result, or not one for these frames.
    """
    try:
        held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if held.pop("schema") != RESULT_SCHEMA:
            raise ValueError(f"its schema is not {RESULT_SCHEMA}")
        training, logits = held.pop("training"), {"clear": held.pop("clear"), "blurry": held.pop("blurry")}
        return Result(
            **held,
            clear=_predictions(clear, logits["clear"]),
            blurry=_predictions(blurry, logits["blurry"]) if blurry is not None else None,
            training=Training(**training) if training else None,
        )
    except (OSError, AttributeError, KeyError, TypeError, ValueError, DatasetError, ModelError) as error:
        raise RunError(f"{path}: not the result of a comparison ({error}); remove it and compare again") from error


def _predictions(dataset: LcidDataset, logits: Sequence[Sequence[float]]) -> Predictions:
    rows = tuple(record.observation for record in dataset.records("test"))
    return Predictions(rows, np.array(logits, np.float32))
