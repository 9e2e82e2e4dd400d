"""`celestial study`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from celestial_cli.compare import ComparisonProgress, open_subject
from celestial_cli.parameters import complete_degradations, complete_networks, complete_studies
from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json, say
from celestial_cli.training_options import size_option
from celestial_edge.device.machine import describe_machine
from celestialkeras.backend import import_tensorflow

if TYPE_CHECKING:
    from celestialkeras.comparison.plan import Plan
    from celestialkeras.studies.catalogue import Study
    from celestialkeras.studies.findings import Findings

_NONE = "none"

_HELP = """Answer an open question of Zhang et al. 2024 on any data set, by networks that differ in one thing.

\b
  celestial study --list
  celestial study padding --data shards --minutes 10

What is done is kept in studies/NAME, with study.json, study.md and the figure: the same command again, or the study's
name alone, goes on with what is not finished.
"""


def _show_list(as_json: bool) -> None:
    from celestialkeras.studies.catalogue import STUDIES

    if as_json:
        print_json({"schema": "celestialkeras.studies/1", "studies": [_described(study) for study in STUDIES]})
        return
    rows = [(study.name, study.question, ", ".join(arm.name for arm in study.arms), study.model) for study in STUDIES]
    print_table("Studies", ("study", "question", "arms, held against the first", "network"), rows)


def _described(study: Study) -> dict[str, Any]:
    return {
        "name": study.name,
        "question": study.question,
        "remark": study.remark,
        "model": study.model,
        "degrade": study.degrade,
        "arms": [{"name": arm.name, "training": arm.training, "network": arm.network} for arm in study.arms],
    }


@click.command(help=_HELP)
@click.argument("study", required=False, metavar="[STUDY]", shell_complete=complete_studies)
@click.option("--list", "listed", is_flag=True, help="Name all studies, with the question that each answers.")
@click.option("--data", type=click.Path(path_type=Path), help="Data set folder.")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Trainings of each arm.")
@click.option(
    "--minutes",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Wall-clock budget of each training; 0: none.",
)
@click.option("--epochs", type=click.IntRange(1), help="Passes over the training frames.  [default: 20]")
@size_option
@click.option(
    "--model",
    shell_complete=complete_networks,
    help="A name from `celestial models`.  [default: the study's own, see --list]",
)
@click.option("--arms", metavar="ARM,...", default="", help="Train these alone.  [default: all]")
@click.option(
    "--with",
    "common",
    default="",
    metavar="SETTING=VALUE,...",
    help="Settings of training and of the network, of all arms, such as batch_size=4,width=0.5.",
)
@click.option(
    "--degrade",
    metavar="KIND:LEVEL|none",
    shell_complete=complete_degradations,
    help="Judge on blurry test frames too, made so.  [default: psf:4 where the study asks for it, else none]",
)
@click.option("--name", help="Name of the folder in studies/.  [default: that of the study]")
@json_option
@click.pass_context
def study(
    ctx: click.Context, /, study: str | None, listed: bool, name: str | None, as_json: bool, **asked: Any
) -> None:
    """Begins a study or goes on with it, and prints what was found."""
    from celestialkeras.studies.catalogue import get_study

    if listed:
        _show_list(as_json)
        return
    if study is None:
        raise click.UsageError("name a study; `celestial study --list` tells what they ask")
    chosen = get_study(study)
    given = [key for key in asked if ctx.get_parameter_source(key) is ParameterSource.COMMANDLINE]
    if asked["data"] is None and given:
        raise click.UsageError("without --data all is taken from the study that was begun; give it, or no other option")
    import_tensorflow("a study")
    from celestialkeras.comparison.conduct import conduct, read_results
    from celestialkeras.comparison.folder import begin_comparison, read_plan
    from celestialkeras.comparison.table import rule_rows
    from celestialkeras.evaluation.metrics import Resampling
    from celestialkeras.studies.findings import find
    from celestialkeras.studies.plan import STUDY_FOLDER, check_plan_of
    from celestialkeras.studies.report import write_study

    name = name or chosen.name
    if asked["data"] is None and not (STUDY_FOLDER / name / "plan.json").is_file():
        raise click.UsageError(f"{STUDY_FOLDER / name}: no study was begun there; name a data set with --data")
    plan = _plan(chosen, **asked) if asked["data"] is not None else read_plan(name, STUDY_FOLDER)
    check_plan_of(chosen, plan, STUDY_FOLDER / name)
    folder = begin_comparison(plan, name, STUDY_FOLDER)
    say(f"study {folder.folder}: {chosen.question}")
    failures = conduct(plan, folder, lambda path, data: open_subject(path, data, plan.threads), ComparisonProgress())
    found = find(chosen, plan, read_results(plan, folder), failures, rule_rows(plan, Resampling()))
    held = write_study(found, folder.folder, describe_machine())
    if as_json:
        print_json(held)
    else:
        _show(found)
    say(f"written: {folder.folder}/study.json, .md, .png, .svg")
    if failures:
        say(f"{len(failures)} not done; the same command tries again")
        ctx.exit(1)


def _plan(
    study: Study,
    *,
    data: Path,
    seeds: int,
    minutes: float,
    epochs: int | None,
    size: int | str | None,
    model: str | None,
    arms: str,
    common: str,
    degrade: str | None,
) -> Plan:
    from celestialkeras.comparison.entries import TRAINING_SETTINGS, parse_settings
    from celestialkeras.lcid.dataset import open_dataset
    from celestialkeras.models.registry import get_model
    from celestialkeras.studies.plan import Request, plan_study

    settings = parse_settings(common, (*TRAINING_SETTINGS, *get_model(model or study.model).options))
    settings |= {key: value for key, value in (("epochs", epochs), ("size", size)) if value is not None}
    request = Request(
        seeds=tuple(range(seeds)),
        minutes=minutes,
        model=model,
        arms=tuple(arm.strip() for arm in arms.split(",")) if arms else (),
        settings=settings,
        degrade="" if degrade == _NONE else degrade,
    )
    return plan_study(study, open_dataset(data), request)


def _show(found: Findings) -> None:
    from celestialkeras.studies.report import difference_table, notes, outcome_table, run_table

    print_table("What was run", *run_table(found))
    for side in ("clear", "blurry") if found.plan.sides.blurry else ("clear",):
        print_table(f"What was found, {side} frames", *outcome_table(found, side))
        print_table(f"Against the first arm, {side} frames", *difference_table(found, side))
    for verdict in found.verdicts:
        click.echo(verdict)
    for note in notes(found):
        say(f"* {note}")
