"""Time by operator from LiteRT's own tool.

The recorded output follows TensorFlow's `stats_calculator.cc` and `profile_summary_formatter.cc`, which write it; the
rows of the graph without a delegate are those of a published run of a small MobileNet on a Raspberry Pi.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from celestial_edge.card import read_card
from celestial_edge.device.operators import operators_of, parse_profile

COLUMNS = "\t             [Node type]\t  [count]\t  [avg ms]\t    [avg %]\t    [cdf %]\t  [mem KB]\t[times called]\n"
SUMMARY = f"============================== Summary by node type ==============================\n{COLUMNS}"
INITIALIZATION = (
    f"Profiling Info for Benchmark Initialization:\n{SUMMARY}"
    "\t ModifyGraphWithDelegate\t        1\t     9.500\t    90.000%\t    90.000%\t  1000.000\t        1\n\n"
)
PLAIN = f"""Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
\t             [node type]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]
\t                 CONV_2D\t   13.541\t   13.541\t 85.346%\t 85.346%\t     0.000\t        3\t[conv]:0

Number of nodes executed: 12
{SUMMARY}\t                 CONV_2D\t        3\t    13.541\t    85.346%\t    85.346%\t     0.000\t        3
\t       DEPTHWISE_CONV_2D\t        7\t     1.808\t    11.395%\t    96.741%\t     0.000\t        7
\t         FULLY_CONNECTED\t        2\t     0.458\t     2.887%\t    99.628%\t     0.000\t        2

Timings (microseconds): count=50 first=15807 curr=15700 min=15600 max=16000 avg=15807 std=60
"""
DELEGATED = f"""Operator-wise Profiling Info for Regular Benchmark Runs:
{SUMMARY}\t   TfLiteXNNPackDelegate\t        1\t     5.900\t    98.300%\t    98.300%\t     0.000\t        1
\t                 RESHAPE\t        1\t     0.100\t     1.700%\t   100.000%\t     0.000\t        1

Timings (microseconds): count=50
Delegate internal:\x20
{SUMMARY}\tConvolution (NHWC, QC8) IGEMM\t        2\t     4.500\t    76.000%\t    76.000%\t     0.000\t        2
\tFully Connected (NC, QS8, QC8W) GEMM\t        1\t     1.400\t    24.000%\t   100.000%\t     0.000\t        1
"""


def test_kinds_are_read_from_the_regular_runs_alone() -> None:
    found = parse_profile(INITIALIZATION + PLAIN)
    assert [(one.kind, one.milliseconds) for one in found] == [
        ("CONV_2D", 13.541),
        ("DEPTHWISE_CONV_2D", 1.808),
        ("FULLY_CONNECTED", 0.458),
    ]
    assert found[0].share == pytest.approx(13.541 / 15.807)


def test_what_the_delegate_runs_inside_stands_for_it() -> None:
    found = parse_profile(INITIALIZATION + DELEGATED)
    assert [(one.kind, one.milliseconds) for one in found] == [
        ("Convolution (NHWC, QC8) IGEMM", 4.5),
        ("Fully Connected (NC, QS8, QC8W) GEMM", 1.4),
        ("RESHAPE", 0.1),
    ]
    assert sum(one.share for one in found) == pytest.approx(1.0)


def test_an_older_delegate_that_tells_nothing_stays_one_row() -> None:
    older = DELEGATED.partition("Delegate internal")[0]
    assert [one.kind for one in parse_profile(older)] == ["TfLiteXNNPackDelegate", "RESHAPE"]
    assert parse_profile("no table") == ()


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `benchmark_model` on the path that says what was recorded."""
    path = tmp_path / "bin" / "benchmark_model"
    path.parent.mkdir()
    (path.parent / "said").write_text(DELEGATED)
    path.write_text('#!/bin/sh\necho "$@" > "$0.asked"\ncat "$(dirname "$0")/said"\n')
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent), prepend=":")
    return path


def test_the_tool_is_asked_about_every_graph(tool: Path, shipped: Path) -> None:
    found = operators_of(shipped, read_card(shipped), threads=3)
    assert found is not None
    assert found["model.tflite"][0].kind == "Convolution (NHWC, QC8) IGEMM"
    asked = (tool.parent / "benchmark_model.asked").read_text().split()
    assert f"--graph={shipped / 'model.tflite'}" in asked
    assert "--num_threads=3" in asked
    assert "--enable_op_profiling=true" in asked


def test_without_the_tool_or_with_one_that_fails_nothing_is_told(
    tool: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card: Any = read_card(shipped)
    tool.write_text("#!/bin/sh\nexit 1\n")
    assert operators_of(shipped, card, 1) is None
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert operators_of(shipped, card, 1) is None


@pytest.fixture
def shipped() -> Path:
    from celestial_edge.device.shipped import shipped_artifact

    return shipped_artifact()
