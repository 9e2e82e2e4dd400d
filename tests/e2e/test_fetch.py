"""A fetch that is killed again and again, as a person or a power cut would."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from archive_server import ArchiveServer, chip_file, chip_row
from celestialkeras.lcid.archive_ledger import LEDGER_NAME, read_ledger
from celestialkeras.lcid.manifest import write_manifest

KILLS = 20
JOBS = 2


def start(server: ArchiveServer, folder: Path) -> subprocess.Popen[str]:
    arguments = ["data", "fetch", "list.csv", "--to", "raw", "--base-url", server.url, "--jobs", str(JOBS)]
    return subprocess.Popen(
        [sys.executable, "-m", "celestial_cli.main", *arguments],
        cwd=folder,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Shells start what runs in the background deaf to interrupts, and that is handed on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def kill_after(server: ArchiveServer, sent: int, client: subprocess.Popen[str], delay_s: float) -> None:
    while server.sent < sent:
        assert client.poll() is None, client.communicate()[0]
        time.sleep(0.001)
    time.sleep(delay_s)
    client.kill()
    client.communicate()
    assert client.returncode == -signal.SIGKILL


def test_a_fetch_killed_twenty_times_fetches_nothing_twice(tmp_path: Path) -> None:
    files = {f"j8bt05a{letter}q_raw.fits": chip_file(f"j8bt05a{letter}q") for letter in "abcdef"}
    write_manifest([chip_row(name.partition("_")[0]) for name in files], tmp_path / "list.csv")
    total = sum(map(len, files.values()))
    raw = tmp_path / "raw"
    rng = np.random.default_rng(11)
    with ArchiveServer(files, pause_s=0.001) as server:
        for life in range(1, KILLS + 2):
            there = {name: (raw / f"{name}.part").stat().st_size for name in files if (raw / f"{name}.part").exists()}
            whole = {name for name in files if (raw / name).exists()}
            assert all((raw / name).read_bytes() == files[name] for name in whole)
            asked = len(server.log)
            if life <= KILLS:
                # The silence after the allowance keeps a slow machine from finding the fetch at its end.
                server.allowance = total * (life + 1) // (KILLS + 2)
                sent = total * life // (KILLS + 2)
                kill_after(server, sent, start(server, tmp_path), rng.uniform(0.0, 0.05))
            else:
                server.allowance = None
                client = start(server, tmp_path)
                output, _ = client.communicate(timeout=120)
                assert client.returncode == 0, output
            # Whole files are not asked for, and the others from the first byte that is not on the disk.
            for served in server.log[asked:]:
                assert served.name not in whole
                assert served.method == "HEAD" or served.first_byte == there.get(served.name, 0)
        assert sum(served.method == "HEAD" for served in server.log) == len(files)
        # What a kill loses is what was on its way, in the buffers of the connection: more where the machine is slow.
        assert server.sent < 1.5 * total
    assert {path.name for path in raw.iterdir()} == {LEDGER_NAME, *files}
    assert all((raw / name).read_bytes() == content for name, content in files.items())
    entries = read_ledger(raw)
    assert {entry.state for entry in entries.values()} == {"done"}
    assert {name: entry.sha256 for name, entry in entries.items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
    }


def test_an_interrupt_ends_a_fetch_that_waits_for_the_archive(tmp_path: Path) -> None:
    name = "j8bt05akq_raw.fits"
    write_manifest([chip_row("j8bt05akq")], tmp_path / "list.csv")
    with ArchiveServer({name: chip_file("j8bt05akq")}, allowance=2_000_000) as server:
        client = start(server, tmp_path)
        part = tmp_path / "raw" / f"{name}.part"
        # All that was sent but a piece that is not yet whole: the archive is silent, and the client waits.
        while not part.exists() or part.stat().st_size <= 1_500_000:
            assert client.poll() is None, client.communicate()[0]
            time.sleep(0.01)
        client.send_signal(signal.SIGINT)
        # Well before the minute after which a silent connection counts as dead.
        output, _ = client.communicate(timeout=40)
        assert client.returncode == 130, output
        assert output.endswith("interrupted\n")
        assert part.stat().st_size > 1_500_000
