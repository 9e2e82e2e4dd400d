"""`celestial verify`, and what verbs take when nothing is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from celestial_cli.main import celestial
from celestial_edge.card import hash_files, read_card, write_card
from celestial_edge.device import shipped
from celestial_edge.device.machine import describe_kernels
from celestial_edge.golden import read_golden, write_golden
from celestialkeras.errors import ArtifactError, CelestialError, RunError

Celestial = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Celestial:
    """Runs a command line in an empty folder."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(celestial, arguments, standalone_mode=False)

    return invoke


@pytest.fixture
def with_shipped(tmp_path: Path, built_artifacts: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Has a small artifact in the place of the shipped one."""
    folder = tmp_path / "shipped" / "celestialnet_edge"
    shutil.copytree(built_artifacts["static_wi8_ai8"], folder)
    monkeypatch.setattr(shipped, "_SHIPPED", folder.parent)
    return folder


def refusal(result: Result) -> CelestialError | click.ClickException:
    assert isinstance(result.exception, CelestialError | click.ClickException), result.exception
    return result.exception


def test_verify_prints_logits_and_the_rule(run: Celestial, copy_artifact: Any) -> None:
    folder = copy_artifact()
    done = run("verify", str(folder))
    assert done.exception is None
    assert done.return_value is None, "which is exit code 0"
    assert "SHA-256 of golden.npz, model.tflite as on the card" in done.stdout
    assert "each logit within one int8 step" in done.stdout
    (first,) = [line for line in done.stdout.splitlines() if "1: galaxy" in line]
    assert f"{read_golden(folder).logits[0, 0]:.4f}" in first
    assert first.rstrip().endswith("yes")
    assert done.stderr == ""


def test_verify_reports_in_json(run: Celestial, copy_artifact: Any) -> None:
    folder = copy_artifact()
    report = json.loads(run("verify", str(folder), "--json").stdout)
    golden = read_golden(folder)
    assert report["schema"] == "celestialkeras.verification/1"
    assert report["agrees"] is True
    assert report["here"] == describe_kernels()
    assert report["made_with"] is None
    assert report["files"] == dict(read_card(folder).files)
    assert [frame["truth"] for frame in report["frames"]] == ["galaxy", "NSC"]
    np.testing.assert_array_equal([frame["expected"] for frame in report["frames"]], golden.logits)
    assert [frame["difference"] for frame in report["frames"]] == [0, 0]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_verify_fails_where_logits_differ(run: Celestial, copy_artifact: Any, options: tuple[str, ...]) -> None:
    folder = copy_artifact()
    golden = read_golden(folder)
    card = read_card(folder)
    write_golden(folder, replace(golden, logits=golden.logits + np.float32([[0, 0], [1, 1]])))
    write_card(folder, replace(card, files=hash_files(folder)))
    done = run("verify", str(folder), *options)
    assert done.return_value == 1
    assert "1 of 2 golden frames do not agree" in done.stderr
    if options:
        assert json.loads(done.stdout)["agrees"] is False
    else:
        assert [line.split()[-1] for line in done.stdout.splitlines() if "steps" in line] == ["yes", "no"]


def test_verify_refuses_an_altered_file(run: Celestial, copy_artifact: Any) -> None:
    folder = copy_artifact()
    (folder / "golden.npz").write_bytes(b"no frames")
    done = run("verify", str(folder))
    assert isinstance(done.exception, ArtifactError)
    assert "golden.npz was truncated or altered" in str(done.exception)
    assert done.stdout == ""


def test_verbs_take_the_shipped_model_when_nothing_is_named(run: Celestial, with_shipped: Path, uvis_raw: Path) -> None:
    said = "using the shipped celestialnet_edge, trained on simulated frames\n"
    verified = run("verify", "--json")
    assert json.loads(verified.stdout)["artifact"] == str(with_shipped)
    assert verified.stderr == said
    predicted = run("predict", str(uvis_raw), "--json")
    assert json.loads(predicted.stdout)["model"] == str(with_shipped)
    assert predicted.stderr == said
    benched = run("bench", "--tflite", "--frames", "2", "--json")
    assert [entry["artifact"] for entry in json.loads(benched.stdout)["artifacts"]] == [str(with_shipped)]
    assert benched.stderr.startswith(said) or said in benched.stderr


def test_what_is_named_goes_before_the_shipped_model(run: Celestial, with_shipped: Path, copy_artifact: Any) -> None:
    named = run("verify", str(copy_artifact("float32")), "--json")
    assert json.loads(named.stdout)["recipe"] == "float32"
    assert named.stderr == ""


def test_a_latest_run_that_is_gone_is_not_passed_over(run: Celestial, with_shipped: Path) -> None:
    Path("runs").mkdir()
    Path("runs/latest").symlink_to("gone")
    for verb in (("verify",), ("bench",), ("predict", "x.fits")):
        done = run(*verb)
        assert isinstance(done.exception, RunError)
        assert "runs/gone: no run there" in str(done.exception)


def test_without_run_and_without_shipped_model_the_next_step_is_told(
    run: Celestial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "_SHIPPED", tmp_path)
    for verb in (("verify",), ("bench",), ("predict", "x.fits")):
        assert "packaged without its shipped model; name an artifact" in str(refusal(run(*verb)))
