"""Slips of the pen in every kind of name: verbs, options, choices, registered names, runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from celestial_cli.locate import find_artifacts, find_classifier, find_model
from celestial_cli.main import celestial
from celestialkeras.errors import CelestialError, DatasetError, RunError
from celestialkeras.lcid.degradations import parse_degradation
from celestialkeras.lcid.simulate.bands import band_of
from celestialkeras.training.run import did_you_mean_run, known_runs, open_run
from verbs import invoke


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("evalaute", "no such verb 'evalaute'; did you mean 'evaluate'?; `celestial --help` lists them"),
        ("zzz", "no such verb 'zzz'; `celestial --help` lists them"),
        ("data bild", "no such verb 'bild'; did you mean 'build'?; `celestial data --help` lists them"),
        ("train --epoch 3", "No such option '--epoch'. Did you mean"),
        ("quantize --recipe floot16", "did you mean 'float16'?"),
        ("quantize --int8 --layout stripes", "did you mean 'strips'?"),
        ("bench --budget pi4-1g", "did you mean 'pi4-1gb'?"),
        ("bench --against onnxruntim", "must be among onnxruntime, openvino, keras; did you mean 'onnxruntime'?"),
        ("robustness --kind jiter", "did you mean 'jitter'?"),
        ("data simulate --preset bensh", "must be one of tiny, demo, bench; did you mean 'bench'?"),
    ],
)
def test_the_command_line_offers_the_nearest(words: str, told: str) -> None:
    done = invoke(celestial, *words.split())
    assert done.exit_code == 2
    assert told in done.stderr.replace("\n", " ")


def test_degradations_instruments_and_studies() -> None:
    with pytest.raises(DatasetError, match=r"did you mean 'saturation'\?. Received: 'saturatoin'"):
        parse_degradation("saturatoin:2")
    with pytest.raises(CelestialError, match=r"did you mean 'ACS/WFC'\?. Received: instrument='ACS/WCF'"):
        band_of("ACS/WCF", "F814W")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("edge", "first-afternoon"):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "config.toml").touch()
    (tmp_path / "runs" / "latest").symlink_to("edge")
    (tmp_path / "runs" / "no-run").mkdir()
    return tmp_path / "runs"


@pytest.mark.usefixtures("runs")
def test_runs_are_known_by_name() -> None:
    assert known_runs() == ["edge", "first-afternoon"]
    assert known_runs(Path("nowhere")) == []
    assert did_you_mean_run(Path("zzz")) == ""


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("typed", ["edgee", "edge", "runs/edgee"])
def test_a_run_that_is_not_there(typed: str) -> None:
    with pytest.raises(RunError) as caught:
        open_run(typed)
    assert str(caught.value) == f"{typed}: no run there; did you mean 'runs/edge'?; `celestial train` makes one"


@pytest.mark.usefixtures("runs")
def test_models_and_artifacts_of_a_run_that_is_not_there() -> None:
    with pytest.raises(CelestialError, match=r"did you mean 'runs/first-afternoon'\?; `celestial train`"):
        find_model(Path("runs/first-afternon/model.keras"))
    with pytest.raises(CelestialError, match=r"nor a run; did you mean 'runs/edge'\?"):
        find_artifacts([Path("runs/edgr")])
    with pytest.raises(CelestialError, match=r"nor a run; did you mean 'runs/edge'\?"):
        find_classifier(Path("edg"), 1)


def test_a_comparison_that_was_not_begun(tmp_path: Path) -> None:
    # It imports Keras, which the other tests here do without.
    from celestialkeras.comparison.folder import read_plan

    (tmp_path / "budget-30").mkdir()
    (tmp_path / "budget-30" / "plan.json").touch()
    with pytest.raises(RunError, match=r"no comparison there; did you mean 'budget-30'\?; `celestial compare"):
        read_plan("budget30", tmp_path)
