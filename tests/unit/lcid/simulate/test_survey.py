import json
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from celestialkeras.errors import SimulationError
from celestialkeras.files import PARTIAL_PREFIX, sha256_of
from celestialkeras.lcid.frames import read_frame
from celestialkeras.lcid.manifest import SPLITS, read_manifest
from celestialkeras.lcid.simulate import survey
from celestialkeras.lcid.simulate.plan import Exposure, plan_survey
from celestialkeras.lcid.simulate.presets import PRESETS
from celestialkeras.lcid.simulate.survey import SurveySpec, observations, simulate_frame, simulate_survey

SPEC = SurveySpec(objects=2, exposures_per_object=1, seed=9)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("survey")
    simulate_survey(SPEC, folder)
    return folder


def refuse_to_simulate(exposure: Exposure, folder: Path) -> Path:
    raise AssertionError(f"{exposure.rootname} was simulated once more")


def test_survey_is_a_manifest_and_a_raw_file_for_each_exposure(made: Path) -> None:
    rows = read_manifest(made / "manifest.csv")

    assert rows == observations(plan_survey(SPEC))
    assert [(row.object_id, row.label, row.hdu) for row in rows] == [
        ("SIM9-G0000", "galaxy", 1),
        ("SIM9-G0000", "galaxy", 4),
        ("SIM9-N0000", "NSC", 1),
        ("SIM9-N0000", "NSC", 4),
    ]
    assert {"subtype", "exptime", "sparse", "distance", "fraction_in_frame"} <= set(rows[0].extra)
    names = {"manifest.csv", "survey.json", *(f"{row.obsid}_raw.fits" for row in rows)}
    assert {item.name for item in made.iterdir()} == names


def test_frames_agree_with_the_manifest(made: Path) -> None:
    for row in read_manifest(made / "manifest.csv"):
        frame = read_frame(made / f"{row.obsid}_raw.fits", row.hdu)

        assert (frame.instrument, frame.filter, frame.target) == (row.instrument, row.filter, row.object_id)
        assert frame.data.std() > 1.0


def test_any_number_of_workers_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []

    simulate_survey(SPEC, tmp_path, workers=2, on_progress=lambda done, total: progress.append((done, total)))

    assert progress == [(0, 2), (1, 2), (2, 2)]
    for item in made.iterdir():
        assert sha256_of(tmp_path / item.name) == sha256_of(item)


def test_finished_exposures_are_kept(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {item: item.stat().st_mtime_ns for item in made.glob("*.fits")}
    progress: list[tuple[int, int]] = []
    monkeypatch.setattr(survey, "simulate_exposure", refuse_to_simulate)

    simulate_survey(SPEC, made, on_progress=lambda done, total: progress.append((done, total)))

    assert progress == [(2, 2)]
    assert {item: item.stat().st_mtime_ns for item in made.glob("*.fits")} == before


def test_what_a_killed_simulation_left_is_removed(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(made.iterdir())
    left = made / f"{PARTIAL_PREFIX}x1.fits"
    left.write_bytes(b"half")
    monkeypatch.setattr(survey, "simulate_exposure", refuse_to_simulate)

    with pytest.raises(SimulationError, match="holds another survey"):
        simulate_survey(replace(SPEC, seed=10), made)
    assert left.exists(), "another survey's folder is left as it is"
    simulate_survey(SPEC, made)
    assert sorted(made.iterdir()) == before


def test_folder_of_another_survey_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=r"holds another survey; choose another folder"):
        simulate_survey(replace(SPEC, seed=10), made)
    (tmp_path / "survey.json").write_text("[]")
    with pytest.raises(SimulationError, match=r"survey.json: not a survey record"):
        simulate_survey(SPEC, tmp_path)


def test_record_names_the_spec(made: Path) -> None:
    record = json.loads((made / "survey.json").read_text())

    assert record["spec"] == {
        "objects": 2,
        "exposures_per_object": 1,
        "seed": 9,
        "frames_per_exposure": 2,
        "test_objects": 0,
        "validation_objects": 0,
        "instruments": ["ACS/WFC", "WFC3/UVIS", "CSST/MSC"],
        "confounded": False,
    }
    assert len(record["plan"]) == 64


def test_what_fails_in_a_worker_surfaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tuple(replace(exposure, filter="F999W") for exposure in plan_survey(SPEC))
    monkeypatch.setattr(survey, "plan_survey", lambda spec: broken)

    with pytest.raises(SimulationError, match=r"could not be simulated: `filter` must be one of"):
        simulate_survey(SPEC, tmp_path, workers=2)
    assert not (tmp_path / "manifest.csv").exists()


def test_no_workers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=r"`workers` must be at least 1. Received: workers=0"):
        simulate_survey(SPEC, tmp_path, workers=0)


def test_one_chip_is_the_same_whether_the_other_is_made_or_not(made: Path) -> None:
    exposure = plan_survey(SPEC)[0]

    frame = simulate_frame(exposure, 4)
    read = read_frame(made / f"{exposure.rootname}_raw.fits", 4)

    np.testing.assert_array_equal(frame.data, read.data)
    for field in fields(read):
        if field.name != "data":
            assert getattr(frame, field.name) == getattr(read, field.name), field.name


def test_bench_holds_out_its_objects_and_lists_one_frame_an_exposure() -> None:
    rows = observations(plan_survey(PRESETS["bench"]))
    sides = {split: [row for row in rows if row.extra["split"] == split] for split in SPLITS}

    assert {split: len(side) for split, side in sides.items()} == {"train": 540, "validation": 90, "test": 270}
    assert {split: len({row.object_id for row in side}) for split, side in sides.items()} == {
        "train": 180,
        "validation": 30,
        "test": 90,
    }
    for side in sides.values():
        # Within each side, every pair of instrument and filter comes as often with galaxies as with NSC.
        pairs = Counter((row.instrument, row.filter, row.label) for row in side)
        assert all(pairs[instrument, name, "NSC"] == pairs[instrument, name, "galaxy"] for instrument, name, _ in pairs)


def test_demo_is_as_large_as_it_says() -> None:
    rows = observations(plan_survey(PRESETS["demo"]))

    assert len(rows) == 256
    assert len({row.object_id for row in rows}) == 128
    assert len({row.obsid for row in rows}) == 128
    assert {row.extra["subtype"] for row in rows if row.label == "NSC"} == {
        "globular",
        "open",
        "emission",
        "reflection",
        "planetary",
        "remnant",
    }
