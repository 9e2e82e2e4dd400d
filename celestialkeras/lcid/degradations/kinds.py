"""Every kind of degradation and its five levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from celestialkeras.errors import DatasetError
from celestialkeras.suggestions import did_you_mean


@dataclass(frozen=True)
class Kind:
    """One way in which exposures get worse.

    Attributes:
        quantity: What its levels state.
        unit: Of the levels.
        levels: Amounts at levels 1 to 5, each worse than the one before.
        needs_detector: Whether the frame's detector must be known, for its gain, read noise or geometry.
    """

    quantity: str
    unit: str
    levels: tuple[float, float, float, float, float]
    needs_detector: bool = False


KINDS: Mapping[str, Kind] = {
    # Hubble's own point-spread functions are about 2 pixels wide; 24 are an arcsecond, a good night on the ground.
    "psf": Kind("full width at half maximum of a Gaussian blur", "pixels", (1.5, 3.0, 6.0, 12.0, 24.0)),
    "jitter": Kind(
        "length of a straight trail in a direction drawn for each frame", "pixels", (4.0, 8.0, 16.0, 32.0, 64.0)
    ),
    "exposure": Kind(
        "exposure time; shorter exposures are left as they are",
        "seconds",
        (300.0, 100.0, 30.0, 10.0, 3.0),
        needs_detector=True,
    ),
    # Amplifiers in orbit have 3 to 5 electrons rms (`simulate/camera.py`).
    "read-noise": Kind(
        "read noise added in quadrature, rms a pixel", "electrons", (5.0, 10.0, 20.0, 40.0, 80.0), needs_detector=True
    ),
    # Most exposures have 6 to 220 electrons of sky; earthshine and stray light add hundreds.
    "sky": Kind(
        "sky background added to every pixel, with the noise of its photons",
        "electrons",
        (30.0, 100.0, 300.0, 1000.0, 3000.0),
        needs_detector=True,
    ),
    # 1000 s in orbit mark 2.3 % of the pixels (ACS ISR 2002-07); the South Atlantic Anomaly raises the rate manifold.
    "cosmic-rays": Kind(
        "time in orbit whose average cosmic rays are added",
        "seconds",
        (500.0, 1000.0, 2000.0, 4000.0, 8000.0),
        needs_detector=True,
    ),
    # ACS took 50 of 1000 electrons after seven years in orbit (Anderson and Bedin 2010, PASP 122, 1035).
    "charge-transfer": Kind(
        "electrons that further traps take of a packet of 1000 over 2048 transfers",
        "electrons",
        (25.0, 50.0, 100.0, 200.0, 400.0),
        needs_detector=True,
    ),
    # Pixels of the three cameras hold 63,000 to 90,000 electrons; white lies near 17,000 in most exposures.
    "saturation": Kind(
        "charge that a pixel holds, sky included, before it spills along its column",
        "electrons",
        (10000.0, 5000.0, 2000.0, 1000.0, 500.0),
        needs_detector=True,
    ),
    "bias": Kind(
        "step between the bias levels of neighbouring amplifiers that was not taken off",
        "electrons",
        (1.0, 3.0, 10.0, 30.0, 100.0),
        needs_detector=True,
    ),
    "bad-columns": Kind(
        "columns that give nothing but bias or white, half of them each", "columns", (16.0, 64.0, 256.0, 512.0, 1024.0)
    ),
    "rotation": Kind("turn of the telescope about the frame's centre", "degrees", (5.0, 10.0, 20.0, 30.0, 45.0)),
}
"""Every kind of degradation, by name."""

LEVELS = 5
"""How many levels a kind has, beside level 0: the frame as it is."""


@dataclass(frozen=True)
class Degradation:
    """A kind of degradation at one of its levels.

    Attributes:
        kind: A name of `KINDS`.
        level: 1 to 5; 0 leaves frames as they are.

    Raises:
        DatasetError: There is no such kind or level.
    """

    kind: str
    level: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            hint = did_you_mean(self.kind, KINDS)
            raise DatasetError(f"a degradation must be one of {', '.join(KINDS)}{hint}. Received: {self.kind!r}")
        if isinstance(self.level, bool) or not isinstance(self.level, int) or not 0 <= self.level <= LEVELS:
            raise DatasetError(
                f"the level of a degradation must be a whole number from 0 (none) to {LEVELS}. Received: {self.level!r}"
            )

    @property
    def amount(self) -> float | None:
        """What the level states, in the kind's unit; None at level 0."""
        return KINDS[self.kind].levels[self.level - 1] if self.level else None

    def describe(self) -> str:
        """The kind and what the level states, in words, such as `psf:3 (6 pixels)`."""
        return f"{self} ({self.amount:g} {KINDS[self.kind].unit})" if self.level else f"{self} (as they are)"

    def to_json(self) -> dict[str, str | int | float | None]:
        """Kind, level, amount, unit and quantity, for the record."""
        kind = KINDS[self.kind]
        return {
            "kind": self.kind,
            "level": self.level,
            "amount": self.amount,
            "unit": kind.unit,
            "quantity": kind.quantity,
        }

    def __str__(self) -> str:
        """As `parse_degradation` reads it, such as `psf:3`."""
        return f"{self.kind}:{self.level}"


def parse_degradation(text: str) -> Degradation:
    """Reads a degradation such as `psf:3`.

    Raises:
        DatasetError: It is not KIND:LEVEL, or there is no such kind or level.
    """
    kind, colon, level = text.partition(":")
    if not colon or not (level.isascii() and level.isdigit()):
        raise DatasetError(
            f"a degradation must be written KIND:LEVEL, a kind of {', '.join(KINDS)} and a level from 1 to {LEVELS}."
            f" Received: {text!r}"
        )
    return Degradation(kind, int(level))
