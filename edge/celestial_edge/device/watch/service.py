"""The watch itself: looks, decides, waits, until it is told to stop or has nothing left to do.

One thread does all of it, one chip at a time; another only listens for notices.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from celestial_edge.device.watch.arrivals import POLL_S, RESCAN_S, Arrivals, Sighting, WholeRule
from celestial_edge.device.watch.attempts import open_attempts
from celestial_edge.device.watch.decider import Books, ChipClassifier, Decided, Decider
from celestial_edge.device.watch.health import Figures, Pulse
from celestial_edge.device.watch.journal import open_journal
from celestial_edge.device.watch.lock import held
from celestial_edge.device.watch.notices import Notices, Wakeup
from celestial_edge.device.watch.refused import REFUSED_NAME, RefusedFolder
from celestial_edge.device.watch.results import RESULTS_NAME, ResultsFile
from celestialkeras.errors import WatchError
from celestialkeras.files import discard_partials


@dataclass(frozen=True)
class WatchOptions:
    """What to watch, and how.

    Attributes:
        incoming: The folder that files arrive in. Nothing is ever written there.
        results: The folder for everything that the watch writes; made if need be, and not within `incoming`.
        artifact: What classifies, `path` and `sha256`; stands in every line of the results.
        rule: When a file is whole.
        once: End when every whole file that is there was decided.
        max_rate: Most chips a second; None for as many as can be.
        notices: Whether to ask the system for notices of changes; without them the folder is looked at every second.
        refused_bytes: Most bytes of copies of files with refused chips.
    """

    incoming: Path
    results: Path
    artifact: Mapping[str, str] = field(default_factory=dict)
    rule: WholeRule = field(default_factory=WholeRule)
    once: bool = False
    max_rate: float | None = None
    notices: bool = True
    refused_bytes: int = 1_000_000_000


@dataclass(frozen=True)
class Summary:
    """What one run of a watch did.

    Attributes:
        verdicts: Chips that were given a verdict, by label.
        refused: Chips that were refused, by reason.
        waiting: Files that were left, as far as they are remembered.
    """

    verdicts: Mapping[str, int]
    refused: Mapping[str, int]
    waiting: int


class Watch:
    """A watch of one folder, to be run once."""

    def __init__(
        self, options: WatchOptions, classifier: ChipClassifier, say: Callable[[str], None] = lambda line: None
    ) -> None:
        """Prepares; nothing is touched yet.

        Args:
            options: What to watch, and how.
            classifier: What decides.
            say: Called with a line about each chip and each event.
        """
        self._options = options
        self._classifier = classifier
        self._say = say
        self._wakeup = Wakeup()
        self._stopping = False

    def stop(self) -> None:
        """Asks the watch to end once the chip at hand is decided. Safe in signal handlers."""
        self._stopping = True
        self._wakeup.wake()

    def run(self) -> Summary:
        """Watches until stopped, or with `once` until every whole file is decided.

        Returns:
            What was done. Files that cannot be used are among it and raise nothing.

        Raises:
            WatchError: A folder cannot be used, another watch writes these results, or they can no longer be written,
                as on a full disk. A start after the cause is gone goes on where this ended.
        """
        with closing(self._wakeup):
            incoming, results = self._options.incoming.resolve(), self._options.results.resolve()
            if not incoming.is_dir():
                raise WatchError(f"{self._options.incoming}: no such folder to watch")
            if results.is_relative_to(incoming):
                raise WatchError(
                    f"{self._options.results}: results must not lie within the watched folder. Received: {incoming}"
                )
            try:
                results.mkdir(parents=True, exist_ok=True)
                with held(results):
                    discard_partials(results)
                    return self._run(incoming, results)
            except OSError as error:
                raise WatchError(
                    f"{results}: cannot be written ({error}). With room on its disk, and the right to write, start "
                    "again: what was decided stays so, and its lines follow"
                ) from error

    def _run(self, incoming: Path, results: Path) -> Summary:
        pulse = Pulse(results, incoming, self._options.artifact)
        try:
            with ExitStack() as stack:
                journal = stack.enter_context(open_journal(results, incoming))
                books = Books(
                    journal=journal,
                    results=ResultsFile(results / RESULTS_NAME, journal),
                    refused=RefusedFolder(results / REFUSED_NAME, incoming, self._options.refused_bytes),
                    attempts=stack.enter_context(open_attempts(results)),
                )
                books.catch_up()
                session = _Session(
                    arrivals=Arrivals(incoming, self._options.rule, journal.is_known),
                    decider=Decider(incoming, self._classifier, self._options.artifact, books),
                    pulse=pulse,
                    before={outcome: sum(answers.values()) for outcome, answers in journal.totals().items()},
                )
                if self._options.notices and not self._options.once:
                    session.listen(stack.enter_context(Notices(incoming, self._wakeup.wake)))
                pulse.ready(session.figures())
                self._loop(session)
        except BaseException as error:
            # On a disk that is full the health file stays as it was: old, which tells the same.
            with suppress(OSError):
                pulse.fail(f"{type(error).__name__}: {error}")
            raise
        pulse.end(session.figures())
        return Summary(dict(session.counts["verdict"]), dict(session.counts["refused"]), session.arrivals.waiting)

    def _loop(self, session: _Session) -> None:
        while not self._stopping:
            if cause := session.look():
                self._say(f"no notices of changes ({cause}); looking every {POLL_S:g} s instead")
            sighting = session.arrivals.take()
            if sighting is not None:
                self._decide(sighting, session)
            elif self._options.once and session.is_drained():
                return
            else:
                self._wait(session.arrivals.next_look_s(), session)

    def _decide(self, sighting: Sighting, session: _Session) -> None:
        def changed() -> None:
            self._say(f"{sighting.name!r} changed or went while it was read; it waits again")
            session.arrivals.hint([sighting.name])

        with closing(session.decider.decide(sighting, changed)) as chips:
            for chip in chips:
                done = time.monotonic()
                session.counts[chip.outcome][chip.answer] += 1
                self._say(_told(chip))
                session.beat_if_due()
                rest = 1 / self._options.max_rate if self._options.max_rate else 0.0
                while not self._stopping and time.monotonic() < done + rest:
                    self._wait(done + rest - time.monotonic(), session)
                if self._stopping:
                    return

    def _wait(self, seconds: float, session: _Session) -> None:
        self._wakeup.wait(min(seconds, session.pulse.due_s))
        session.beat_if_due()


@dataclass
class _Session:
    """What a watch holds while it runs.

    Attributes:
        arrivals: The files that are there.
        decider: What decides their chips.
        pulse: What tells others.
        before: Chips that earlier runs decided, by outcome.
        counts: Chips of this run, by outcome and answer.
    """

    arrivals: Arrivals
    decider: Decider
    pulse: Pulse
    before: Mapping[str, int]
    counts: Mapping[str, Counter[str]] = field(default_factory=lambda: {"verdict": Counter(), "refused": Counter()})
    _notices: Notices | None = None

    def listen(self, notices: Notices) -> None:
        """Takes names from notices, and looks at the whole folder less often."""
        self._notices = notices
        self.arrivals.poll_s = RESCAN_S

    def look(self) -> str:
        """Looks for files.

        Returns:
            Why notices have ceased, once, when they have; else nothing.
        """
        cause = ""
        if self._notices is not None:
            self.arrivals.hint(self._notices.take())
            if self._notices.failure is not None:
                cause, self._notices = self._notices.failure, None
                self.arrivals.poll_s = POLL_S
        self.beat_if_due()
        self.arrivals.look()
        return cause

    def is_drained(self) -> bool:
        """Whether no file is left, not even one that came since the last look."""
        if not self.arrivals.waiting:
            self.arrivals.look(everywhere=True)
        return not self.arrivals.waiting

    def beat_if_due(self) -> None:
        """Tells others that the watch is alive, now and then."""
        if self.pulse.due_s == 0:
            self.pulse.beat(self.figures())

    def figures(self) -> Figures:
        """What is told to others."""
        verdicts, refused = (self.before[name] + self.counts[name].total() for name in ("verdict", "refused"))
        return Figures(verdicts, refused, self.arrivals.waiting, self._notices is not None)


def _told(chip: Decided) -> str:
    answer = f"refused, {chip.answer}" if chip.outcome == "refused" else chip.answer
    return f"{chip.file!r} HDU {chip.hdu}: {answer}"
