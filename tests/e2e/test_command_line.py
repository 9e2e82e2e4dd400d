"""What a person meets at the terminal before any work is done: help, slips and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from celestial_cli import main
from celestialkeras.errors import FrameNotFoundError, QualityGateError


def celestial(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "celestial_cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


def test_help_lists_every_verb_without_importing_one() -> None:
    code = (
        "import sys; sys.argv = ['celestial', '--help']\n"
        "from celestial_cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end:\n"
        "    heavy = {'numpy', 'astropy', 'rich', 'tensorflow', 'keras'}\n"
        "    print(end.code, sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for verb in ("data", "models", "train", "evaluate", "quantize", "bench", "predict"):
        assert f"  {verb} " in done.stdout
    assert done.stdout.splitlines()[-1] == "0 []"


VERBS = [
    *(f"data {verb}" for verb in ("simulate", "build", "audit", "preview", "import-images", "fetch")),
    *(
        "import-torch",
        "train",
        "distil",
        "lineage",
        "evaluate",
        "compare",
        "robustness",
        "study",
        "explain",
        "report",
        "prune",
        "factorize",
        "quantize",
        "export",
        "verify",
        "sign",
        "profile",
        "bench",
        "predict",
        "watch",
        "doctor",
    ),
]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_json(verb: str) -> None:
    done = celestial(*verb.split(), "--help")
    assert done.returncode == 0
    assert "--json" in done.stdout


def test_version() -> None:
    done = celestial("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("celestialkeras 0.")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["trian"], 2, "no such verb 'trian'; did you mean 'train'?"),
        (["predict"], 2, "Missing argument 'PATHS...'"),
        (["predict", "none.fits", "--model", "nowhere"], 1, "nowhere: neither an artifact (it has no card.json)"),
        (
            ["predict", "none.fits", "--model", "none.keras"],
            1,
            "no such model; train one, or give the path of a .keras file. Received: none.keras",
        ),
        (["verify", "nowhere"], 1, "nowhere: neither an artifact (it has no card.json) nor a run"),
        (["predict", "none.fits", "--json", "--csv"], 2, "--json and --csv are two ways of saying the same"),
        (["predict", "none.fits", "--expect", "12"], 2, "a SHA-256 has 64 hexadecimal digits. Received: '12'"),
        (["sign"], 2, "sign with ARTIFACT --key FILE, or make a pair of keys with --new-key FILE"),
        (["sign", "nowhere", "--key", "none"], 1, "nowhere: no such artifact folder"),
        (["export"], 2, "name a format: --onnx"),
        (["export", "--onnx"], 1, "no run there; `celestial train` makes one"),
        (["export", "--onnx", "none.keras"], 1, "none.keras: no such model"),
        (["bench", "nowhere"], 1, "nowhere: neither an artifact (it has no card.json) nor a run"),
        (["bench", "--frames", "0"], 2, "0 is not in the range x>=1"),
        (["quantize"], 2, "name a recipe: --int8"),
        (["quantize", "--int8"], 1, "no run there"),
        (["quantize", "--int8", "--max-drop", "-1"], 2, "-1.0 is not in the range"),
        (["prune"], 2, "say what to prune, one of --channels R and --sparsity S"),
        (["prune", "--channels", "0.5", "--sparsity", "0.5"], 2, "say what to prune, one of"),
        (["prune", "--channels", "1"], 2, "1.0 is not in the range 0<x<1"),
        (["prune", "--sparsity", "0.5", "--epochs", "0"], 2, "--sparsity prunes while it trains"),
        (["prune", "--channels", "0.5"], 1, "no run there"),
        (["factorize"], 2, "say how far to go, one of --energy E and --rank R"),
        (["factorize", "--energy", "1.5"], 2, "1.5 is not in the range 0<x<=1"),
        (["factorize", "--rank", "4", "none.keras"], 1, "none.keras: no such model"),
        (["profile", "none.keras"], 1, "none.keras: no such model"),
        (["profile", "celestialnet_edge", "--size", "3"], 2, "a whole divisor of both sides of a chip. Received: 3"),
        (["distil"], 2, "Missing option '--teacher'"),
        (["distil", "--teacher", "none.keras"], 1, "none.keras: no such model"),
        (["lineage"], 1, "no run there"),
        (["import-torch", "none.npz"], 2, "Missing option '-o'"),
        (["import-torch", "none.npz", "-o", "net.keras", "--size", "64"], 2, "such as 2048x4096. Received: '64'"),
        (["watch"], 2, "name what to watch and where to write, INCOMING --results R"),
        (["watch", "nowhere", "--results", "R"], 1, "nowhere: no such folder to watch"),
        (["watch", "--status", "nowhere"], 1, "nowhere: no results of a watch, there is no health.json"),
        (["evaluate"], 1, "no run there"),
        (["evaluate", "none.keras"], 1, "none.keras: no such model"),
        (["train", "--data", "nowhere"], 1, "nowhere: no data set; run `celestial data build MANIFEST --to nowhere`"),
        (["train", "--data", ".", "--model", "hr_celestialne"], 1, "did you mean 'hr_celestialnet'?"),
        (["train", "--size", "big"], 2, "must be 'full', a whole binning such as 4 or ROWSxCOLUMNS"),
        (["train", "--epochs", "0"], 2, "0 is not in the range x>=1"),
        (["train", "--precision", "int8"], 2, "'int8' is not one of 'float32'"),
        (["train", "--model", "nosuch"], 1, "no model is called 'nosuch'"),
        (["train", "--name", "latest"], 1, "and not 'latest'"),
        (["train", "--width", "nan"], 1, "`width` must be"),
        (
            ["data", "simulate", "--seed", "5"],
            2,
            "a survey that is not the preset's needs a folder of its own: --folder",
        ),
        (
            ["data", "simulate", "--seed", "0"],
            2,
            "a survey that is not the preset's needs a folder of its own: --folder",
        ),
        (["train", "--resume", "nowhere"], 1, "nowhere: no run there"),
        (["train", "--resume", "nowhere", "--epochs", "3"], 2, "--resume takes everything from the run"),
        (["train", "--config", "none.toml"], 1, "none.toml: no such file"),
        (["data", "build", "none.csv"], 1, "none.csv: no such manifest"),
        (["data", "simulate", "--preset", "huge"], 2, "must be one of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_slips_get_one_clear_line(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    done = celestial(*arguments, folder=tmp_path)
    assert message in done.stderr
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_empty_manifest_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("")
    done = celestial("data", "build", "list.csv", "--to", "shards", folder=tmp_path)
    assert done.returncode == 1
    assert "list.csv: empty; expected the columns ID" in done.stderr
    assert not (tmp_path / "shards").exists()


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (QualityGateError("the drop is too large"), 3, "Error: the drop is too large"),
        (FrameNotFoundError("x.fits: no such file"), 1, "Error: x.fits: no such file"),
        (OSError(28, "No space left on device", "runs/x"), 1, "Error: [Errno 28] No space left on device: 'runs/x'"),
        (click.Abort(), 130, "interrupted"),
    ],
)
def test_every_kind_of_failure_has_its_exit_code(
    error: Exception, code: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(main.celestial, "main", fail)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == code
    assert capsys.readouterr().err.splitlines() == [line]


def test_a_path_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    done = celestial("data", "simulate", "--preset", "tiny", "--folder", "taken/frames", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert "taken" in done.stderr
    assert "Traceback" not in done.stderr


def test_models_lists_what_is_registered_without_tensorflow() -> None:
    code = (
        "import sys; sys.modules.update(tensorflow=None, keras=None)\n"
        "from celestial_cli.main import main\n"
        "sys.argv = ['celestial', 'models', '--json']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    models = {entry["name"]: entry for entry in json.loads(done.stdout)["models"]}
    assert models["hr_celestialnet"]["trainable_parameters"] == 97_048_130
    assert models["hr_celestialnet"]["gmac"] == pytest.approx(177.9, abs=0.1)
    assert models["celestialnet_edge"]["gmac"] <= 6
    assert models["celestialnet_edge"]["trainable_parameters"] <= 3_000_000
