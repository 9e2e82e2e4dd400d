"""`celestial report`: the page of a run with its data set, benchmark and comparison."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import click
import pytest

from celestial_cli.report import report
from celestialkeras.errors import ArtifactError, RunError
from celestialkeras.files import sha256_of
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.training.run import Run
from measurements import artifact_bench, bench_report
from sample_runs import write_run
from small_datasets import DatasetFactory
from verbs import invoke


@pytest.fixture
def run(make_dataset: DatasetFactory, tmp_path: Path) -> Run:
    """A run of a data set that is there, with one artifact that was timed."""
    data = make_dataset()
    run = write_run(tmp_path / "runs" / "sample")
    run.config.write_text(replace(run.options(), data=data).to_toml())
    versions = json.loads(run.versions.read_text())
    run.versions.write_text(json.dumps({**versions, "data_sha256": open_dataset(data).digest}))
    # It is no network: what its lineage would count is not there.
    run.model.unlink()
    card = run.folder / "artifacts" / "static_wi8_ai8" / "card.json"
    one = artifact_bench()
    record = card.parent.with_name("static_wi8_ai8-bench.json")
    record.write_text(json.dumps({**bench_report(one).how(), "card_sha256": sha256_of(card), **asdict(one)}))
    return run


def test_the_page_holds_what_is_there_and_says_what_is_not(run: Run, tmp_path: Path) -> None:
    bench = tmp_path / "pi.json"
    bench.write_text(json.dumps(bench_report(artifact_bench("other/one/int8", model="other")).to_json()))
    done = invoke(report, run.folder, "--bench", bench, "--figures", tmp_path / "figures", "--json")
    told = json.loads(done.stdout)
    html = (run.folder / "report.html").read_text(encoding="utf-8")
    assert told["page"] == str(run.folder / "report.html")
    missing = {chapter["key"]: chapter["made_by"] for chapter in told["chapters"] if chapter["missing"]}
    assert missing == {
        "lineage": f"celestial train --resume {run.folder}",
        "comparison": f"celestial report {run.folder} --comparison FOLDER",
    }
    # Twelve frames of the data set, two pictures of the error.
    assert html.count("data:image/jpeg") == 14
    assert "net static_wi8_ai8 whole" in html
    assert "other static_wi8_ai8 whole" in html
    assert html.count('alt="NSC frame: ') == 6
    assert len(told["figures"]) == 20
    assert all(Path(path).is_file() for path in told["figures"])


def test_the_page_goes_where_it_is_told_and_the_terminal_lists_what_is_missing(run: Run, tmp_path: Path) -> None:
    (run.folder / "robustness" / "robustness.json").unlink()
    done = invoke(report, run.folder, "--to", tmp_path / "pages" / "one.html")
    assert (tmp_path / "pages" / "one.html").is_file()
    assert not (run.folder / "report.html").exists()
    assert "robustness.json is not there yet: celestial robustness" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (("--bench", "{run}/config.toml"), ArtifactError, "not a benchmark"),
        (("--comparison", "{run}/nowhere"), None, "does not exist"),
    ],
)
def test_what_is_named_must_be_what_it_is_named_for(
    run: Run, options: tuple[str, str], error: type[Exception] | None, said: str
) -> None:
    arguments = [option.format(run=run.folder) for option in options]
    if error is None:
        done = invoke(report, run.folder, *arguments)
        assert done.exit_code == click.UsageError.exit_code
        assert said in done.stderr
        return
    with pytest.raises(error, match=said):
        invoke(report, run.folder, *arguments)
    assert not (run.folder / "report.html").exists()


def test_a_run_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run there"):
        invoke(report, tmp_path / "none")
