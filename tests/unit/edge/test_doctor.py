"""What the doctor finds, on trees and metadata made on the spot, and that no probe's failure stops the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from celestial_cli.doctor import doctor
from celestial_edge.device.doctor import examination, resources, runtime_check
from celestial_edge.device.doctor.examination import examine
from celestial_edge.device.doctor.installation import BARE, check_extras
from celestial_edge.device.doctor.readiness import JOBS, VERBS, job_readiness, verb_readiness
from celestial_edge.device.doctor.resources import Cores, Memory, clock_problem, read_cores, read_memory, read_room
from celestial_edge.device.doctor.runtime_check import ProbeError, RuntimeCheck
from celestial_edge.device.memory_limit import cgroups_above
from celestialkeras.errors import install_line
from json_page import problems
from verbs import invoke

REQUIREMENTS = [
    "numpy>=1.26",
    'tomli>=2.0; python_version < "3"',
    "keras>=3.10; extra == 'train'",
    "tensorflow>=2.19; extra == 'train'",
    "galsim>=2.6; python_version >= '3.0' and extra == 'simulate'",
    "celestialkeras[train,simulate]; extra == 'all'",
]
INSTALLED = {"numpy": "2.1.0", "keras": "3.9.2", "galsim": "2.8.4"}

CHECK = RuntimeCheck("shipped", 2, 40.0, 4.5, agrees=True, identical=True, rule="equal to the bit", undelegated=())


def version_of(package: str) -> str:
    if package not in INSTALLED:
        raise PackageNotFoundError(package)
    return INSTALLED[package]


def test_extras_are_held_against_what_is_installed() -> None:
    bare, train, simulate = check_extras(REQUIREMENTS, ["train", "simulate", "all"], version_of)
    assert (bare.name, bare.packages, bare.missing, bare.install) == (BARE, 1, (), "pip install celestialkeras")
    assert train.missing == ("keras>=3.10, found 3.9.2", "tensorflow>=2.19")
    assert not train.complete
    assert train.install == "pip install 'celestialkeras[train]'"
    assert (simulate.name, simulate.packages, simulate.complete) == ("simulate", 1, True)


def test_verbs_say_what_they_lack_and_what_to_type() -> None:
    found = {one.verb: one for one in verb_readiness({BARE, "train"}, "")}
    assert list(found) == list(VERBS)
    assert found["evaluate"].works
    simulate = found["data simulate"]
    assert (simulate.why, simulate.line) == ("needs the extra `simulate`", install_line("simulate"))
    nothing = {one.verb: one for one in verb_readiness({BARE}, "")}
    assert nothing["export"].why == "needs the extras `train` and `onnx`"
    assert nothing["export"].line == "pip install 'celestialkeras[train,onnx]'"
    assert nothing["predict"].works
    assert nothing["predict"].line == VERBS["predict"].line


def test_without_a_runtime_nothing_classifies() -> None:
    found = {one.verb: one for one in verb_readiness({BARE}, "runtime: ended with -4")}
    assert [verb for verb in ("verify", "bench", "predict", "watch") if found[verb].works] == []
    assert found["predict"].why == "runtime: ended with -4"
    assert found["models"].works


def test_where_extras_are_not_known_nothing_is_held_against_a_verb() -> None:
    assert all(one.works for one in verb_readiness(None, ""))


def test_jobs_are_held_against_the_memory() -> None:
    fits = {one.memory_mb: one.fits for one in job_readiness({"train"}, 4215.0)}
    assert fits == {job.memory_mb: job.memory_mb <= 4215 for job in JOBS}
    assert set(fits.values()) == {True, False}
    assert {one.memory_mb for one in job_readiness(set(), 1e6)} == {job.memory_mb for job in JOBS if not job.extras}
    assert {one.fits for one in job_readiness(None, None)} == {None}


def cgroup(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text + "\n")
    return folder


def test_cores_are_those_that_may_be_busy(tmp_path: Path) -> None:
    outer = cgroup(tmp_path / "outer", cpu_max="150000 100000")
    inner = cgroup(tmp_path / "outer" / "inner", cpu_max="max 100000")
    cores = read_cores([inner, outer])
    assert cores.allowed == len(os.sched_getaffinity(0))
    assert cores.quota == 1.5
    assert cores.usable == min(1.5, cores.allowed)
    assert read_cores([]).quota is None
    assert Cores(8, 4, None).usable == 4


MEMINFO = "MemTotal:        8000000 kB\nMemFree:  100000 kB\nMemAvailable:    5000000 kB\n"


def test_memory_is_the_least_of_what_is_free_and_allowed(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(MEMINFO)
    outer = cgroup(tmp_path / "outer", memory_max="2000000000", memory_current="1500000000")
    inner = cgroup(tmp_path / "outer" / "inner", memory_max="max", memory_current="1")
    huge = cgroup(tmp_path / "huge", memory_max="9000000000000", memory_current="1")
    memory = read_memory(meminfo, [inner, outer, huge])
    assert (memory.total_mb, memory.available_mb) == (8192.0, 5120.0)
    assert (memory.cgroup_mb, memory.cgroup_free_mb) == (2000.0, 500.0)
    assert memory.usable_mb == 500.0
    assert read_memory(meminfo, [huge]).cgroup_mb is None
    assert Memory(8192, 5120, None, None, 700.0).usable_mb == 700.0


def test_a_limit_on_the_process_is_seen() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_DATA, (10**9, 10**9))\n"
        "from celestial_edge.device.doctor.resources import read_memory\n"
        "print(read_memory().process_mb)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1000.0\n"


def test_cgroups_are_followed_to_their_root(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("1:name=systemd:/x\n0::/user/app\n")
    root = tmp_path / "cgroup"
    assert cgroups_above(root, own) == (root / "user" / "app", root / "user", root)
    own.write_text("1:memory:/x\n")
    assert cgroups_above(root, own) == ()
    assert cgroups_above(root, tmp_path / "none") == ()


def test_room_is_that_of_the_folder_of_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources.tempfile, "tempdir", str(tmp_path))
    room = read_room()
    assert room.folder == str(tmp_path)
    assert room.free_mb > 0
    assert list(tmp_path.iterdir()) == []


def test_a_clock_before_the_installation_is_wrong(tmp_path: Path) -> None:
    written = tmp_path / "written"
    written.touch()
    there = written.stat().st_mtime
    assert clock_problem(written, lambda: there - 3600) == ""
    assert clock_problem(written, lambda: there - 10 * 86400) == "the clock is 10 days before this was installed"


def test_the_shipped_artifact_is_run_in_a_process_of_its_own() -> None:
    check = runtime_check.check_runtime()
    assert check.frames >= 2
    assert check.agrees
    assert check.invoke_ms > 0
    assert check.undelegated == ()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import os; os.abort()", "ended with -6: without a word"),
        ("raise SystemExit('no such library')", "ended with 1: no such library"),
    ],
)
def test_how_a_process_ended_is_told(code: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_check, "_RUN_GOLDEN", code)
    with pytest.raises(ProbeError) as caught:
        runtime_check.check_runtime()
    assert str(caught.value) == told


def test_a_process_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_check, "PATIENCE_S", 0.2)
    monkeypatch.setattr(runtime_check, "_ASK_GPU", "import time; time.sleep(60)")
    with pytest.raises(ProbeError, match=r"took more than 0\.2 s"):
        runtime_check.visible_gpus()


@pytest.fixture
def well(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that works, without the process that shows it."""
    monkeypatch.setattr(examination, "check_runtime", lambda: CHECK)


