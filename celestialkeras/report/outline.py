"""The page as a whole: its headline and its chapters, of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from celestialkeras.report.blocks import Bar, Block, Fold, Missing, Plot, Plots


@dataclass(frozen=True)
class Section:
    """A chapter of the page.

    Attributes:
        key: Its anchor.
        title: Its heading.
        lead: One sentence on what it answers.
        blocks: What it shows.
    """

    key: str
    title: str
    lead: str
    blocks: Sequence[Block]

    @property
    def missing(self) -> Missing | None:
        """Why there is nothing to show; None where there is something."""
        first = self.blocks[0] if self.blocks else None
        return first if len(self.blocks) == 1 and isinstance(first, Missing) else None


@dataclass(frozen=True)
class Rung:
    """One line of the headline's ladder: a rule, or the network."""

    name: str
    bar: Bar
    is_network: bool = False


@dataclass(frozen=True)
class Headline:
    """What one reads first.

    Attributes:
        accuracy: As text, `85.2 %`; empty where the run was not evaluated.
        says: What that is the share of, with its intervals.
        gain: What the pixels add to the best rule without them; empty where no rule could be fitted.
        rungs: Rules and network, from bottom to top.
        facts: Other figures of the same frames.
        warnings: What to beware of.
        missing: What is not there; None where the accuracy is.
    """

    accuracy: str = ""
    says: Sequence[str] = ()
    gain: str = ""
    rungs: Sequence[Rung] = ()
    facts: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    missing: Missing | None = None


@dataclass(frozen=True)
class Page:
    """The whole page.

    Attributes:
        title: The run.
        subtitle: Its network and data.
        headline: What one reads first.
        sections: The chapters, in order.
        footer: What made the page.
    """

    title: str
    subtitle: str
    headline: Headline
    sections: Sequence[Section]
    footer: str

    def plots(self) -> list[Plot]:
        """All plots, in order."""
        return [plot for section in self.sections for plot in _plots_of(section.blocks)]


def _plots_of(blocks: Sequence[Block]) -> list[Plot]:
    found: list[Plot] = []
    for block in blocks:
        if isinstance(block, Plots):
            found += block.plots
        elif isinstance(block, Fold):
            found += _plots_of(block.blocks)
    return found
