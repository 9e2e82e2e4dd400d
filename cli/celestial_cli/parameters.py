"""What verbs ask for by name: choices, files, runs and artifacts, registered names; how a shell completes them.

Nothing here imports TensorFlow: a shell asks at every press of a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from celestialkeras.suggestions import did_you_mean

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]
"""What `shell_complete` of a parameter takes."""

frames_in_option = click.option(
    "--frames-in",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Folder of the FITS files that a manifest lists.  [default: the manifest's]",
)
"""Of every verb that takes a manifest; `--frames` is a number of frames."""


class Choice(click.Choice[str]):
    """One of several words; the nearest is offered for another one."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """As click says it, and the nearest choice."""
        return super().get_invalid_choice_message(value, ctx).rstrip(".") + did_you_mean(str(value), self.choices)


class ModelPath(click.Path):
    """A path that a shell completes with the runs and artifacts of the working folder, and with files beside these."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        """Runs, `runs/latest` first, and their artifacts; files where none begins so."""
        return [
            CompletionItem(path) for path in _runs_and_artifacts() if path.startswith(incomplete)
        ] or super().shell_complete(ctx, param, incomplete)


def complete_networks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Registered networks."""
    from celestialkeras.models.listing import read_listing

    return _beginning(incomplete, ((one.name, one.summary) for one in read_listing()))


def complete_entries(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Registered networks, runs and artifacts."""
    held = _beginning(incomplete, ((path, "") for path in _runs_and_artifacts()))
    return [*complete_networks(ctx, param, incomplete), *held] or ModelPath().shell_complete(ctx, param, incomplete)


def complete_studies(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Studies of the catalogue."""
    from celestialkeras.studies.catalogue import STUDIES

    return _beginning(incomplete, ((study.name, study.question) for study in STUDIES))


def complete_degradations(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Kinds of degradation at each of their levels, `KIND:LEVEL`."""
    from celestialkeras.lcid.degradations import KINDS

    levels = (
        (f"{name}:{level}", f"{amount:g} {kind.unit}")
        for name, kind in KINDS.items()
        for level, amount in enumerate(kind.levels, start=1)
    )
    return _beginning(incomplete, levels)


def complete_presets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Surveys that can be simulated."""
    from celestialkeras.lcid.simulate.presets import PRESETS

    return _beginning(incomplete, ((name, f"{spec.objects} objects") for name, spec in PRESETS.items()))


def _runs_and_artifacts() -> list[str]:
    from celestial_cli.locate import known_artifacts
    from celestialkeras.training.run import LATEST, RUNS, known_runs

    found: list[str] = []
    # A folder that cannot be looked into has nothing to offer.
    with suppress(OSError):
        names = known_runs(RUNS)
        runs = [RUNS / name for name in names]
        found = [*([str(RUNS / LATEST)] if names else []), *map(str, runs)]
        found += [str(artifact) for run in runs for artifact in known_artifacts(run)]
    return found


def _beginning(incomplete: str, named: Iterable[tuple[str, str]]) -> list[CompletionItem[str]]:
    return [CompletionItem(name, help=told or None) for name, told in named if name.startswith(incomplete)]