@pytest.mark.usefixtures("well")
def test_a_machine_that_is_well() -> None:
    found = examine()
    assert found.is_well
    assert found.findings["runtime"].state == "ok"
    assert found.findings["runtime"].told.endswith("4.5 ms each, loaded in 40 ms; the same to the bit")
    assert "gpu" not in found.findings
    assert problems(json.loads(json.dumps(found.to_json()))) == []


@pytest.mark.usefixtures("well")
@pytest.mark.parametrize(
    ("probe", "name", "is_well"),
    [
        ("installed_extras", "packages", False),
        ("read_memory", "memory", True),
        ("read_cores", "cores", True),
        ("read_room", "temporary files", False),
        ("check_runtime", "runtime", False),
        ("Sensors", "sensors", True),
        ("clock_problem", "clock", True),
        ("describe_kernels", "instructions", True),
    ],
)
def test_a_probe_that_fails_is_told_as_unknown(
    probe: str, name: str, is_well: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise PermissionError("not allowed to look")

    monkeypatch.setattr(examination, probe, fail)
    found = examine()
    assert found.is_well is is_well
    failed = [one for one in found.findings.values() if one.state == "unknown"]
    assert [(one.name, one.told) for one in failed] == [(name, "PermissionError: not allowed to look")]
    assert problems(json.loads(json.dumps(found.to_json()))) == []


@pytest.mark.parametrize(
    ("change", "state", "told"),
    [
        ({"agrees": False, "identical": False}, "bad", "logits differ from where the model was made"),
        ({"undelegated": ("CONV_2D",)}, "warning", "XNNPACK left CONV_2D"),
        ({"identical": False}, "ok", "within the rule (equal to the bit)"),
    ],
)
def test_what_the_runtime_did_is_judged(
    change: dict[str, Any], state: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = RuntimeCheck(**{**CHECK.__dict__, **change})
    monkeypatch.setattr(examination, "check_runtime", lambda: check)
    found = examine()
    assert found.findings["runtime"].state == state
    assert told in found.findings["runtime"].told
    assert found.is_well is (state != "bad")


@pytest.mark.usefixtures("well")
def test_gpus_are_asked_for_with_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "visible_gpus", lambda: ["/physical_device:GPU:0"])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert examine(full=True).findings["gpu"].told == "/physical_device:GPU:0"


@pytest.mark.usefixtures("well")
def test_the_verb_prints_tables_and_ends_well() -> None:
    done = invoke(doctor)
    assert done.exit_code == 0
    for words in ("This machine", "What will work", "celestial predict FITS_FOLDER", "What fits the memory"):
        assert words in done.stdout


def test_the_verb_fails_where_the_essentials_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> RuntimeCheck:
        raise ProbeError("ended with -4: illegal instruction")

    monkeypatch.setattr(examination, "check_runtime", fail)
    done = invoke(doctor, "--json")
    assert done.exit_code == 1
    assert "ProbeError: ended with -4: illegal instruction" in done.stdout
    assert done.stderr == "Error: the essentials do not work; see the lines above that are bad or unknown\n"


def test_the_doctor_needs_no_more_than_a_board_has() -> None:
    heavy = ("tensorflow", "keras", "scipy", "matplotlib", "sklearn", "galsim", "PIL", "cryptography")
    code = (
        f"import sys\nfor name in {heavy}: sys.modules[name] = None\n"
        "from celestial_edge.device.doctor.examination import examine\n"
        "found = examine()\nprint(found.is_well, found.findings['runtime'].state)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True ok\n"
