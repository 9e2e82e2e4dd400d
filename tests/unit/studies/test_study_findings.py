"""Differences paired by frame and seed, from trainings that are made up; and the files that tell of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_studies import made_up

from celestialkeras.studies.report import (
    difference_table,
    notes,
    outcome_table,
    run_table,
    study_to_json,
    study_to_markdown,
    write_study,
)
from celestialkeras.studies.sureness import Sureness

# Sixteen frames of eight objects, two each.
HALF = [1, 0] * 8
BETTER = [1, 1, 1, 0] * 4
ALL = [1] * 16


def test_an_arm_that_is_ahead_of_every_object_with_every_seed_is_surely_so() -> None:
    right = {"same": dict.fromkeys(range(3), HALF), "valid": {0: ALL, 1: ALL, 2: BETTER}}
    found = made_up("padding", right)
    first, other = found.arms
    assert first.clear is not None
    assert first.clear.difference is None
    assert first.clear.by_seed == (0.5, 0.5, 0.5)
    assert other.clear is not None
    difference = other.clear.difference
    assert difference is not None
    assert difference.by_seed == (0.5, 0.5, 0.25)
    assert difference.mean == pytest.approx(1.25 / 3)
    assert difference.over_objects is not None
    # No draw of objects can leave the two kinds of them: ahead by a half with each seed, or with two of three.
    assert 1 / 3 <= difference.over_objects.low <= difference.mean <= difference.over_objects.high <= 1 / 2
    assert difference.over_seeds is not None
    assert difference.over_seeds.low < 0.25
    assert difference.sureness is Sureness.SURE
    assert found.verdicts == ("valid is 41.7 points ahead of same: sure.",)
    # With a logit of 2, right or wrong: log(1 + e^-2) or that plus 2.
    assert first.clear.log_loss == pytest.approx(np.log1p(np.exp(-2)) + 1.0, rel=1e-5)


def test_seeds_are_held_against_themselves_and_those_that_only_one_arm_has_are_left_out() -> None:
    right = {"same": {0: ALL, 1: HALF}, "valid": {1: BETTER, 2: ALL}}
    found = made_up("padding", right, failures="out of luck")
    other = found.arms[1]
    assert other.seeds == (1, 2)
    assert other.clear is not None
    assert other.clear.by_seed == (0.75, 1.0)
    assert other.clear.difference is not None
    assert other.clear.difference.by_seed == (0.25,)
    assert other.clear.difference.sureness is Sureness.UNTOLD
    assert "not done: valid, seed 0: out of luck" in notes(found)


def test_an_arm_that_is_not_done_has_no_verdict_and_the_table_says_so() -> None:
    found = made_up("padding", {"same": {0: HALF}, "valid": {}})
    assert found.verdicts == ()
    assert found.arms[1].clear is None
    line = outcome_table(found).lines[1]
    assert line[0] == "valid"
    assert set(line[1:]) == {"-"}
    assert "Not done yet." in study_to_markdown(found)


def test_tables_tell_what_was_run_and_what_was_found() -> None:
    right = {"same": dict.fromkeys(range(3), HALF), "valid": dict.fromkeys(range(3), BETTER)}
    found = made_up("padding", right)
    ran = run_table(found)
    assert dict(zip(ran.columns, ran.lines[1], strict=True)) == {
        "arm": "valid",
        "sets": "padding=valid",
        "seeds": "0, 1, 2",
        "epochs": "5, 5, 5",
        "epoch kept": "4, 4, 4",
        "minutes": "1.5, 1.5, 1.5",
        "ended by": "epochs",
        "parameters": "1,234",
        "GMAC": "2.50",
    }
    outcomes = outcome_table(found)
    cells = dict(zip(outcomes.columns, outcomes.lines[1], strict=True))
    assert cells["accuracy"] == "75.0 %"
    assert cells["by seed"] == "75.0, 75.0, 75.0"
    ahead = difference_table(found)
    assert found.arms[1].clear is not None
    assert found.arms[1].clear.difference is not None
    interval = found.arms[1].clear.difference.over_objects
    assert interval is not None
    assert 0 < interval.low < 0.25 < interval.high < 0.5
    (line,) = ahead.lines
    assert dict(zip(ahead.columns, line, strict=True)) == {
        "arm": "valid",
        "ahead of same, points": "+25.0",
        "95 %, objects": f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}",
        "95 %, seeds": "+25.0 to +25.0",
        "by seed": "+25.0, +25.0, +25.0",
        "how sure": "sure",
    }
    assert outcomes.lines[2][:2] == ("no pixels: majority", "50.0 %")
    said = notes(found)
    assert "16 test frames of 8 objects, of /data/shards" in said
    assert "with 8 objects, intervals over objects are too narrow" in said
    assert any(note.startswith("all arms: model=celestialnet_edge, size=4, epochs=20,") for note in said)


def test_blurry_frames_have_a_table_and_verdicts_of_their_own() -> None:
    clear = {"clear": {0: ALL, 1: ALL, 2: ALL}, "blurred": {0: BETTER, 1: BETTER, 2: BETTER}}
    blurry = {"clear": {0: HALF, 1: HALF, 2: HALF}, "blurred": {0: BETTER, 1: BETTER, 2: BETTER}}
    found = made_up("blur-training", clear, blurry)
    assert found.verdicts == (
        "On clear frames, blurred is 25.0 points behind clear: sure.",
        "On blurry frames, blurred is 25.0 points ahead of clear: sure.",
    )
    assert outcome_table(found, "blurry").lines[0][1] == "50.0 %"
    assert "blurry: the same test frames, each made worse by psf:4" in notes(found)
    assert "And on blurry ones:" in study_to_markdown(found)


def test_all_four_files_are_written_and_agree(tmp_path: Path) -> None:
    right = {"same": dict.fromkeys(range(3), HALF), "valid": dict.fromkeys(range(3), BETTER)}
    found = made_up("padding", right)
    held = write_study(found, tmp_path, {"cores": 2})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study.json", "study.md", "study.png", "study.svg"]
    assert json.loads((tmp_path / "study.json").read_text()) == held == study_to_json(found, {"cores": 2})
    assert (held["schema"], held["study"]) == ("celestialkeras.study/1", "padding")
    assert held["verdicts"] == ["valid is 25.0 points ahead of same: sure."]
    assert held["arms"][1]["sets"] == {"padding": "valid"}
    assert held["arms"][1]["trainings"][0]["epochs"] == 5
    assert held["arms"][1]["clear"]["difference"]["by_seed"] == [0.25, 0.25, 0.25]
    written = (tmp_path / "study.md").read_text()
    assert written.startswith("## padding\n\nDo zeros around the maps help")
    assert "- valid is 25.0 points ahead of same: sure." in written
    assert "| valid | padding=valid | 0, 1, 2 |" in written
    assert "ahead of same, points" in (tmp_path / "study.svg").read_text()
    with Image.open(tmp_path / "study.png") as picture:
        assert np.asarray(picture.convert("RGB")).std() > 5
