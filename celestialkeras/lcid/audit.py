"""What observation lists give away without a pixel: counts, overlaps, and rules that guess the class.

A classifier of frames is worth what it adds to such rules. Frames of one object are alike, so each rule is judged
twice: fitted on the very list, and with each object predicted from all the others.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from celestialkeras.errors import ManifestError
from celestialkeras.lcid.manifest import LABELS, Observation
from celestialkeras.lcid.rules import Rule, fit_rules

LARGEST = 3
"""How many of a class's objects `Concentration.share` counts."""


@dataclass(frozen=True)
class Count:
    """The frames that share one value.

    Attributes:
        name: What they share: a class, an object, an instrument or a filter.
        frames: How many chips they are.
        exposures: Of how many exposures.
        objects: Of how many objects.
        frames_by_class: How many of them are galaxy and NSC frames.
    """

    name: str
    frames: int
    exposures: int
    objects: int
    frames_by_class: tuple[int, int]


@dataclass(frozen=True)
class Concentration:
    """How far the frames of one class come from few objects.

    Attributes:
        label: `galaxy` or `NSC`.
        objects: Its objects in the list.
        frames: Its frames.
        largest: Names and frames of its largest objects, at most `LARGEST`.
        effective_objects: The number of objects of equal size that would be as concentrated: the inverse of the
            chance that two frames of the class, drawn with replacement, show one object (Hill 1973, Ecology 54, 427).
    """

    label: str
    objects: int
    frames: int
    largest: tuple[tuple[str, int], ...]
    effective_objects: float

    @property
    def share(self) -> float:
        """Share of the class's frames that its largest objects hold."""
        return sum(frames for _, frames in self.largest) / self.frames


@dataclass(frozen=True)
class ListAudit:
    """What one list shows.

    Attributes:
        name: Name of the list.
        frames: Chips.
        exposures: Exposures that they belong to.
        by_class: Counts, in the order galaxy, NSC; a class without frames is left out. So are the others, by name.
        by_object: Counts, the largest first.
        by_instrument: Counts, by name.
        by_filter: Counts, by name; a filter of the same name counts for all instruments together.
        rules: The rules, the majority first.
        concentrations: One for each class that has frames.
        repeats: Chips beyond the first of each object, instrument, filter, HDU and position: repeated exposures, which
            show the same pixels of sky under other noise.
        two_classes: Objects whose frames do not all have one class.
        spellings: Names of objects that differ by nothing but spaces and case, together.
    """

    name: str
    frames: int
    exposures: int
    by_class: tuple[Count, ...]
    by_object: tuple[Count, ...]
    by_instrument: tuple[Count, ...]
    by_filter: tuple[Count, ...]
    rules: tuple[Rule, ...]
    concentrations: tuple[Concentration, ...]
    repeats: int
    two_classes: tuple[str, ...]
    spellings: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Overlap:
    """What two lists share.

    Attributes:
        lists: Their names.
        objects: Objects in both, as the first spells them; spaces and case do not count.
        exposures: Rootnames in both.
        chips: Rootnames and HDUs in both.
    """

    lists: tuple[str, str]
    objects: tuple[str, ...]
    exposures: tuple[str, ...]
    chips: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Audit:
    """What some lists show, each and together.

    Attributes:
        lists: One audit a list, in their order.
        overlaps: One for each pair of lists.
    """

    lists: tuple[ListAudit, ...]
    overlaps: tuple[Overlap, ...]


def audit_lists(lists: Mapping[str, Sequence[Observation]]) -> Audit:
    """Audits lists, each by itself and each pair for what it shares.

    Args:
        lists: The rows of each list, by its name. `read_manifest` has refused lists with the same chip twice.

    Returns:
        The figures; the same lists give the same ones.

    Raises:
        ManifestError: A list is empty, or an exposure time is no number of seconds above 0.
    """
    return Audit(
        lists=tuple(_audit_list(name, rows) for name, rows in lists.items()),
        overlaps=tuple(_overlap(first, second) for first, second in combinations(lists.items(), 2)),
    )


def _audit_list(name: str, rows: Sequence[Observation]) -> ListAudit:
    if not rows:
        raise ManifestError(f"{name}: no rows to audit")
    by_object = _counts(rows, lambda row: row.object_id)
    spellings: dict[str, list[str]] = defaultdict(list)
    for count in by_object:
        spellings[_folded(count.name)].append(count.name)
    pointings = {(row.object_id, row.instrument, row.filter, row.hdu, row.ra, row.dec) for row in rows}
    return ListAudit(
        name=name,
        frames=len(rows),
        exposures=len({row.obsid for row in rows}),
        by_class=tuple(sorted(_counts(rows, lambda row: row.label), key=lambda count: LABELS.index(count.name))),
        by_object=tuple(sorted(by_object, key=lambda count: -count.frames)),
        by_instrument=_counts(rows, lambda row: row.instrument),
        by_filter=_counts(rows, lambda row: row.filter),
        rules=fit_rules(name, rows),
        concentrations=_concentrations(by_object),
        repeats=len(rows) - len(pointings),
        two_classes=tuple(count.name for count in by_object if all(count.frames_by_class)),
        spellings=tuple(tuple(names) for names in spellings.values() if len(names) > 1),
    )


def _counts(rows: Sequence[Observation], value: Callable[[Observation], str]) -> tuple[Count, ...]:
    groups: dict[str, list[Observation]] = defaultdict(list)
    for row in rows:
        groups[value(row)].append(row)
    return tuple(
        Count(
            name=name,
            frames=len(group),
            exposures=len({row.obsid for row in group}),
            objects=len({row.object_id for row in group}),
            frames_by_class=_by_class(group),
        )
        for name, group in sorted(groups.items())
    )


def _by_class(rows: Iterable[Observation]) -> tuple[int, int]:
    found = Counter(row.label for row in rows)
    return found[LABELS[0]], found[LABELS[1]]


def _concentrations(by_object: Sequence[Count]) -> tuple[Concentration, ...]:
    found = []
    for code, label in enumerate(LABELS):
        sizes = {count.name: count.frames_by_class[code] for count in by_object if count.frames_by_class[code]}
        if not sizes:
            continue
        total = sum(sizes.values())
        largest = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:LARGEST]
        effective = total**2 / sum(size**2 for size in sizes.values())
        found.append(Concentration(label, len(sizes), total, tuple(largest), effective))
    return tuple(found)


def _overlap(first: tuple[str, Sequence[Observation]], second: tuple[str, Sequence[Observation]]) -> Overlap:
    (name, rows), (other_name, others) = first, second
    folded = {_folded(row.object_id) for row in others}
    return Overlap(
        lists=(name, other_name),
        objects=tuple(sorted({row.object_id for row in rows if _folded(row.object_id) in folded})),
        exposures=tuple(sorted({row.obsid for row in rows} & {row.obsid for row in others})),
        chips=tuple(sorted({row.key for row in rows} & {row.key for row in others})),
    )


def _folded(object_id: str) -> str:
    """A name as catalogues compare it: `M 16` and `m16` are one object."""
    return "".join(object_id.split()).casefold()
