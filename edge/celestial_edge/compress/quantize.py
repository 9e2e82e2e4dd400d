"""Run -> artifacts: calibrated on balanced training frames, judged against the float model on validation frames."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from celestial_edge.card import (
    Card,
    GoldenFrames,
    InputContract,
    hash_files,
    write_card,
    write_golden,
)
from celestial_edge.compress.network import Network
from celestial_edge.device.runtime import Classifier
from celestial_edge.recipes import FLOAT32, LAYOUTS, STATIC_INT8, WHOLE
from celestialkeras.errors import ExportError, QualityGateError
from celestialkeras.evaluation.evaluate import FrameBatch, evaluate, frame_batches
from celestialkeras.evaluation.gate import Judgement, Outcome, compare, judge
from celestialkeras.evaluation.metrics import Evaluation
from celestialkeras.evaluation.predictor import KerasPredictor, binning_of, load_model
from celestialkeras.evaluation.report import judgement_to_json, to_json
from celestialkeras.files import PARTIAL_PREFIX, discard_partials, sha256_of, user_rights
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.lcid.shards import Record

_TOOLS = ("celestialkeras", "tensorflow", "keras", "ai-edge-quantizer", "ai-edge-litert")


@dataclass(frozen=True)
class QuantizeOptions:
    """How to quantize.

    Attributes:
        calibration_frames: Training frames that the activations' ranges come from, at most.
        max_drop: Loss of accuracy that is allowed, percentage points.
        seed: Seed of the choice of calibration frames.
        threads: Threads of the interpreter when the artifacts are evaluated.
        layout: How the artifacts are laid out, one of `LAYOUTS`. A model that cannot be lowered gets `plain` for
            `whole`.
    """

    calibration_frames: int = 32
    max_drop: float = 1.0
    seed: int = 0
    threads: int = 2
    layout: str = WHOLE

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ValueError(f"`layout` must be one of {', '.join(LAYOUTS)}. Received: layout={self.layout!r}")


@dataclass(frozen=True, eq=False)
class QuantizeResult:
    """What came out.

    Attributes:
        artifact: Folder of the int8 artifact.
        float_artifact: Folder of the float32 artifact of the same model, to compare with.
        judgement: What the gate said of the drop on the validation split.
        float_evaluation: The Keras model on the validation split.
        int8_evaluation: The int8 artifact on the same frames.
    """

    artifact: Path
    float_artifact: Path
    judgement: Judgement
    float_evaluation: Evaluation
    int8_evaluation: Evaluation


def quantize_int8(
    model_path: str | Path,
    dataset: LcidDataset,
    folder: str | Path,
    options: QuantizeOptions | None = None,
) -> QuantizeResult:
    """Makes a static int8 artifact of a Keras model, and a float32 one beside it.

    Args:
        model_path: The `.keras` file.
        dataset: The data set that the model was trained on.
        folder: Where the artifacts go, each to a subfolder named by its recipe; replaced if they exist.
        options: How to quantize.

    Returns:
        Both artifacts and what was measured.

    Raises:
        ModelError: The model cannot be loaded, or is not built for a whole binning of the data set's frames.
        ExportError: The model cannot be converted, or the data set lacks training or validation frames.
        QualityGateError: The drop is beyond `max_drop`; no artifact is left under the final name.
    """
    options = options or QuantizeOptions()
    model_path, folder = Path(model_path), Path(folder)
    model = load_model(model_path)
    binning = binning_of(model, dataset.shape)
    calibration = balanced_frames(dataset.records("train"), options.calibration_frames, options.seed)
    validation = dataset.records("validation")
    if not calibration or not validation:
        missing = "training" if not calibration else "validation"
        raise ExportError(f"{dataset.folder}: has no {missing} frames; build it with a share for each side")
    provenance = {
        "model_sha256": sha256_of(model_path),
        "data_sha256": dataset.digest,
        "calibration_sha256": _calibration_digest(calibration),
        "calibration_frames": len(calibration),
        "versions": {name: version(name) for name in _TOOLS},
    }
    contract = InputContract(dataset.shape, binning, "float32", dataset.stretch)
    first = [next((r for r in validation if r.observation.label == label), None) for label in LABELS]
    golden_records = [record for record in first if record is not None]
    (golden,) = frame_batches(dataset, golden_records, binning, batch_size=len(golden_records))
    discard_partials(folder)
    before = evaluate(KerasPredictor(model), frame_batches(dataset, validation, binning))
    network = Network(model, [dataset.codes(record, binning) for record in calibration], options.layout)

    # Both take their names together: a half-done run must not leave artifacts of two models side by side.
    with _replacing_folder(folder / FLOAT32) as partial_float, _replacing_folder(folder / STATIC_INT8) as partial:
        card = Card(model.name, FLOAT32, contract, 1.0, {}, provenance, {"before": to_json(before)})
        _write(partial_float, card, network, golden, options.threads)
        card = Card(model.name, STATIC_INT8, replace(contract, dtype="int8"), 1.0, {}, provenance, {})
        card, classifier = _write(partial, card, network, golden, options.threads)
        after = evaluate(classifier, frame_batches(dataset, validation, binning))
        judgement = judge(compare(before.predictions, after.predictions), options.max_drop)
        if judgement.outcome is Outcome.FAIL:
            # Those of an earlier model would pass for this one's.
            for recipe in (FLOAT32, STATIC_INT8):
                shutil.rmtree(folder / recipe, ignore_errors=True)
            raise QualityGateError(f"{model_path}: {judgement.reason}; no artifact was left under its name")
        accuracy = {"before": to_json(before), "after": to_json(after), "gate": judgement_to_json(judgement)}
        write_card(partial, replace(card, accuracy=accuracy))
    return QuantizeResult(folder / STATIC_INT8, folder / FLOAT32, judgement, before, after)


def balanced_frames(records: Sequence[Record], count: int, seed: int) -> list[Record]:
    """Draws frames in turn from each class and instrument, so that none sets the ranges alone.

    Args:
        records: What to draw from.
        count: How many, at most.
        seed: Seed of the draw.

    Returns:
        Up to `count` different records.
    """
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        groups[record.observation.label, record.observation.instrument].append(record)
    rng = np.random.default_rng(seed)
    queues = [[groups[key][i] for i in rng.permutation(len(groups[key]))] for key in sorted(groups)]
    turns = (record for turn in itertools.zip_longest(*queues) for record in turn if record is not None)
    return list(itertools.islice(turns, count))


def _write(partial: Path, card: Card, network: Network, golden: FrameBatch, threads: int) -> tuple[Card, Classifier]:
    """Fills an artifact folder: what the golden frames must give is what the artifact gives here."""
    layout, segments = network.write(partial, card.recipe)
    card = replace(card, layout=layout, segments=segments)
    write_card(partial, replace(card, files=hash_files(partial)))
    classifier = Classifier(partial, threads)
    if left := classifier.undelegated():
        raise ExportError(f"XNNPACK does not take all of model {card.model!r}. Received: {', '.join(left)}")
    labels = np.array([observation.label_code for observation in golden.observations], np.int64)
    write_golden(partial, GoldenFrames(golden.codes, classifier.logits(golden.codes), labels))
    sealed = replace(card, files=hash_files(partial))
    write_card(partial, sealed)
    return sealed, classifier


def _calibration_digest(records: Sequence[Record]) -> str:
    text = "\n".join(f"{record.observation.obsid} {record.observation.hdu} {record.crc32}" for record in records)
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _replacing_folder(folder: Path) -> Iterator[Path]:
    """Gives a temporary folder beside `folder` that takes its name when the block ends well, and goes if not."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=PARTIAL_PREFIX, dir=folder.parent))
    try:
        yield partial
        partial.chmod(user_rights(0o777))
        if folder.exists():
            # A folder cannot be replaced in one step: for an instant there is none, never a half-written one.
            folder.rename(partial.with_suffix(".old"))
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(partial.with_suffix(".old"), ignore_errors=True)
