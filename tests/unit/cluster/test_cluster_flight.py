"""Work on a cluster's workers, by a client that does what it is told on the spot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import pytest
from distributed.scheduler import KilledWorker

from celestialkeras.cluster import Cluster, ClusterAddress
from celestialkeras.errors import ClusterError, DatasetError
from celestialkeras.workers import WorkLostError


@dataclass
class PromptClient:
    """Does each item when it is handed over, in order; `killers` end their worker, and the item beside them too."""

    workers: int = 2
    killers: tuple[int, ...] = ()
    neighbours: tuple[int, ...] = ()
    given: list[int] = field(default_factory=list)
    futures: list[Future[Any]] = field(default_factory=list)

    def nthreads(self) -> dict[str, int]:
        return {f"tcp://10.0.0.{number}:40000": 1 for number in range(self.workers)}

    def submit(self, work: Callable[[int], Any], item: int, pure: bool) -> Future[Any]:
        future: Future[Any] = Future()
        if item in self.killers or (item in self.neighbours and item not in self.given):
            future.set_exception(KilledWorker("task", None, 3))
        else:
            try:
                future.set_result(work(item))
            except Exception as error:
                future.set_exception(error)
        self.given.append(item)
        self.futures.append(future)
        return future


def square(number: int) -> int:
    return number * number


def collect(spread: Iterator[tuple[int, int]]) -> tuple[list[int], WorkLostError[int]]:
    """The items that were done, and the error at the end."""
    done = []
    try:
        for item, _ in spread:
            done.append(item)
    except WorkLostError as error:
        return done, error
    raise AssertionError("nothing was lost")


def test_each_item_comes_once_with_its_result() -> None:
    assert sorted(Cluster(PromptClient()).spread(square, [3, 1, 2])) == [(1, 1), (2, 4), (3, 9)]
    assert list(Cluster(PromptClient()).spread(square, [])) == []


@pytest.mark.parametrize("workers", [1, 3])
def test_items_are_asked_for_only_as_there_is_room(workers: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    ahead = [len(taken) - done for done, _ in enumerate(Cluster(PromptClient(workers)).spread(square, items()))]
    assert max(ahead) == workers
    assert len(ahead) == 20


def test_workers_that_come_later_are_given_work() -> None:
    client = PromptClient(workers=0)
    spread = Cluster(client).spread(square, range(10))
    next(spread)
    assert len(client.given) == 1, "where there is no worker yet, one item waits for it"
    client.workers = 4
    next(spread)
    assert len(client.given) == 5
    spread.close()


def test_what_kills_workers_is_named_when_the_others_are_done() -> None:
    client = PromptClient(killers=(2,))
    done, caught = collect(Cluster(client).spread(square, range(5)))
    assert sorted(done) == [0, 1, 3, 4]
    assert caught.lost == [(2, "killed every worker that it was given to")]
    assert str(caught) == "2: killed every worker that it was given to"


def test_what_only_lay_beside_a_killer_is_done_by_itself() -> None:
    client = PromptClient(killers=(2,), neighbours=(1, 3))
    done, caught = collect(Cluster(client).spread(square, range(5)))
    assert sorted(done) == [0, 1, 3, 4]
    assert [item for item, _ in caught.lost] == [2]
    assert client.given[5:] == [1, 2, 3], "once more, one after another"


def fails_at_two(number: int) -> int:
    if number == 2:
        raise RuntimeError("unheard of")
    return number


def test_an_error_that_nobody_foresaw_costs_its_item() -> None:
    done, caught = collect(Cluster(PromptClient()).spread(fails_at_two, range(4)))
    assert (sorted(done), caught.lost) == ([0, 1, 3], [(2, "RuntimeError: unheard of")])


def refuses(number: int) -> int:
    raise DatasetError("no such folder")


def full_disk(number: int) -> int:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(("work", "kind"), [(refuses, DatasetError), (full_disk, OSError)])
def test_what_would_fail_alike_everywhere_ends_it(work: Callable[[int], int], kind: type[Exception]) -> None:
    client = PromptClient()
    with pytest.raises(kind):
        list(Cluster(client).spread(work, range(100)))
    assert len(client.given) == 2


def test_a_lost_scheduler_is_an_error_that_says_what_to_do() -> None:
    class LostClient(PromptClient):
        def submit(self, work: Callable[[int], Any], item: int, pure: bool) -> Future[Any]:
            future: Future[Any] = Future()
            future.cancel()
            return future

    with pytest.raises(ClusterError, match="the scheduler was lost; what was done is kept"):
        list(Cluster(LostClient()).spread(square, range(3)))


def test_a_scheduler_that_no_longer_answers_is_lost() -> None:
    class DeafClient(PromptClient):
        def nthreads(self) -> dict[str, int]:
            if self.given:
                raise OSError("timed out")
            return super().nthreads()

    with pytest.raises(ClusterError, match="the scheduler was lost; what was done is kept"):
        list(Cluster(DeafClient()).spread(square, range(3)))


def test_what_is_in_flight_is_called_off_when_nobody_wants_it_any_more() -> None:
    class SlowClient(PromptClient):
        def submit(self, work: Callable[[int], Any], item: int, pure: bool) -> Future[Any]:
            if item == 0:
                return super().submit(work, item, pure)
            self.futures.append(Future())
            return self.futures[-1]

    client = SlowClient(workers=3)
    spread = Cluster(client).spread(square, range(10))
    assert next(spread) == (0, 0)
    spread.close()
    assert [future.cancelled() for future in client.futures] == [False, True, True]


# Workers that the scheduler counts: twice when it is asked for room, then each time without a result.
@pytest.mark.parametrize(
    ("counts", "told"),
    [((1, 1, 1, 1), []), ((1, 1, 0, 0, 0), [3]), ((1, 1, 0, 0, 1, 0), [3, 6]), ((0, 0, 0), [3])],
    ids=["all are busy", "none is left", "they came back and left", "none ever came"],
)
def test_it_is_told_once_each_time_that_workers_stay_away(counts: tuple[int, ...], told: list[int]) -> None:
    class MovingClient(PromptClient):
        asked = 0

        def nthreads(self) -> dict[str, int]:
            self.asked += 1
            if self.asked == len(counts):
                self.futures[0].set_result("done")
            return dict.fromkeys(["tcp://10.0.0.1:40000"][: counts[self.asked - 1]], 1)

        def submit(self, work: Callable[[int], Any], item: int, pure: bool) -> Future[Any]:
            self.futures.append(Future())
            return self.futures[0]

    client = MovingClient()
    heard: list[int] = []
    cluster = Cluster(client, lambda: heard.append(client.asked), patience=0.001)
    assert next(cluster.spread(square, [1])) == (1, "done")
    assert heard == told


def test_addresses() -> None:
    assert ClusterAddress.parse("local:2").processes == 2
    assert ClusterAddress.parse("tcp://head.example:8786").processes is None
    assert ClusterAddress.parse("tls://10.0.0.1:8786").text == "tls://10.0.0.1:8786"
    for slip in ("local", "local:0", "local:two", "tcp://head", "http://head:8786", "head:8786", "tcp://head:8786/x"):
        with pytest.raises(ValueError, match=r"must be local:N, .*Received: "):
            ClusterAddress.parse(slip)


def test_workers_of_this_machine_share_its_cores() -> None:
    assert [ClusterAddress.parse(f"local:{n}").interpreter_threads(8) for n in (1, 2, 3, 8, 20)] == [8, 4, 2, 1, 1]
    assert ClusterAddress.parse("tcp://head:8786").interpreter_threads(8) is None
