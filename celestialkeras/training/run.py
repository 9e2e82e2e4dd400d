"""The run folder: what was asked, with what versions, what came out, and which run is the latest."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import tempfile
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from celestialkeras import __version__
from celestialkeras.errors import RunError
from celestialkeras.files import PARTIAL_PREFIX, user_rights, write_text
from celestialkeras.suggestions import did_you_mean
from celestialkeras.training.options import TrainOptions, load_options

RUNS = Path("runs")
"""Where runs are kept, relative to the working directory."""

LATEST = "latest"
"""Name of the link to the newest run."""

MAKES_A_RUN = "`celestial train` makes one"
"""The next step for whoever has no run yet."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Run:
    """One run folder.

    Attributes:
        folder: The folder, not the link to it.
    """

    folder: Path

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def config(self) -> Path:
        """The resolved options, TOML."""
        return self.folder / "config.toml"

    @property
    def versions(self) -> Path:
        """Versions, seed, data set digest and machine, JSON."""
        return self.folder / "versions.json"

    @property
    def history(self) -> Path:
        """One row an epoch, CSV."""
        return self.folder / "history.csv"

    @property
    def model(self) -> Path:
        """The model of the epoch with the lowest validation loss."""
        return self.folder / "model.keras"

    @property
    def start(self) -> Path:
        """The network that training starts from, in a run that was made from another model; else there is none."""
        return self.folder / "start.keras"

    @property
    def derivation(self) -> Path:
        """What was done to which parent, JSON, in a run that was made from another model; else there is none."""
        return self.folder / "derivation.json"

    @property
    def soft_targets(self) -> Path:
        """Folder of what a teacher said of the training frames, in a run that has one."""
        return self.folder / "soft-targets"

    @property
    def outcome(self) -> Path:
        """How training ended, JSON; it is there once training is finished."""
        return self.folder / "training.json"

    @property
    def calibration(self) -> Path:
        """The temperature of the model's probabilities and what it does, JSON; there is none where none was fitted."""
        return self.folder / "calibration.json"

    @property
    def checkpoints(self) -> Path:
        """Folder of the state to resume from; empty once training is finished."""
        return self.folder / "checkpoints"

    @property
    def logs(self) -> Path:
        """Folder of TensorBoard's event files."""
        return self.folder / "logs"

    def options(self) -> TrainOptions:
        """The options that the run was made with."""
        return load_options(self.config)

    def provenance(self) -> dict[str, Any]:
        """What `versions.json` holds.

        Raises:
            RunError: The file is missing or not JSON.
        """
        try:
            held: dict[str, Any] = json.loads(self.versions.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{self.versions}: cannot be read ({error}); {MAKES_A_RUN}") from error
        return held

    def require_model(self) -> Path:
        """The path of the trained model.

        Raises:
            RunError: No epoch has been finished yet.
        """
        if not self.model.is_file():
            raise RunError(f"{self.folder}: no model yet; `celestial train --resume {self.folder}` goes on with it")
        return self.model


def create_run(
    options: TrainOptions, digest: str, runs: Path = RUNS, name: str | None = None, contents: Path | None = None
) -> Run:
    """Makes a run folder with its config and provenance, and points `latest` at it.

    Args:
        options: What the run is to do.
        digest: Digest of the data set.
        runs: Folder of runs.
        name: Name of the run; by default the model's name and the time, such as `celestialnet_edge-20260101-120000`.
        contents: A folder beside the runs whose files the new run is to hold as well; they are moved.

    Returns:
        The run.

    Raises:
        RunError: The name is not allowed or taken, or `latest` is a folder of its own.
    """
    check_new_run(name, runs)
    runs.mkdir(parents=True, exist_ok=True)
    # Filled beside its final name: a folder that is found under `runs` is a whole run.
    partial = Path(tempfile.mkdtemp(prefix=PARTIAL_PREFIX, dir=runs))
    try:
        write_text(partial / "config.toml", options.to_toml())
        held = _provenance(options, digest)
        write_text(partial / "versions.json", json.dumps(held, indent=1) + "\n")
        for path in contents.iterdir() if contents else ():
            path.rename(partial / path.name)
        partial.chmod(user_rights(0o777))
        folder = runs / (name or _free_name(runs, options.model))
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    point_latest(folder)
    return Run(folder)


def check_new_run(name: str | None, runs: Path = RUNS) -> None:
    """Refuses what a new run cannot be called; nothing is made.

    Args:
        name: Name of the run; None for one that is made up.
        runs: Folder of runs.

    Raises:
        RunError: The name is not allowed or taken, or `latest` is a folder of its own.
    """
    if name is not None and (name == LATEST or not _NAME.fullmatch(name)):
        raise RunError(
            f"a run's name must be letters, digits, dots, dashes and underscores, and not {LATEST!r}."
            f" Received: name={name!r}"
        )
    if name is not None and (runs / name).exists():
        raise RunError(
            f"{runs / name}: there is such a run; choose another name, or go on with it: `celestial train --resume`"
        )
    _check_latest(runs / LATEST)


def open_run(path: str | Path | None = None, runs: Path = RUNS) -> Run:
    """Opens a run folder.

    Args:
        path: The run folder; by default the latest run in `runs`.
        runs: Folder of runs.

    Returns:
        The run.

    Raises:
        RunError: There is no run; the message says which command makes one.
    """
    folder = _follow(Path(path) if path is not None else runs / LATEST)
    if not folder.is_dir():
        raise RunError(f"{folder}: no run there{did_you_mean_run(folder, runs)}; {MAKES_A_RUN}")
    run = Run(folder)
    if not run.config.is_file():
        raise RunError(f"{folder}: not a run folder, it has no {run.config.name}; {MAKES_A_RUN}")
    return run


def known_runs(runs: Path = RUNS) -> list[str]:
    """Names of the runs in a folder, sorted."""
    return sorted(path.parent.name for path in runs.glob("*/config.toml") if not path.parent.is_symlink())


def did_you_mean_run(path: Path, runs: Path = RUNS) -> str:
    """The part of an error message that offers the run whose name is nearest to that of a path.

    Args:
        path: What was taken for a run: a path, or a name alone.
        runs: Folder of runs.
    """

    def hint(folder: Path) -> str:
        return did_you_mean(path.name, known_runs(folder), lambda name: str(folder / name))

    return hint(path.parent) or hint(runs)


def point_latest(folder: Path) -> None:
    """Makes `latest`, beside the run folder, name it: a relative link, or a text file where links are not possible.

    Raises:
        RunError: `latest` is a folder of its own.
    """
    latest = folder.parent / LATEST
    _check_latest(latest)
    partial = folder.parent / f"{PARTIAL_PREFIX}{LATEST}-{os.getpid()}"
    try:
        partial.unlink(missing_ok=True)
        partial.symlink_to(folder.name, target_is_directory=True)
    except OSError:
        write_text(latest, folder.name + "\n")
        return
    try:
        partial.replace(latest)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _check_latest(latest: Path) -> None:
    # Copies that follow links, such as those of `cp -L` and `scp -r`, turn the link into a second run.
    if latest.is_dir() and not latest.is_symlink():
        raise RunError(
            f"{latest}: a folder, where a link to the newest run belongs; rename it, for example to"
            f" {latest.with_name(f'{LATEST}-copy')}"
        )


def _follow(path: Path) -> Path:
    if path.is_symlink():
        return path.parent / path.readlink()
    if path.name == LATEST and path.is_file():
        return path.parent / path.read_text(encoding="utf-8").strip()
    return path


def _free_name(runs: Path, model: str) -> str:
    stem = f"{model}-{datetime.now(timezone.utc):%Y%m%d-%H%M%S}"
    name, count = stem, 1
    while (runs / name).exists():
        count += 1
        name = f"{stem}-{count}"
    return name


def _provenance(options: TrainOptions, digest: str) -> dict[str, Any]:
    import tensorflow as tf

    return {
        "celestialkeras": __version__,
        "python": platform.python_version(),
        **{package: version(package) for package in ("tensorflow", "keras", "numpy")},
        "seed": options.seed,
        "data_sha256": digest,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": {
            "platform": platform.platform(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "gpus": [device.name for device in tf.config.list_physical_devices("GPU")],
        },
    }
