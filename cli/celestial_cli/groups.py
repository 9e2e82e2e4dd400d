"""Groups of verbs that offer the nearest one for a slip of the pen, and import a verb when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from celestialkeras.suggestions import did_you_mean


class VerbGroup(click.Group):
    """Refuses an unknown verb with the nearest known one."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click does, with the nearest verb named for one that is not known."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            hint = did_you_mean(args[0], known)
            ctx.fail(f"no such verb {args[0]!r}{hint}; `{ctx.command_path} --help` lists them")
        return super().resolve_command(ctx, args)


class LazyGroup(VerbGroup):
    """Knows its verbs by name and imports one when it is called, so that help and completion answer at once."""

    def __init__(self, *args: Any, verbs: Mapping[str, tuple[str, str]], **settings: Any) -> None:
        """Takes the verbs.

        Args:
            *args: As of `click.Group`.
            verbs: Where each verb is, `module:attribute`, and what it does in a line; by name, in the order of help.
            **settings: As of `click.Group`.
        """
        super().__init__(*args, **settings)
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of the work."""
        return list(self._verbs)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Imports the verb `name`."""
        if name not in self._verbs:
            return None
        module, attribute = self._verbs[name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """The verbs that begin so, and the options, without importing a verb."""
        verbs = [
            CompletionItem(name, help=summary)
            for name, (_, summary) in self._verbs.items()
            if name.startswith(incomplete)
        ]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self._verbs.items()])
