"""docs/json.md and what verbs print: every schema is told, and a document that differs is found out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from celestial_cli.main import celestial
from celestial_cli.models import models
from celestial_cli.terminal import encode_document
from celestial_edge.device.doctor.readiness import VERBS
from json_page import PAGE, problems, read_page
from verbs import invoke

REPOSITORY = Path(__file__).parents[3]

# Written to files, or kept within other documents.
NOT_PRINTED = {
    *("shortcuts", "comparison", "comparison-plan", "comparison-result", "calibration", "robustness-point"),
    "chip-verdicts",
}


def schemas_in_code() -> set[str]:
    found: set[str] = set()
    for folder in ("celestialkeras", "edge/celestial_edge", "cli/celestial_cli"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            found |= set(re.findall(r"\"(celestialkeras\.[a-z-]+/\d+)\"", path.read_text(encoding="utf-8")))
    return {name for name in found if re.split(r"[./]", name)[1] not in NOT_PRINTED}


def test_every_schema_of_the_code_is_on_the_page_and_none_else() -> None:
    told = {name for name in read_page() if name.startswith("celestialkeras.")}
    assert told == schemas_in_code() | {"celestialkeras.signature/1", "celestialkeras.key/1"}


def test_the_first_table_names_every_verb_and_schema() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if re.match(r"\| `[a-z -]+`.*/\d", line)]
    verbs = {verb for row in rows for verb in re.findall(r"`([a-z -]+)`", row.split("|")[1])}
    assert verbs == {*VERBS, "doctor"}
    listed = {f"celestialkeras.{name}" for row in rows for name in re.findall(r"`([a-z-]+/\d+)`", row)}
    assert listed == {name for name in read_page() if name.startswith("celestialkeras.")}


def test_readiness_and_the_page_know_every_verb() -> None:
    groups = {"data", "doctor", "completion"}
    assert {name for name in VERBS if not name.startswith("data ")} == set(celestial.list_commands(None)) - groups
    data = celestial.get_command(None, "data")
    assert {f"data {name}" for name in data.commands} == {name for name in VERBS if name.startswith("data ")}


def test_shapes_that_tables_speak_of_are_told() -> None:
    text = PAGE.read_text(encoding="utf-8")
    types = re.findall(r"^\| `[^|]+\| ([^|]+) \| [^|]+ \|$", text, re.MULTILINE)
    shapes = {name for told in types for name in re.findall(r"`([^`]+)`", told)}
    assert len(shapes) > 20
    assert shapes <= set(read_page())


MODELS: dict[str, Any] = {
    "schema": "celestialkeras.signature/1",
    "signature": "a/card.sig",
    "card_sha256": "00",
}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, None),
        ({"schema": "celestialkeras.signature/2"}, "schema 'celestialkeras.signature/2' is not on the page"),
        ({"signature": 3}, "celestialkeras.signature/1.signature: text on the page, 3 in the document"),
        ({"signature": None}, "celestialkeras.signature/1.signature: text on the page, None in the document"),
        ({"other": 1}, "celestialkeras.signature/1.other: not on the page"),
    ],
)
def test_a_document_that_differs_is_found_out(change: dict[str, Any], problem: str | None) -> None:
    assert problems({**MODELS, **change}) == ([] if problem is None else [problem])


def test_a_key_that_is_left_out_is_found_out() -> None:
    document = {key: value for key, value in MODELS.items() if key != "card_sha256"}
    assert problems(document) == ["celestialkeras.signature/1.card_sha256: on the page, not in the document"]


def test_lists_maps_and_shapes_are_followed() -> None:
    document: dict[str, Any] = {
        "schema": "celestialkeras.dataset/1",
        "data": "shards",
        "frames": {"train": 1, "test": "two"},
        "objects": {},
        "bad_frames": [{"obsid": "j", "hdu": 1.5, "reason": "blank", "message": ""}],
        "left_out": {},
    }
    assert problems(document) == [
        "celestialkeras.dataset/1.frames.test: integer on the page, 'two' in the document",
        "celestialkeras.dataset/1.bad_frames[0].hdu: integer on the page, 1.5 in the document",
    ]


def test_a_document_must_say_its_schema_and_hold_finite_numbers() -> None:
    with pytest.raises(ValueError, match=r"a document says its `schema`. Received: run"):
        encode_document({"run": "a"})
    with pytest.raises(ValueError, match="Out of range float"):
        encode_document({"schema": "celestialkeras.key/1", "private_key": float("nan"), "public_key": ""})


def test_models_print_one_document() -> None:
    done = invoke(models, "--json")
    assert done.stdout.startswith('{\n "schema": "celestialkeras.models/1"')
