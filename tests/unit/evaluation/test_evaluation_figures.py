from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib import image
from matplotlib.figure import Figure

from celestialkeras.errors import MissingExtraError
from celestialkeras.evaluation.figures import save_figure
from celestialkeras.evaluation.metrics import score
from celestialkeras.evaluation.predictions import Predictions

Make = Callable[[Sequence[Any]], Predictions]

GALAXY_BLUE = (0x00, 0x72, 0xB2)
NSC_ORANGE = (0xE6, 0x9F, 0x00)


def objects(count: int) -> list[Any]:
    """Objects of two to six frames, every third an NSC, some with long names."""
    cases = []
    for index in range(count):
        name = f"NGC {index:04d}" if index % 5 else f"Small Magellanic Cloud, field $x^{{2 {index:04d}"
        label = "NSC" if index % 3 == 0 else "galaxy"
        instrument = ("ACS/WFC", "WFC3/UVIS", "CSST/MSC")[index % 3]
        cases += [(name, instrument, "F814W", label, frame % 4 > 0) for frame in range(2 + index % 5)]
    return cases


def has_colour(path: Path, colour: tuple[int, int, int]) -> bool:
    pixels = np.rint(255 * image.imread(path)[..., :3]).astype(int)
    return bool((np.abs(pixels - colour).max(axis=-1) <= 1).any())


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved, for asking where their texts lie."""
    kept: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *args: Any, **kwargs: Any) -> None:
        kept.append(figure)
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", keep)
    return kept


@pytest.mark.parametrize("count", [1, 5, 27, 70])
def test_no_two_texts_overlap_and_none_leaves_the_page(
    predictions: Make, tmp_path: Path, drawn: list[Figure], count: int
) -> None:
    save_figure(score(predictions(objects(count))), tmp_path / "page.png", "hr_celestialnet, 2048 x 4096, on a list")
    (figure,) = drawn
    figure.draw_without_rendering()
    texts = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        texts += [*axes.get_xticklabels(), *axes.get_yticklabels(), *axes.texts, axes.xaxis.label, axes.yaxis.label]
        texts.append(axes._left_title)
    shown = [text for text in texts if text.get_text()]
    boxes = [text.get_window_extent() for text in shown]
    # The name of each object and instrument, beside the other texts of the page.
    assert len(shown) > count + 20
    page = figure.bbox
    for index, box in enumerate(boxes):
        assert box.x0 >= page.x0, shown[index].get_text()
        assert box.x1 <= page.x1, shown[index].get_text()
        assert box.y0 >= page.y0, shown[index].get_text()
        assert box.y1 <= page.y1, shown[index].get_text()
        for other in range(index):
            assert not box.overlaps(boxes[other]), (shown[index].get_text(), shown[other].get_text())


def test_both_classes_are_drawn_in_their_colours(predictions: Make, tmp_path: Path) -> None:
    path = tmp_path / "report" / "page.png"
    save_figure(score(predictions(objects(5))), path)
    assert has_colour(path, GALAXY_BLUE)
    assert has_colour(path, NSC_ORANGE)
    assert [entry.name for entry in path.parent.iterdir()] == ["page.png"]


def test_objects_stand_worst_first_under_the_headline(
    predictions: Make, mixed: list[Any], tmp_path: Path, drawn: list[Figure]
) -> None:
    save_figure(score(predictions(mixed)), tmp_path / "page.png", "toy")
    (figure,) = drawn
    names = [[label.get_text() for label in axes.get_yticklabels()] for axes in figure.axes]
    assert names == [["galaxy", "NSC"], ["WFC3/UVIS (6)", "ACS/WFC (4)"], ["M16 (4)", "NGC1 (4)", "NGC2 (2)"]]
    assert [text.get_text() for text in figure.axes[0].texts] == ["5\n83.3 %", "1\n16.7 %", "2\n50.0 %", "2\n50.0 %"]
    headline = " ".join(text.get_text() for text in figure.texts)
    assert "toy" in headline
    assert "accuracy 70.0 %" in headline
    assert "39.7 to 89.2 % over 10 frames (Wilson)" in headline
    assert "over 3 objects (bootstrap)" in headline
    assert "always answering galaxy 60.0 %" in headline


def test_the_same_evaluation_gives_the_same_bytes(predictions: Make, mixed: list[Any], tmp_path: Path) -> None:
    evaluation = score(predictions(mixed))
    for name in ("first.png", "second.png"):
        save_figure(evaluation, tmp_path / name)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_a_name_without_letters_in_the_font_is_drawn(predictions: Make, tmp_path: Path) -> None:
    path = tmp_path / "page.png"
    save_figure(score(predictions([("\N{CJK UNIFIED IDEOGRAPH-661F}", "ACS/WFC", "F814W", "galaxy", True)])), path)
    assert image.imread(path).shape[1] == 1500


def test_drawing_leaves_the_backend_alone(predictions: Make, mixed: list[Any], tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    save_figure(score(predictions(mixed)), tmp_path / "page.png")
    assert dict(matplotlib.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_without_matplotlib_the_extra_is_named(
    predictions: Make, mixed: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"Drawing figures needs the extra `train`"):
        save_figure(score(predictions(mixed)), tmp_path / "page.png")
    assert list(tmp_path.iterdir()) == []
