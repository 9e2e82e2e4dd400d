"""Shortcut classifiers: each feature worked out on small frames, and scores on data that do and do not give away."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from celestialkeras.errors import DatasetError, MissingExtraError
from celestialkeras.evaluation import shortcuts as module
from celestialkeras.evaluation.shortcut_features import FEATURES, ShortcutTable, measure_shortcuts
from celestialkeras.evaluation.shortcuts import (
    CLASSIFIERS,
    Score,
    Shortcut,
    score_shortcuts,
    shortcut_warnings,
    shortcuts_to_json,
)
from celestialkeras.lcid.dataset import LcidDataset, open_dataset
from celestialkeras.lcid.manifest import Observation
from celestialkeras.lcid.shards import EncodedFrame, write_shard, write_summary
from celestialkeras.lcid.stretch import Stretch
from small_datasets import DatasetFactory

SHAPE = (64, 128)


def write_frames(folder: Path, frames: list[EncodedFrame]) -> LcidDataset:
    write_shard(folder, "train-00000.tfrecord", frames)
    write_summary(folder, ["train-00000.tfrecord"], Stretch())
    return open_dataset(folder)


def frame(object_id: str, label: str, codes: np.ndarray, **measured: float) -> EncodedFrame:
    obsid = f"j{object_id.lower():x<8}"
    row = Observation(object_id, "ACS/WFC", obsid, "F814W", 90.0, -5.0, 1, label, {"split": "train"})
    return EncodedFrame(row, codes, measured)


def four_frames(codes: np.ndarray) -> list[EncodedFrame]:
    names = (("A", "galaxy"), ("B", "galaxy"), ("C", "NSC"), ("D", "NSC"))
    return [frame(name, label, codes, sky=10.0, noise=3.0) for name, label in names]


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TREES", 25)


def table_of(values: np.ndarray, labels: np.ndarray, objects: list[str], on_test: np.ndarray) -> ShortcutTable:
    return ShortcutTable({"level and spread": values}, labels, np.array(objects), on_test)


def thirty_objects(telling: bool) -> ShortcutTable:
    """Three frames of each of 30 objects, their features those of the class or those of the object alone."""
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(30) % 2, 3)
    values = np.repeat(rng.normal(size=(30, 4)), 3, axis=0) + 0.01 * rng.normal(size=(90, 4))
    if telling:
        values[:, 0] += 10 * labels
    objects = [f"object {number // 3}" for number in range(90)]
    return table_of(values, labels, objects, np.arange(90) >= 60)


def test_level_spread_and_histogram_of_codes(tmp_path: Path) -> None:
    codes = np.full(SHAPE, 40, np.uint8)
    codes[:, :32] = 80
    table = measure_shortcuts(write_frames(tmp_path, four_frames(codes)))
    level = table.groups["level and spread"]
    assert level.shape == (4, 12)
    # A quarter of the pixels at 80, the others at 40: mean 50, variance 3/16 of 40 squared.
    mean, spread, skewness, kurtosis, *percentiles = level[0]
    assert mean == pytest.approx(50)
    assert spread == pytest.approx(40 * np.sqrt(3 / 16))
    assert skewness == pytest.approx(0.5 / np.sqrt(3 / 16))
    assert kurtosis == pytest.approx((0.75 * 10**4 + 0.25 * 30**4) / spread**4)
    assert percentiles == [40, 40, 40, 40, 40, 80, 80, 80]
    shares = table.groups["histogram"][0]
    assert (shares.shape, shares[40], shares[80], shares.sum()) == ((256,), 0.75, 0.25, 1.0)


def test_border_sees_the_border_alone(tmp_path: Path) -> None:
    codes = np.full(SHAPE, 200, np.uint8)
    codes[:4] = 10
    codes[-4:] = 20
    codes[4:-4, :4] = 30
    codes[4:-4, -4:] = 40
    whole = four_frames(codes)
    codes[10:20, 10:20] = 0
    border = measure_shortcuts(write_frames(tmp_path / "a", whole)).groups["border"]
    assert border[0, :4].tolist() == [10, 20, 30, 40]
    assert border[0, 4:8].tolist() == [0, 0, 0, 0]
    # After 8 figures of the sides and 12 of the codes, shares of 8 codes each: 32 + 32 + 14 + 14 binned pixels.
    coarse = border[0, 20:]
    assert coarse.shape == (32,)
    assert coarse[[1, 2, 3, 5]].tolist() == pytest.approx([32 / 92, 32 / 92, 14 / 92, 14 / 92])
    altered = [replace(part, codes=np.where(codes == 200, 0, codes).astype(np.uint8)) for part in whole]
    np.testing.assert_array_equal(measure_shortcuts(write_frames(tmp_path / "b", altered)).groups["border"], border)


def test_border_takes_frames_that_are_no_multiple_of_its_binning(tmp_path: Path) -> None:
    codes = np.full((67, 129), 7, np.uint8)
    codes[64:], codes[:, 128:] = 250, 250
    border = measure_shortcuts(write_frames(tmp_path, four_frames(codes))).groups["border"]
    assert border[0, :4].tolist() == [7, 7, 7, 7]


def test_header_fields(tmp_path: Path) -> None:
    codes = np.zeros(SHAPE, np.uint8)
    frames = four_frames(codes)
    frames[1] = replace(frames[1], observation=replace(frames[1].observation, instrument="WFC3/UVIS", hdu=4))
    frames[2] = replace(frames[2], observation=replace(frames[2].observation, filter="F275W", ra=180.0))
    frames[3] = replace(frames[3], measured={"sky": -1.0})
    header = measure_shortcuts(write_frames(tmp_path, frames)).groups["header"]
    # ACS, UVIS, F275W, F814W, HDU, sine and cosine of RA, Dec, noise, sky.
    assert header[:, :8] == pytest.approx(
        np.array(
            [
                [1, 0, 0, 1, 1, 1, 0, -5],
                [0, 1, 0, 1, 4, 1, 0, -5],
                [1, 0, 1, 0, 1, 0, -1, -5],
                [1, 0, 0, 1, 1, 1, 0, -5],
            ]
        )
    )
    assert header[0, 8:] == pytest.approx(np.arcsinh([3.0, 10.0]))
    assert np.isnan(header[3, 8])
    assert header[3, 9] == pytest.approx(np.arcsinh(-1.0))


def test_truth_columns_of_a_simulated_manifest_are_no_features(tmp_path: Path) -> None:
    frames = four_frames(np.zeros(SHAPE, np.uint8))
    told = [
        replace(
            part, observation=replace(part.observation, extra={"split": "train", "subtype": part.observation.label})
        )
        for part in frames
    ]
    plain = measure_shortcuts(write_frames(tmp_path / "a", frames))
    with_truth = measure_shortcuts(write_frames(tmp_path / "b", told))
    for name in FEATURES:
        np.testing.assert_array_equal(plain.groups[name], with_truth.groups[name])


def test_all_frames_of_all_sides_are_measured(make_dataset: DatasetFactory) -> None:
    seen: list[tuple[int, int]] = []
    table = measure_shortcuts(open_dataset(make_dataset()), lambda done, total: seen.append((done, total)))
    assert seen == [(done, 24) for done in range(1, 25)]
    assert tuple(table.groups) == FEATURES
    assert table.labels.tolist() == [0] * 6 + [1] * 6 + 2 * ([0] * 3 + [1] * 3)
    assert table.on_test.tolist() == [False] * 18 + [True] * 6
    assert table.objects[0] == "train-galaxy-0"
    assert table.groups["all of them"].shape[1] == sum(table.groups[name].shape[1] for name in FEATURES[:4])


def test_too_few_objects_are_refused_before_a_frame_is_read(tmp_path: Path) -> None:
    frames = four_frames(np.zeros(SHAPE, np.uint8))[:3]
    dataset = write_frames(tmp_path, frames)
    (tmp_path / "shards" / "train-00000.tfrecord").unlink()
    with pytest.raises(DatasetError, match=r"two objects of each class are needed.*Received: 2 galaxy, 1 NSC"):
        measure_shortcuts(dataset)


def test_an_object_of_two_classes_is_refused(tmp_path: Path) -> None:
    codes = np.zeros(SHAPE, np.uint8)
    frames = [*four_frames(codes), replace(frame("A", "NSC", codes), observation=frame("A", "NSC", codes).observation)]
    with pytest.raises(DatasetError, match=r"must have one class.*Received: A with both"):
        measure_shortcuts(write_frames(tmp_path, frames))


@pytest.mark.usefixtures("few_trees")
def test_features_that_tell_the_class_are_found() -> None:
    found = score_shortcuts(thirty_objects(telling=True), resamples=200)
    assert [(part.features, part.classifier, part.columns) for part in found] == [
        ("level and spread", name, 4) for name in CLASSIFIERS
    ]
    for part in found:
        assert (part.cross_validated.correct, part.cross_validated.frames, part.cross_validated.objects) == (90, 90, 30)
        assert part.test is not None
        assert (part.test.correct, part.test.frames, part.test.objects) == (30, 30, 10)


@pytest.mark.usefixtures("few_trees")
def test_features_that_tell_the_object_alone_do_not_help() -> None:
    table = thirty_objects(telling=False)
    forest, _ = score_shortcuts(table, resamples=200)
    assert forest.cross_validated.accuracy < 0.7
    # The same frames each taken for an object of its own: the forest knows every frame from its neighbours.
    leaking = replace(table, objects=np.array([f"frame {number}" for number in range(90)]))
    forest, _ = score_shortcuts(leaking, resamples=200)
    assert forest.cross_validated.accuracy > 0.9


@pytest.mark.usefixtures("few_trees")
def test_the_same_seed_gives_the_same_figures() -> None:
    table = thirty_objects(telling=False)
    first = score_shortcuts(table, seed=3, resamples=200)
    assert score_shortcuts(table, seed=3, resamples=200) == first
    assert score_shortcuts(table, seed=4, resamples=200) != first


@pytest.mark.usefixtures("few_trees")
def test_without_a_test_side_there_is_no_figure_for_it() -> None:
    table = replace(thirty_objects(telling=True), on_test=np.zeros(90, bool))
    assert [part.test for part in score_shortcuts(table, resamples=50)] == [None, None]


@pytest.mark.usefixtures("few_trees")
def test_what_is_not_known_of_a_frame_is_a_feature_of_its_own() -> None:
    table = thirty_objects(telling=False)
    values = table.groups["level and spread"].copy()
    values[table.labels == 1, 2] = np.nan
    for part in score_shortcuts(replace(table, groups={"level and spread": values}), resamples=50):
        assert part.cross_validated.accuracy > 0.9
    # A field that no frame has is no reason to stop.
    values[:, 2] = np.nan
    assert len(score_shortcuts(replace(table, groups={"level and spread": values}), resamples=50)) == 2


def test_missing_scikit_learn_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.model_selection", None)
    with pytest.raises(MissingExtraError, match="training classifiers on shortcuts needs the extra `train`"):
        score_shortcuts(thirty_objects(telling=True))


def two_results() -> list[Shortcut]:
    return [
        Shortcut("border", "random forest", 52, Score(70, 100, 30, None), Score(18, 20, 5, None)),
        Shortcut("header", "logistic regression", 12, Score(75, 100, 30, None), None),
    ]


def test_the_best_shortcut_of_each_column_is_named() -> None:
    shapes = "what a network sees of shapes is what it has above that"
    assert shortcut_warnings(two_results()) == [
        f"logistic regression on header reaches 75.00 % in folds of whole objects; {shapes}",
        f"random forest on border reaches 90.00 % on the test side; {shapes}",
    ]
    assert shortcut_warnings(two_results(), 89.09) == [
        f"logistic regression on header reaches 75.00 % in folds of whole objects; {shapes}",
        "random forest on border reaches 90.00 % on the test side, above the reported 89.09 %",
    ]
    within = "logistic regression on header reaches 75.00 % in folds of whole objects, within 3 points of the reported"
    assert shortcut_warnings(two_results(), 78.0)[0] == f"{within} 78.00 %"


def test_json() -> None:
    report = json.loads(json.dumps(shortcuts_to_json(two_results()), allow_nan=False))
    assert report["schema"] == "celestialkeras.shortcuts/1"
    assert report["shortcuts"][1] == {
        "features": "header",
        "classifier": "logistic regression",
        "columns": 12,
        "cross_validated": {"accuracy": 0.75, "correct": 75, "frames": 100, "objects": 30, "interval": None},
        "test": None,
    }
    assert report["shortcuts"][0]["test"]["accuracy"] == 0.9
