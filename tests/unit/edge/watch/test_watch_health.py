from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from celestial_edge.device.watch import health as health_module
from celestial_edge.device.watch.health import HEALTH_NAME, HEARTBEAT_S, Figures, Pulse, read_health
from celestial_edge.device.watch.systemd import Systemd
from celestialkeras.errors import WatchError

FIGURES = Figures(verdicts=3, refused=1, waiting=2, notices=True)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket that systemd would listen on."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("notify")
        listening.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "notify")
        yield listening


def test_the_health_file_tells_how_it_goes(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path, Path("/incoming"), {"path": "artifact"})
    pulse.beat(FIGURES)
    health = read_health(tmp_path)
    assert (health.state, health.pid, health.incoming, health.figures) == (
        "watching",
        os.getpid(),
        "/incoming",
        FIGURES,
    )
    assert health.age_s == pytest.approx(0, abs=60)
    pulse.fail("WatchError: no room")
    assert (read_health(tmp_path).state, read_health(tmp_path).error) == ("failed", "WatchError: no room")
    assert read_health(tmp_path).figures == FIGURES
    pulse.end(replace(FIGURES, verdicts=4))
    assert (read_health(tmp_path).state, read_health(tmp_path).figures.verdicts) == ("stopped", 4)


def test_ages_do_not_hang_on_the_time_of_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "utc_now", lambda: "1970-01-01T00:00:00.000+00:00")
    Pulse(tmp_path, Path("/incoming"), {}).beat(FIGURES)
    health = read_health(tmp_path)
    assert health.updated.startswith("1970")
    assert health.age_s == pytest.approx(0, abs=60)
    assert replace(health, clock_s=health.clock_s - 100).age_s == pytest.approx(100, abs=60)
    assert replace(health, boot="another").age_s is None


@pytest.mark.parametrize("content", ["", "[]", '{"state": "watching"}', "{"])
def test_what_is_no_health_file_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / HEALTH_NAME).write_text(content)
    with pytest.raises(WatchError, match=r"health\.json: cannot be read .*; a running watch writes it anew"):
        read_health(tmp_path)


def test_systemd_is_told_of_each_step(tmp_path: Path, manager: socket.socket) -> None:
    pulse = Pulse(tmp_path, Path("/incoming"), {})
    pulse.ready(FIGURES)
    pulse.fail("no room")
    heard = [manager.recv(1000).decode() for _ in range(3)]
    assert heard == ["WATCHDOG=1", "READY=1\nSTATUS=watching /incoming", "STOPPING=1\nSTATUS=no room"]


def test_an_abstract_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0celestial-{os.getpid()}")
        listening.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@celestial-{os.getpid()}")
        Systemd().tell("READY=1")
        assert listening.recv(100) == b"READY=1"


def test_a_manager_that_is_gone_or_does_not_read_stops_nothing(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2000):
        Systemd().tell("WATCHDOG=1")
    manager.close()
    Systemd().tell("WATCHDOG=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    Systemd().tell("WATCHDOG=1")


def test_beats_come_three_times_as_often_as_systemd_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def due_after_a_beat() -> float:
        pulse = Pulse(tmp_path, Path("/incoming"), {})
        assert pulse.due_s == 0
        pulse.beat(FIGURES)
        begin = time.monotonic()
        return pulse.due_s + time.monotonic() - begin

    assert 0 < due_after_a_beat() <= HEARTBEAT_S
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    assert Systemd().watchdog_s == 3
    assert due_after_a_beat() <= 1
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert Systemd().watchdog_s is None
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    monkeypatch.setenv("WATCHDOG_USEC", "soon")
    assert Systemd().watchdog_s is None


def test_the_file_is_whole_whenever_it_is_read(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path, Path("/incoming"), {})
    pulse.beat(FIGURES)
    with (tmp_path / HEALTH_NAME).open() as held:
        pulse.beat(FIGURES)
        assert json.load(held)["state"] == "watching"
