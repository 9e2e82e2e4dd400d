from __future__ import annotations

import configparser
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from celestial_cli.watch import watch

ROOT = Path(__file__).parents[3]


def documented() -> list[str]:
    """The commands of the operations page that call the verb, in the order of the page."""
    lines = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").splitlines()
    return [line[line.index("celestial watch") :] for line in lines if "celestial watch " in line and "`" not in line]


def unit() -> configparser.RawConfigParser:
    """The unit file of the service; of a setting that is given twice the last one."""
    parsed = configparser.RawConfigParser(strict=False)
    parsed.optionxform = str
    parsed.read(ROOT / "edge" / "celestial-watch.service", encoding="utf-8")
    return parsed


def options_of(command: str) -> dict[str, object]:
    """What the verb takes from a command line as it is typed."""
    words = shlex.split(command.partition(">")[0])
    with watch.make_context("watch", words[words.index("watch") + 1 :]) as context:
        return dict(context.params)


@contextmanager
def _signals_as_they_were() -> Iterator[None]:
    """The verb takes signals for itself; afterwards they are the test runner's again."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@pytest.mark.parametrize("command", documented())
def test_documented_commands_are_understood(command: str) -> None:
    options = options_of(command)
    assert options["status"] or options["as_csv"] or (options["incoming"] and options["results"])


def test_there_are_documented_commands() -> None:
    assert len(documented()) >= 6


def test_the_unit_starts_the_verb_in_folders_that_it_may_use() -> None:
    service = unit()["Service"]
    options = options_of(service["ExecStart"])
    assert (options["once"], options["whole"]) == (False, "settled")
    assert Path(str(options["results"])).parent == Path("/var/lib") / service["StateDirectory"]
    assert Path(str(options["incoming"])).is_relative_to(service["ReadOnlyPaths"])
    assert (service["Type"], service["ProtectSystem"]) == ("notify", "strict")


def test_the_watchdog_waits_longer_than_beats_are_apart() -> None:
    from celestial_edge.device.watch.health import HEARTBEAT_S

    assert float(unit()["Service"]["WatchdogSec"]) >= 3 * HEARTBEAT_S


def test_a_look_at_an_empty_folder_says_that_nothing_came(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    arguments = [str(tmp_path / "incoming"), "--results", str(tmp_path / "results"), "--once"]
    with _signals_as_they_were():
        done = CliRunner().invoke(watch, arguments)
    assert done.exit_code == 0, done.output
    assert "no chip came in this run" in done.stderr
    assert "Chips of this run" not in done.output
