"""Which frames each worker reads: arithmetic alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from celestialkeras.training.share import Share


def of_all(frames: int, batch_size: int, workers: int) -> list[list[int]]:
    return [Share(worker, workers).places(frames, batch_size).tolist() for worker in range(workers)]


def test_one_worker_reads_all_in_order() -> None:
    assert Share().places(5, 2).tolist() == [0, 1, 2, 3, 4]
    assert Share().size(7) == 7


def test_two_workers_divide_every_batch_and_the_last_one_too() -> None:
    assert of_all(12, 5, 2) == [[0, 1, 2, 5, 6, 7, 10], [3, 4, 8, 9, 11]]


def test_a_last_batch_of_fewer_frames_than_workers_leaves_the_last_ones_without() -> None:
    assert of_all(6, 4, 3) == [[0, 1, 4], [2, 5], [3]]


def test_no_frames_are_nobodys() -> None:
    places = Share(1, 2).places(0, 4)
    assert (places.tolist(), places.dtype) == ([], np.int64)


@given(frames=st.integers(0, 60), batch_size=st.integers(1, 20), workers=st.integers(1, 6))
def test_every_batch_is_read_once_and_in_batches_of_one_size(frames: int, batch_size: int, workers: int) -> None:
    places = of_all(frames, batch_size, workers)
    assert sorted(place for one in places for place in one) == list(range(frames))
    whole = frames // batch_size
    for worker, own in enumerate(places):
        share = Share(worker, workers)
        # `tf.data` batches them by this number: the batch of a place must be that of all workers.
        size = share.size(batch_size)
        assert [place // batch_size for place in own[: whole * size]] == [n for n in range(whole) for _ in range(size)]
        assert len(own) - whole * size == share.size(frames % batch_size) <= size


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_more_frames_never_give_a_worker_fewer(workers: int) -> None:
    for worker in range(workers):
        sizes = [Share(worker, workers).size(frames) for frames in range(30)]
        assert sizes == sorted(sizes)
        assert all(size > 0 for size in sizes[workers:])
