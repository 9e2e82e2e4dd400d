"""Run -> artifacts: calibrated on balanced training frames, judged against the float model on validation frames.

Two tools can quantize: TensorFlow's converter, while it converts, and ai-edge-quantizer, the float file that was
converted. Both were measured on celestialnet_edge, binned by 4, calibrated on 32 frames: the logits' root mean square
distance from Keras over 360 other frames (40 in int16), processor seconds, and memory on top of what loading TensorFlow
and the model takes. The margin between the logits varies by 3.5 over these frames (standard deviation).

    ==================  =====================  =====================================================
    recipe              converter              ai-edge-quantizer
    ==================  =====================  =====================================================
    float16             0.0024, 1.7 s, 48 MB   0.0009, 1.7 s, 67 MB
    dynamic_wi8_afp32   0.0444, 1.3 s, 47 MB   0.0467, 1.4 s, 67 MB
    static_wi8_ai8      0.1261, 2.7 s, 75 MB   0.1260, 3.1 s, 77 MB; own calibration 0.82, 2.4 s, 150 MB
    static_wi8_ai16     0.3317, 2.5 s, 71 MB   0.3275, 3.5 s, 77 MB; own calibration 0.99
    ==================  =====================  =====================================================

ai-edge-quantizer is taken for all of them, with our ranges (`ranges.py`) where there are any. It alone can be given
them, which is what makes the layouts agree to the bit and keeps calibration small at full size. It leaves the biases of
half precision in float32, which the converter rounds too. It also quantizes layers of fewer than 1024 weights, which
the converter leaves in float. Its own calibration averages the ends of the frames' ranges, and so cuts off the logits
of frames that are far from the average. The converter is left for int8 models that cannot be read as a graph of layers.
"""

from __future__ import annotations

import hashlib
import itertools
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from celestial_edge.card import Card, InputContract, hash_files, open_artifact, write_card
from celestial_edge.compress.network import Network, check_recipe
from celestial_edge.device.machine import describe_kernels
from celestial_edge.device.runtime import Classifier
from celestial_edge.device.trial import note_survivor
from celestial_edge.golden import GoldenFrames, write_golden
from celestial_edge.recipes import FLOAT32, LAYOUTS, RECIPES, STATIC_INT8, WHOLE
from celestial_edge.trust import Trust
from celestialkeras.errors import ExportError, QualityGateError
from celestialkeras.evaluation.evaluate import FrameBatch, evaluate, frame_batches
from celestialkeras.evaluation.gate import Judgement, Outcome, judge
from celestialkeras.evaluation.gate_report import judgement_to_json
from celestialkeras.evaluation.metrics import Evaluation
from celestialkeras.evaluation.paired import compare
from celestialkeras.evaluation.predictor import KerasPredictor, binning_of, load_model
from celestialkeras.evaluation.report import to_json
from celestialkeras.evaluation.temperature import TemperatureFit, fit_temperature
from celestialkeras.files import PARTIAL_PREFIX, discard_partials, sha256_of, user_rights
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.lcid.shards import Record

_TOOLS = ("celestialkeras", "tensorflow", "keras", "ai-edge-quantizer", "ai-edge-litert")


@dataclass(frozen=True)
class QuantizeOptions:
    """How to quantize.

    Attributes:
        recipe: How weights and activations are stored, the name of one of `RECIPES`.
        calibration_frames: Training frames that the activations' ranges come from, at most.
        max_drop: Loss of accuracy that is allowed, percentage points.
        allow_drop: Whether an artifact is kept whose loss is beyond `max_drop`; its card then says so.
        seed: Seed of the choice of calibration frames.
        threads: Threads of the interpreter when the artifacts are evaluated.
        layout: How the artifacts are laid out, one of `LAYOUTS`. A model that cannot be lowered gets `plain` for
            `whole`, and so does a recipe that XNNPACK does not compute.
        made_by: The command line that asked for it, for the card; empty where there was none.
        abstain: Least probability of a verdict of the artifacts, for their cards; None decides always.
    """

    recipe: str = STATIC_INT8
    calibration_frames: int = 32
    max_drop: float = 1.0
    allow_drop: bool = False
    seed: int = 0
    threads: int = 2
    layout: str = WHOLE
    made_by: str = ""
    abstain: float | None = None

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise ValueError(f"`recipe` must be one of {', '.join(RECIPES)}. Received: recipe={self.recipe!r}")
        if self.layout not in LAYOUTS:
            raise ValueError(f"`layout` must be one of {', '.join(LAYOUTS)}. Received: layout={self.layout!r}")
        if self.abstain is not None and not 0.5 <= self.abstain <= 1:
            raise ValueError(f"`abstain` must be a probability from 0.5 to 1. Received: abstain={self.abstain}")


@dataclass(frozen=True, eq=False)
class QuantizeResult:
    """What came out.

    Attributes:
        artifact: Folder of the artifact.
        float_artifact: Folder of the float32 artifact of the same model, to compare with; the same folder for recipe
            `float32`.
        judgement: What the gate said of the drop on the validation split. One that fails was overruled.
        before: The original Keras model on the validation split.
        after: The artifact on the same frames.
        float_fit: Temperature of the float artifact, fitted to the logits of the Keras model that it was made of.
        fit: Temperature of the artifact, fitted to its own logits.
    """

    artifact: Path
    float_artifact: Path
    judgement: Judgement
    before: Evaluation
    after: Evaluation
    float_fit: TemperatureFit
    fit: TemperatureFit


