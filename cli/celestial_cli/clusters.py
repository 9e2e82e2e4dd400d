"""`--cluster`: Dask workers for a verb, of this machine or of a scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from celestial_cli.terminal import say
from celestialkeras.cluster.address import ClusterAddress

if TYPE_CHECKING:
    from celestialkeras.cluster import Cluster
    from celestialkeras.workers import Spreading


def _parse(ctx: click.Context, param: click.Parameter, text: str | None) -> ClusterAddress | None:
    try:
        return None if text is None else ClusterAddress.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


cluster_option = click.option(
    "--cluster",
    metavar="WHERE",
    callback=_parse,
    help="Have Dask workers do it: local:N for N processes of this machine, tcp://HOST:PORT for those of a scheduler.",
)
"""`--cluster`, as an address; None where it is not given."""


@contextmanager
def connect(address: ClusterAddress) -> Iterator[Cluster]:
    """Gives the workers of an address, and says where Dask's dashboard is."""
    from celestialkeras.cluster import open_cluster

    def wait() -> None:
        say(f"no worker is left at {address.text}: waiting for some to come; stopped, the same command goes on later")

    with open_cluster(address, wait) as cluster:
        say(f"workers: {cluster.threads} at {address.text}, dashboard: {cluster.dashboard}")
        yield cluster


@contextmanager
def open_workers(address: ClusterAddress | None) -> Iterator[Spreading | None]:
    """Gives what spreads work over the workers of an address; None for no address."""
    if address is None:
        yield None
        return
    with connect(address) as cluster:
        yield cluster.spread
