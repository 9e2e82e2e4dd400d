"""The watch as a user runs it: real frames, a real artifact, and processes that are stopped, killed and starved."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from celestial_edge.device.runtime import Classifier
from celestial_edge.device.watch.health import read_health
from celestial_edge.recipes import STATIC_INT8
from raw_files import RawFile
from watched import Folders, assert_each_chip_once

CELESTIAL = [sys.executable, "-m", "celestial_cli.main"]
PATIENCE_S = 120


@pytest.fixture
def artifact(built_artifacts: dict[str, Path]) -> Path:
    return built_artifacts[STATIC_INT8]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Stands for systemd, in the abstract namespace."""
    name = f"celestial-e2e-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        yield listening


def arguments(folders: Folders, artifact: Path, *more: str) -> list[str]:
    named = [str(folders.incoming), "--artifact", str(artifact), "--results", str(folders.results)]
    return [*CELESTIAL, "watch", *named, "--whole", "renamed", "--threads", "1", *more]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


def until(holds: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)


def written(folders: Folders) -> int:
    path = folders.results / "results.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_the_service_decides_what_arrives_tells_how_it_goes_and_stops_when_asked(
    folders: Folders, artifact: Path, uvis_raw: Path, manager: socket.socket
) -> None:
    with subprocess.Popen(
        arguments(folders, artifact), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as service:
        until(lambda: (folders.results / "health.json").exists(), service)
        os.link(uvis_raw, folders.incoming / "a_raw.fits")
        until(lambda: written(folders) == 2, service)
        second = run(arguments(folders, artifact, "--once"))
        service.send_signal(signal.SIGTERM)
        out, errors = service.communicate(timeout=PATIENCE_S)
    heard: list[str] = []
    while "STOPPING=1" not in heard:
        heard.append(manager.recv(1000).decode().split("\n")[0])
    assert heard[:2] == ["WATCHDOG=1", "READY=1"]
    assert set(heard[2:]) <= {"WATCHDOG=1", "STOPPING=1"}
    assert second.returncode == 1
    assert f"another watch writes these results, process {service.pid}; stop it" in second.stderr
    assert service.returncode == 0
    assert "Chips of this run" in out
    assert "'a_raw.fits' HDU 4: " in errors
    classifier = Classifier(artifact)
    for line in folders.lines():
        verdict = classifier.classify(uvis_raw, line["hdu"])
        assert (line["outcome"], line["label"], line["logits"]) == ("verdict", verdict.label, list(verdict.logits))
        assert line["artifact"] == {"path": str(artifact), "card_sha256": classifier.card_sha256}
    assert_each_chip_once(folders.lines(), ["a_raw.fits"])
    assert read_health(folders.results).state == "stopped"
    status = run([*CELESTIAL, "watch", "--status", str(folders.results), "--json"])
    told = json.loads(status.stdout)
    assert (status.returncode, told["state"], sum(told["verdicts"].values())) == (0, "stopped", 2)


def test_kills_of_the_verb_lose_no_chip_and_decide_none_twice(folders: Folders, artifact: Path, uvis_raw: Path) -> None:
    names = [f"{number}_raw.fits" for number in range(6)]
    for name in names:
        os.link(uvis_raw, folders.incoming / name)
    for kill_at in (0, 3, 8):
        with subprocess.Popen(arguments(folders, artifact, "--once"), stderr=subprocess.DEVNULL) as service:
            until(lambda kill_at=kill_at: written(folders) >= kill_at, service)
            time.sleep(np.random.default_rng(kill_at).uniform(0, 0.1))
            service.kill()
        assert service.returncode == -signal.SIGKILL
    done = run(arguments(folders, artifact, "--once", "--json"))
    assert done.returncode == 0
    assert 0 < sum(json.loads(done.stdout)["verdicts"].values()) < 12
    assert_each_chip_once(folders.lines(), names)


def test_bad_files_are_listed_and_put_aside(folders: Folders, artifact: Path, uvis_raw: Path) -> None:
    whole = uvis_raw.read_bytes()
    folders.deliver("truncated_raw.fits", whole[: len(whole) * 3 // 4])
    folders.deliver("zero bytes.fits", b"")
    folders.deliver("no fits\n星雲.fits", b"hello")
    RawFile(counts={1: None}).write(folders.incoming / "one_chip_raw.fits")
    (folders.incoming / "out_raw.fits").symlink_to(uvis_raw)
    done = run(arguments(folders, artifact, "--once", "--json"))
    assert done.returncode == 1
    reasons = {"truncated": 1, "not-fits": 4, "no-data": 1, "symlink": 2}
    assert json.loads(done.stdout)["refused"] == reasons
    assert "'no fits\\n星雲.fits' HDU 1: refused, not-fits" in done.stderr.splitlines()
    told = json.loads(run([*CELESTIAL, "watch", "--status", str(folders.results), "--json"]).stdout)
    assert told["refused"] == reasons
    aside = {path.name for path in (folders.results / "refused").glob("*/*.fits")}
    assert aside == {"truncated_raw.fits", "zero bytes.fits", "no fits\n星雲.fits", "one_chip_raw.fits"}
    table = run([*CELESTIAL, "watch", "--csv", str(folders.results)])
    assert table.stdout.startswith("number,file,hdu,outcome,")
    assert table.stdout.count("symlink") == 2


def test_a_full_disk_is_one_clear_line_and_no_end(folders: Folders, artifact: Path, uvis_raw: Path) -> None:
    os.link(uvis_raw, folders.incoming / "a_raw.fits")
    command = arguments(folders, artifact, "--once")
    limit = "import os, resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000));"
    done = run([sys.executable, "-c", f"{limit} os.execv({command[0]!r}, {command!r})"])
    assert done.returncode == 1
    assert "Error: " in done.stderr.splitlines()[-1]
    assert "With room on its disk, and the right to write, start again" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert run(command).returncode == 0
    assert_each_chip_once(folders.lines(), ["a_raw.fits"])


@pytest.mark.slow
def test_two_thousand_frames_take_no_more_memory_than_the_first_hundred(
    folders: Folders, artifact: Path, uvis_raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(1000):
        os.link(uvis_raw, folders.incoming / f"{number:04d}_raw.fits")
    decided, resident, peaks = [], [], []
    with subprocess.Popen(
        arguments(folders, artifact, "--once"), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as service:
        begin = time.monotonic()
        while service.poll() is None:
            memory = Path(f"/proc/{service.pid}/statm").read_text().split()
            if (lines := written(folders)) >= 100 and len(memory) > 1:
                decided.append(lines)
                resident.append(int(memory[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6)
                status = Path(f"/proc/{service.pid}/status").read_text()
                peaks += [int(line.split()[1]) / 1e3 for line in status.splitlines() if line.startswith("VmHWM:")]
            time.sleep(0.2)
        seconds = time.monotonic() - begin
    assert service.returncode == 0
    assert written(folders) == 2000
    slope = 1000 * np.polyfit(decided, resident, 1)[0]
    with capsys.disabled():
        sys.stdout.write(
            f"\n2000 chips in {seconds:.0f} s, {2000 / seconds:.1f} a second; resident {resident[0]:.1f} MB after 100, "
            f"at most {max(resident):.1f} MB, {slope:+.3f} MB per 1000 chips\n"
        )
    # A chip has 17 MB: a thousandth of each that is kept would be 17. What is seen are caches that fill up once.
    assert abs(slope) < 3
    # Peaks are held against peaks: whether a look finds a chip in memory is chance. Two at once are, now and then.
    assert peaks[-1] - peaks[0] < 20
