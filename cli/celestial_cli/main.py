"""`celestial`: one verb a module, loaded when it is called, so that help answers at once."""

from __future__ import annotations

import os
import sys

import click

from celestial_cli.completion import COMPLETE_VARIABLE, PROGRAM
from celestial_cli.groups import LazyGroup

_VERBS = {
    "data": ("celestial_cli.data:data", "Simulate frames and build data sets."),
    "models": ("celestial_cli.models:models", "List the networks: source, parameters, GMAC."),
    "import-torch": (
        "celestial_cli.import_torch:import_torch",
        "Turn the authors' PyTorch weights into Keras.",
    ),
    "train": ("celestial_cli.train:train", "Train a network; with no options, on simulated frames."),
    "distil": ("celestial_cli.distil:distil", "Train a student on a teacher's answers and the labels."),
    "evaluate": ("celestial_cli.evaluate:evaluate", "Accuracy with intervals, by object and by instrument."),
    "explain": ("celestial_cli.explain:explain", "Where a model finds its evidence, and why it errs: maps and cards."),
    "report": ("celestial_cli.report:report", "Write a run as one HTML page: figures, slices, errors, provenance."),
    "compare": ("celestial_cli.compare:compare", "Train networks alike and judge them side by side, in one table."),
    "robustness": ("celestial_cli.robustness:robustness", "How models stand blur, noise and other faults, in curves."),
    "study": ("celestial_cli.study:study", "Answer an open question of the paper: arms, seeds, intervals."),
    "prune": ("celestial_cli.prune:prune", "Take filters out, or set weights to zero."),
    "factorize": ("celestial_cli.factorize:factorize", "Split dense layers in two thin ones."),
    "quantize": ("celestial_cli.quantize:quantize", "Make an artifact, int8 or another recipe, and judge it."),
    "export": ("celestial_cli.export:export", "Write ONNX, for TensorRT and ONNX Runtime."),
    "verify": ("celestial_cli.verify:verify", "Run an artifact's golden frames and compare."),
    "sign": ("celestial_cli.sign:sign", "Sign an artifact's card, or make a pair of keys."),
    "lineage": ("celestial_cli.lineage:lineage", "What was done to get a model, and what each step cost and gave."),
    "profile": ("celestial_cli.profile:profile", "Count a network layer by layer and predict its peak memory."),
    "bench": ("celestial_cli.bench:bench", "Measure latency and memory of artifacts."),
    "predict": ("celestial_cli.predict:predict", "Classify FITS files, folders and manifests."),
    "watch": ("celestial_cli.watch:watch", "Classify every chip that arrives in a folder, each once."),
    "doctor": ("celestial_cli.doctor:doctor", "What is installed, what this machine has, and which verbs will work."),
    "completion": ("celestial_cli.completion:completion", "Print what a shell completes the command line by."),
}

EXIT_FAILED = 1
EXIT_GATE = 3


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from celestialkeras import __version__

        click.echo(f"celestialkeras {__version__}")
        ctx.exit()


_HELP = """Tell galaxies from nebulae and star clusters on single Hubble chips.

\b
The daily work:
  celestial train
  celestial quantize --int8
  celestial bench --tflite
"""


@click.group(cls=LazyGroup, verbs=_VERBS, help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show it.")
def celestial() -> None:
    """The command and its verbs."""


def main() -> None:
    """Runs the command line and turns the project's errors into one line and an exit code."""
    from celestialkeras.errors import CelestialError, QualityGateError, WorkerLostError

    try:
        # A verb that raises click's Exit makes `main` return its code; one that ends well returns None.
        sys.exit(celestial.main(prog_name=PROGRAM, complete_var=COMPLETE_VARIABLE, standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except WorkerLostError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except CelestialError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(EXIT_GATE if isinstance(error, QualityGateError) else EXIT_FAILED)
    except BrokenPipeError:
        # Whoever read the results has seen enough; the interpreter must not try to flush them again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAILED)
    except OSError as error:
        # A full disk, a folder without the right to write: the system's own words name the cause and the path.
        click.echo(f"Error: {error}", err=True)
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
