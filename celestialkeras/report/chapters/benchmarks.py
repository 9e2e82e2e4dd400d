"""The benchmarks: latency and memory of the artifacts, as `celestial bench` measured them."""

from __future__ import annotations

from celestialkeras.report.blocks import Block
from celestialkeras.report.material import Material
from celestialkeras.report.record import NotThereError


def blocks(material: Material) -> list[Block]:
    """The benchmarks that were given, and those that the run keeps of its artifacts.

    Raises:
        NotThereError: There is none.
    """
    if not material.benches:
        raise NotThereError("no artifact of this run was timed yet", f"celestial bench {material.record.run.folder}")
    return list(material.benches)
