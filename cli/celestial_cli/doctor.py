"""`celestial doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json, say

if TYPE_CHECKING:
    from celestial_edge.device.doctor.examination import Examination


@click.command()
@click.option("--full", is_flag=True, help="Also ask TensorFlow for GPUs, which takes seconds.")
@json_option
def doctor(full: bool, as_json: bool) -> None:
    """Tell what is installed, what this machine has, and which verbs will work.

    The shipped model runs its golden frames, so that the runtime is seen at work. The exit code is 1 where the
    essentials do not work: Python, the bare install, the runtime, or a folder for temporary files.
    """
    from celestial_edge.device.doctor.examination import examine

    found = examine(full)
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)
    if not found.is_well:
        say("Error: the essentials do not work; see the lines above that are bad or unknown")
        raise click.exceptions.Exit(1)


def _print(found: Examination) -> None:
    rows = [[one.name, one.state, one.told] for one in found.findings.values()]
    print_table("This machine", ["what", "state", "found"], rows)
    rows = [
        [extra.name or "(bare)", "complete" if extra.complete else "missing", ", ".join(extra.missing), extra.install]
        for extra in found.extras
    ]
    print_table("Installed", ["extra", "state", "missing", "to install it"], rows)
    rows = [[verb.verb, "yes" if verb.works else "no", verb.why, verb.line] for verb in found.verbs]
    print_table("What will work", ["verb", "works", "why not", "type"], rows)
    fits = {True: "yes", False: "no", None: "unknown"}
    rows = [[job.what, f"{job.memory_mb / 1e3:.1f}", fits[job.fits], job.line] for job in found.jobs]
    print_table("What fits the memory that is free now", ["job", "GB", "fits", "type"], rows)
