"""Verbs of the command line, run in this process."""

from __future__ import annotations

import click
from click.testing import CliRunner, Result

from celestialkeras.errors import CelestialError


def invoke(verb: click.Command, *arguments: object) -> Result:
    """Runs a verb; the project's errors come out as they are, which `main` would turn into a line."""
    result = CliRunner().invoke(verb, [*map(str, arguments)])
    if isinstance(result.exception, CelestialError):
        raise result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result
