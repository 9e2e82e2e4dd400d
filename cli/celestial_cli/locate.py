"""What a path on the command line names: a run, a `.keras` file, an artifact.

With none given it is the latest run's; verbs that need no more than an artifact take the shipped one where there is no
run.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from celestial_cli.terminal import say
from celestial_edge.card import CARD_NAME, read_card
from celestial_edge.device.shipped import SHIPPED_MODEL, shipped_artifact
from celestial_edge.recipes import RECIPES, STATIC_INT8
from celestial_edge.trust import Trust
from celestialkeras.backend import import_tensorflow
from celestialkeras.errors import ArtifactError, DatasetError, ModelError, RunError
from celestialkeras.files import sha256_of
from celestialkeras.training.run import LATEST, RUNS, Run, did_you_mean_run, open_run

if TYPE_CHECKING:
    from celestial_edge.device.read_ahead import Chip, ChipResult
    from celestialkeras.lcid.dataset import LcidDataset


class ChipClassifier(Protocol):
    """FITS chips in, verdicts out."""

    abstain: float | None

    def classify_many(self, chips: Iterable[Chip]) -> Iterator[ChipResult]:
        """Classifies chips one after another, past bad ones."""
        ...


def trust_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Adds `--expect`, `--public-key` and `--untried` to a verb that loads artifacts; it is given one `trust`."""

    @click.option(
        "--expect",
        "expected",
        metavar="SHA256",
        multiple=True,
        callback=_check_digests,
        help="Take only the artifact whose card.json has this SHA-256; may be given for each of several.",
    )
    @click.option(
        "--public-key",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Take only artifacts signed with the private part of this Ed25519 key (`celestial sign`).",
    )
    @click.option(
        "--untried",
        is_flag=True,
        help="Load an artifact of neither kind at once, without having tried it in a process of its own.",
    )
    @functools.wraps(verb)
    def trusting(*, expected: tuple[str, ...], public_key: Path | None, untried: bool, **options: object) -> None:
        verb(trust=Trust(expected, public_key, untried), **options)

    return trusting


