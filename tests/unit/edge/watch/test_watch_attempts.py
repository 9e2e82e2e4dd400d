from __future__ import annotations

from pathlib import Path

import pytest

from celestial_edge.device.watch.attempts import ATTEMPTS_NAME, open_attempts


def test_attempts_that_were_not_ended_are_counted_over_restarts(tmp_path: Path) -> None:
    for earlier in range(3):
        with open_attempts(tmp_path) as attempts:
            assert attempts.begin(7, 1) == earlier
    with open_attempts(tmp_path) as attempts:
        attempts.begin(7, 1)
        attempts.end()
        assert attempts.begin(7, 1) == 0


def test_another_chip_starts_anew(tmp_path: Path) -> None:
    with open_attempts(tmp_path) as attempts:
        attempts.begin(7, 1)
        assert attempts.begin(7, 4) == 0
        assert attempts.begin(8, 4) == 0


def test_the_file_does_not_grow(tmp_path: Path) -> None:
    with open_attempts(tmp_path) as attempts:
        for number in range(100):
            attempts.begin(10**number % 10**15, 4)
    assert (tmp_path / ATTEMPTS_NAME).stat().st_size == 64


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"7 1", b"7 one 3", b"\xff" * 10])
def test_a_file_that_was_torn_counts_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / ATTEMPTS_NAME).write_bytes(content)
    with open_attempts(tmp_path) as attempts:
        assert attempts.begin(7, 1) == 0
