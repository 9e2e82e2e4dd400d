"""Joules from readings of a board's sensors: of counters as differences, of rails as power over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from celestial_edge.device.sensors import Reading

_WHOLE_PLATFORM = "psys"
# How NVIDIA labels the rail that feeds all others: VDD_IN on the Orin Nano, POM_5V_IN on the first Nano.
_INPUT_RAIL = "_IN"


@dataclass(frozen=True)
class Energy:
    """Energy that was taken between two moments.

    Attributes:
        joules: How much, what the machine draws at rest included.
        source: What was counted, such as `package-0` or `VDD_IN`.
    """

    joules: float
    source: str


def energy_between(readings: Sequence[Reading]) -> Energy | None:
    """Energy from the first of these readings to the last.

    Args:
        readings: At least two, in order.

    Returns:
        What the domains that hold everything took: RAPL's platform domain, or its packages with their memory; on a
        Jetson the rail at its input. None where none of these is known.
    """
    if len(readings) < 2:
        return None
    first, last = readings[0], readings[-1]
    counted = [name for name in _all_domains(first) if name in last.energy_j]
    if counted:
        return Energy(sum(last.energy_j[name] - first.energy_j[name] for name in counted), " + ".join(counted))
    rail = next((name for name in first.power_w if name.endswith(_INPUT_RAIL)), None)
    if rail is None or any(rail not in reading.power_w for reading in readings):
        return None
    joules = sum(
        (after.seconds - before.seconds) * (before.power_w[rail] + after.power_w[rail]) / 2
        for before, after in pairwise(readings)
    )
    return Energy(joules, rail)


def _all_domains(reading: Reading) -> list[str]:
    """Domains that lie side by side and hold all that is counted; cores lie within their package, memory does not."""
    if _WHOLE_PLATFORM in reading.energy_j:
        return [_WHOLE_PLATFORM]
    return [
        name for name in reading.energy_j if name.startswith("package") and ("/" not in name or name.endswith("/dram"))
    ]
