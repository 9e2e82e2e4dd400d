"""What becomes of damaged and hostile files: mutated FITS files and artifacts, many of them, each to its outcome.

    python benchmarks/fuzz.py [--frames 20000] [--artifacts 5000] [--seed 0] [--json FILE]

A case is one file, mutated by the seed and the case's number, so that it can be had again. A mutated FITS file
is read, judged and encoded. A mutated artifact, its card's hashes made to fit, is loaded, decides a frame and gives its
golden frames. Its trial (`celestial_edge.device.trial`) is on, in a process that is forked and not started, which takes
a tenth of the time. Cases run by the hundred in forked processes under a memory limit, so that a process that crashes,
hangs or takes too much is told with the case that did it. An outcome is a verdict, an error of the project's by its
name, or a finding: anything else. Findings make the exit code 1.

Chips are of 256 x 256 pixels, see `tests/fuzz_frames.py`. The mutations are those of the tests.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import numpy as np

from celestial_edge.device import trial, trial_worker
from celestial_edge.device.machine import describe_machine
from celestial_edge.device.memory_limit import enter_limit
from celestial_edge.device.quality import judge_frame
from celestial_edge.device.runtime import Classifier
from celestial_edge.golden import read_golden
from celestialkeras.errors import CelestialError, FrameError
from celestialkeras.files import write_text
from celestialkeras.lcid.frames import read_frame
from celestialkeras.lcid.stretch import Stretch, encode, estimate_background

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from fuzz_artifacts import mutate_artifact  # noqa: E402 - it is found by the line before
from fuzz_frames import mutate_file, small_chips, whole_files  # noqa: E402

BATCH = 200
LIMIT_S = 20.0
LIMIT_BYTES = 1 << 30

Case = Callable[[int], str]


@dataclass
class Findings:
    """What came of the cases of one kind.

    Attributes:
        cases: How many were run.
        outcomes: How often each outcome came.
        findings: Numbers of the cases that came to none of the allowed outcomes, by what they came to; twenty of each.
        slowest_ms: Milliseconds of the slowest case, and its number.
        peak_mb: Largest resident memory of a process, and the number of the case that reached it.
        trial_peak_mb: The same of the processes in which artifacts are tried.
        seconds: What all of them took.
    """

    cases: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    findings: dict[str, list[int]] = field(default_factory=dict)
    slowest_ms: tuple[float, int] = (0.0, -1)
    peak_mb: tuple[float, int] = (0.0, -1)
    trial_peak_mb: tuple[float, int] = (0.0, -1)
    seconds: float = 0.0

    def add(self, number: int, outcome: str, milliseconds: float, peak_mb: float, trial_peak_mb: float) -> None:
        """Counts a case."""
        self.cases += 1
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.slowest_ms = max(self.slowest_ms, (milliseconds, number))
        self.peak_mb = max(self.peak_mb, (peak_mb, number))
        self.trial_peak_mb = max(self.trial_peak_mb, (trial_peak_mb, number))
        if outcome.startswith("! "):
            numbers = self.findings.setdefault(outcome, [])
            if len(numbers) < 20:
                numbers.append(number)


def frame_case(seed: int, folder: Path) -> Case:
    """Mutates FITS files, and reads, judges and encodes them."""
    files = whole_files()
    # Tiles are slow to unpack and few sites of damage are theirs alone.
    names = [name for name in files if not name.endswith(".fz")] * 4 + [name for name in files if name.endswith(".fz")]

    def run(number: int) -> str:
        rng = np.random.default_rng([seed, number])
        name = names[number % len(names)]
        path = folder / name
        path.write_bytes(mutate_file(files[name], rng))
        try:
            with small_chips():
                frame = read_frame(path, 1 if rng.random() < 0.5 else 4)
                background = estimate_background(frame)
                judge_frame(frame, background)
                encode(frame, Stretch(), background)
        except FrameError as error:
            return f"FrameError: {error.reason}"
        return "verdict"

    return run


def artifact_case(seed: int, folder: Path, seeds: Path) -> Case:
    """Mutates artifacts, loads them, and has them decide."""
    wholes = sorted(path.parent for path in seeds.glob("*/card.json"))
    with small_chips():
        path = folder / "uvis_raw.fits"
        path.write_bytes(whole_files()[path.name])
        frame = read_frame(path, 1)

    def run(number: int) -> str:
        rng = np.random.default_rng([seed, number])
        copy = folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(wholes[number % len(wholes)], copy)
        way = mutate_artifact(copy, rng)
        try:
            classifier = Classifier(copy)
            classifier.classify(frame)
            read_golden(copy, classifier.card)
        except trial.DeadlyArtifactError as error:
            return f"{way}: {type(error).__name__} {error.fate}"
        except CelestialError as error:
            return f"{way}: {type(error).__name__}"
        return f"{way}: verdict"

    trial.run_worker = _fork_worker
    return run


def _fork_worker(config: Mapping[str, Any], descriptors: Sequence[int]) -> trial.Ended:
    """Does what `trial.run_worker` does without starting Python and importing LiteRT."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(writing, 1)
        try:
            trial_worker.main(config)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as answer:
        out = answer.read()
    return trial.Ended(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), out, "")


