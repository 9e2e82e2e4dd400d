"""Work in flight on Dask workers: one item for each of their threads, the others wait here.

Were everything handed over at once, the scheduler would hold the whole list, and an item that kills workers would take
others with it that only waited on the same one. Dask gives a killed worker's items to others, and gives up an item
after `distributed.scheduler.allowed-failures` deaths that it was near. What it gave up is tried again here, alone, so
that only what kills workers without any company is lost.
"""

from __future__ import annotations

import importlib
import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from celestialkeras.cluster.address import ClusterAddress
from celestialkeras.errors import CelestialError, ClusterError, MissingExtraError
from celestialkeras.workers import Item, Result, WorkLostError

_CONNECT_S = 30.0

_SCHEDULER_LOST = "the scheduler was lost; what was done is kept, and the same command goes on with the rest"

# A killed worker that is not back by then is given up for good, and on a busy machine Python is slow to start.
_RETURN = {"distributed.deploy.lost-worker-timeout": "10 minutes"}


@dataclass(frozen=True)
class Cluster:
    """Dask workers.

    Attributes:
        client: A `distributed.Client` that is connected to their scheduler.
        on_absence: Called when work waits and no worker is left to do it; once for each time that they stay away.
        patience: Seconds without a result after which is looked whether workers are left.
    """

    client: Any
    on_absence: Callable[[], None] = lambda: None
    patience: float = 20.0

    @property
    def threads(self) -> int:
        """How many items the workers do at once, at least one; workers may come and go.

        Raises:
            ClusterError: The scheduler was lost.
        """
        return max(1, self._threads_there())

    @property
    def dashboard(self) -> str:
        """Address of Dask's dashboard."""
        return str(self.client.dashboard_link)

    def spread(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
        """Does work on every item and yields each with its result as it is done, in any order.

        An item may be begun more than once, where a worker was killed or lost its connection: what `work` writes must
        be whole or absent.

        Args:
            work: A function of a module that workers have; it travels by name.
            items: What to work on; asked for as there is room for them.

        Yields:
            Items and results, each item once.

        Raises:
            WorkLostError: After all others were done: items that killed workers by themselves more often than Dask
                allows, or of which `work` raised what is none of the errors below.
            ClusterError: The scheduler was lost.
            CelestialError: `work` raised it, or an `OSError` or `ImportError`: others would end alike, and items that
                are not yet begun are dropped.
        """
        deadly: list[Item] = []
        lost: list[tuple[Item, str]] = []
        yield from self._fly(work, items, self._has_room, deadly, lost)
        alone, deadly = deadly, []
        yield from self._fly(work, alone, lambda flying: not flying, deadly, lost)
        lost += ((item, "killed every worker that it was given to") for item in deadly)
        if lost:
            raise WorkLostError(lost)

    def _has_room(self, flying: int) -> bool:
        return flying < self.threads

    def _next(self, landed: queue.SimpleQueue[Any]) -> Any:
        """The next future that is done."""
        deserted = False
        while True:
            with suppress(queue.Empty):
                return landed.get(timeout=self.patience)
            before, deserted = deserted, not self._threads_there()
            if deserted and not before:
                self.on_absence()

    def _threads_there(self) -> int:
        try:
            threads: dict[str, int] = self.client.nthreads()
        except OSError as error:
            raise ClusterError(_SCHEDULER_LOST) from error
        return sum(threads.values())

    def _fly(
        self,
        work: Callable[[Item], Result],
        items: Iterable[Item],
        has_room: Callable[[int], bool],
        deadly: list[Item],
        lost: list[tuple[Item, str]],
    ) -> Iterator[tuple[Item, Result]]:
        waiting = iter(items)
        landed: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # By identity: Dask's futures are equal where their keys are.
        flying: dict[int, tuple[Any, Item]] = {}
        killed = importlib.import_module("distributed").scheduler.KilledWorker
        more = True
        try:
            while True:
                while more and has_room(len(flying)):
                    try:
                        item = next(waiting)
                    except StopIteration:
                        more = False
                        break
                    future = self.client.submit(work, item, pure=False)
                    flying[id(future)] = future, item
                    future.add_done_callback(landed.put)
                if not flying:
                    return
                future = self._next(landed)
                _, item = flying.pop(id(future))
                try:
                    result = future.result()
                except killed:
                    deadly.append(item)
                except CancelledError as error:
                    raise ClusterError(_SCHEDULER_LOST) from error
                except (CelestialError, OSError, ImportError):
                    raise
                except Exception as error:
                    lost.append((item, f"{type(error).__name__}: {error}"))
                else:
                    yield item, result
        finally:
            for future, _ in flying.values():
                future.cancel()


@contextmanager
def open_cluster(address: ClusterAddress, on_absence: Callable[[], None] = lambda: None) -> Iterator[Cluster]:
    """Starts workers, or connects to a scheduler's, and lets go of them at the end.

    Args:
        address: Where they are.
        on_absence: See `Cluster`.

    Yields:
        The workers, at least one of them there.

    Raises:
        MissingExtraError: Dask is not installed.
        ClusterError: No scheduler answers, or it has no workers.
    """
    try:
        distributed = importlib.import_module("distributed")
    except ImportError as error:
        raise MissingExtraError("cluster", "--cluster") from error
    with ExitStack() as stack:
        try:
            target: Any = address.text
            if address.processes is not None:
                stack.enter_context(importlib.import_module("dask").config.set(_RETURN))
                target = stack.enter_context(
                    distributed.LocalCluster(
                        n_workers=address.processes,
                        threads_per_worker=1,
                        processes=True,
                        host="127.0.0.1",
                        dashboard_address="127.0.0.1:0",
                    )
                )
            client = stack.enter_context(distributed.Client(target, timeout=_CONNECT_S, set_as_default=False))
            client.wait_for_workers(1, timeout=_CONNECT_S)
        except (OSError, TimeoutError) as error:
            raise ClusterError(
                f"{address.text}: no scheduler with workers answers within {_CONNECT_S:g} s ({error}); "
                "`dask scheduler` and `dask worker` start them"
            ) from error
        yield Cluster(client, on_absence)
