"""Learning from a teacher: its softened answers beside the labels, each computed once and kept in the run folder.

After Hinton, Vinyals, Dean 2015 (arXiv 1503.02531). The teacher is asked about every view that the student is shown: a
frame as it lies and, where frames are flipped, each of its three flips. The class of a field does not change under a
flip, but the answer of a network does, and a student learns more from an answer to the very view that it sees (Beyer
et al. 2022, arXiv 2106.05237). That takes the teacher four passes over the training frames, whatever the epochs.
"""

from __future__ import annotations

import json
import logging
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from celestialkeras.backend import import_tensorflow
from celestialkeras.errors import RunError
from celestialkeras.evaluation.evaluate import frame_batches
from celestialkeras.evaluation.predictor import KerasPredictor, binning_of, load_model
from celestialkeras.files import replacing, sha256_of
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.training.run import Run

_LOG = logging.getLogger(__name__)

# Steps of the slices that turn rows and columns round, in the order of `SoftTargets.logits`.
_VIEWS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


@dataclass(frozen=True)
class Distillation:
    """What a run with a teacher is asked beside its `TrainOptions`.

    Attributes:
        teacher: Path of the teacher's `.keras` file, absolute.
        teacher_sha256: SHA-256 of that file.
        temperature: What logits are divided by before they are compared; above 1, small probabilities count more.
        soft_weight: Share of the teacher in the loss; the labels have the rest.

    Raises:
        RunError: A number lies outside its range.
    """

    teacher: str
    teacher_sha256: str
    temperature: float = 4.0
    soft_weight: float = 0.7

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise RunError(f"`temperature` must be a finite number above 0. Received: temperature={self.temperature}")
        if not 0 < self.soft_weight <= 1:
            raise RunError(
                "`soft_weight` must be above 0 and at most 1; without a teacher, `celestial train` does."
                f" Received: soft_weight={self.soft_weight}"
            )

    def losses(self, hard: Any, logits: Any, teacher_logits: Any) -> Any:
        """The loss of each frame: Hinton et al. 2015, section 2.

        Args:
            hard: Cross-entropy against the labels, `float32 (n,)`, nats.
            logits: The student's, `float32 (n, 2)`.
            teacher_logits: The teacher's for the same views, `float32 (n, 2)`.

        Returns:
            `float32 (n,)`: (1 - w) `hard` + w T^2 times the cross-entropy between both at temperature T. The gradients
            of the latter shrink with T^2, which the factor makes up for.
        """
        tf = import_tensorflow("distillation")
        softened = tf.nn.softmax(teacher_logits / self.temperature)
        soft = tf.nn.softmax_cross_entropy_with_logits(softened, logits / self.temperature)
        return (1 - self.soft_weight) * hard + self.soft_weight * self.temperature**2 * soft


@dataclass(frozen=True, eq=False)
class SoftTargets:
    """What the teacher says of every training frame.

    Attributes:
        distillation: How it counts.
        logits: `float32 (frames, views, 2)` in the order of the records; one view, or four: as the frame lies, columns
            turned round, rows turned round, both.
    """

    distillation: Distillation
    logits: npt.NDArray[np.float32]

    def of(self, order: npt.NDArray[np.int64], flips: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """The logits for an epoch as `pipeline.epoch_order` gives it: `float32 (frames, 2)` in the epoch's order."""
        shown: npt.NDArray[np.float32] = self.logits[order, 2 * flips[:, 0] + flips[:, 1]]
        return shown


def load_teacher(distillation: Distillation, dataset: LcidDataset) -> tuple[KerasPredictor, int]:
    """Loads a teacher.

    Args:
        distillation: Which it is.
        dataset: The data set that it is asked about.

    Returns:
        The teacher, and the binning that gives frames of its size.

    Raises:
        RunError: Its file is missing or altered.
        ModelError: It cannot be used, or is not built for a whole binning of the data set's frames.
    """
    path = Path(distillation.teacher)
    found = sha256_of(path) if path.is_file() else "no such file"
    if found != distillation.teacher_sha256:
        raise RunError(
            f"{path}: not the teacher that this run was made with; restore the file, or distil anew."
            f" Received: {found}, expected SHA-256 {distillation.teacher_sha256}"
        )
    model = load_model(path)
    return KerasPredictor(model), binning_of(model, dataset.shape)


def soft_targets(
    run: Run, dataset: LcidDataset, distillation: Distillation, report: Callable[[int, int], None]
) -> SoftTargets:
    """What the teacher says of the training frames, computed unless this run or one beside it has it already.

    Args:
        run: A run of `start_distillation`; the logits are kept in its folder `soft-targets`.
        dataset: Its data set.
        distillation: Its teacher.
        report: Is told (frames done, frames in all).

    Returns:
        The logits of all views that the run shows.

    Raises:
        RunError: The teacher's file is missing or altered.
        ModelError: It cannot be used.
        DatasetError: A shard is missing or altered.
    """
    views = _VIEWS if run.options().augment else _VIEWS[:1]
    key = {
        "teacher_sha256": distillation.teacher_sha256,
        "data_sha256": dataset.digest,
        "split": "train",
        "views": len(views),
    }
    name = f"{key['split']}-{len(views)}-{distillation.teacher_sha256[:12]}-{dataset.digest[:12]}.npz"
    target = run.soft_targets / name
    # Students of one teacher share its answers, and each run is whole by itself.
    beside = sorted(run.folder.parent.glob(f"*/{run.soft_targets.name}/{name}"))
    kept = (logits for path in (target, *beside) if (logits := _read(path, key)) is not None)
    logits = next(kept, None)
    if logits is None:
        logits = _ask(load_teacher(distillation, dataset), dataset, views, report)
    if _read(target, key) is None:
        with replacing(target) as partial:
            np.savez(partial, key=np.array(json.dumps(key)), logits=logits)
    return SoftTargets(distillation, logits)


def _ask(
    teacher: tuple[KerasPredictor, int],
    dataset: LcidDataset,
    views: tuple[tuple[int, int], ...],
    report: Callable[[int, int], None],
) -> npt.NDArray[np.float32]:
    predictor, binning = teacher
    records = dataset.records("train")
    logits = np.empty((len(records), len(views), len(LABELS)), np.float32)
    done = 0
    for batch in frame_batches(dataset, records, binning):
        part = logits[done : done + len(batch.codes)]
        for view, (rows, columns) in enumerate(views):
            part[:, view] = predictor.logits(batch.codes[:, ::rows, ::columns])
        done += len(batch.codes)
        report(done, len(records))
    return logits


def _read(path: Path, key: dict[str, Any]) -> npt.NDArray[np.float32] | None:
    if not path.is_file():
        return None
    try:
        with path.open("rb") as source, np.load(source, allow_pickle=False) as held:
            logits: npt.NDArray[np.float32] = held["logits"]
            return logits if json.loads(str(held["key"])) == key else None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        _LOG.warning("%s: cannot be read (%s); the teacher is asked again", path, error)
        return None
