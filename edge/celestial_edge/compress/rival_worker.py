"""Another runtime in a process of its own, served and timed as `celestial_edge.device.bench_worker` does an artifact.

Each takes codes and gives logits, as an artifact does: what turning codes into its input costs counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from celestial_edge.device.bench_worker import Subject, serve
from celestialkeras.evaluation.predictor import LOGITS_LAYER, network_input

Codes = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]


def main(config: Mapping[str, Any]) -> None:
    """Serves a runtime.

    Args:
        config: `runtime`, its name; `model`, the file it loads; `frames`, the artifact whose golden frames are timed;
            `threads`; `cpus` to stay on, None for any.
    """

    def load() -> tuple[Subject, dict[str, Any]]:
        run, version = _LOADERS[config["runtime"]](config["model"], config["threads"])
        return _Rival(run), {"runtime": f"{config['runtime']} {version} float32"}

    serve(load, Path(config["frames"]), config["cpus"])


class _Rival:
    """A runtime as a subject of a benchmark; it knows no FITS files and has no parts."""

    def __init__(self, run: Callable[[Codes], Logits]) -> None:
        self._run = run
        self.parts_ms: Mapping[str, float] = {}

    def logits(self, codes: Codes) -> Logits:
        return self._run(codes)

    def classify(self, source: str, hdu: int) -> NoReturn:
        raise NotImplementedError(f"other runtimes are given codes. Received: {source}, HDU {hdu}")


def _onnxruntime(model: str, threads: int) -> tuple[Callable[[Codes], Logits], str]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    return lambda codes: np.asarray(
        session.run([LOGITS_LAYER], {entry.name: network_input(codes)})[0]
    ), onnxruntime.__version__


def _openvino(model: str, threads: int) -> tuple[Callable[[Codes], Logits], str]:
    openvino: Any = import_module("openvino")
    how = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", how)
    return lambda codes: np.asarray(compiled([network_input(codes)])[compiled.output(0)]), openvino.__version__


def _keras(model: str, threads: int) -> tuple[Callable[[Codes], Logits], str]:
    from celestialkeras.backend import import_tensorflow

    tf = import_tensorflow("timing a Keras model")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    import keras

    from celestialkeras.evaluation.predictor import KerasPredictor

    return KerasPredictor(model).logits, f"{keras.__version__} on TensorFlow {tf.__version__}"


_LOADERS = {"onnxruntime": _onnxruntime, "openvino": _openvino, "keras": _keras}
