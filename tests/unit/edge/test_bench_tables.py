"""How a benchmark is shown: tables, Markdown, the page and its charts."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import pytest

from celestial_edge.device.bench_options import OFFICIAL_QUERIES, OFFICIAL_SECONDS, BenchOptions
from celestial_edge.device.bench_page import page
from celestial_edge.device.bench_report import SCHEMA, Accuracy, BenchReport, NotRun, Operator, SensorLog
from celestial_edge.device.bench_tables import Table, budget_checks, heading, tables, to_markdown
from celestial_edge.device.boards import BOARDS, Board
from celestial_edge.device.charts import Line, lines_svg, ticks
from celestial_edge.device.latency import Histogram, Latency
from celestial_edge.device.sensors import Reading
from measurements import artifact_bench, bench_report, rival_bench

LIMIT = {"bytes": 512 << 20, "enforced_by": "cgroup v2"}


def cells(table: Table, row: int = 0) -> dict[str, str]:
    return dict(zip(table.columns, table.rows[row], strict=True))


def titled(report: BenchReport, word: str, board: Board | None = None) -> Table:
    (found,) = [table for table in tables(report, board) if word in table.title]
    return found


def test_what_was_measured_stands_in_one_row_and_the_rest_is_left_out() -> None:
    (table,) = tables(bench_report(artifact_bench()))
    assert table.title == "Codes to logits, milliseconds"
    assert cells(table) == {
        "artifact": "net static_wi8_ai8 whole",
        "input": "512 x 1024",
        "MB": "0.76",
        "load": "12",
        "first": "7.25",
        "min": "1.00",
        "p50": "50.5",
        "p90": "90.1",
        "p99": "99.0",
        "peak MB": "234",
        "steady MB": "200",
        "XNNPACK": "all",
    }


def test_a_limit_says_what_runs_under_it() -> None:
    report = bench_report(
        artifact_bench(within_limit=True),
        artifact_bench("b/c/d", layout="plain", within_limit=False, undelegated=("model.tflite: CONV_2D",)),
        rivals=(rival_bench(within_limit=True),),
        not_run=(NotRun("x", "net float32 plain", "load", "was killed by signal 9 (SIGKILL), out of memory?"),),
        memory_limit=LIMIT,
    )
    table = tables(report)[0]
    assert [cells(table, row)["runs"] for row in range(4)] == [
        "yes",
        "yes, but beyond the limit",
        "yes",
        "no, load: was killed by signal 9 (SIGKILL), out of memory?",
    ]
    assert cells(table, 1)["XNNPACK"] == "all but 1"
    assert cells(table, 2)["artifact"] == "onnxruntime 1.32.0 float32"
    assert cells(table, 3)["p90"] == ""
    assert heading(report).endswith("memory limited to 512 MiB by cgroup v2")


def test_artifacts_of_one_name_are_told_apart_by_their_folders() -> None:
    table = tables(bench_report(artifact_bench("/a/b/c/d"), artifact_bench("/a/b/e/d")))[0]
    found = [row[0] for row in table.rows]
    assert found == ["net static_wi8_ai8 whole (b/c/d)", "net static_wi8_ai8 whole (b/e/d)"]


def test_parts_operators_stages_accuracy_and_energy_have_tables_where_they_are_known() -> None:
    report = bench_report(
        artifact_bench(
            layout="strips",
            parts_ms={"model-0.tflite": 40.0, "model-1.tflite": 10.1},
            operators={"model-0.tflite": (Operator("Convolution (NHWC, QC8) IGEMM", 4.5, 0.75),)},
            stages_ms={"read": 8.0, "stretch": 20.0, "invoke": 50.0, "total": 78.0},
            end_to_end=Latency(70.0, 78.0, 80.0, 90.0),
            accuracy=Accuracy("data/set", 270, 223, 0.767, 0.878),
            joules_per_frame=0.1234,
        ),
        options=BenchOptions(fits="some/iddt11fxq_raw.fits"),
    )
    parts = titled(report, "by part")
    assert [cells(parts, row)["of p50"] for row in range(2)] == ["79.2 %", "20.0 %"]
    assert cells(titled(report, "by operator"))["operator"] == "Convolution (NHWC, QC8) IGEMM"
    assert cells(titled(report, "From FITS"))["stretch"] == "20.0"
    assert cells(titled(report, "From FITS"))["p90"] == "80.0"
    assert cells(titled(report, "Accuracy"))["accuracy"] == "82.6 %"
    assert cells(titled(report, "Accuracy"))["95 %, objects"] == "76.7 to 87.8 %"
    assert cells(titled(report, "Codes"))["J/frame"] == "0.123"


def test_a_budget_is_checked_on_memory_and_threads_and_is_named_as_one() -> None:
    board = BOARDS["pi4-1gb"]
    report = bench_report(artifact_bench(), artifact_bench("b/c/d", layout="plain", peak_memory_mb=751.0))
    table = titled(report, "Budget", board)
    assert "its speed is not simulated" in table.title
    assert cells(table)["peak memory"] == "234 of 750 MB"
    assert [cells(table, row)["budget"] for row in range(2)] == ["kept", "exceeded: 751 of 750 MB"]
    many = bench_report(artifact_bench(), options=BenchOptions(threads=6))
    (check,) = budget_checks(many, board).values()
    assert check.problems == ("6 threads on 4 cores",)
    assert budget_checks(many, BOARDS["jetson-orin-nano"])["net static_wi8_ai8 whole"].problems == ()


def test_an_official_run_is_called_one_only_by_its_rules() -> None:
    official = BenchOptions(frames=10).official()
    assert (official.frames, official.duration_s, official.rounds) == (OFFICIAL_QUERIES, OFFICIAL_SECONDS, 1)
    assert (OFFICIAL_QUERIES, OFFICIAL_SECONDS) == (1024, 600)
    assert tables(bench_report(artifact_bench(), options=official))[0].title.startswith("MLPerf SingleStream: p90")
    for options in (BenchOptions(frames=1024, duration_s=600), BenchOptions(frames=1023, duration_s=600, rounds=1)):
        assert options.scenario is None
    assert "at least 1024 frames and 600 s" in heading(bench_report(artifact_bench(), options=official))


def test_markdown_holds_every_table() -> None:
    report = bench_report(artifact_bench(), not_run=(NotRun("x", "openvino", "load", "not installed: a | b"),))
    text = to_markdown(report)
    lines = text.splitlines()
    assert lines[0] == "Some CPU, 4 cores, 1024 MB, Linux aarch64, LiteRT 2.3.0, 2 thread(s), 50 frames."
    assert "| artifact | input | MB |" in lines[4]
    assert lines[5].count("---") == lines[4].count("|") - 1 == lines[6].count("|") - 1
    assert "not installed: a \\| b" in lines[7]


def test_json_has_a_schema_and_every_figure() -> None:
    entry = artifact_bench(memory_over_time=((0.0, 10.0),))
    reading = Reading(1.0, {"cpu": 40.0}, {}, {}, (), (), {}, {})
    report = bench_report(entry, sensors=SensorLog(reading, (), reading, None), memory_limit=LIMIT)
    found = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert found["schema"] == SCHEMA == "celestialkeras.bench/2"
    assert found["artifacts"][0]["invoke"]["p90"] == pytest.approx(90.1)
    assert found["artifacts"][0]["memory_over_time"] == [[0.0, 10.0]]
    assert found["memory_limit"]["bytes"] == 512 << 20
    assert found["sensors"]["before"]["temperatures_c"] == {"cpu": 40.0}


def test_the_page_is_whole_in_itself_and_shows_histograms_and_memory() -> None:
    name = "net <script>"
    report = bench_report(artifact_bench(model=name), rivals=(rival_bench(),), memory_limit=LIMIT)
    text = page(report, BOARDS["pi5-4gb"])
    assert "<script" not in text
    assert "net &lt;script&gt; static_wi8_ai8 whole" in text
    for fetched in ("http:", "https:", "src=", "href=", "url(", "@import"):
        assert fetched not in text
    assert "prefers-color-scheme: dark" in text
    drawings = [ET.fromstring(found) for found in re.findall(r"<svg.*?</svg>", text)]
    assert len(drawings) == 3
    first, _, memory = drawings
    # One bar a bin, each with its count to be read.
    counts = [int(bar[0].text.rpartition(": ")[2]) for bar in first.iter("rect")]
    assert sum(counts) == 100 - report.artifacts[0].histogram.beyond
    assert [mark.text for mark in first.iter("text") if mark.get("class") == "label"] == ["p50 50.5", "p90 90.1"]
    assert len(list(memory.iter("polyline"))) == 2
    assert [mark.text for mark in memory.iter("text") if mark.get("class") == "label"] == ["limit 537"]
    assert text.index("Codes to logits") < text.index("Memory over time") < text.index("Budget of Raspberry Pi 5")


def test_a_page_of_nothing_that_ran_has_its_table() -> None:
    text = page(bench_report(not_run=(NotRun("x", "net", "load", "failed: MemoryError"),), memory_limit=LIMIT))
    assert "no, load: failed: MemoryError" in text
    assert "<svg" not in text


def test_points_lie_where_their_values_are() -> None:
    drawing = ET.fromstring(lines_svg("memory", [Line("a", [(0.0, 0.0), (5.0, 50.0), (10.0, 100.0)])], ("s", "MB")))
    (line,) = drawing.iter("polyline")
    (x0, y0), (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in line.get("points", "").split())
    assert x0 < x1 < x2
    assert y0 > y1 > y2, "larger is higher"
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.02)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.02)


@pytest.mark.parametrize(
    ("ends", "expected"), [((0, 10), [0, 2, 4, 6, 8, 10]), ((1.1, 1.6), [1.1, 1.2, 1.3, 1.4, 1.5, 1.6])]
)
def test_ticks_are_round(ends: tuple[float, float], expected: list[float]) -> None:
    assert ticks(*ends) == pytest.approx(expected)


def test_latency_quantiles() -> None:
    latency = Latency.of([float(value) for value in range(101)])
    assert (latency.minimum, latency.p50, latency.p90, latency.p99) == (0.0, 50.0, 90.0, 99.0)


def test_an_outlier_does_not_squeeze_a_histogram() -> None:
    found = Histogram.of([1.0 + 0.001 * number for number in range(999)] + [1000.0])
    assert found.edges_ms[-1] < 2
    assert found.beyond == 5
    assert sum(found.counts) == 995
    assert sum(Histogram.of([3.0, 3.0]).counts) == 2
    assert Histogram.of([3.0]).counts == (1,)
