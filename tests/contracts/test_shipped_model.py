"""What the shipped model promises: small, verified where the tests run, and plainly of simulated frames."""

from __future__ import annotations

from celestial_edge.card import read_card
from celestial_edge.device.shipped import SHIPPED_MODEL, shipped_artifact
from celestial_edge.device.verify import verify
from celestial_edge.recipes import STATIC_INT8


def test_the_shipped_model_is_small_int8_and_says_how_it_was_made() -> None:
    folder = shipped_artifact()
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "golden.npz", "model.tflite"]
    assert (folder / "model.tflite").stat().st_size <= 5_000_000
    card = read_card(folder)
    assert (card.model, card.recipe, card.input.dtype) == (SHIPPED_MODEL, STATIC_INT8, "int8")
    assert card.provenance["made_by"].startswith("celestial quantize")
    assert "simulated frames" in card.provenance["trained_on"]


def test_the_shipped_model_gives_its_golden_logits() -> None:
    result = verify(shipped_artifact())
    assert result.agrees, [(frame.expected, frame.found) for frame in result.frames]
    assert [frame.found_label for frame in result.frames] == [frame.expected_label for frame in result.frames]
