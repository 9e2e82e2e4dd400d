"""What a survey will observe and how, drawn from one seed before any pixel is made.

Whatever is not the sky itself is drawn alike for both classes. Pairs of instrument and filter are dealt from one deck,
each card with a range of exposure times, once to a galaxy and once to an NSC on the same side of the split; gains, sky
levels, pointings and dates come from one distribution. Brightness and the density of foreground stars are drawn by
kind of object, so that frames of both classes come out alike in level and in stars. So neither a header card nor a mean
level tells the classes apart. `confounded` undoes this for the instruments alone, as in the published test list.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections import defaultdict
from dataclasses import asdict, dataclass

import numpy as np

from celestialkeras.errors import SimulationError
from celestialkeras.lcid.detectors import CHIP_HDUS
from celestialkeras.lcid.manifest import LABELS, SPLITS
from celestialkeras.lcid.simulate.bands import BANDS

SIMULATOR_VERSION = 5
"""Counts up whenever the same plan gives other bytes."""

SUBTYPES: dict[str, dict[str, float]] = {
    "galaxy": {"spiral": 0.4, "elliptical": 0.2, "edge-on": 0.2, "irregular": 0.2},
    "NSC": {
        "globular": 0.2,
        "open": 0.16,
        "emission": 0.36,
        "reflection": 0.06,
        "planetary": 0.1,
        "remnant": 0.12,
    },
}
"""Kinds of object of each class and their shares.

