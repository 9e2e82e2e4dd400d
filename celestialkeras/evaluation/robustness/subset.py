"""Fewer frames that stand for a whole side."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from celestialkeras.lcid.manifest import LABELS
from celestialkeras.lcid.shards import Record


def stratified(records: Sequence[Record], frames: int, seed: int) -> list[Record]:
    """Chooses frames by class and object.

    Each class keeps its share of the frames, to one frame, and one frame at least. Within a class objects give a frame
    each in turn, in an order that is drawn, until there are enough: so as many objects speak as can.

    Args:
        records: The side.
        frames: How many to choose; 0 for all, as where there are no more.
        seed: Of the draws.

    Returns:
        The chosen frames, in the order of `records`.
    """
    if not 0 < frames < len(records):
        return list(records)
    rng = np.random.default_rng(seed)
    places: list[dict[str, list[int]]] = [defaultdict(list) for _ in LABELS]
    for place, record in enumerate(records):
        places[record.observation.label_code][record.observation.object_id].append(place)
    counts = [sum(map(len, of_class.values())) for of_class in places]
    chosen: list[int] = []
    for of_class, wanted in zip(places, _shares(counts, frames), strict=True):
        queues = [list(rng.permutation(of_class[name])) for name in rng.permutation(sorted(of_class))]
        rounds = max(map(len, queues), default=0)
        in_turn = [queue[turn] for turn in range(rounds) for queue in queues if turn < len(queue)]
        chosen += in_turn[:wanted]
    return [records[place] for place in sorted(chosen)]


def frames_digest(records: Sequence[Record]) -> str:
    """SHA-256 of the names of some frames, in their order."""
    names = "\n".join(f"{record.observation.obsid} {record.observation.hdu}" for record in records)
    return hashlib.sha256(names.encode()).hexdigest()


def _shares(counts: Sequence[int], total: int) -> list[int]:
    """Whole numbers in proportion to counts, by the largest remainders; one at least where there is any."""
    exact = [total * count / sum(counts) for count in counts]
    shares = [max(int(share), 1) if count else 0 for share, count in zip(exact, counts, strict=True)]
    for index in sorted(range(len(counts)), key=lambda index: shares[index] - exact[index]):
        if sum(shares) < total and shares[index] < counts[index]:
            shares[index] += 1
    return shares
