from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celestialkeras.errors import ManifestError
from celestialkeras.lcid.manifest import (
    COLUMNS,
    LABELS,
    Observation,
    manifest_digest,
    read_manifest,
    write_manifest,
)

# A busy machine must not turn a property that holds into a failure.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

ROOT = Path(__file__).parents[3]
HEADER = "," + ",".join(COLUMNS)
CELLS = ("NGC4298", "WFC3/UVIS", "iddt11fxq", "F625W", "185.432173", "14.588604", "1", "galaxy")
ROW = Observation("NGC4298", "WFC3/UVIS", "iddt11fxq", "F625W", 185.432173, 14.588604, 1, "galaxy")


def manifest_text(**changed: str) -> str:
    """A manifest of one row, cells changed by column name with underscores for spaces."""
    cells = [changed.get(name.replace(" ", "_"), cell) for name, cell in zip(COLUMNS, CELLS, strict=True)]
    return f"{HEADER}\n0,{','.join(cells)}\n"


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("name", ["LCID_test.csv", "blurry_validation.csv"])
def test_published_lists_come_back_byte_for_byte(tmp_path: Path, name: str) -> None:
    published = ROOT.parent / "shared" / "data" / "lcid" / name
    if not published.exists():
        pytest.skip(f"the published list {name} does not lie in ../shared/data/lcid")
    rows = read_manifest(published)
    write_manifest(rows, tmp_path / name)
    assert (tmp_path / name).read_bytes() == published.read_bytes()
    frames, objects = {"LCID_test.csv": (1595, 21), "blurry_validation.csv": (116, 16)}[name]
    assert (len(rows), len({row.object_id for row in rows})) == (frames, objects)


def test_a_row_is_read_into_its_types(tmp_path: Path) -> None:
    assert read_manifest(written(tmp_path / "m.csv", manifest_text())) == [ROW]
    assert (ROW.label_code, replace(ROW, label="NSC").label_code) == (0, 1)
    assert ROW.key == ("iddt11fxq", 1)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + manifest_text().encode(),
        manifest_text().replace("\n", "\r\n").encode(),
        manifest_text().replace("\n", "\r").encode(),
        manifest_text().rstrip("\n").encode(),
        manifest_text().replace(",", " , ").encode(),
        (manifest_text() + "\n,,,,,,,,\n").encode(),
        "\n".join(line.partition(",")[2] for line in manifest_text().splitlines()).encode(),
        "\n".join(",".join(reversed(line.split(","))) for line in manifest_text().splitlines()).encode(),
    ],
    ids=["BOM", "CRLF", "CR", "no last line end", "spaces", "blank rows", "no index", "columns turned round"],
)
def test_spellings_of_one_manifest(tmp_path: Path, content: bytes) -> None:
    assert read_manifest(written(tmp_path / "m.csv", content)) == [ROW]


AWKWARD_CELLS = (
    "plain",
    "",
    " spaces around ",
    "a, comma",
    'a "quoted" word',
    '"',
    "two\nlines",
    "two\r\nlines",
    "old\rMac",
    "next\x85line and \u2028 separator",
    "form\x0cfeed",
    "\ufeffmark",
    "μ Cep",
)


