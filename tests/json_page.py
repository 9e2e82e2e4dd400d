"""The tables of docs/json.md, and what a document has that they do not say, or lacks that they do."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "json.md"

_OPTIONAL = ", optional"
_KINDS = {"text": str, "boolean": bool, "null": type(None), "list": list, "object": dict}


@dataclass
class Node:
    """What may stand in one place.

    Attributes:
        kinds: Words and shapes of the type; empty where only what it holds is told.
        optional: Whether it may be left out.
        fields: By key, of an object.
        values: Of an object whose keys are names.
        items: Of a list.
    """

    kinds: tuple[str, ...] = ()
    optional: bool = False
    fields: dict[str, Node] = field(default_factory=dict)
    values: Node | None = None
    items: Node | None = None


def problems(document: dict[str, Any]) -> list[str]:
    """Where a document and the page differ, in words; none where they agree."""
    tables = read_page()
    schema = document.get("schema")
    if schema not in tables:
        return [f"schema {schema!r} is not on the page"]
    table = tables[schema]
    return list(_differences({key: value for key, value in document.items() if key != "schema"}, table, schema))


@functools.cache
def read_page() -> dict[str, Node]:
    """The tables by the name in their heading: schemas and shapes."""
    tables: dict[str, Node] = {}
    table = Node()
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"### `(.+)`", line):
            table = tables.setdefault(heading[1], Node())
        elif line.startswith("| `") and len(cells := line.strip("| ").split(" | ")) == 3:
            for path in re.findall(r"`([^`]+)`", cells[0]):
                _place(table, path, cells[1])
    return tables


def _place(table: Node, path: str, told: str) -> None:
    node = table
    for step in re.findall(r"\[\]|\{\}|[^.\[\]{}]+", path):
        if step == "[]":
            node.items = node.items or Node()
            node = node.items
        elif step == "{}":
            node.values = node.values or Node()
            node = node.values
        else:
            node = node.fields.setdefault(step, Node())
    node.kinds = tuple(told.removesuffix(_OPTIONAL).replace("`", "").split(" or "))
    node.optional = told.endswith(_OPTIONAL)


def _differences(value: Any, node: Node, where: str) -> Iterator[str]:
    shapes = read_page()
    holders = [node, *(shapes[kind] for kind in node.kinds if kind in shapes)]
    if "any" in node.kinds or (value is None and "null" in node.kinds):
        return
    if isinstance(value, dict) and any(one.fields or one.values for one in holders):
        yield from _in_object(value, holders, where)
    elif isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            yield from _differences(item, node.items, f"{where}[{index}]")
    elif not any(_is(value, kind) for kind in node.kinds):
        yield f"{where}: {' or '.join(node.kinds) or 'an object or a list'} on the page, {value!r} in the document"


def _in_object(value: dict[str, Any], holders: list[Node], where: str) -> Iterator[str]:
    fields = {key: node for one in holders for key, node in one.fields.items()}
    values = next((one.values for one in holders if one.values), None)
    for key, held in value.items():
        node = fields.get(key, values)
        if node is None:
            yield f"{where}.{key}: not on the page"
        else:
            yield from _differences(held, node, f"{where}.{key}")
    for key, node in fields.items():
        if key not in value and not _may_be_absent(node):
            yield f"{where}.{key}: on the page, not in the document"


def _may_be_absent(node: Node) -> bool:
    # A part whose keys alone are told is optional where one of these is.
    below = [*node.fields.values(), *filter(None, (node.values, node.items))]
    return node.optional or (not node.kinds and any(map(_may_be_absent, below)))


def _is(value: Any, kind: str) -> bool:
    if kind in ("integer", "number"):
        return isinstance(value, int if kind == "integer" else (int, float)) and not isinstance(value, bool)
    return kind in _KINDS and isinstance(value, _KINDS[kind])
