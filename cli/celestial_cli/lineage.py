"""`celestial lineage`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from celestial_cli.bench import bench_record
from celestial_cli.evaluate import evaluation_folder
from celestial_cli.locate import artifacts_folder, is_artifact
from celestial_cli.parameters import ModelPath
from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json
from celestial_edge.card import CARD_NAME, read_card
from celestialkeras.backend import import_tensorflow
from celestialkeras.files import sha256_of
from celestialkeras.training.run import Run, open_run

if TYPE_CHECKING:
    from celestialkeras.training.lineage import Accuracy, Ancestor, Standing

COLUMNS = ("step", "made by", "validation %", "test %", "MB", "parameters", "GMAC", "p50 ms", "p90 ms", "note")
"""What is told of each step."""

_ABSENT = "-"

_NOTES = {
    "whole": "",
    "altered": "no longer the file that the next step was made from: {}",
    "missing": "missing: {}",
}


@click.command()
@click.argument("run", required=False, type=ModelPath())
@json_option
def lineage(run: Path | None, as_json: bool) -> None:
    """Print what RUN (runs/latest if not given) was made from, step by step, and what each step takes and gives.

    Figures are those that `train`, `evaluate`, `quantize` and `bench` left behind; what was not measured is a dash.
    """
    found = open_run(run)
    steps = _steps(found)
    if as_json:
        told = [step.to_json() for step in steps]
        print_json({"schema": "celestialkeras.lineage/1", "run": str(found.folder), "steps": told})
        return
    print_table(f"Lineage of {found.folder}", COLUMNS, _rows(steps))


def lineage_rows(run: Run) -> list[list[str]]:
    """What a run was made from and what each step takes and gives, as cells of `COLUMNS`.

    Raises:
        RunError: The run has no model yet, or a `derivation.json` cannot be read.
        MissingExtraError: TensorFlow is not installed.
    """
    return _rows(_steps(run))


@dataclass(frozen=True)
class _ArtifactFigures:
    """What is known of one artifact of a run."""

    recipe: str
    layout: str
    accuracy: dict[str, Accuracy | None]
    file_bytes: int
    latency_ms: Mapping[str, float] | None
    note: str

    def row(self) -> list[str]:
        return [
            f"- {self.recipe}",
            f"quantize, {self.layout}",
            *_percents(self.accuracy),
            f"{self.file_bytes / 1e6:.3f}",
            *(_ABSENT, _ABSENT),
            *_milliseconds(self.latency_ms),
            self.note,
        ]


@dataclass(frozen=True)
class _Step:
    """One model of the lineage, and its run's artifacts."""

    ancestor: Ancestor
    standing: Standing | None
    artifacts: list[_ArtifactFigures]

    @property
    def _verb(self) -> str:
        one = self.ancestor
        if one.derivation is not None:
            return one.derivation.verb
        return "train" if one.run is not None else ""

    @property
    def _options(self) -> Mapping[str, Any]:
        one = self.ancestor
        if one.derivation is not None:
            return one.derivation.options
        if one.run is None:
            return {}
        options = one.run.options()
        return {"model": options.model, **options.model_options, "size": options.size, "epochs": options.epochs}

    @property
    def _latency_ms(self) -> Mapping[str, float] | None:
        # What a verb measured of the int8 artifact of the network that it made.
        after = self.ancestor.derivation.figures.get("after") if self.ancestor.derivation else None
        if not isinstance(after, Mapping) or "p50_ms" not in after or "p90_ms" not in after:
            return None
        return {"p50": after["p50_ms"], "p90": after["p90_ms"]}

    def rows(self) -> list[list[str]]:
        held, one = self.standing, self.ancestor
        state = _NOTES[one.state.value].format(one.model)
        timed = f"times in int8, measured by {self._verb}" if self._latency_ms else ""
        asked = [_option(name, value) for name, value in self._options.items() if not name.endswith("_sha256")]
        first = [
            one.run.name if one.run else str(one.model),
            ", ".join([self._verb or _ABSENT, *asked]),
            *(_percents(held.accuracy) if held else (_ABSENT, _ABSENT)),
            f"{held.file_bytes / 1e6:.3f}" if held else _ABSENT,
            f"{held.cost.total:,}" if held and held.cost else _ABSENT,
            f"{held.cost.gmac:.3f}" if held and held.cost else _ABSENT,
            *_milliseconds(self._latency_ms),
            "; ".join(filter(None, (state, timed))),
        ]
        return [first, *(artifact.row() for artifact in self.artifacts)]

    def to_json(self) -> dict[str, Any]:
        held, one = self.standing, self.ancestor
        return {
            "verb": self._verb,
            "options": dict(self._options),
            "run": str(one.run.folder) if one.run else None,
            "model": str(one.model),
            "state": one.state.value,
            "accuracy": {split: found and asdict(found) for split, found in held.accuracy.items()} if held else None,
            "file_bytes": held.file_bytes if held else None,
            "parameters": held.cost.total if held and held.cost else None,
            "macs": held.cost.macs if held and held.cost else None,
            "latency_ms": self._latency_ms,
            "figures": dict(one.derivation.figures) if one.derivation else {},
            "artifacts": [asdict(artifact) for artifact in self.artifacts],
        }


