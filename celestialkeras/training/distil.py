"""Runs whose network learns from a teacher beside the labels."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from celestialkeras.evaluation.predictor import load_model
from celestialkeras.files import sha256_of
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.training.derived import Derivation, derive_run, read_derivation
from celestialkeras.training.options import TrainOptions
from celestialkeras.training.run import RUNS, Run
from celestialkeras.training.teacher import Distillation, load_teacher

VERB = "distil"
"""Verb of the derivation of a run with a teacher."""


def start_distillation(
    teacher: Path,
    options: TrainOptions,
    *,
    temperature: float = Distillation.temperature,
    soft_weight: float = Distillation.soft_weight,
    student: Path | None = None,
    name: str | None = None,
    runs: Path = RUNS,
) -> Run:
    """Checks that a teacher fits the data set, and makes the run folder of its student.

    Args:
        teacher: A `.keras` file. Its input may have another size than the student's.
        options: How the student is trained, and, without `student`, which network it is.
        temperature: As in `Distillation`.
        soft_weight: As in `Distillation`.
        student: A `.keras` file that training starts from, such as one that was pruned; None for fresh weights.
        name: Name of the run; by default the student's name and the time.
        runs: Folder of runs.

    Returns:
        A run to give to `training.loop.train`; its parent is the model that its weights come from, or else the
        teacher.

    Raises:
        DatasetError: There is no such data set.
        ModelError: One of the files cannot be used, or is not built for a whole binning of the data set's frames.
        RunError: A number lies outside its range, or the name is not allowed or taken.
    """
    distillation = Distillation(str(teacher.resolve()), sha256_of(teacher), temperature, soft_weight)
    load_teacher(distillation, open_dataset(options.data))
    parent = student or teacher
    derivation = Derivation(VERB, asdict(distillation), str(parent.resolve()), sha256_of(parent), figures={})
    return derive_run(parent, options, derivation, load_model(student) if student else None, name, runs)


def read_distillation(run: Run) -> Distillation | None:
    """How a run learns from a teacher; None where it has none."""
    derivation = read_derivation(run)
    return Distillation(**derivation.options) if derivation and derivation.verb == VERB else None
