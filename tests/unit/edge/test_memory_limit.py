"""Limits on memory: amounts, the cgroup that is found, and a data segment that holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from celestial_edge.device.memory_limit import CGROUP, DATA_SEGMENT, MemoryLimit, choose_limit, parse_bytes
from sysfs_trees import write_tree


@pytest.mark.parametrize(("text", "expected"), [("1", 1), ("64k", 65536), ("512M", 536870912), (" 1G ", 1073741824)])
def test_amounts(text: str, expected: int) -> None:
    assert parse_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "0", "M", "1.5G", "-1", "512MB", "1T"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"such as 512M. Received: {text!r}"):
        parse_bytes(text)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """What a process in `user/session` finds in /proc/self/cgroup."""
    path = tmp_path / "own"
    path.write_text("0::/user/session\n")
    return path


def test_the_nearest_cgroup_that_hands_memory_on_is_taken(tmp_path: Path, own: Path) -> None:
    # The session holds processes itself, so that it has nothing to hand on; its parent does.
    files = {"user/session/cgroup.subtree_control": "", "user/cgroup.subtree_control": "cpu memory pids"}
    tree = write_tree(tmp_path / "cgroup", {**files, "cgroup.subtree_control": "memory"})
    limit = choose_limit(1 << 29, tree, own)
    assert limit == MemoryLimit(1 << 29, tree / "user")
    assert limit.enforced_by == CGROUP
    assert limit.entry("worker") == {"cgroup": str(tree / "user" / "worker")}
    assert (tree / "user/worker/memory.max").read_text() == str(1 << 29)
    assert (tree / "user/worker/memory.swap.max").read_text() == "0"


@pytest.mark.parametrize(
    ("files", "mounted"),
    [
        ({"user/cgroup.subtree_control": "cpu pids"}, True),
        # Version 1 has no such file, whatever controllers there are.
        ({"memory/tasks": "1"}, True),
        ({"user/cgroup.subtree_control": "memory"}, False),
    ],
)
def test_without_a_usable_cgroup_the_data_segment_is_limited(
    tmp_path: Path, own: Path, files: dict[str, str], mounted: bool
) -> None:
    tree = write_tree(tmp_path / "cgroup", files)
    limit = choose_limit(123, tree, own if mounted else tmp_path / "no such file")
    assert limit == MemoryLimit(123, None)
    assert limit.enforced_by == DATA_SEGMENT
    assert limit.entry("worker") == {"data_segment": 123}


def test_a_cgroup_that_may_be_made_but_not_entered_is_passed_over(tmp_path: Path, own: Path) -> None:
    tree = write_tree(tmp_path / "cgroup", {"user/cgroup.subtree_control": "memory"})
    (tree / "user" / f"celestial-probe-{os.getpid()}" / "cgroup.procs").mkdir(parents=True)
    assert choose_limit(123, tree, own).parent is None


def limited(entry: dict[str, object], megabytes: int) -> subprocess.CompletedProcess[str]:
    code = (
        "import json, sys; from celestial_edge.device.memory_limit import enter_limit; "
        "enter_limit(json.loads(sys.argv[1])); print(len(bytearray(int(sys.argv[2]) << 20)))"
    )
    arguments = [sys.executable, "-c", code, json.dumps(entry), str(megabytes)]
    return subprocess.run(arguments, capture_output=True, text=True, check=False)


def test_the_data_segment_holds() -> None:
    entry = MemoryLimit(200 << 20, None).entry("worker")
    assert limited(entry, 50).stdout == f"{50 << 20}\n"
    refused = limited(entry, 300)
    assert refused.returncode != 0
    assert "MemoryError" in refused.stderr
    assert limited({}, 300).returncode == 0


def test_a_process_enters_its_cgroup_first(tmp_path: Path) -> None:
    assert limited({"cgroup": str(tmp_path)}, 1).returncode == 0
    assert (tmp_path / "cgroup.procs").read_text() == "0", "which means the process that writes it"
