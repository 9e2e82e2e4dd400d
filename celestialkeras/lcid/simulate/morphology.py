"""What every kind of object offers to the scene."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from celestialkeras.lcid.simulate.arrays import FloatArray
from celestialkeras.lcid.simulate.bands import Spectrum
from celestialkeras.lcid.simulate.blobs import Blobs
from celestialkeras.lcid.simulate.sources import PointSources


@dataclass(frozen=True)
class Light:
    """Extended light and what it hides, on some grid of the sky.

    Attributes:
        glow: V-band surface brightness (electrons a second a square arcsecond) by spectrum, `float32`.
        veil: Optical depth in V in front of everything farther away, `float32`, or nothing.
    """

    glow: dict[Spectrum, FloatArray] = field(default_factory=dict)
    veil: FloatArray | None = None


class Morphology(Protocol):
    """One object with all its parameters drawn: a function of the sky and a list of points."""

    @property
    def sources(self) -> PointSources:
        """Its stars and clusters."""
        ...

    @property
    def blobs(self) -> Blobs | None:
        """Its small extended parts, if it has any."""
        ...

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """Its extended light at offsets east (`x`) and north (`y`) of its centre, arcseconds."""
        ...
