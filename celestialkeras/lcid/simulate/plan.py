"""What a survey will observe and how, drawn from one seed before any pixel is made.

Whatever is not the sky itself is drawn alike for both classes: each galaxy object shares its list of instruments,
filters, gains and exposure times with an NSC object, and overall brightness, star density and dates come from one
distribution. So no header card and no mean level tells the classes apart.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass

import numpy as np

from celestialkeras.errors import SimulationError
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.lcid.simulate.bands import BANDS

SIMULATOR_VERSION = 1
"""Counts up whenever the same plan gives other bytes."""

SUBTYPES: dict[str, dict[str, float]] = {
    "galaxy": {"spiral": 0.4, "elliptical": 0.2, "edge-on": 0.2, "irregular": 0.2},
    "NSC": {
        "globular": 0.25,
        "open": 0.2,
        "emission": 0.25,
        "reflection": 0.1,
        "planetary": 0.1,
        "remnant": 0.1,
    },
}
"""Kinds of object of each class and their shares."""

SPARSE_RATE = 0.1
"""Share of exposures of either class that point past the object, where hardly a feature is left."""

EXPOSURE_TIMES = (60.0, 1500.0)
"""Shortest and longest exposure, seconds; drawn uniformly in the logarithm.

Narrow and ultraviolet filters start at 500 s, or most of their frames would be empty."""

_RADII = {
    "spiral": (80.0, 260.0),
    "elliptical": (70.0, 230.0),
    "edge-on": (80.0, 260.0),
    "irregular": (65.0, 190.0),
    "globular": (70.0, 230.0),
    "open": (60.0, 190.0),
    "emission": (90.0, 280.0),
    "reflection": (70.0, 200.0),
    "planetary": (40.0, 130.0),
    "remnant": (80.0, 240.0),
}
_FAINT_BANDS = {"F336W", "F658N"}
_FAINT_SHORTEST = 500.0


@dataclass(frozen=True)
class SurveySpec:
    """How large a survey is and what it is drawn from.

    Attributes:
        objects: Objects in all, half of them galaxies and half NSC.
        exposures_per_object: Pointings of each object; every one gives two chips.
        seed: Seed of everything.
        instruments: Instruments to take turns with.
    """

    objects: int
    exposures_per_object: int
    seed: int
    instruments: tuple[str, ...] = ("ACS/WFC", "WFC3/UVIS")

    def __post_init__(self) -> None:
        if self.objects < 2 or self.objects % 2:
            raise SimulationError(
                f"`objects` must be an even number from 2, half for each class. Received: objects={self.objects}"
            )
        if self.exposures_per_object < 1:
            raise SimulationError(
                f"`exposures_per_object` must be at least 1. Received: exposures_per_object={self.exposures_per_object}"
            )
        if self.seed < 0:
            raise SimulationError(f"`seed` must not be negative. Received: seed={self.seed}")
        unknown = [name for name in self.instruments if name not in BANDS]
        if not self.instruments or unknown:
            raise SimulationError(
                f"`instruments` must name some of {', '.join(BANDS)}. Received: instruments={self.instruments}"
            )


@dataclass(frozen=True)
class CelestialObject:
    """The truth about one object: all its exposures see the same thing.

    Attributes:
        name: Such as `SIM-G0007` or `SIM-N0007`.
        label: `galaxy` or `NSC`.
        subtype: Kind within the class, a key of `SUBTYPES`.
        ra: Right ascension of its centre, degrees, ICRS.
        dec: Declination of its centre, degrees, ICRS.
        radius: Radius that holds most of what is seen of it, arcseconds.
        brightness: Mean V-band surface brightness within its radius over that of the average sky.
        star_density: Milky Way stars brighter than V = 26 around it, per square arcminute.
        seed: Seed of its shape and of the sky around it.
    """

    name: str
    label: str
    subtype: str
    ra: float
    dec: float
    radius: float
    brightness: float
    star_density: float
    seed: int


@dataclass(frozen=True)
class Exposure:
    """One exposure to take: where, through what and how long.

    Attributes:
        rootname: Nine lower-case letters and digits.
        target: The object pointed at.
        instrument: Name in manifests.
        filter: Filter name.
        exptime: Seconds.
        gain: Commanded gain, electrons a DN.
        start: Modified Julian date of the start.
        east: Offset of the field's centre from the object, arcseconds to the east.
        north: The same to the north.
        roll: Position angle of the detector's +y axis, degrees.
        sky: Sky level over the filter's average.
        jitter: Pointing jitter, arcseconds rms.
        sparse: Whether the field was pointed past the object on purpose.
        seed: Seed of everything random in this exposure.
    """

    rootname: str
    target: CelestialObject
    instrument: str
    filter: str
    exptime: float
    gain: float
    start: float
    east: float
    north: float
    roll: float
    sky: float
    jitter: float
    sparse: bool
    seed: int


def plan_survey(spec: SurveySpec) -> tuple[Exposure, ...]:
    """Draws the objects and exposures of a survey; the same spec always gives the same plan.

    Returns:
        Exposures in the order of objects, classes alternating.
    """
    per_class = spec.objects // 2
    root = np.random.SeedSequence(spec.seed)
    setups_seed, objects_seed, exposures_seed = root.spawn(3)
    setups = _setups(spec, np.random.default_rng(setups_seed))
    order = np.random.default_rng(setups_seed.spawn(1)[0]).permutation(per_class)
    objects = _objects(per_class, objects_seed)
    exposures: list[Exposure] = []
    for pair in range(per_class):
        for label in LABELS:
            target = objects[label][pair]
            block = pair if label == LABELS[0] else int(order[pair])
            for turn in range(spec.exposures_per_object):
                setup = setups[block * spec.exposures_per_object + turn]
                seed = exposures_seed.spawn(1)[0]
                exposures.append(_exposure(len(exposures), target, setup, seed))
    return tuple(exposures)


def plan_digest(exposures: tuple[Exposure, ...]) -> str:
    """SHA-256 of a plan and the simulator's version: equal digests mean equal files."""
    text = json.dumps([SIMULATOR_VERSION, [asdict(exposure) for exposure in exposures]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class _Setup:
    instrument: str
    filter: str
    exptime: float
    gain: float
    sky: float


def _setups(spec: SurveySpec, rng: np.random.Generator) -> list[_Setup]:
    count = spec.objects // 2 * spec.exposures_per_object
    decks: dict[str, list[str]] = {name: [] for name in spec.instruments}
    setups = []
    for index in range(count):
        # Instruments take turns and filters are dealt from a shuffled deck: each comes up equally often.
        instrument = spec.instruments[(index // 2 + index) % len(spec.instruments)]
        deck = decks[instrument]
        if not deck:
            deck.extend(str(name) for name in rng.permutation(sorted(BANDS[instrument])))
        name = deck.pop()
        shortest = _FAINT_SHORTEST if name in _FAINT_BANDS else EXPOSURE_TIMES[0]
        low, high = math.log(shortest), math.log(EXPOSURE_TIMES[1])
        gain = (1.0 if rng.random() < 0.2 else 2.0) if instrument == "ACS/WFC" else 1.5
        exptime = round(math.exp(rng.uniform(low, high)), 1)
        sky = round(float(np.exp(rng.normal(0.0, 0.3))), 4)
        setups.append(_Setup(instrument, name, exptime, gain, sky))
    return setups


def _objects(per_class: int, seed: np.random.SeedSequence) -> dict[str, list[CelestialObject]]:
    drawn: dict[str, list[CelestialObject]] = {}
    for label, branch in zip(LABELS, seed.spawn(len(LABELS)), strict=True):
        rng = np.random.default_rng(branch)
        subtypes = _dealt(SUBTYPES[label], per_class, rng)
        drawn[label] = [
            _object(f"SIM-{label[0].upper()}{index:04d}", label, subtypes[index], branch.spawn(1)[0])
            for index in range(per_class)
        ]
    return drawn


def _dealt(shares: dict[str, float], count: int, rng: np.random.Generator) -> list[str]:
    # Each kind gets its whole share first, so that a small survey still holds all kinds it has room for.
    ends = np.cumsum(list(shares.values()))
    places = (np.arange(count) + rng.random()) / count
    names = [list(shares)[int(place)] for place in np.searchsorted(ends, places * ends[-1])]
    return [names[index] for index in rng.permutation(count)]


def _object(name: str, label: str, subtype: str, seed: np.random.SeedSequence) -> CelestialObject:
    rng = np.random.default_rng(seed)
    low, high = _RADII[subtype]
    return CelestialObject(
        name=name,
        label=label,
        subtype=subtype,
        ra=round(float(rng.uniform(0.0, 360.0)), 6),
        dec=round(math.degrees(math.asin(rng.uniform(-0.97, 0.97))), 6),
        radius=round(math.exp(rng.uniform(math.log(low), math.log(high))), 2),
        brightness=round(math.exp(rng.uniform(math.log(4.0), math.log(30.0))), 4),
        star_density=round(math.exp(rng.uniform(math.log(3.0), math.log(250.0))), 2),
        seed=int(rng.integers(2**63)),
    )


def _exposure(index: int, target: CelestialObject, setup: _Setup, seed: np.random.SeedSequence) -> Exposure:
    rng = np.random.default_rng(seed)
    sparse = bool(rng.random() < SPARSE_RATE)
    reach = rng.uniform(1.7, 2.4) if sparse else 0.8 * math.sqrt(rng.random())
    # Small objects are still put off-centre by a good part of the field.
    offset = reach * (target.radius if not sparse else target.radius + 60.0)
    angle = rng.uniform(0.0, 2.0 * math.pi)
    return Exposure(
        rootname=_rootname(index, setup.instrument, target.seed),
        target=target,
        instrument=setup.instrument,
        filter=setup.filter,
        exptime=setup.exptime,
        gain=setup.gain,
        start=round(float(rng.uniform(55200.0, 60000.0)), 6),
        east=round(offset * math.cos(angle), 3),
        north=round(offset * math.sin(angle), 3),
        roll=round(float(rng.uniform(0.0, 360.0)), 4),
        sky=setup.sky,
        jitter=round(float(rng.uniform(0.003, 0.012)), 4),
        sparse=sparse,
        seed=int(rng.integers(2**63)),
    )


def _rootname(index: int, instrument: str, seed: int) -> str:
    # As in the archive: instrument, three of a programme, two of a visit, two of an exposure, `q`. The first two
    # of the programme come from the object, so that names of one survey do not sort by class.
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    programme = digits[seed % 36] + digits[seed // 36 % 36]
    count = "".join(digits[index // 36**power % 36] for power in (4, 3, 2, 1, 0))
    return ("j" if instrument == "ACS/WFC" else "i") + programme + count + "q"
