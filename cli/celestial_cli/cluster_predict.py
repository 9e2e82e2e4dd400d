"""`celestial predict --cluster`: Dask workers classify, each row of a Parquet file is a chip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from celestial_cli.clusters import connect
from celestial_cli.locate import find_classified
from celestial_cli.tables import print_table
from celestial_cli.terminal import print_json, progress_bar, say
from celestialkeras.errors import ArtifactError

if TYPE_CHECKING:
    from celestial_edge.cluster.chips import ChipList
    from celestial_edge.cluster.job import Job
    from celestial_edge.cluster.predict import Outcome
    from celestial_edge.trust import Trust
    from celestialkeras.cluster import ClusterAddress


@dataclass(frozen=True)
class Request:
    """What is asked beside the chips and the workers.

    Attributes:
        model: An artifact, or a run with an int8 one; None as for `celestial predict`.
        trust: What the artifact must prove.
        abstain: Least probability that decides; None for what the artifact's card says.
        threads: Threads of each worker's interpreter.
        folder: Where the Parquet files go.
        partition: Chips of one.
    """

    model: Path | None
    trust: Trust
    abstain: float | None
    threads: int
    folder: Path
    partition: int


def predict_on_cluster(address: ClusterAddress, chips: ChipList, request: Request, as_json: bool) -> None:
    """Has workers classify chips, and says what came of it; ends with exit code 1 where a chip has no verdict."""
    from celestial_edge.cluster.predict import predict_all

    job = _plan(chips, request)
    with connect(address) as cluster:
        workers = cluster.threads
        with progress_bar("predict", "chips") as report:
            outcome = predict_all(chips, job, cluster.spread, report)
    if as_json:
        print_json(_to_json(job, outcome, address, workers))
    else:
        _print(job, outcome)
    for name, reason in outcome.lost.items():
        say(f"lost: {name} ({reason}); the same command tries it again")
    if outcome.bad:
        say(f"{outcome.bad} of {job.plan.chips} chips could not be used; their rows say why")
    if outcome.bad or outcome.lost:
        raise click.exceptions.Exit(1)


def _plan(chips: ChipList, request: Request) -> Job:
    from celestial_edge.cluster.job import Job, Plan
    from celestial_edge.device.runtime import Classifier

    artifact = find_classified(request.model, request.trust)
    if artifact.suffix == ".keras":
        raise ArtifactError(f"{artifact}: workers run artifacts; make one with `celestial quantize --int8`")
    # Here it is checked, and tried where it proves nothing, before workers are given it.
    classifier = Classifier(artifact, request.threads, request.trust, request.abstain)
    plan = Plan(chips.count, chips.digest, classifier.card_sha256, classifier.abstain, request.partition)
    return Job(request.folder.absolute(), artifact.absolute(), request.threads, plan)


def _to_json(job: Job, outcome: Outcome, address: ClusterAddress, workers: int) -> dict[str, Any]:
    return {
        "schema": "celestialkeras.cluster-prediction/1",
        "folder": str(job.folder),
        "model": str(job.artifact),
        "card_sha256": job.plan.card_sha256,
        "cluster": address.text,
        "workers": workers,
        "threads": job.threads,
        "chips": job.plan.chips,
        "counts": dict(outcome.counts),
        "partitions": job.plan.partitions,
        "found": outcome.found,
        "lost": [{"partition": name, "reason": reason} for name, reason in outcome.lost.items()],
        "classified": outcome.classified,
        "seconds": outcome.seconds,
    }


def _print(job: Job, outcome: Outcome) -> None:
    rows = [[label, str(count)] for label, count in sorted(outcome.counts.items())]
    rows.append(["in partitions", f"{job.plan.partitions - len(outcome.lost)} of {job.plan.partitions}"])
    if outcome.classified:
        rate = outcome.classified / outcome.seconds
        rows.append(["classified now", f"{outcome.classified}, {rate:.2f} a second"])
    print_table(f"Verdicts in {job.folder}", ["label", "chips"], rows)
