"""From a file that is whole to the decisions on its chips, each written down once.

The order of writing is what makes that so: first the journal, in one transaction that is on disk when it returns; then
what follows from the journal, which a restart can always write again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from celestial_edge.device.watch.arrivals import Refusal, Sighting, sight
from celestial_edge.device.watch.attempts import LARGEST_ATTEMPTS, Attempts
from celestial_edge.device.watch.health import utc_now
from celestial_edge.device.watch.journal import Arrival, Decision, Journal
from celestial_edge.device.watch.refused import RefusedFolder
from celestial_edge.device.watch.results import ResultsFile
from celestialkeras.errors import FrameError, FrameNotFoundError
from celestialkeras.files import sha256_of

_UNREAD = "unread "


class ChipVerdict(Protocol):
    """What a model says of a chip."""

    @property
    def label(self) -> str:
        """What it shows."""
        ...

    def to_json(self) -> Mapping[str, Any]:
        """All of it as plain data that JSON knows."""
        ...


class ChipClassifier(Protocol):
    """FITS chip in, verdict out."""

    def classify(self, source: Path, hdu: int) -> ChipVerdict:
        """Classifies one chip of a FITS file; a `FrameError` says why it cannot be."""
        ...


@dataclass(frozen=True)
class Books:
    """What decisions are written to.

    Attributes:
        journal: The journal.
        results: The results file.
        refused: The folder of refused files.
        attempts: The record of the chip at hand.
    """

    journal: Journal
    results: ResultsFile
    refused: RefusedFolder
    attempts: Attempts

    def catch_up(self) -> None:
        """Writes what follows from the journal and is not written yet."""
        self.results.catch_up()
        self.refused.catch_up(self.journal)


@dataclass(frozen=True)
class Decided:
    """A chip that was decided: its file, its HDU, `verdict` or `refused`, and the label or the reason."""

    file: str
    hdu: int
    outcome: str
    answer: str


class Decider:
    """Decides the chips of files."""

    def __init__(self, incoming: Path, classifier: ChipClassifier, artifact: Mapping[str, str], books: Books) -> None:
        """Takes what it works with.

        Args:
            incoming: The watched folder, an absolute path without links.
            classifier: What decides.
            artifact: Where that comes from, for the lines.
            books: What decisions are written to.
        """
        self._incoming = incoming
        self._classifier = classifier
        self._artifact = artifact
        self._books = books

    def decide(self, sighting: Sighting, changed: Callable[[], None]) -> Generator[Decided, None, None]:
        """Decides the chips of a file that have no decision yet, one with each step of the iterator.

        Args:
            sighting: The file.
            changed: Called when the file changed or went while it was read: then nothing more is decided of it.

        Yields:
            Each decision, when it is written.
        """
        content, refusal = self._identify(sighting)
        if not self._is_unchanged(sighting):
            changed()
            return
        arrival = self._books.journal.arrive(sighting.name, content, sighting.signature)
        for hdu in arrival.undecided:
            answer = refusal or self._classify(arrival, sighting, hdu)
            if not self._is_unchanged(sighting):
                changed()
                return
            yield self._write_down(arrival, sighting, hdu, answer)
        self._books.refused.catch_up(self._books.journal)

    def _identify(self, sighting: Sighting) -> tuple[str, Refusal | None]:
        """SHA-256 of the file; or what it looks like, and why it cannot be read."""
        refusal = sighting.refusal
        if refusal is None:
            try:
                return sha256_of(sighting.path), None
            except OSError as error:
                refusal = Refusal("unreadable", f"{sighting.name!r} cannot be read ({error.strerror})")
        return _UNREAD + sighting.signature, refusal

    def _is_unchanged(self, sighting: Sighting) -> bool:
        """Whether the file still is what it was; what was read of it then belongs together."""
        found = sight(self._incoming, sighting.name)
        return found is not None and found.signature == sighting.signature

    def _classify(self, arrival: Arrival, sighting: Sighting, hdu: int) -> ChipVerdict | Refusal:
        before = self._books.attempts.begin(arrival.id, hdu)
        # An error of another kind is none of the frame's: it ends the watch, and the attempt stays noted.
        answer = self._ask(sighting, hdu) if before < LARGEST_ATTEMPTS else _fatal(sighting, hdu, before)
        self._books.attempts.end()
        return answer

    def _ask(self, sighting: Sighting, hdu: int) -> ChipVerdict | Refusal:
        try:
            return self._classifier.classify(sighting.path, hdu)
        except FrameNotFoundError as error:
            # What is gone is noticed by the caller; what is there could be opened before, and cannot be now.
            return Refusal("unreadable", str(error))
        except FrameError as error:
            return Refusal(error.reason, str(error))
        except OSError as error:
            return Refusal("unreadable", f"{sighting.name!r}: HDU {hdu} cannot be read ({error.strerror})")

    def _write_down(self, arrival: Arrival, sighting: Sighting, hdu: int, answer: ChipVerdict | Refusal) -> Decided:
        if isinstance(answer, Refusal):
            outcome, word = "refused", answer.reason
            told: Mapping[str, Any] = {"reason": answer.reason, "message": answer.message}
        else:
            outcome, word, told = "verdict", answer.label, answer.to_json()
        sha256 = None if arrival.content.startswith(_UNREAD) else arrival.content

        def compose(number: int) -> bytes:
            head = {"number": number, "file": sighting.name, "hdu": hdu, "outcome": outcome}
            tail = {"sha256": sha256, "bytes": sighting.size, "decided": utc_now(), "artifact": self._artifact}
            return json.dumps({**head, **told, **tail}, allow_nan=False).encode() + b"\n"

        self._books.journal.decide(arrival, Decision(hdu, outcome, word, compose))
        self._books.results.catch_up()
        return Decided(sighting.name, hdu, outcome, word)


def _fatal(sighting: Sighting, hdu: int, attempts: int) -> Refusal:
    message = f"{sighting.name!r}: HDU {hdu} ended the watch {attempts} times in a row while it was classified"
    return Refusal("fatal", message)
