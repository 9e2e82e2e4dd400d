"""How sure a run's model is: its temperature, fitted on the validation side and kept in `calibration.json`."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from celestialkeras.errors import RunError
from celestialkeras.files import sha256_of, write_text
from celestialkeras.lcid.dataset import LcidDataset, open_dataset
from celestialkeras.training.run import Run

if TYPE_CHECKING:
    from celestialkeras.evaluation.temperature import TemperatureFit

CALIBRATION_SCHEMA = "celestialkeras.calibration/1"
"""Name and version of `calibration.json`; others are refused."""


def calibrate_run(run: Run, dataset: LcidDataset | None = None) -> TemperatureFit | None:
    """Fits the temperature of a run's model on validation frames, and keeps it in the run.

    Args:
        run: A run with a model.
        dataset: The data set whose validation frames are taken; by default the run's own.

    Returns:
        The fit; None where there are no validation frames, and `calibration.json` then goes.

    Raises:
        RunError: The run has no model yet.
        DatasetError: The data set is missing or altered.
        ModelError: The model cannot be used, or does not take frames of that size.
        MissingExtraError: TensorFlow or scikit-learn is not installed.
    """
    from celestialkeras.evaluation.evaluate import evaluate, frame_batches
    from celestialkeras.evaluation.predictor import KerasPredictor, load_model, reading_size
    from celestialkeras.evaluation.temperature import fit_temperature

    source = run.require_model()
    dataset = dataset or open_dataset(run.options().data)
    records = dataset.records("validation")
    run.calibration.unlink(missing_ok=True)
    if not records:
        return None
    digest, model = sha256_of(source), load_model(source)
    batches = frame_batches(dataset, records, reading_size(model, dataset.shape))
    fit = fit_temperature(evaluate(KerasPredictor(model), batches).predictions)
    held = {
        "schema": CALIBRATION_SCHEMA,
        "what": "logits divided by `temperature` before the softmax, which was fitted for least log loss on validation"
        " frames; expected calibration error and Brier score, fractions, and log loss, nats, before and after on them",
        "model_sha256": digest,
        "data_sha256": dataset.digest,
        "split": "validation",
        **asdict(fit),
    }
    write_text(run.calibration, json.dumps(held, indent=1, allow_nan=False) + "\n")
    return fit


@dataclass(frozen=True)
class KeptTemperature:
    """What `calibration.json` says of a model.

    Attributes:
        temperature: What its logits are divided by.
        frames: Validation frames that it was fitted on.
        reason: Why it is 1; empty where it was fitted.
    """

    temperature: float
    frames: int
    reason: str


def read_temperature(model: Path) -> float | None:
    """The temperature of a `.keras` file alone; see `read_calibration`."""
    kept = read_calibration(model)
    return None if kept is None else kept.temperature


def read_calibration(model: Path) -> KeptTemperature | None:
    """The temperature of a `.keras` file, from the run that it is the model of.

    Args:
        model: The file.

    Returns:
        It; None where none is kept beside the file, or the one that is kept was fitted to another model.

    Raises:
        RunError: `calibration.json` cannot be read, or is not what `calibrate_run` writes.
    """
    path = Run(model.parent).calibration
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        if held["schema"] != CALIBRATION_SCHEMA:
            raise ValueError(f"its schema is not {CALIBRATION_SCHEMA}")
        kept = KeptTemperature(float(held["temperature"]), int(held["frames"]), str(held["reason"]))
        digest = str(held["model_sha256"])
        if not 0 < kept.temperature < math.inf:
            raise ValueError(f"temperature={kept.temperature}")
    except FileNotFoundError:
        return None
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{path}: not a calibration that can be read ({error!r}); `celestial evaluate --calibrate` makes it anew"
        ) from error
    return kept if sha256_of(model) == digest else None
