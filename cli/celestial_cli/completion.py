"""`celestial completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from celestial_cli.parameters import Choice

PROGRAM = "celestial"
"""What is completed."""

COMPLETE_VARIABLE = "_CELESTIAL_COMPLETE"
"""Environment variable in which a shell asks for completions."""

_HELP = f"""Print the script by which SHELL completes verbs, options, and names of networks, runs and artifacts.

\b
  bash:  echo 'eval "$({PROGRAM} completion bash)"' >> ~/.bashrc
  zsh:   echo 'eval "$({PROGRAM} completion zsh)"' >> ~/.zshrc
  fish:  {PROGRAM} completion fish > ~/.config/fish/completions/{PROGRAM}.fish

zsh wants `autoload -Uz compinit && compinit` before it. A new shell has it.
"""


@click.command(help=_HELP)
@click.argument("shell", type=Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Prints the script."""
    completer = get_completion_class(shell)
    assert completer is not None
    click.echo(completer(ctx.find_root().command, {}, PROGRAM, COMPLETE_VARIABLE).source(), nl=False)