def make_artifacts(
    model_path: str | Path,
    dataset: LcidDataset,
    folder: str | Path,
    options: QuantizeOptions | None = None,
    original: str | Path | None = None,
) -> QuantizeResult:
    """Makes an artifact of a Keras model, and a float32 one beside it.

    Args:
        model_path: The `.keras` file.
        dataset: The data set that the model was trained on.
        folder: Where the artifacts go, each to a subfolder named by its recipe; replaced if they exist.
        options: How to quantize.
        original: The `.keras` file that the loss is judged against, where the model was trained on from it to be
            quantized; the model itself by default.

    Returns:
        Both artifacts and what was measured.

    Raises:
        ModelError: A model cannot be loaded, or is not built for a whole binning of the data set's frames.
        ExportError: The recipe does not suit the model, the model cannot be converted, or the data set lacks training
            or validation frames.
        QualityGateError: The drop is beyond `max_drop` and not allowed; no artifact is left under the final name.
    """
    options = options or QuantizeOptions()
    model_path, folder = Path(model_path), Path(folder)
    digest = sha256_of(model_path)
    model = load_model(model_path)
    check_recipe(model, options.recipe, options.layout)
    binning = binning_of(model, dataset.shape)
    calibration = balanced_frames(dataset.records("train"), options.calibration_frames, options.seed)
    validation = dataset.records("validation")
    if not calibration or not validation:
        missing = "training" if not calibration else "validation"
        raise ExportError(f"{dataset.folder}: has no {missing} frames; build it with a share for each side")
    provenance = {
        "model_sha256": digest,
        "original_sha256": sha256_of(Path(original)) if original else digest,
        "data_sha256": dataset.digest,
        "calibration_sha256": _calibration_digest(calibration),
        "calibration_frames": len(calibration),
        "made_by": options.made_by,
        "versions": {name: version(name) for name in _TOOLS},
        "kernels": describe_kernels(),
    }
    contract = InputContract(dataset.shape, binning, RECIPES[options.recipe].activations, dataset.stretch)
    card = Card(model.name, options.recipe, contract, 1.0, {}, provenance, {}, abstain=options.abstain)
    first = [next((r for r in validation if r.observation.label == label), None) for label in LABELS]
    golden_records = [record for record in first if record is not None]
    (golden,) = frame_batches(dataset, golden_records, binning, batch_size=len(golden_records))
    discard_partials(folder)
    before = evaluate(KerasPredictor(original or model), frame_batches(dataset, validation, binning))
    own = evaluate(KerasPredictor(model), frame_batches(dataset, validation, binning)) if original else before
    float_fit = fit_temperature(own.predictions)
    network = Network(model, [dataset.codes(record, binning) for record in calibration], options.layout)

    # Both take their names together: a half-done run must not leave artifacts of two models side by side.
    with ExitStack() as names:
        if options.recipe != FLOAT32:
            partial = names.enter_context(_replacing_folder(folder / FLOAT32))
            in_float = replace(contract, dtype=RECIPES[FLOAT32].activations)
            measured = {"before": to_json(before), "calibration": asdict(float_fit)}
            beside = replace(card, recipe=FLOAT32, input=in_float, temperature=float_fit.temperature, accuracy=measured)
            write_artifact(partial, beside, network, golden, options.threads)
        partial = names.enter_context(_replacing_folder(folder / options.recipe))
        card, classifier = write_artifact(partial, card, network, golden, options.threads)
        after = evaluate(classifier, frame_batches(dataset, validation, binning))
        judgement = judge(compare(before.predictions, after.predictions), options.max_drop)
        if judgement.outcome is Outcome.FAIL and not options.allow_drop:
            # Those of an earlier model would pass for this one's.
            for recipe in (FLOAT32, options.recipe):
                shutil.rmtree(folder / recipe, ignore_errors=True)
            raise QualityGateError(
                f"{model_path}: {judgement.reason}; no artifact was left under its name (--allow-drop keeps it)"
            )
        # Rounding moves the logits: an artifact has a temperature of its own.
        fit = fit_temperature(after.predictions)
        accuracy = {
            "before": to_json(before),
            "after": to_json(after),
            "gate": gate_to_json(judgement),
            "calibration": asdict(fit),
        }
        write_card(partial, replace(card, accuracy=accuracy, temperature=fit.temperature))
    return QuantizeResult(folder / options.recipe, folder / FLOAT32, judgement, before, after, float_fit, fit)


def gate_to_json(judgement: Judgement) -> dict[str, Any]:
    """What the gate said of an artifact that was kept: one that failed it was overruled."""
    return {**judgement_to_json(judgement), "overruled": judgement.outcome is Outcome.FAIL}


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


def write_artifact(
    partial: Path, card: Card, network: Network, golden: FrameBatch, threads: int
) -> tuple[Card, Classifier]:
    """Fills an artifact folder: what the golden frames must give is what the artifact gives here.

    Args:
        partial: The folder, empty.
        card: The card as far as it is known: without layout, segments and hashes.
        network: The network, which writes its graphs.
        golden: Frames of the network's size.
        threads: Threads of the interpreter.

    Returns:
        The card as it was written, and the artifact, loaded.

    Raises:
        ExportError: The model cannot be converted, or XNNPACK does not take all of it where the recipe promises that.
    """
    layout, segments = network.write(partial, card.recipe)
    card = replace(card, layout=layout, segments=segments)
    write_card(partial, replace(card, files=hash_files(partial)))
    classifier = Classifier(partial, threads, Trust(untried=True))
    if RECIPES[card.recipe].delegated and (left := classifier.undelegated()):
        raise ExportError(f"XNNPACK does not take all of model {card.model!r}. Received: {', '.join(left)}")
    labels = np.array([observation.label_code for observation in golden.observations], np.int64)
    write_golden(partial, GoldenFrames(golden.codes, classifier.logits(golden.codes), labels))
    sealed = replace(card, files=hash_files(partial))
    write_card(partial, sealed)
    with open_artifact(partial) as artifact:
        note_survivor(artifact)
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