Of the NSC frames of the published test list 56 % show H II regions, the others globular and populous clusters, and none
a reflection nebula: those are few, as in the sky (13 of 300 in Stellarium's catalogue)."""

SPARSE_RATE = 0.05
"""Share of exposures of either class, on each side of a split, that point past the object, where hardly a feature is
left."""

EXPOSURE_TIMES = (60.0, 1500.0)
"""Shortest and longest exposure of Hubble, seconds.

The longer ones are the more frequent, as in an archive: the density grows linearly with the logarithm, half of them
last over 580 s. Narrow and ultraviolet filters start at 800 s, or most of their frames would be empty."""

SURVEY_TIMES = {150.0: 0.8, 250.0: 0.2}
"""Exposure times of CSST and their shares: its wide and its deep survey (Gong et al. 2019)."""

CONFOUNDED_SHARES = {"galaxy": {"ACS/WFC": 0.317, "WFC3/UVIS": 0.683}, "NSC": {"ACS/WFC": 0.921, "WFC3/UVIS": 0.079}}
"""Shares of the instruments in each class that give the published test list's 954 ACS and 641 UVIS rows, of 852
galaxies and 743 NSC, of which "ACS is NSC, UVIS is galaxy" names 79.37 %."""

_INSTRUMENT_CARDS = {"ACS/WFC": 2, "WFC3/UVIS": 2, "CSST/MSC": 1}
# Radii that hold most of what is seen, arcseconds, lowest and highest; a chip of ACS is 102 by 205. Both classes cover
# the same range: with nebulae twice as large as galaxies, whether light reaches a frame's border told 78 % of them.
_RADII = {
    "spiral": (45.0, 180.0),
    "elliptical": (40.0, 160.0),
    "edge-on": (45.0, 180.0),
    "irregular": (45.0, 170.0),
    "globular": (55.0, 210.0),
    "open": (55.0, 210.0),
    "emission": (55.0, 220.0),
    "reflection": (50.0, 210.0),
    "planetary": (33.0, 140.0),
    "remnant": (48.0, 210.0),
}
# Mean V-band surface brightness within the radius over that of the average sky, lowest and highest. Clusters lie
# between sparse ones and the dense ones that Hubble is pointed at, gas is seen where it is bright, and galaxies range
# from faint outskirts to bright discs: levels of galaxies are spread as widely as those of all kinds of NSC together.
_BRIGHTNESS = {
    "spiral": (0.8, 16.0),
    "elliptical": (0.8, 16.0),
    "edge-on": (0.8, 16.0),
    "irregular": (0.8, 16.0),
    "globular": (1.0, 8.0),
    "open": (1.0, 8.0),
    "emission": (5.0, 40.0),
    "reflection": (5.0, 40.0),
    "planetary": (5.0, 32.0),
    "remnant": (3.0, 18.0),
}
# Stars of the Milky Way, per square arcminute. Clusters and nebulae bring stars of their own, and galaxies drown the
# faint ones: with more of them around galaxies, frames of both classes come out about equally full of stars.
_STAR_DENSITY = {"galaxy": (40.0, 2500.0), "NSC": (5.0, 120.0)}
_FAINT_SHORTEST = 800.0
_LAUNCHED = {"ACS/WFC": 55200.0, "WFC3/UVIS": 55200.0, "CSST/MSC": 61600.0}
_GAINS = {"ACS/WFC": {2.0: 0.8, 1.0: 0.2}, "WFC3/UVIS": {1.5: 1.0}, "CSST/MSC": {1.1: 1.0}}
_ROOT_LETTERS = {"ACS/WFC": "j", "WFC3/UVIS": "i", "CSST/MSC": "c"}


@dataclass(frozen=True)
class SurveySpec:
    """How large a survey is and what it is drawn from.

    Attributes:
        objects: Objects in all, half of them galaxies and half NSC.
        exposures_per_object: Pointings of each object.
        seed: Seed of everything.
        frames_per_exposure: Chips of each exposure in the manifest: 2, or 1 drawn at random.
        test_objects: Objects held out for testing, half of each class.
        validation_objects: Objects held out for validation, half of each class. With no objects held out at all, the
            manifest has no `split` column.
        instruments: Instruments to draw from.
        confounded: Whether instruments are linked to classes as in the published test list.
    """

    objects: int
    exposures_per_object: int
    seed: int
    frames_per_exposure: int = 2
    test_objects: int = 0
    validation_objects: int = 0
    instruments: tuple[str, ...] = ("ACS/WFC", "WFC3/UVIS", "CSST/MSC")
    confounded: bool = False

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
        if self.frames_per_exposure not in (1, 2):
            raise SimulationError(
                f"`frames_per_exposure` must be 1 or 2. Received: frames_per_exposure={self.frames_per_exposure}"
            )
        for name in ("test_objects", "validation_objects"):
            count = getattr(self, name)
            if count < 0 or count % 2:
                raise SimulationError(f"`{name}` must be an even number, half for each class. Received: {name}={count}")
        if bool(self.test_objects) != bool(self.validation_objects) or self._held_out >= self.objects:
            raise SimulationError(
                "`test_objects` and `validation_objects` must both be given, and leave objects to train on."
                f" Received: test_objects={self.test_objects}, validation_objects={self.validation_objects},"
                f" objects={self.objects}"
            )
        unknown = [name for name in self.instruments if name not in BANDS]
        if not self.instruments or unknown:
            raise SimulationError(
                f"`instruments` must name some of {', '.join(BANDS)}. Received: instruments={self.instruments}"
            )
        if self.confounded and set(self.instruments) != set(CONFOUNDED_SHARES[LABELS[0]]):
            raise SimulationError(
                "`confounded` links ACS/WFC and WFC3/UVIS to the classes, and needs just these two instruments."
                f" Received: instruments={self.instruments}"
            )

    @property
    def _held_out(self) -> int:
        return self.test_objects + self.validation_objects

    def sides(self) -> list[tuple[str, int]]:
        """Sides of the split with their objects of each class; one nameless side where nothing is held out."""
        if not self._held_out:
            return [("", self.objects // 2)]
        counts = (self.objects - self._held_out, self.validation_objects, self.test_objects)
        return [(name, count // 2) for name, count in zip(SPLITS, counts, strict=True)]


@dataclass(frozen=True)
class CelestialObject:
    """The truth about one object: all its exposures see the same thing.

    Attributes:
        name: Such as `SIM3-G0007` or `SIM3-N0007`, after the survey's seed: another one's objects are others.
        label: `galaxy` or `NSC`.
        subtype: Kind within the class, a key of `SUBTYPES`.
        ra: Right ascension of its centre, degrees, ICRS.
        dec: Declination of its centre, degrees, ICRS.
        radius: Radius that holds most of what is seen of it, arcseconds.
        brightness: Mean V-band surface brightness within its radius over that of the average sky.
        star_density: Milky Way stars with 12 < V < 26 around it, per square arcminute.
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
        hdus: Chips that the manifest lists.
        split: Side of the split, or empty.
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
    hdus: tuple[int, ...]
    split: str
    seed: int


def plan_survey(spec: SurveySpec) -> tuple[Exposure, ...]:
    """Draws the objects and exposures of a survey; the same spec always gives the same plan.

    Returns:
        Exposures in the order of sides and objects, classes alternating.
    """
    root = np.random.SeedSequence(spec.seed)
    setups_seed, objects_seed, exposures_seed = root.spawn(3)
    objects = _objects(f"SIM{spec.seed}", spec.objects // 2, objects_seed)
    rng = np.random.default_rng(setups_seed)
    exposures: list[Exposure] = []
    first = 0
    for side, per_class in spec.sides():
        setups = _setups(spec, per_class, rng)
        for index, turn in itertools.product(range(per_class), range(spec.exposures_per_object)):
            for label in LABELS:
                target = objects[label][first + index]
                seed = exposures_seed.spawn(1)[0]
                setup = setups[label][index * spec.exposures_per_object + turn]
                exposures.append(_exposure(len(exposures), target, setup, side, seed))
        first += per_class
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
    sparse: bool
    hdus: tuple[int, ...]


def _setups(spec: SurveySpec, per_class: int, rng: np.random.Generator) -> dict[str, list[_Setup]]:
    """What each class of one side is observed with, in random order."""
    count = per_class * spec.exposures_per_object
    deck = _cards(_dealt({name: _INSTRUMENT_CARDS[name] for name in spec.instruments}, count, rng), rng)
    sparse = np.arange(count) < math.floor(SPARSE_RATE * count + rng.random())
    setups = {}
    for label in LABELS:
        if spec.confounded:
            deck = _cards(_dealt(CONFOUNDED_SHARES[label], count, rng), rng)
        chips = [CHIP_HDUS] * count if spec.frames_per_exposure == 2 else [(hdu,) for hdu in _alternating(count, rng)]
        order = rng.permutation(count)
        setups[label] = [
            _setup(deck[card], bool(past), hdus, rng)
            for card, past, hdus in zip(order, rng.permutation(sparse), chips, strict=True)
        ]
    return setups


@dataclass(frozen=True)
class _Card:
    """What a galaxy and an NSC share: their exposure times are drawn apart, within one octave."""

    instrument: str
    filter: str
    shortest: float
    longest: float


def _cards(instruments: list[str], rng: np.random.Generator) -> list[_Card]:
    """Deals each instrument's filters from a shuffled deck in which each faint one has one card, others three."""
    decks: dict[str, list[str]] = defaultdict(list)
    dealt = []
    for instrument in instruments:
        deck = decks[instrument]
        if not deck:
            cards = [name for name, band in sorted(BANDS[instrument].items()) for _ in range(1 if band.faint else 3)]
            deck.extend(str(name) for name in rng.permutation(cards))
        name = deck.pop()
        dealt.append(_Card(instrument, name, *_time_range(instrument, name, rng)))
    return dealt


def _time_range(instrument: str, name: str, rng: np.random.Generator) -> tuple[float, float]:
    if instrument == "CSST/MSC":
        return (_drawn(SURVEY_TIMES, rng),) * 2
    shortest = _FAINT_SHORTEST if BANDS[instrument][name].faint else EXPOSURE_TIMES[0]
    # The root of a uniform number has a density that grows linearly.
    octave = math.floor(np.interp(math.sqrt(rng.random()), [0, 1], np.log2([shortest, EXPOSURE_TIMES[1]])))
    return max(shortest, 2.0**octave), min(EXPOSURE_TIMES[1], 2.0 ** (octave + 1) - 0.1)


def _setup(card: _Card, sparse: bool, hdus: tuple[int, ...], rng: np.random.Generator) -> _Setup:
    exptime = round(_log_uniform(card.shortest, card.longest, rng), 1)
    sky = round(float(np.exp(rng.normal(0.0, 0.3))), 4)
    return _Setup(card.instrument, card.filter, exptime, _drawn(_GAINS[card.instrument], rng), sky, sparse, hdus)


def _log_uniform(low: float, high: float, rng: np.random.Generator) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _drawn(shares: dict[float, float], rng: np.random.Generator) -> float:
    return float(rng.choice(list(shares), p=list(shares.values())))


def _alternating(count: int, rng: np.random.Generator) -> list[int]:
    return [CHIP_HDUS[index % len(CHIP_HDUS)] for index in rng.permutation(count)]


def _objects(prefix: str, per_class: int, seed: np.random.SeedSequence) -> dict[str, list[CelestialObject]]:
    drawn: dict[str, list[CelestialObject]] = {}
    for label, branch in zip(LABELS, seed.spawn(len(LABELS)), strict=True):
        rng = np.random.default_rng(branch)
        subtypes = _dealt(SUBTYPES[label], per_class, rng)
        drawn[label] = [
            _object(f"{prefix}-{label[0].upper()}{index:04d}", label, subtypes[index], branch.spawn(1)[0])
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
    return CelestialObject(
        name=name,
        label=label,
        subtype=subtype,
        ra=round(float(rng.uniform(0.0, 360.0)), 6),
        dec=round(math.degrees(math.asin(rng.uniform(-0.97, 0.97))), 6),
        radius=round(_log_uniform(*_RADII[subtype], rng), 2),
        brightness=round(_log_uniform(*_BRIGHTNESS[subtype], rng), 4),
        star_density=round(_log_uniform(*_STAR_DENSITY[label], rng), 2),
        seed=int(rng.integers(2**63)),
    )


def _exposure(index: int, target: CelestialObject, setup: _Setup, split: str, seed: np.random.SeedSequence) -> Exposure:
    rng = np.random.default_rng(seed)
    reach = rng.uniform(1.7, 2.4) if setup.sparse else 0.65 * math.sqrt(rng.random())
    # Small objects are still put off-centre by a good part of the field.
    offset = reach * (target.radius if not setup.sparse else target.radius + 60.0)
    angle = rng.uniform(0.0, 2.0 * math.pi)
    return Exposure(
        rootname=_rootname(index, setup.instrument, target.seed),
        target=target,
        instrument=setup.instrument,
        filter=setup.filter,
        exptime=setup.exptime,
        gain=setup.gain,
        start=round(_LAUNCHED[setup.instrument] + float(rng.uniform(0.0, 4800.0)), 6),
        east=round(offset * math.cos(angle), 3),
        north=round(offset * math.sin(angle), 3),
        roll=round(float(rng.uniform(0.0, 360.0)), 4),
        sky=setup.sky,
        jitter=round(float(rng.uniform(0.003, 0.012)), 4),
        sparse=setup.sparse,
        hdus=setup.hdus,
        split=split,
        seed=int(rng.integers(2**63)),
    )


def _rootname(index: int, instrument: str, seed: int) -> str:
    # As in the archive: instrument, three of a programme, two of a visit, two of an exposure, `q`. The first two
    # of the programme come from the object, so that names of one survey do not sort by class.
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    programme = digits[seed % 36] + digits[seed // 36 % 36]
    count = "".join(digits[index // 36**power % 36] for power in (4, 3, 2, 1, 0))
    return _ROOT_LETTERS[instrument] + programme + count + "q"
