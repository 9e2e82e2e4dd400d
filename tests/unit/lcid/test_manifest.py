from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from celestialkeras.errors import ManifestError
from celestialkeras.lcid.manifest import (
    COLUMNS,
    LABELS,
    SPLITS,
    Observation,
    manifest_digest,
    read_manifest,
    split_by_object,
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


def frames_of(counts: dict[str, tuple[str, int]], **split: str) -> list[Observation]:
    """Rows of objects, given as name: (label, frames); `split` names the side of some."""
    rows = []
    for name, (label, frames) in counts.items():
        extra = {"split": split[name]} if name in split else {}
        for _ in range(frames):
            row = replace(ROW, object_id=name, label=label, obsid=f"j{len(rows):08d}", extra=extra)
            rows.append(row)
    return rows


def sides_of(rows: Sequence[Observation]) -> dict[str, set[str]]:
    sides = defaultdict(set)
    for row in rows:
        sides[row.object_id].add(row.extra["split"])
    return sides


def share(rows: Sequence[Observation], label: str, side: str) -> float:
    mine = [row for row in rows if row.label == label]
    return sum(row.extra["split"] == side for row in mine) / len(mine)


FRACTIONS = st.sampled_from([(0.6, 0.2, 0.2), (0.8, 0.1, 0.1), (0.5, 0.5, 0.0), (0.7, 0.0, 0.3), (0.0, 0.0, 1.0)])
FRAMES = st.lists(st.integers(1, 9), min_size=3, max_size=12)


@unhurried
@given(galaxies=FRAMES, nscs=FRAMES, fractions=FRACTIONS, seed=st.integers(0, 99))
def test_split_properties(
    galaxies: list[int], nscs: list[int], fractions: tuple[float, float, float], seed: int
) -> None:
    counts = {f"G{i}": ("galaxy", n) for i, n in enumerate(galaxies)} | {
        f"N{i}": ("NSC", n) for i, n in enumerate(nscs)
    }
    rows = frames_of(counts)
    divided = split_by_object(rows, fractions, seed)

    sides = sides_of(divided)
    assert all(len(found) == 1 for found in sides.values()), "an object stands on one side"
    assert [replace(row, extra={}) for row in divided] == rows, "rows keep their order and cells"
    wanted = {side for side, fraction in zip(SPLITS, fractions, strict=True) if fraction > 0}
    for label in LABELS:
        assert {row.extra["split"] for row in divided if row.label == label} == wanted
    assert split_by_object(rows, fractions, seed) == divided
    shuffled = [rows[index] for index in np.random.default_rng(seed).permutation(len(rows))]
    assert sides_of(split_by_object(shuffled, fractions, seed)) == sides, "the order of rows does not matter"
    for label, sizes in zip(LABELS, (galaxies, nscs), strict=True):
        for side, fraction in zip(SPLITS, fractions, strict=True):
            held = share(divided, label, side) * sum(sizes)
            assert held <= fraction * sum(sizes) + max(sizes) + 1e-6, "a side is over its share by one object at most"
    assert split_by_object(divided, (1 / 3, 1 / 3, 1 / 3), seed + 1) == divided, "given sides are kept"


@unhurried
@given(galaxies=FRAMES, nscs=FRAMES, given_sides=st.lists(st.sampled_from(SPLITS), min_size=1, max_size=3))
def test_split_keeps_given_sides_and_fills_the_others(
    galaxies: list[int], nscs: list[int], given_sides: list[str]
) -> None:
    counts = {f"G{i}": ("galaxy", n) for i, n in enumerate(galaxies)} | {
        f"N{i}": ("NSC", n) for i, n in enumerate(nscs)
    }
    fixed = {f"G{i}": side for i, side in enumerate(given_sides)}
    lacking = set(SPLITS) - set(given_sides)
    assume(len(galaxies) == len(given_sides) or len(galaxies) - len(given_sides) >= len(lacking))
    sides = sides_of(split_by_object(frames_of(counts, **fixed)))
    assert {name: sides[name] for name in fixed} == {name: {side} for name, side in fixed.items()}
    if len(galaxies) > len(given_sides):
        assert set.union(*(found for name, found in sides.items() if name.startswith("G"))) == set(SPLITS)


def test_classes_are_balanced_alike_on_every_side() -> None:
    rng = np.random.default_rng(0)
    counts = {f"{label}{i}": (label, int(rng.integers(5, 15))) for label in LABELS for i in range(40)}
    for seed in range(10):
        rows = split_by_object(frames_of(counts), (0.6, 0.2, 0.2), seed)
        for label in LABELS:
            for side, wanted in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
                assert share(rows, label, side) == pytest.approx(wanted, abs=0.04)


@pytest.mark.parametrize("fractions", [(0.6, 0.2, 0.2), (0.8, 0.1, 0.1), (0.5, 0.0, 0.5)])
def test_shares_are_met_where_few_objects_hold_most_frames(fractions: tuple[float, float, float]) -> None:
    sizes = {"galaxy": (146, 142, 96, 88, 84, 76, 64, 48, 40, 36, 20, 8, 4), "NSC": (226, 190, 182, 64, 38, 38, 4)}
    counts = {f"{label}{i}": (label, n) for label, all_n in sizes.items() for i, n in enumerate(all_n)}
    for seed in range(8):
        rows = split_by_object(frames_of(counts), fractions, seed)
        for label in LABELS:
            off = sum(abs(share(rows, label, side) - wanted) for side, wanted in zip(SPLITS, fractions, strict=True))
            # No division of these NSCs is nearer to 60/20/20 than 416, 182 and 144 frames of 742: 0.09 off.
            assert off < {"galaxy": 0.06, "NSC": 0.12}[label]


def test_shares_are_met_beside_given_sides() -> None:
    sizes = (200, 190, 90, 80, 70, 60, 50, 40, 10, 10)
    counts = {f"G{i}": ("galaxy", n) for i, n in enumerate(sizes)}
    for seed in range(8):
        rows = split_by_object(frames_of(counts, G1="test"), (0.5, 0.2, 0.3), seed)
        assert sides_of(rows)["G1"] == {"test"}
        assert [share(rows, "galaxy", side) for side in SPLITS] == pytest.approx([0.5, 0.2, 0.3], abs=0.03)


def test_of_orders_alike_the_first_counts() -> None:
    names = [f"G{i}" for i in range(10)]
    rows = split_by_object(frames_of(dict.fromkeys(names, ("galaxy", 3))), (0.5, 0.5, 0.0), seed=4)
    first = [names[index] for index in np.random.default_rng(4).permutation(10)]
    assert sides_of(rows) == {name: {("train", "validation")[place % 2]} for place, name in enumerate(first)}


def test_other_seeds_give_other_splits() -> None:
    counts = {f"{label}{i}": (label, 3) for label in LABELS for i in range(10)}
    splits = [tuple(row.extra["split"] for row in split_by_object(frames_of(counts), seed=seed)) for seed in range(5)]
    assert len(set(splits)) == 5


def test_split_keeps_other_extra_columns() -> None:
    rows = [
        replace(row, extra={"note": row.object_id}) for row in frames_of({f"G{i}": ("galaxy", 2) for i in range(3)})
    ]
    assert all(row.extra["note"] == row.object_id for row in split_by_object(rows))
    assert "split" not in rows[0].extra, "the rows that were given stay as they are"


@pytest.mark.parametrize(
    "fractions", [(0.5, 0.2, 0.2), (1.2, -0.2, 0.0), (float("nan"), 0.5, 0.5), (0.5, 0.5), (0.25, 0.25, 0.25, 0.25)]
)
def test_fractions_that_are_no_three_shares(fractions: Any) -> None:
    with pytest.raises(ManifestError, match=r"`fractions` must be three shares that sum to 1. Received: fractions=\("):
        split_by_object([ROW], fractions)


def test_too_few_objects_for_the_sides() -> None:
    rows = frames_of({"G1": ("galaxy", 5), "G2": ("galaxy", 5)})
    with pytest.raises(
        ManifestError, match=r"class 'galaxy' has 2 object\(s\) to place \(G1, G2\), too few for the sides"
    ):
        split_by_object(rows)
    assert Counter(row.extra["split"] for row in split_by_object(rows, (0.5, 0.5, 0.0))) == {
        "train": 5,
        "validation": 5,
    }


def test_too_few_objects_beside_those_with_a_given_side() -> None:
    counts = {f"N{i}": ("NSC", 2) for i in range(5)}
    with pytest.raises(ManifestError, match=r"1 object\(s\) to place \(N4\), too few for the sides validation, test"):
        split_by_object(frames_of(counts, N0="train", N1="train", N2="train", N3="train"))


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([ROW, replace(ROW, hdu=4, label="NSC")], "object 'NGC4298' has two classes: NSC, galaxy"),
        (
            [replace(ROW, extra={"split": "test"}), replace(ROW, hdu=4, extra={"split": "train"})],
            "object 'NGC4298' stands on two sides: 'test', 'train'",
        ),
        ([replace(ROW, extra={"split": "test"}), replace(ROW, hdu=4)], "stands on two sides: '', 'test'"),
        ([replace(ROW, extra={"split": "dev"})], "must be one of train, validation, test. Received: 'dev'"),
    ],
)
def test_objects_that_cannot_be_placed(rows: list[Observation], why: str) -> None:
    with pytest.raises(ManifestError, match=why):
        split_by_object(rows)
