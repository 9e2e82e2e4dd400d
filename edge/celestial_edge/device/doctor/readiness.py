"""What follows for each verb from what is installed, and for jobs of known size from the memory there is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from celestialkeras.errors import install_line


@dataclass(frozen=True)
class VerbNeeds:
    """What a verb cannot do without.

    Attributes:
        extras: Extras, all of them.
        runtime: Whether it runs artifacts.
        line: What to type to see it work.
    """

    extras: tuple[str, ...]
    runtime: bool
    line: str


_TRAIN = ("train",)

VERBS: Mapping[str, VerbNeeds] = {
    "data simulate": VerbNeeds(("simulate",), False, "celestial data simulate --preset tiny"),
    "data build": VerbNeeds(_TRAIN, False, "celestial data build LIST.csv --frames-in FITS_FOLDER"),
    "data audit": VerbNeeds((), False, "celestial data audit LIST.csv"),
    "data preview": VerbNeeds(_TRAIN, False, "celestial data preview FITS_FOLDER"),
    "data import-images": VerbNeeds(_TRAIN, False, "celestial data import-images DIR --labels CSV --to pictures"),
    "data fetch": VerbNeeds(("data",), False, "celestial data fetch LIST.csv --to FITS_FOLDER --dry-run"),
    "models": VerbNeeds((), False, "celestial models"),
    "import-torch": VerbNeeds(_TRAIN, False, "celestial import-torch STATE.npz -o hr.keras"),
    "train": VerbNeeds(_TRAIN, False, "celestial train --data shards"),
    "distil": VerbNeeds(_TRAIN, False, "celestial distil --teacher runs/NAME"),
    "evaluate": VerbNeeds(_TRAIN, False, "celestial evaluate"),
    "explain": VerbNeeds(_TRAIN, False, "celestial explain"),
    "report": VerbNeeds(_TRAIN, False, "celestial report"),
    "compare": VerbNeeds(_TRAIN, False, "celestial compare celestialnet_edge resnet18 --data shards"),
    "robustness": VerbNeeds(_TRAIN, False, "celestial robustness"),
    "study": VerbNeeds(_TRAIN, False, "celestial study --list"),
    "prune": VerbNeeds(_TRAIN, False, "celestial prune runs/latest --channels 0.25"),
    "factorize": VerbNeeds(_TRAIN, False, "celestial factorize runs/latest --rank 32"),
    "quantize": VerbNeeds(_TRAIN, True, "celestial quantize --int8"),
    "export": VerbNeeds(("train", "onnx"), False, "celestial export --onnx"),
    "verify": VerbNeeds((), True, "celestial verify"),
    "sign": VerbNeeds(("sign",), False, "celestial sign --new-key FILE"),
    "lineage": VerbNeeds(_TRAIN, False, "celestial lineage"),
    "profile": VerbNeeds(_TRAIN, False, "celestial profile celestialnet_edge"),
    "bench": VerbNeeds((), True, "celestial bench --tflite"),
    "predict": VerbNeeds((), True, "celestial predict FITS_FOLDER"),
    "watch": VerbNeeds((), True, "celestial watch INCOMING --results RESULTS"),
}
"""By verb, in the order of the work."""


@dataclass(frozen=True)
class Job:
    """Work of known size.

    Attributes:
        what: What is done.
        line: What to type.
        memory_mb: The most memory that it took resident where it was measured, MB (1e6 bytes).
        extras: Extras that it needs.
    """

    what: str
    line: str
    memory_mb: int
    extras: tuple[str, ...]


JOBS = (
    Job("classify with the shipped model, int8", "celestial predict FITS_FOLDER", 110, ()),
    Job("run hr_celestialnet at full size, int8 in strips", "celestial predict --model ARTIFACT", 234, ()),
    Job("- as one rewritten graph", "celestial predict --model ARTIFACT", 622, ()),
    Job("- as the converter makes it", "celestial predict --model ARTIFACT", 4215, ()),
    Job("quantize it on 32 whole frames", "celestial quantize --int8", 4900, _TRAIN),
    Job(
        "train it at full size, its first blocks in strips",
        "celestial train --model hr_celestialnet --size full --batch-size 1 --stem-strips 32",
        3900,
        _TRAIN,
    ),
    Job(
        "- with whole maps",
        "celestial train --model hr_celestialnet --size full --batch-size 1",
        10400,
        _TRAIN,
    ),
)
"""Measured peaks, from docs/edge.md and docs/reproduce.md; another batch or size takes another amount."""


@dataclass(frozen=True)
class VerbReadiness:
    """Whether a verb will work.

    Attributes:
        verb: The verb.
        works: Whether all that it needs is there.
        why: What is not; empty where it works.
        line: What to type: the verb where it works, else what mends it.
    """

    verb: str
    works: bool
    why: str
    line: str


@dataclass(frozen=True)
class JobReadiness:
    """Whether a job fits the memory.

    Attributes:
        what: What is done.
        memory_mb: What it takes, MB (1e6 bytes).
        fits: Whether there is as much; None where that is not known.
        line: What to type.
    """

    what: str
    memory_mb: int
    fits: bool | None
    line: str


def verb_readiness(complete: Collection[str] | None, runtime_problem: str) -> tuple[VerbReadiness, ...]:
    """What will work.

    Args:
        complete: Extras that are complete; None where that is not known, and nothing is held against a verb.
        runtime_problem: Why artifacts do not run here; empty where they do.
    """
    return tuple(_verb_readiness(verb, needs, complete, runtime_problem) for verb, needs in VERBS.items())


def _verb_readiness(
    verb: str, needs: VerbNeeds, complete: Collection[str] | None, runtime_problem: str
) -> VerbReadiness:
    missing = [name for name in needs.extras if complete is not None and name not in complete]
    if missing:
        words = "extra" if len(missing) == 1 else "extras"
        why = f"needs the {words} {' and '.join(f'`{name}`' for name in missing)}"
        return VerbReadiness(verb, False, why, install_line(",".join(missing)))
    if needs.runtime and runtime_problem:
        return VerbReadiness(verb, False, runtime_problem, "celestial verify")
    return VerbReadiness(verb, True, "", needs.line)


def job_readiness(complete: Collection[str] | None, usable_mb: float | None) -> tuple[JobReadiness, ...]:
    """What fits the memory, of the jobs whose extras are installed.

    Args:
        complete: Extras that are complete; None where that is not known.
        usable_mb: Memory that this process may take, MB (1e6 bytes); None where that is not known.
    """
    return tuple(
        JobReadiness(job.what, job.memory_mb, None if usable_mb is None else job.memory_mb <= usable_mb, job.line)
        for job in JOBS
        if complete is None or set(job.extras) <= set(complete)
    )