def test_extra_columns_are_kept_to_the_letter(tmp_path: Path) -> None:
    rows = [
        replace(ROW, obsid=f"iddt{index:05d}", extra={"note": cell, "an, other": cell[::-1]})
        for index, cell in enumerate(AWKWARD_CELLS)
    ]
    write_manifest(rows, tmp_path / "a.csv")
    assert read_manifest(tmp_path / "a.csv") == rows
    write_manifest(read_manifest(tmp_path / "a.csv"), tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()


def test_rows_with_different_extra_columns_get_all_of_them(tmp_path: Path) -> None:
    rows = [replace(ROW, extra={"a": "1"}), replace(ROW, hdu=4, extra={"b": "2", "a": "3"})]
    write_manifest(rows, tmp_path / "m.csv")
    lines = (tmp_path / "m.csv").read_text().splitlines()
    assert lines[0] == f"{HEADER},a,b"
    assert [line.rpartition("galaxy")[2] for line in lines[1:]] == [",1,", ",3,2"]
    assert [row.extra for row in read_manifest(tmp_path / "m.csv")] == [{"a": "1", "b": ""}, {"a": "3", "b": "2"}]


names = st.text(min_size=1, max_size=12).map(str.strip).filter(lambda text: text != "" and text.isprintable())


@st.composite
def observations(draw: st.DrawFn, index: int) -> Observation:
    return Observation(
        object_id=draw(names.filter(lambda name: name.encode("utf-8", "ignore").decode() == name)),
        instrument=draw(st.sampled_from(["ACS/WFC", "WFC3/UVIS"])),
        obsid=f"j{index:08d}",
        filter=draw(st.sampled_from(["F814W", "F606W"])),
        ra=draw(st.integers(0, 360_000_000).map(lambda micro: micro / 1e6)),
        dec=draw(st.integers(-90_000_000, 90_000_000).map(lambda micro: micro / 1e6)),
        hdu=draw(st.sampled_from([1, 4])),
        label=draw(st.sampled_from(LABELS)),
    )


@unhurried
@given(st.data())
def test_any_rows_come_back(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    rows = [data.draw(observations(index)) for index in range(data.draw(st.integers(1, 4)))]
    path = tmp_path_factory.mktemp("m") / "m.csv"
    write_manifest(rows, path)
    assert read_manifest(path) == rows


def test_labels_may_be_left_out_where_nothing_is_learnt_from_them(tmp_path: Path) -> None:
    path = written(tmp_path / "m.csv", manifest_text(Label=" "))
    assert read_manifest(path, unlabelled=True) == [replace(ROW, label="")]
    with pytest.raises(ManifestError, match=r"must be one of galaxy, NSC\. Received: 'nebula'"):
        read_manifest(written(tmp_path / "n.csv", manifest_text(Label="nebula")), unlabelled=True)


@pytest.mark.parametrize("angle", [np.float64(10.5), np.float32(10.5), 10.5])
def test_angles_are_written_as_plain_numbers(tmp_path: Path, angle: Any) -> None:
    write_manifest([replace(ROW, ra=angle, dec=-angle)], tmp_path / "m.csv")
    assert ",10.5,-10.5," in (tmp_path / "m.csv").read_text()


@pytest.mark.parametrize(
    ("changed", "column", "rule"),
    [
        ({"ID": ""}, "ID", "must be the printable name of an object. Received: ''"),
        ({"ID": "a\x07"}, "ID", "must be the printable name of an object"),
        ({"ID": '"a\nb"'}, "ID", r"Received: 'a\nb'"),
        ({"Instrument": "WFPC2"}, "Instrument", "must be one of ACS/WFC, WFC3/UVIS, CSST/MSC. Received: 'WFPC2'"),
        ({"OBSID": "IDDT11FXQ"}, "OBSID", "must be a rootname of nine lower-case letters and digits"),
        ({"OBSID": "iddt11fx"}, "OBSID", "Received: 'iddt11fx'"),
        ({"Filter": "F606W+"}, "Filter", "must be a filter name such as F814W. Received: 'F606W+'"),
        ({"Filter": ""}, "Filter", "must be a filter name"),
        ({"RA": "nan"}, "RA", "must be degrees from 0 to 360. Received: 'nan'"),
        ({"RA": "inf"}, "RA", "must be degrees from 0 to 360. Received: 'inf'"),
        ({"RA": "-0.1"}, "RA", "must be degrees from 0 to 360"),
        ({"RA": "360.1"}, "RA", "must be degrees from 0 to 360"),
        ({"RA": "1_0"}, "RA", "Received: '1_0'"),
        ({"RA": "\u0661\u0662"}, "RA", "must be degrees from 0 to 360"),
        ({"RA": "12:30:00"}, "RA", "must be degrees from 0 to 360"),
        ({"RA": ""}, "RA", "must be degrees from 0 to 360. Received: ''"),
        ({"RA": "1e999"}, "RA", "must be degrees from 0 to 360"),
        ({"DEC": "-90.5"}, "DEC", "must be degrees from -90 to 90. Received: '-90.5'"),
        ({"DEC": "-inf"}, "DEC", "must be degrees from -90 to 90"),
        ({"HDU_Index": "2"}, "HDU Index", "must be 1 (lower chip) or 4 (upper chip). Received: '2'"),
        ({"HDU_Index": "1.0"}, "HDU Index", "Received: '1.0'"),
        ({"Label": "Galaxy"}, "Label", "must be one of galaxy, NSC. Received: 'Galaxy'"),
        ({"Label": "nebula"}, "Label", "Received: 'nebula'"),
        (
            {"Label": ""},
            "Label",
            "must be one of galaxy, NSC; only what is fetched, looked at or classified may go without. Received: ''",
        ),
    ],
)
def test_a_cell_that_is_not_allowed(tmp_path: Path, changed: dict[str, str], column: str, rule: str) -> None:
    path = written(tmp_path / "m.csv", manifest_text(**changed))
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(f"{path}: row 2, column {column!r}: ")
    assert rule in str(caught.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", r"empty; expected the columns ID, Instrument"),
        (HEADER, "a header but no rows"),
        (manifest_text().replace("Label", "Class"), "no column 'Label'; found ID, Instrument"),
        (manifest_text().replace("DEC", "RA"), "column 'RA' stands twice in the header"),
        (manifest_text() + "1,NGC4298\n", "row 3 has 2 cells, the header 9"),
        (manifest_text() + "\n" + manifest_text().splitlines()[1], "row 4 repeats row 2: iddt11fxq HDU 1 stands twice"),
        (manifest_text(ID='"NGC'), "not valid CSV"),
        (b"\xff\xfe\x00", "cannot be read as UTF-8 text"),
        (manifest_text(ID="caf\xe9").encode("latin-1"), "cannot be read as UTF-8 text"),
    ],
)
def test_a_file_that_is_no_manifest(tmp_path: Path, content: str | bytes, why: str) -> None:
    path = written(tmp_path / "m.csv", content)
    with pytest.raises(ManifestError, match=why) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(str(path))


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such manifest"):
        read_manifest(tmp_path / "m.csv")
    with pytest.raises(ManifestError, match="cannot be read"):
        read_manifest(tmp_path)


def test_a_row_after_a_cell_of_two_lines_is_named_by_its_number(tmp_path: Path) -> None:
    first, bad = replace(ROW, extra={"note": "one\ntwo"}), replace(ROW, hdu=4, extra={"note": ""})
    write_manifest([first, bad], tmp_path / "m.csv")
    path = written(tmp_path / "m.csv", (tmp_path / "m.csv").read_bytes().replace(b",4,galaxy", b",5,galaxy"))
    with pytest.raises(ManifestError, match="row 3, column 'HDU Index'"):
        read_manifest(path)


def test_digest_follows_the_published_columns_in_order() -> None:
    other = replace(ROW, hdu=4)
    assert manifest_digest([ROW, other]) == manifest_digest(iter([ROW, replace(other, extra={"split": "test"})]))
    digests = {manifest_digest(rows) for rows in ([ROW], [ROW, other], [other, ROW], [replace(ROW, ra=1.0)])}
    assert len(digests) == 4