def _steps(run: Run) -> list[_Step]:
    import_tensorflow("counting the work of models")
    from celestialkeras.training.lineage import standing, trace

    return [_Step(ancestor, standing(ancestor), _artifacts(ancestor)) for ancestor in trace(run)]


def _rows(steps: Sequence[_Step]) -> list[list[str]]:
    return [row for step in steps for row in step.rows()]


def _artifacts(ancestor: Ancestor) -> list[_ArtifactFigures]:
    folder = artifacts_folder(ancestor.run) if ancestor.run else None
    if folder is None or not folder.is_dir():
        return []
    return [_figures(path, ancestor.sha256) for path in sorted(folder.iterdir()) if is_artifact(path)]


def _figures(artifact: Path, model_sha256: str | None) -> _ArtifactFigures:
    from celestialkeras.training.lineage import Accuracy, read_accuracy

    card = read_card(artifact)
    sealed = sha256_of(artifact / CARD_NAME)
    folder = evaluation_folder(artifact)
    accuracy = {split: read_accuracy(folder, split, sealed) for split in ("validation", "test")}
    after = card.accuracy.get("after")
    if accuracy["validation"] is None and after is not None:
        accuracy["validation"] = Accuracy(after["figures"]["accuracy"]["value"], CARD_NAME)
    return _ArtifactFigures(
        recipe=card.recipe,
        layout=card.layout,
        accuracy=accuracy,
        file_bytes=sum((artifact / segment.file).stat().st_size for segment in card.segments),
        latency_ms=_benched(artifact, sealed),
        note="" if card.provenance.get("model_sha256") == model_sha256 else "of an earlier model of the run",
    )


def _benched(artifact: Path, card_sha256: str) -> dict[str, float] | None:
    """What `celestial bench` found of this very artifact."""
    try:
        record = json.loads(bench_record(artifact).read_text(encoding="utf-8"))
        if record["card_sha256"] != card_sha256:
            return None
        return {name: float(record["invoke"][name]) for name in ("p50", "p90")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _percents(accuracy: Mapping[str, Accuracy | None]) -> list[str]:
    found = (accuracy[split] for split in ("validation", "test"))
    return [f"{100 * one.value:.2f}" if one else _ABSENT for one in found]


def _milliseconds(latency: Mapping[str, float] | None) -> list[str]:
    return [f"{latency[name]:.1f}" if latency else _ABSENT for name in ("p50", "p90")]


def _option(name: str, value: Any) -> str:
    # Of a path, the run says enough; hashes are for the JSON.
    if isinstance(value, str) and value.endswith("model.keras"):
        value = Path(value).parent.name
    return f"{name} {value}"
