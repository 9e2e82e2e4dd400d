"""`celestial verify`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from celestial_cli.locate import find_artifacts, trust_options
from celestial_cli.parameters import ModelPath
from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json, say, threads_option

if TYPE_CHECKING:
    from celestial_edge.device.verify import GoldenCheck, Verification
    from celestial_edge.trust import Trust


@click.command()
@click.argument("artifact", required=False, type=ModelPath())
@trust_options
@threads_option
@json_option
def verify(artifact: Path | None, trust: Trust, threads: int, as_json: bool) -> None:
    """Run the golden frames of ARTIFACT and compare what they give with what they gave where it was made.

    ARTIFACT is an artifact, or a run whose int8 one is taken; by default that of runs/latest, or without a run the
    shipped one. The exit code is 1 when a file was altered, a logit lies further off than the printed rule allows, or a
    label differs.
    """
    from celestial_edge.device.verify import SCHEMA
    from celestial_edge.device.verify import verify as run_golden_frames

    result = run_golden_frames(find_artifacts([artifact] if artifact else [], trust)[0], threads, trust)
    if as_json:
        frames = [{**asdict(frame), "difference": frame.difference} for frame in result.frames]
        print_json({"schema": SCHEMA, **asdict(result), "frames": frames, "agrees": result.agrees})
    else:
        _print(result)
    if result.undelegated:
        say(
            f"XNNPACK did not take {', '.join(result.undelegated)}; LiteRT's own kernels are slower and round otherwise"
        )
    if not result.agrees:
        wrong = sum(not frame.agrees for frame in result.frames)
        say(
            f"Error: {result.artifact}: {wrong} of {len(result.frames)} golden frames do not agree; it is not to be "
            f"trusted here"
        )
        raise click.exceptions.Exit(1)


def _print(result: Verification) -> None:
    files = ", ".join(sorted(result.files))
    print_table(
        f"{result.artifact}: {result.model} {result.recipe}; SHA-256 of {files} as on the card",
        ["golden frame", "made: label", "galaxy", "NSC", "here: label", "galaxy", "NSC", "off by", "agrees"],
        [_cells(number, frame, result.step) for number, frame in enumerate(result.frames, start=1)],
    )
    print_table("Rule", ["asked", "met"], [[result.rule, "yes" if result.agrees else "no"]])
    print_table("To pin it", ["card.json", "SHA-256"], [["--expect", result.card_sha256]])


def _cells(number: int, frame: GoldenCheck, step: float) -> list[str]:
    off = f"{frame.difference / step:.0f} steps" if step else f"{frame.difference:.1e}"
    return [
        f"{number}: {frame.truth}",
        frame.expected_label,
        *(f"{logit:.4f}" for logit in frame.expected),
        frame.found_label,
        *(f"{logit:.4f}" for logit in frame.found),
        off,
        "yes" if frame.agrees else "no",
    ]