def run_cases(case: Case, numbers: range, seconds: float) -> Findings:
    """Runs cases in forked processes, a batch in each, or what is left of one that a case has ended."""
    findings, begin, first = Findings(), perf_counter(), numbers.start
    while first < numbers.stop and perf_counter() - begin < seconds:
        for number, *told in _run_batch(case, range(first, min(first + BATCH, numbers.stop))):
            findings.add(number, *told)
            first = number + 1
    findings.seconds = perf_counter() - begin
    return findings


def _run_batch(case: Case, numbers: range) -> Iterator[tuple[int, str, float, float, float]]:
    """Yields number, outcome, milliseconds and peaks of each case, as far as the process comes."""
    reading, writing = os.pipe()
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(case, numbers, writing))
    process.start()
    os.close(writing)
    begin = perf_counter()
    with os.fdopen(reading, "rb") as answers:
        for number in numbers:
            hung = not select.select([answers], [], [], LIMIT_S)[0]
            line = b"" if hung else answers.readline()
            if not line.endswith(b"\n"):
                if hung:
                    process.kill()
                process.join()
                code = process.exitcode or 0
                what = (
                    f"hang of {LIMIT_S:.0f} s" if hung else signal.Signals(-code).name if code < 0 else f"exit {code}"
                )
                yield number, f"! {what}", 1e3 * (perf_counter() - begin), 0.0, 0.0
                return
            begin = perf_counter()
            yield number, *json.loads(line)
    process.join()


def _serve(case: Case, numbers: range, writing: int) -> None:
    enter_limit({"data_segment": LIMIT_BYTES})
    silence = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(silence, descriptor)
    # A warning would stand between a user's results: it counts as a finding.
    warnings.simplefilter("error")
    with os.fdopen(writing, "wb", buffering=0) as answers:
        for number in numbers:
            begin = perf_counter()
            try:
                outcome = case(number)
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                outcome = f"! {type(error).__name__} ({str(error)[:80]!r}, {Path(place.filename).name}:{place.lineno})"
            peaks_mb = [
                resource.getrusage(whose).ru_maxrss / 1e3 for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
            ]
            answers.write(json.dumps([outcome, 1e3 * (perf_counter() - begin), *peaks_mb]).encode() + b"\n")


@click.command()
@click.option("--frames", default=20_000, show_default=True, help="Mutated FITS files.")
@click.option("--artifacts", default=5_000, show_default=True, help="Mutated artifacts.")
@click.option("--seed", default=0, show_default=True, help="What the mutations follow from.")
@click.option("--first", default=0, show_default=True, help="Number of the first case.")
@click.option("--minutes", type=float, default=float("inf"), help="Begin no batch after this time, of each kind.")
@click.option(
    "--whole", "seeds", type=click.Path(path_type=Path), help="Folder of small artifacts; they are made there."
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Where to keep the figures.")
def main(**options: Any) -> None:
    """Runs mutated files to their outcomes, and tells what was neither a verdict nor an error with a name."""
    # Not on a disk where memory can hold them.
    shared = Path("/dev/shm")
    found: dict[str, Findings] = {}
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as scratch:
        folder = Path(scratch)
        seconds, first = 60 * options["minutes"], options["first"]
        if options["frames"]:
            case = frame_case(options["seed"], folder)
            found["frames"] = run_cases(case, range(first, first + options["frames"]), seconds)
        if options["artifacts"]:
            seeds = options["seeds"] or folder / "whole"
            if not seeds.is_dir():
                # In a process of its own: with TensorFlow in it, every fork would be slow.
                subprocess.run([sys.executable, str(TESTS / "fuzz_artifacts.py"), str(seeds)], check=True)
            os.environ[trial.CACHE_VARIABLE] = str(folder / "cache")
            case = artifact_case(options["seed"], folder, seeds)
            found["artifacts"] = run_cases(case, range(first, first + options["artifacts"]), seconds)
    figures = {kind: asdict(one) for kind, one in found.items()}
    click.echo(json.dumps(figures, indent=1))
    if options["json_path"]:
        write_text(options["json_path"], json.dumps({"machine": describe_machine(), **figures}, indent=1) + "\n")
    sys.exit(any(one.findings for one in found.values()))


if __name__ == "__main__":
    main()
