"""`celestial predict` on files, folders and manifests."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from celestial_cli.predict import predict
from celestial_edge.card import CARD_NAME
from celestialkeras.errors import ArtifactError, ManifestError
from celestialkeras.files import sha256_of
from celestialkeras.lcid.manifest import Observation, read_manifest, write_manifest

FIELD = ("NGC4298", "WFC3/UVIS")


@pytest.fixture
def artifact(built_artifacts: dict[str, Path]) -> Path:
    return built_artifacts["static_wi8_ai8"]


@pytest.fixture
def frames(tmp_path: Path, exposed_raw: Path, uvis_raw: Path) -> Path:
    """A folder with an exposure, one without light in a subfolder, a truncated one, and what is no frame."""
    folder = tmp_path / "frames"
    (folder / "below").mkdir(parents=True)
    shutil.copy(exposed_raw, folder)
    shutil.copy(uvis_raw, folder / "below")
    (folder / "cut_raw.fits").write_bytes(exposed_raw.read_bytes()[:1_000_000])
    (folder / "notes.txt").write_text("no frame")
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(predict, [*map(str, arguments)], standalone_mode=False)


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_folder_is_searched_and_its_bad_frames_are_listed(frames: Path, artifact: Path) -> None:
    done = run(frames, "--model", artifact, "--json")
    assert done.return_value == 1
    empty, cut, exposed = lines(done)
    assert [Path(one["file"]).name for one in (empty, cut, exposed)] == [
        "iddt11fxq_raw.fits",
        "cut_raw.fits",
        "iddt11fyq_raw.fits",
    ]
    assert {one["model"] for one in (empty, cut, exposed)} == {str(artifact)}
    assert [chip["hdu"] for chip in exposed["chips"]] == [1, 4]
    assert exposed["exposure"]["label"] in ("galaxy", "NSC")
    assert exposed["bad"] == []
    assert empty["exposure"]["label"] == "undecided"
    assert empty["exposure"]["reason"] == "empty: nothing stands out of the noise"
    assert (cut["chips"], cut["exposure"]) == ([], None)
    assert [(bad["hdu"], bad["reason"]) for bad in cut["bad"]] == [(1, "truncated"), (4, "truncated")]
    assert done.stderr == "2 of 6 chips could not be used\n"


def test_csv_says_the_same(frames: Path, artifact: Path) -> None:
    done = run(frames, "--model", artifact, "--csv")
    assert done.return_value == 1
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["chip"] for row in rows] == ["1", "4", "both", "1", "4", "1", "4", "both"]
    (together,) = [row for row in rows if row["chip"] == "both" and "fyq" in row["file"]]
    told = lines(run(frames / "iddt11fyq_raw.fits", "--model", artifact, "--json"))[0]["exposure"]
    assert (together["label"], float(together["probability"])) == (told["label"], told["probability"])
    assert [float(together["logit_galaxy"]), float(together["logit_nsc"])] == told["logits"]
    assert (together["empty"], together["low_signal"], together["reason"]) == ("False", "False", "")
    cut = rows[3]
    assert (cut["label"], cut["probability"], cut["reason"]) == ("", "", "truncated")
    assert "cut_raw.fits: ends" in cut["message"]


def test_tables_say_what_is_remarkable(frames: Path, artifact: Path, tmp_path: Path) -> None:
    done = run(frames, tmp_path / "none.fits", "--model", artifact)
    assert done.return_value == 1
    empty, *_ = [line for line in done.stdout.splitlines() if "iddt11fxq" in line]
    assert "undecided" in empty
    assert "empty: nothing stands out of the noise" in empty
    (both,) = [line for line in done.stdout.splitlines() if "iddt11fyq" in line and "both" in line]
    assert "undecided" not in both
    assert "bad frame, HDU 4 (truncated): " in done.stderr
    assert done.stderr.count("none.fits: no such file") == 1


def test_results_come_as_they_are_decided(
    exposed_raw: Path, tmp_path: Path, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(click, "echo", lambda line, **_: said.append(line))
    from celestial_edge.device.runtime import Classifier

    before: list[int] = []
    classify = Classifier.classify

    def watched(self: Classifier, *arguments: Any) -> Any:
        before.append(len(said))
        return classify(self, *arguments)

    monkeypatch.setattr(Classifier, "classify", watched)
    run(exposed_raw, exposed_raw, exposed_raw, "--hdu", "4", "--model", artifact, "--json")
    assert before == [0, 1, 2]


def rows_of(*obsids: str, hdus: tuple[int, ...] = (1, 4), band: str = "F625W") -> list[Observation]:
    return [Observation(*FIELD, obsid, band, 185.4, 14.6, hdu, "galaxy") for hdu in hdus for obsid in obsids]


def with_rootname(source: Path, target: Path) -> Path:
    """A copy whose header says the rootname that its name says."""
    content = bytearray(source.read_bytes())
    at = content.index(b"ROOTNAME= '") + len(b"ROOTNAME= '")
    content[at : at + 9] = target.name[:9].encode()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def test_a_manifest_names_chips_wherever_they_lie_below_its_folder(
    tmp_path: Path, exposed_raw: Path, artifact: Path
) -> None:
    with_rootname(exposed_raw, tmp_path / "frames" / "deep" / "iddt11faq_raw.fits")
    with_rootname(exposed_raw, tmp_path / "frames" / "iddt11fbq_raw.fits")
    listed = tmp_path / "frames" / "list.csv"
    write_manifest([*rows_of("iddt11faq"), *rows_of("iddt11fbq", hdus=(4,))], listed)
    done = run(listed, "--model", artifact, "--json")
    assert done.return_value is None, "which is exit code 0"
    first, second = lines(done)
    assert [chip["hdu"] for chip in first["chips"]] == [1, 4]
    assert [chip["hdu"] for chip in second["chips"]] == [4]
    elsewhere = tmp_path / "list.csv"
    write_manifest([replace(row, label="") for row in read_manifest(listed)], elsewhere)
    again = run(elsewhere, "--frames-in", tmp_path / "frames", "--hdu", "4", "--model", artifact, "--json")
    assert [[chip["hdu"] for chip in one["chips"]] for one in lines(again)] == [[4], [4]]


def test_files_are_held_against_their_rows(tmp_path: Path, exposed_raw: Path, artifact: Path) -> None:
    with_rootname(exposed_raw, tmp_path / "iddt11faq_raw.fits")
    shutil.copy(exposed_raw, tmp_path / "iddt11fbq_raw.fits")
    write_manifest(
        [*rows_of("iddt11faq", hdus=(1,), band="F814W"), *rows_of("iddt11fbq", "iddt11fcq", hdus=(1,))],
        tmp_path / "list.csv",
    )
    done = run(tmp_path / "list.csv", "--model", artifact, "--json")
    assert done.return_value == 1
    assert [one["bad"][0]["reason"] for one in lines(done)] == ["mismatch", "mismatch", "not-found"]


def test_a_manifest_whose_rows_lead_elsewhere_is_refused(tmp_path: Path, artifact: Path) -> None:
    listed = tmp_path / "list.csv"
    write_manifest(rows_of("../secret"), listed)
    with pytest.raises(ManifestError, match="must be a rootname"):
        CliRunner().invoke(
            predict, [str(listed), "--model", str(artifact)], standalone_mode=False, catch_exceptions=False
        )


def test_below_the_asked_probability_is_undecided(exposed_raw: Path, artifact: Path) -> None:
    plain, asked = (
        lines(run(exposed_raw, "--model", artifact, "--json", *options))[0] for options in ((), ("--abstain", "1"))
    )
    assert plain["exposure"]["label"] in ("galaxy", "NSC")
    assert {chip["label"] for chip in asked["chips"]} == {"undecided"}
    assert asked["exposure"]["label"] == "undecided"
    assert "is below 1" in asked["exposure"]["reason"]
    assert asked["exposure"]["logits"] == plain["exposure"]["logits"]


def test_only_what_is_expected_is_loaded(exposed_raw: Path, artifact: Path) -> None:
    digest = sha256_of(artifact / CARD_NAME)
    assert run(exposed_raw, "--model", artifact, "--expect", digest, "--json").return_value is None
    refused = run(exposed_raw, "--model", artifact, "--expect", "0" * 64, "--json")
    assert isinstance(refused.exception, ArtifactError)
    assert "not the artifact that was expected" in str(refused.exception)
    assert refused.stdout == ""


def test_a_keras_model_cannot_be_expected(exposed_raw: Path, tmp_path: Path) -> None:
    refused = run(exposed_raw, "--model", tmp_path / "model.keras", "--expect", "0" * 64)
    assert isinstance(refused.exception, ArtifactError)
    assert "a .keras model has no card to expect or to be signed" in str(refused.exception)


def test_a_folder_without_frames_is_a_slip(tmp_path: Path, artifact: Path) -> None:
    refused = run(tmp_path, "--model", artifact)
    assert isinstance(refused.exception, click.UsageError)
    assert "the folder holds no file that ends in .fits, .fits.gz, .fits.fz" in str(refused.exception)


def test_names_that_are_no_text_are_written_out(tmp_path: Path, artifact: Path) -> None:
    name = tmp_path / "odd\udcff,\nname.fits"
    name.write_bytes(b"no frame")
    rows = list(csv.DictReader(io.StringIO(run(name, "--model", artifact, "--csv").stdout)))
    assert [row["file"].rpartition("/")[2] for row in rows] == ["odd\\udcff,\nname.fits"] * 2
    assert {row["reason"] for row in rows} == {"not-fits"}