def _check_digests(ctx: click.Context, param: click.Parameter, digests: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return Trust(digests).cards
    except ValueError as error:
        raise click.BadParameter(f"{error}; `sha256sum card.json` prints them", ctx, param) from None


def artifacts_folder(run: Run) -> Path:
    """Where a run's artifacts are kept, each under the name of its recipe."""
    return run.folder / "artifacts"


def known_artifacts(run: Path) -> list[Path]:
    """The artifacts in a run's folder, int8 first."""
    folder = artifacts_folder(Run(run))
    return [folder / recipe for recipe in RECIPES if is_artifact(folder / recipe)]


def is_run(path: Path) -> bool:
    """Whether a folder holds a run's configuration."""
    return Run(path).config.is_file()


def run_of_artifact(artifact: Path) -> Run | None:
    """The run that an artifact lies in, if it lies in one."""
    run = Run(artifact.resolve().parent.parent)
    return run if is_run(run.folder) and artifacts_folder(run) == artifact.resolve().parent else None


def is_artifact(path: Path) -> bool:
    """Whether a folder holds an artifact's card."""
    return (path / CARD_NAME).is_file()


def find_artifacts(paths: Sequence[Path], trust: Trust | None = None) -> list[Path]:
    """The artifacts that paths name.

    Args:
        paths: Artifacts, or runs that stand for all of theirs, int8 first; none for the latest run, or the shipped
            artifact where there is no run.
        trust: What those of runs must prove, whose cards are read here; None for nothing.

    Raises:
        ArtifactError: A path is neither, the run has no artifacts yet, or one of them is not trusted.
        RunError: No path given, and the latest run is gone.
    """
    if not paths:
        run = _latest_run()
        return _of_run(run, trust) if run else [_shipped()]
    found: list[Path] = []
    for path in paths:
        if is_artifact(path):
            found.append(path)
        elif is_run(path):
            found += _of_run(open_run(path), trust)
        else:
            hint = did_you_mean_run(path)
            raise ArtifactError(f"{path}: neither an artifact (it has no {CARD_NAME}) nor a run{hint}")
    return found


def find_model(path: Path | None) -> tuple[Path, Run | None]:
    """The `.keras` file that a path names, and its run if it has one.

    Args:
        path: A `.keras` file or a run; None for the latest run.

    Raises:
        ModelError: There is no such file.
        RunError: There is no such run, or it has no model yet.
    """
    if path is not None and path.suffix == ".keras":
        if not path.is_file():
            raise ModelError(f"{path}: no such model{did_you_mean_run(path.parent)}; `celestial train` makes one")
        beside = path.parent
        return path, Run(beside) if is_run(beside) else None
    run = open_run(path)
    return run.require_model(), run


def find_subject(path: Path | None) -> tuple[Path, Run | None]:
    """The artifact or `.keras` file that a path names, and its run if it has one.

    Args:
        path: An artifact, a `.keras` file or a run; None for the latest run.

    Raises:
        ModelError: There is no such file.
        RunError: There is no such run, or it has no model yet.
    """
    return (path, run_of_artifact(path)) if path is not None and is_artifact(path) else find_model(path)


def find_classifier(
    path: Path | None, threads: int, trust: Trust | None = None, abstain: float | None = None
) -> tuple[ChipClassifier, str]:
    """Loads what a path names for classification, and says what it is.

    Args:
        path: An artifact, a `.keras` file, or a run, whose int8 artifact is taken before its model; None for the
            latest run, or the shipped artifact where there is no run.
        threads: Threads of the interpreter.
        trust: What an artifact must prove; None for nothing.
        abstain: Least probability that decides; None for what the artifact's card says.

    Raises:
        RunError: No path given, and the latest run is gone or has no model yet.
        ArtifactError: The artifact is altered, foreign or not trusted.
        ModelError: The `.keras` file cannot be used.
    """
    path = find_classified(path, trust)
    if path.suffix == ".keras":
        if trust is not None and trust.demands:
            raise ArtifactError(
                f"{path}: a .keras model has no card to expect or to be signed; quantize it, or leave out --expect and "
                f"--public-key"
            )
        import_tensorflow("a .keras model")
        from celestial_cli.keras_classifier import KerasClassifier

        return KerasClassifier(path, abstain), str(path)
    from celestial_edge.device.runtime import Classifier

    return Classifier(path, threads, trust, abstain), str(path)


def find_classified(path: Path | None, trust: Trust | None = None) -> Path:
    """The artifact or `.keras` file that decides where a path, or none, is given; see `find_classifier`."""
    if path is None:
        run = _latest_run()
        return _best_of_run(run, trust) if run else _shipped()
    if path.suffix != ".keras" and not is_artifact(path):
        try:
            run = open_run(path)
        except RunError as error:
            raise ArtifactError(
                f"{path}: neither an artifact (it has no {CARD_NAME}), nor a .keras file, nor a run"
                f"{did_you_mean_run(path)}"
            ) from error
        return _best_of_run(run, trust)
    return path


def check_fresh(artifact: Path, run: Run, trust: Trust | None = None) -> Path:
    """Refuses an artifact of an earlier model of its run, such as one that was trained on since.

    Raises:
        ArtifactError: The run's model is another one than the artifact was made of, or the artifact is not trusted.
    """
    card = read_card(artifact, trust)
    # On a board the artifacts may come without the model.
    if run.model.is_file() and card.provenance.get("model_sha256") != sha256_of(run.model):
        again = "--int8" if card.recipe == STATIC_INT8 else f"--recipe {card.recipe}"
        raise ArtifactError(f"{artifact}: made of an earlier model of {run.folder}; `celestial quantize {again}` again")
    return artifact


def open_data(data: Path | None, run: Run | None, source: Path) -> LcidDataset:
    """Opens the data set that a model is evaluated or calibrated on.

    Args:
        data: The folder named on the command line; None for the run's own.
        run: The run that the model belongs to, if it belongs to one.
        source: The model, for messages.

    Raises:
        DatasetError: There is no such data set, or the run's own is no longer the one that it was trained on: its
            test frames may then be among those that the model has seen.
    """
    if data is None and run is None:
        raise click.UsageError(f"{source} belongs to no run; name the data set with --data")
    own = run.options().data if run else None
    folder = data or own
    assert folder is not None
    import_tensorflow("reading a data set")
    from celestialkeras.lcid.dataset import open_dataset

    dataset = open_dataset(folder)
    if run is not None and run.provenance()["data_sha256"] != dataset.digest:
        if data is None:
            raise DatasetError(
                f"{folder}: no longer the data set that {run.name} was trained on; name one with --data, or train again"
            )
        say(f"note: {folder} is not the data set that {run.name} was trained on; objects may be among its own")
    return dataset


def _latest_run() -> Run | None:
    """The latest run; None where there was never one, which is not the same as one that is gone."""
    return open_run() if os.path.lexists(RUNS / LATEST) else None


def _shipped() -> Path:
    artifact = shipped_artifact()
    say(f"using the shipped {SHIPPED_MODEL}, trained on simulated frames")
    return artifact


def _best_of_run(run: Run, trust: Trust | None) -> Path:
    """A run's int8 artifact, or its model as long as there is none."""
    artifact = artifacts_folder(run) / STATIC_INT8
    return check_fresh(artifact, run, trust) if is_artifact(artifact) else run.require_model()


def _of_run(run: Run, trust: Trust | None) -> list[Path]:
    found = [check_fresh(artifact, run, trust) for artifact in known_artifacts(run.folder)]
    if not found:
        raise ArtifactError(f"{run.folder}: no artifacts yet; `celestial quantize --int8` makes them")
    return found
