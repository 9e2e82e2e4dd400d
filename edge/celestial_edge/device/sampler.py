"""Memory of processes and the board's sensors over time, read by a thread while others are at work."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from celestial_edge.device.sensors import Reading, Sensors
from celestialkeras.process_memory import resident_memory_mb

MEMORY_INTERVAL_S = 0.05
"""Time between two looks at a process's memory."""

SENSOR_INTERVAL_S = 0.5
"""Time between two readings of the sensors, which cost some milliseconds on boards that ask them over a bus."""

_KEPT = 600

T = TypeVar("T")


@dataclass
class Series(Generic[T]):
    """Samples over time, of which every second one goes when there are too many.

    Attributes:
        samples: What was kept, in order.
    """

    samples: list[T] = field(default_factory=list)
    _each: int = 1
    _seen: int = 0

    def add(self, sample: T) -> None:
        """Takes a sample, or lets it pass."""
        if self._seen % self._each == 0:
            self.samples.append(sample)
        self._seen += 1
        if len(self.samples) > _KEPT:
            del self.samples[1::2]
            self._each *= 2


@dataclass
class MemoryTrack:
    """Resident memory of one process over its life.

    Attributes:
        pid: The process.
        begin: When it was started, on the clock of `time.monotonic`.
        series: Seconds since then, and MB (1e6 bytes).
    """

    pid: int
    begin: float
    series: Series[tuple[float, float]] = field(default_factory=Series)

    def look(self) -> None:
        """Takes a sample, as long as the process lives."""
        memory = resident_memory_mb(self.pid)
        if memory is not None:
            self.series.add((round(time.monotonic() - self.begin, 3), round(memory, 2)))


class Sampler:
    """Looks at all tracks and sensors until the block that it is entered for ends."""

    def __init__(self, sensors: Sensors) -> None:
        self._sensors = sensors
        self._readings: Series[Reading] = Series()
        self._tracks: list[MemoryTrack] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.before = sensors.read()

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def track(self, pid: int) -> MemoryTrack:
        """Follows the memory of a process from now on."""
        track = MemoryTrack(pid, time.monotonic())
        self._tracks.append(track)
        return track

    def read(self) -> Reading:
        """A reading of this very moment, kept with the others."""
        reading = self._sensors.read()
        self._readings.add(reading)
        return reading

    @property
    def readings(self) -> Sequence[Reading]:
        """Readings so far, in order of time."""
        return sorted(self._readings.samples, key=lambda reading: reading.seconds)

    def _run(self) -> None:
        # Without a sensor there is nothing to ask again.
        due = time.monotonic() if self.before else float("inf")
        while not self._ended.wait(MEMORY_INTERVAL_S):
            for track in list(self._tracks):
                track.look()
            if time.monotonic() >= due:
                self.read()
                due = time.monotonic() + SENSOR_INTERVAL_S
