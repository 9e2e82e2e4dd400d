"""What a path on the command line names: a run, a `.keras` file, an artifact; with none given, the latest run's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from celestial_cli.terminal import say
from celestial_edge.card import CARD_NAME, read_card
from celestial_edge.recipes import FLOAT32, STATIC_INT8
from celestialkeras.backend import import_tensorflow
from celestialkeras.errors import ArtifactError, DatasetError, ModelError, RunError
from celestialkeras.files import sha256_of
from celestialkeras.training.run import Run, open_run

if TYPE_CHECKING:
    from celestial_edge.device.runtime import Verdict
    from celestialkeras.lcid.dataset import LcidDataset


class ChipClassifier(Protocol):
    """FITS chip in, verdict out."""

    def classify(self, source: Path, hdu: int) -> Verdict:
        """Classifies one chip of a FITS file."""
        ...


def artifacts_folder(run: Run) -> Path:
    """Where a run's artifacts are kept, each under the name of its recipe."""
    return run.folder / "artifacts"


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


def find_artifacts(paths: Sequence[Path]) -> list[Path]:
    """The artifacts that paths name.

    Args:
        paths: Artifacts, or runs that stand for their int8 and float32 artifacts; none for the latest run.

    Raises:
        ArtifactError: A path is neither, or the run has no artifacts yet.
        RunError: No path given, and there is no run.
    """
    found: list[Path] = []
    for path in paths:
        if is_artifact(path):
            found.append(path)
        elif is_run(path):
            found += _of_run(open_run(path))
        else:
            raise ArtifactError(f"{path}: neither an artifact (it has no {CARD_NAME}) nor a run")
    return found or _of_run(open_run())


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
            raise ModelError(f"{path}: no such model; `celestial train` makes one")
        beside = path.parent
        return path, Run(beside) if is_run(beside) else None
    run = open_run(path)
    return run.require_model(), run


def find_classifier(path: Path | None, threads: int) -> tuple[ChipClassifier, str]:
    """Loads what a path names for classification, and says what it is.

    Args:
        path: An artifact, a `.keras` file, or a run, whose int8 artifact is taken before its model; None for the
            latest run.
        threads: Threads of the interpreter.

    Raises:
        RunError: No path given, and there is no run; the message says what to run.
        ArtifactError: The artifact is altered or foreign.
        ModelError: The `.keras` file cannot be used.
    """
    if path is None or (path.suffix != ".keras" and not is_artifact(path)):
        try:
            run = open_run(path)
        except RunError as error:
            if path is None:
                raise RunError(
                    "no --model given and no run in this folder; train one with "
                    "`celestial train && celestial quantize --int8`, or name an artifact with --model"
                ) from error
            raise ArtifactError(
                f"{path}: neither an artifact (it has no {CARD_NAME}), nor a .keras file, nor a run"
            ) from error
        artifact = artifacts_folder(run) / STATIC_INT8
        path = check_fresh(artifact, run) if is_artifact(artifact) else run.require_model()
    if path.suffix == ".keras":
        import_tensorflow("a .keras model")
        from celestial_cli.keras_classifier import KerasClassifier

        return KerasClassifier(path), str(path)
    from celestial_edge.device.runtime import Classifier

    return Classifier(path, threads), str(path)


def check_fresh(artifact: Path, run: Run) -> Path:
    """Refuses an artifact of an earlier model of its run, such as one that was trained on since.

    Raises:
        ArtifactError: The run's model is another one than the artifact was made of.
    """
    made_of = read_card(artifact).provenance.get("model_sha256")
    # On a board the artifacts may come without the model.
    if run.model.is_file() and made_of != sha256_of(run.model):
        raise ArtifactError(f"{artifact}: made of an earlier model of {run.folder}; `celestial quantize --int8` again")
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


def _of_run(run: Run) -> list[Path]:
    folder = artifacts_folder(run)
    found = [check_fresh(folder / recipe, run) for recipe in (STATIC_INT8, FLOAT32) if is_artifact(folder / recipe)]
    if not found:
        raise ArtifactError(f"{run.folder}: no artifacts yet; `celestial quantize --int8` makes them")
    return found
