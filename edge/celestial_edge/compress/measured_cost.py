"""What versions of a network cost on a device: artifacts of each, timed against each other in fresh processes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celestial_edge.card import Card, InputContract
from celestial_edge.compress.magnitude import compressed_bytes
from celestial_edge.compress.network import Network
from celestial_edge.compress.quantize import balanced_frames, write_artifact
from celestial_edge.device.bench import bench
from celestial_edge.device.bench_options import BenchOptions
from celestial_edge.recipes import RECIPES, STATIC_INT8, WHOLE
from celestialkeras.errors import ExportError
from celestialkeras.evaluation.evaluate import frame_batches
from celestialkeras.evaluation.predictor import binning_of
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.models.cost import model_cost

# Time and memory do not depend on the ranges of an int8 graph: two frames give it some.
_CALIBRATION_FRAMES = 2


@dataclass(frozen=True)
class MeasuredCost:
    """What one network takes; from `file_mb` on, its static int8 artifact, which is what is deployed.

    Attributes:
        parameters: Number of all weights.
        macs: Multiply-accumulate operations for one frame.
        file_mb: Size of the `.tflite` file, MB (1e6 bytes).
        gzip_mb: The same, compressed by gzip.
        minimum_ms: Shortest time of an invoke, milliseconds: what a busy machine disturbs least.
        p50_ms: Median time.
        p90_ms: Time that nine invokes in ten do not exceed.
        peak_memory_mb: Most memory resident over the life of a process, the interpreter of Python included.
    """

    parameters: int
    macs: int
    file_mb: float
    gzip_mb: float
    minimum_ms: float
    p50_ms: float
    p90_ms: float
    peak_memory_mb: float


def measure_costs(
    models: Sequence[Any], dataset: LcidDataset, options: BenchOptions | None = None
) -> list[MeasuredCost]:
    """Measures versions of a network against each other, their turns interleaved.

    Args:
        models: Keras 3 models with a layer `logits`.
        dataset: Gives a few training frames, and says what size they have.
        options: How to time.

    Returns:
        One cost for each model, in order. The artifacts that were measured are gone.

    Raises:
        ModelError: A model is not built for a whole binning of the data set's frames.
        ExportError: A model cannot be converted, or the data set has no training frames.
    """
    options = options or BenchOptions()
    with tempfile.TemporaryDirectory() as root:
        folders = [Path(root) / str(number) for number in range(len(models))]
        for model, folder in zip(models, folders, strict=True):
            _write_artifact(model, dataset, folder, options.threads)
        report = bench(folders, options)
        return [
            MeasuredCost(
                parameters=counted.total,
                macs=counted.macs,
                file_mb=measured.file_mb,
                gzip_mb=sum(compressed_bytes(file) for file in folder.glob("*.tflite")) / 1e6,
                minimum_ms=measured.invoke.minimum,
                p50_ms=measured.invoke.p50,
                p90_ms=measured.invoke.p90,
                peak_memory_mb=measured.peak_memory_mb,
            )
            for counted, folder, measured in zip(map(model_cost, models), folders, report.artifacts, strict=True)
        ]


def _write_artifact(model: Any, dataset: LcidDataset, folder: Path, threads: int) -> None:
    binning = binning_of(model, dataset.shape)
    records = balanced_frames(dataset.records("train"), _CALIBRATION_FRAMES, seed=0)
    if not records:
        raise ExportError(f"{dataset.folder}: has no training frames; build it with a share for each side")
    (frames,) = frame_batches(dataset, records, binning, batch_size=len(records))
    folder.mkdir()
    contract = InputContract(dataset.shape, binning, RECIPES[STATIC_INT8].activations, dataset.stretch)
    card = Card(model.name, STATIC_INT8, contract, 1.0, {}, {}, {})
    write_artifact(folder, card, Network(model, list(frames.codes), WHOLE), frames, threads)
