"""What quantization-aware training wins back: accuracies in float32, static int8, and int8 after training for it.

    python benchmarks/bench_qat.py DATA [--size 16] [--epochs 15] [--qat-epochs 15] [--spread 128] [--seed 1] [--json]

A narrow celestialnet_edge is trained from nothing on the frames of DATA. As trained, it loses next to nothing in int8:
its activations are normalised, and what rounding adds is averaged away over the frame. So its channels are then spread:
each is made smaller by a factor of its own, up to SPREAD, and the next layer's weights larger by the same. A network of
ReLUs computes the same function whatever these factors are; but all channels of a layer share one int8 scale, and those
that are small against the largest lose their steps. Training with the rounding finds weights that do without them.

Accuracies are those of the artifacts as they run on a board, on the test frames, which neither training, calibration
nor the choice of the best epoch has seen; drops against float32 are on the same frames, with Tango's interval.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import numpy as np

from celestial_edge.compress.qat import QatOptions, fine_tune
from celestial_edge.compress.quantize import QuantizeOptions, make_artifacts
from celestial_edge.device.runtime import Classifier
from celestialkeras.backend import import_tensorflow
from celestialkeras.evaluation.evaluate import evaluate, frame_batches
from celestialkeras.evaluation.paired import compare
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.evaluation.predictor import KerasPredictor, Predictor, binning_of, load_model
from celestialkeras.lcid.dataset import LcidDataset, open_dataset
from celestialkeras.training.options import TrainOptions

WIDTH = 0.25
"""Factor on the filters of the network."""


def train_float(data: Path, size: int, epochs: int, seed: int, folder: Path) -> Any:
    """A celestialnet_edge that was trained from nothing."""
    from celestialkeras.training.loop import start_run, train

    options = TrainOptions(
        data, model_options={"width": WIDTH}, epochs=epochs, batch_size=16, learning_rate=2e-3, size=size, seed=seed
    )
    run = start_run(options, folder)
    train(run)
    return load_model(run.model)


def spread_channels(model: Any, spread: float, seed: int) -> Any:
    """The same function with channels of each layer up to `spread` times smaller, evenly in the logarithm."""
    import keras

    spread_model = keras.models.clone_model(model)
    spread_model.set_weights(model.get_weights())
    rng = np.random.default_rng(seed)
    convolutions = [layer.name for layer in model.layers if layer.name.endswith("_conv")]
    for name, after in pairwise(convolutions):
        norm, conv = (spread_model.get_layer(one) for one in (name.replace("_conv", "_bn"), after))
        factor = spread ** -rng.random(norm.gamma.shape[0])
        norm.gamma.assign(norm.gamma * factor)
        norm.beta.assign(norm.beta * factor)
        conv.kernel.assign(conv.kernel / factor[:, np.newaxis])
    return spread_model


def test_predictions(predictor: Predictor, dataset: LcidDataset, binning: int) -> Predictions:
    """What a predictor says of the test frames."""
    return evaluate(predictor, frame_batches(dataset, dataset.records("test"), binning)).predictions


def int8_predictions(model: Any, dataset: LcidDataset, seed: int, folder: Path) -> Predictions:
    """What the int8 artifact of a model says of the test frames; the seed is that of the calibration frames."""
    folder.mkdir()
    path = folder / "model.keras"
    model.save(path)
    options = QuantizeOptions(allow_drop=True, seed=seed)
    artifact = make_artifacts(path, dataset, folder / "artifacts", options).artifact
    return test_predictions(Classifier(artifact), dataset, binning_of(model, dataset.shape))


def row(name: str, in_float: Predictions, measured: Predictions) -> dict[str, Any]:
    """Accuracy, and the drop against float32 with its interval, in percent and points."""
    comparison = compare(in_float, measured)
    interval = comparison.interval
    return {
        "network": name,
        "frames": comparison.n,
        "accuracy": 100 * comparison.accuracy_b,
        "drop": 100 * comparison.drop,
        "interval": [100 * interval.low, 100 * interval.high],
        "agreement": 100 * comparison.agreement,
    }


def measure(data: Path, size: int, epochs: int, options: QatOptions, spread: float, folder: Path) -> dict[str, Any]:
    """Trains, spreads, trains for int8, and evaluates each."""
    dataset = open_dataset(data)
    times = [time.perf_counter()]
    trained = train_float(data, size, epochs, options.seed, folder / "runs")
    times.append(time.perf_counter())
    in_float = test_predictions(KerasPredictor(trained), dataset, size)
    rows = [
        row("float32, as trained", in_float, in_float),
        row("int8, as trained", in_float, int8_predictions(trained, dataset, options.seed, folder / "trained")),
    ]
    wide = spread_channels(trained, spread, options.seed)
    rows += [
        row("float32, spread", in_float, test_predictions(KerasPredictor(wide), dataset, size)),
        row("int8, spread", in_float, int8_predictions(wide, dataset, options.seed, folder / "spread")),
    ]
    times.append(time.perf_counter())
    tuned = fine_tune(wide, dataset, options)
    times.append(time.perf_counter())
    rows += [
        row("float32, spread and trained for int8", in_float, test_predictions(KerasPredictor(tuned), dataset, size)),
        row(
            "int8, spread and trained for int8",
            in_float,
            int8_predictions(tuned, dataset, options.seed, folder / "tuned"),
        ),
    ]
    frames = {split: len(dataset.records(split)) for split in ("train", "validation", "test")}
    seconds = {"training": times[1] - times[0], "training_for_int8": times[3] - times[2]}
    settings = {"width": WIDTH, "size": size, "spread": spread, "epochs": epochs, "qat": asdict(options)}
    return {"frames": frames, "settings": settings, "rows": rows, "seconds": seconds}


@click.command(help=__doc__)
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--size", type=click.IntRange(1), default=16, show_default=True, help="Binning of the frames.")
@click.option("--epochs", type=click.IntRange(1), default=15, show_default=True, help="Of training from nothing.")
@click.option("--qat-epochs", type=click.IntRange(1), default=15, show_default=True, help="Of training for int8.")
@click.option("--spread", type=click.FloatRange(1), default=128, show_default=True, help="Most that a channel shrinks.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of training, factors, calibration.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(data: Path, size: int, epochs: int, qat_epochs: int, spread: float, seed: int, as_json: bool) -> None:
    """Trains and measures, and prints the accuracies."""
    import_tensorflow("the study of quantization-aware training")
    options = QatOptions(epochs=qat_epochs, learning_rate=1e-3, batch_size=16, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(data, size, epochs, options, spread, Path(folder))
    if as_json:
        print(json.dumps(result, indent=1))
        return
    print("frames: " + ", ".join(f"{count} {split}" for split, count in result["frames"].items()))
    for one in result["rows"]:
        low, high = one["interval"]
        drop = f"drop {one['drop']:+5.1f} points ({low:+5.1f} to {high:+5.1f})"
        print(f"{one['network']:38} {one['accuracy']:5.1f} %, {drop}, agreement {one['agreement']:5.1f} %")


if __name__ == "__main__":
    main()
