"""Other runtimes that a user might take instead of LiteRT, prepared for a benchmark beside artifacts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from celestial_edge.card import read_card
from celestial_edge.compress.onnx_export import convert
from celestial_edge.device.bench_options import BenchOptions
from celestial_edge.device.bench_process import Task
from celestial_edge.device.bench_report import NotRun
from celestialkeras.errors import ModelError
from celestialkeras.evaluation.predictor import load_model

_INSTALLED_BY = {
    "onnxruntime": "pip install 'celestialkeras[onnx]'",
    "openvino": "pip install openvino",
    "keras": "pip install 'celestialkeras[train]'",
}

_FROM_ONNX = ("onnxruntime", "openvino")


@dataclass(frozen=True)
class PreparedRivals:
    """Runtimes that were asked for.

    Attributes:
        tasks: Those that can be timed.
        missing: Those that are not installed.
    """

    tasks: tuple[Task, ...]
    missing: tuple[NotRun, ...]


@contextmanager
def prepare_rivals(
    runtimes: Sequence[str], model: Path, artifact: Path, options: BenchOptions
) -> Iterator[PreparedRivals]:
    """Prepares a model for other runtimes, in float32, as it was trained.

    Args:
        runtimes: Names, of `celestial_edge.device.bench_options.RIVALS`.
        model: The `.keras` file.
        artifact: The artifact whose golden frames they are timed on.
        options: How to measure.

    Yields:
        What can be timed, as long as the block runs: its files are temporary.

    Raises:
        ModelError: The model cannot be loaded, or takes frames of another size than the artifact.
        ExportError: The model cannot be converted to ONNX.
        MissingExtraError: A runtime that is installed takes ONNX, and the packages that make it are not.
    """
    missing = [name for name in runtimes if find_spec(name) is None]
    found = [name for name in runtimes if name not in missing]
    with tempfile.TemporaryDirectory() as folder:
        files = dict.fromkeys(found, model)
        if found:
            loaded = load_model(model)
            wanted, given = read_card(artifact).input.model_shape, tuple(loaded.inputs[0].shape[1:3])
            if given != wanted:
                raise ModelError(f"{model}: must take frames of {wanted}, as {artifact} does. Received: {given}")
            if any(name in _FROM_ONNX for name in found):
                onnx = Path(folder) / "model.onnx"
                onnx.write_bytes(convert(loaded).SerializeToString())
                files.update({name: onnx for name in found if name in _FROM_ONNX})
        yield PreparedRivals(
            tuple(_task(name, file, model, artifact, options) for name, file in files.items()),
            tuple(NotRun(str(model), name, "load", f"not installed: {_INSTALLED_BY[name]}") for name in missing),
        )


def _task(name: str, file: Path, model: Path, artifact: Path, options: BenchOptions) -> Task:
    config = {"runtime": name, "model": str(file), "frames": str(artifact)}
    return Task(
        subject=str(model),
        title=name,
        module="celestial_edge.compress.rival_worker",
        config={**config, "threads": options.threads, "cpus": options.cpus},
        rival=True,
    )
