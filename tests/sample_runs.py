"""A run's folder with all that the verbs leave in it, written by hand and by the code that judges models."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from celestialkeras.evaluation.assessment import Setting, assess
from celestialkeras.evaluation.assessment_report import assessment_to_json
from celestialkeras.evaluation.metrics import Resampling, score
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.files import sha256_of
from celestialkeras.lcid.manifest import Observation
from celestialkeras.report.dataset_view import DatasetView
from celestialkeras.report.pictures import picture_of_shades
from celestialkeras.training.options import TrainOptions
from celestialkeras.training.run import Run

HOSTILE = "<script>alert('x')</script>&\"NGC\" $1$"
"""A name of an object that is markup, mathematics and a quotation at once."""

KINDS = ("psf", "rotation")
"""Kinds of a sample sweep."""


def observations(split: str, first: str = "NGC 1") -> list[Observation]:
    """Sixteen frames of eight objects, both classes on two instruments."""
    return [
        Observation(
            object_id=first if index < 2 else f"{split} {index // 2}",
            instrument=("ACS/WFC", "WFC3/UVIS")[index % 2],
            obsid=f"j{split[:4]}{index:04d}",
            filter="F814W",
            ra=10.0,
            dec=-5.0,
            hdu=1,
            label=("galaxy", "NSC")[index // 2 % 2],
            extra={"split": split, "subtype": ("spiral", "open")[index // 2 % 2]},
        )
        for index in range(16)
    ]


def view_of(run: Run, first: str = "NGC 1") -> DatasetView:
    """What the page shows of a data set, without one."""
    rows = {split: observations(split, first) for split in ("train", "validation", "test")}
    shades = np.tile(np.arange(64, dtype=np.uint8) * 4, (32, 1))
    pictures = [picture_of_shades(shades, f"galaxy frame: {first}", first, "galaxy")]
    return DatasetView(run.options().data, "d" * 64, (32, 64), rows, (), pictures)


def write_run(folder: Path, first: str = "NGC 1") -> Run:
    """A run that was trained, evaluated, swept and explained; its model is no network."""
    run = Run(folder)
    folder.mkdir(parents=True)
    run.config.write_text(TrainOptions(data=Path("set"), epochs=3, size=2).to_toml())
    _json(run.versions, {"keras": "3.10.0", "seed": 0, "data_sha256": "d" * 64, "machine": {"cores": 2, "gpus": []}})
    _json(run.outcome, {"epochs": 3, "best_epoch": 2, "best_validation_loss": 0.4, "ended_by": "epochs"})
    run.model.write_bytes(b"weights")
    columns = ("epoch", "learning_rate", "loss", "accuracy", "validation_loss", "validation_accuracy", "seconds")
    rows = [(epoch, 0.001, 1 / epoch, epoch / 4, 0.4 + abs(epoch - 2) / 9, 0.5 + epoch / 9, 60) for epoch in (1, 2, 3)]
    _csv(run.history, columns, rows)
    sealed = sha256_of(run.model)
    _json(folder / "evaluation-test.json", {"model_sha256": sealed, "split": "test", **evaluation(first)})
    fit = {"temperature": 1.5, "frames": 40, "objects": 20, "reason": "", "model_sha256": sealed}
    errors = {"expected_error": 0.08, "brier": 0.11, "log_loss": 0.36}
    _json(folder / "calibration.json", {**fit, "before": errors, "after": errors})
    _json(folder / "robustness" / "robustness.json", robustness(sealed))
    write_explanation(folder / "explanation", first)
    _json(folder / "artifacts" / "static_wi8_ai8" / "card.json", card({**fit, "before": errors, "after": errors}))
    return run


def card(calibration: dict[str, Any]) -> dict[str, Any]:
    """What the report reads of an artifact's card."""
    drop = {"value": 0.0625, "interval": {"low": -0.1, "high": 0.2}}
    accuracies = {"accuracy_a": {"value": 0.875}, "accuracy_b": {"value": 0.8125}, "agreement": {"value": 0.9}}
    gate = {"frames": 16, "outcome": "not judged", "figures": {**accuracies, "drop": drop}}
    return {"layout": "whole", "accuracy": {"gate": gate, "calibration": calibration}}


def evaluation(first: str) -> dict[str, Any]:
    """What `celestial evaluate` writes of sixteen frames, three of them told wrongly."""
    rows = observations("test", first)
    logits = np.array([[0.0, 2.0 if row.label == "NSC" else -2.0] for row in rows], np.float32)
    logits[[0, 5, 8]] *= -0.4
    found = score(Predictions(tuple(rows), logits), resampling=Resampling(resamples=50))
    return assessment_to_json(assess(found, Setting(temperature=1.5, fitted=observations("train"))))


def robustness(model_sha256: str) -> dict[str, Any]:
    """What `celestial robustness` writes of two models; the budget ended before the last level of one."""
    curves = [
        {
            "model": model,
            "kind": kind,
            "quantity": f"{kind} amount",
            "unit": "pixels",
            "levels": [0, 1, 2, 3, 4, 5],
            "amounts": [None, 1.0, 2.0, 3.0, 4.0, 6.0],
            "accuracy": [0.9, 0.8, 0.8, 0.7, 0.6, None if model == "small" else 0.5],
            "interval": [[0.8, 0.95]] * 5 + [None if model == "small" else [0.4, 0.6]],
            "area": 0.75,
        }
        for kind in KINDS
        for model in ("sample", "small")
    ]
    mean = {
        "model": "sample",
        "reference": "sample",
        "kinds": list(KINDS),
        "accuracy": 0.7,
        "mean_corruption_error": 1.0,
        "interval": [0.9, 1.1],
        "relative_mean_corruption_error": None,
    }
    models = [{"name": "sample", "kind": "run", "sha256": model_sha256}]
    return {
        "frames": 16,
        "minutes": 2.5,
        "models": models,
        "curves": curves,
        "means": [mean],
        "notes": ["by hand"],
        "missing": ["psf:5"],
    }


def write_explanation(folder: Path, first: str) -> None:
    """What `celestial explain` writes of a frame that was told wrongly and of one that was not."""
    folder.mkdir()
    for name in ("frame.png", "overlay.png"):
        Image.fromarray(np.full((300, 600, 3), 120, np.uint8)).save(folder / name)
    common = {"obsid": "jtest0000", "hdu": 1, "instrument": "ACS/WFC", "filter": "F814W", "label": "galaxy"}
    pictures = {"image": "frame.png", "overlay": "overlay.png"}
    wrong = {"object": first, **common, "predicted": "NSC", "p_nsc": 0.87, "cause": "noise", **pictures}
    right = {"object": "right one", **common, "predicted": "galaxy", "p_nsc": 0.1, "cause": ""}
    held = [{**one, "proxies": {"margin": 1.25, "sources": 7}} for one in (wrong, right)]
    cause = {"cause": "noise", "errors": 1, "share_of_wrong": 1.0, "share_of_right": 0.1, "rule": "little signal"}
    occlusion = {
        "frames": 4,
        "patches": "4 x 8",
        "median_rank_correlation": 0.5,
        "lower_quartile": 0.4,
        "upper_quartile": 0.6,
        "mean_between_different_frames": 0.1,
    }
    thresholds = {"margin": 0.7, "sources": 12, "frames": 20}
    record = {"run": 16, "causes": [cause], "thresholds": thresholds, "occlusion": occlusion, "frames": held}
    _json(folder / "explanation.json", record)


def _json(path: Path, held: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(held, allow_nan=False))


def _csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[float]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([columns, *rows])
    path.write_text(text.getvalue())
