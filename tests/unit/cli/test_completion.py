"""What a shell is offered, by click's own classes and by bash itself, without TensorFlow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from celestial_cli.completion import COMPLETE_VARIABLE, PROGRAM, completion
from celestial_cli.main import celestial
from verbs import invoke


def offered(*arguments: str, incomplete: str = "") -> list[str]:
    completer = ShellComplete(celestial, {}, PROGRAM, COMPLETE_VARIABLE)
    return [item.value for item in completer.get_completions([*arguments], incomplete)]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs in the working folder, one of them with an artifact."""
    monkeypatch.chdir(tmp_path)
    for name in ("edge", "wide"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "config.toml").touch()
    (tmp_path / "runs" / "latest").symlink_to("wide")
    artifact = tmp_path / "runs" / "edge" / "artifacts" / "static_wi8_ai8"
    artifact.mkdir(parents=True)
    (artifact / "card.json").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "incomplete", "some"),
    [
        ((), "tr", ["train"]),
        ((), "pr", ["prune", "profile", "predict"]),
        (("data",), "pre", ["preview"]),
        (("train",), "--stem", ["--stem-strips"]),
        (("train", "--model"), "res", ["resnet18", "resnet50"]),
        (("train", "--degrade"), "psf:", [f"psf:{level}" for level in range(1, 6)]),
        (("quantize", "--recipe"), "static", ["static_wi8_ai8", "static_wi8_ai16"]),
        (("data", "simulate", "--preset"), "", ["tiny", "demo", "bench"]),
        (("study",), "pad", ["padding"]),
        (("completion",), "", ["bash", "zsh", "fish"]),
        (("compare",), "alex", ["alexnet"]),
    ],
)
def test_names_are_offered(arguments: tuple[str, ...], incomplete: str, some: list[str]) -> None:
    assert offered(*arguments, incomplete=incomplete) == some


@pytest.mark.usefixtures("runs")
def test_runs_and_their_artifacts_are_offered_before_files() -> None:
    artifact = "runs/edge/artifacts/static_wi8_ai8"
    assert offered("evaluate") == ["runs/latest", "runs/edge", "runs/wide", artifact]
    assert offered("bench", incomplete="runs/e") == ["runs/edge", artifact]
    assert offered("train", "--resume", incomplete="runs/w") == ["runs/wide"]
    assert offered("compare", incomplete="runs/l") == ["runs/latest"]
    # Where none begins so, the shell completes files: click's item of that type stands alone.
    assert offered("evaluate", incomplete="other/") == ["other/"]


def test_without_runs_files_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert offered("evaluate") == [""]


def test_no_verb_is_imported_for_verbs_and_no_tensorflow_for_names(runs: Path) -> None:
    code = (
        "import sys\n"
        "from click.shell_completion import ShellComplete\n"
        "from celestial_cli.main import celestial\n"
        "completer = ShellComplete(celestial, {}, 'celestial', 'X')\n"
        "completer.get_completions([], '')\n"
        "print(sorted(name for name in sys.modules if name in ('numpy', 'rich', 'celestial_cli.train')))\n"
        "for words in (['train', '--model'], ['compare'], ['study'], ['evaluate', '--degrade'], ['bench'],\n"
        "              ['data', 'simulate', '--preset'], ['train', '--option', 'padding=valid', '--model']):\n"
        "    assert completer.get_completions(words, ''), words\n"
        "heavy = ('tensorflow', 'keras', 'scipy', 'matplotlib', 'sklearn', 'galsim', 'astropy')\n"
        "print(sorted(set(heavy) & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=runs, check=False)
    assert (done.stderr, done.stdout.splitlines()) == ("", ["[]", "[]"])


SHELLS = {
    # What the words are asked by, as the shell's own line editor would.
    "bash": (
        'eval "$(celestial completion bash)"\n'
        "COMP_WORDS=({words}); COMP_CWORD={last}; _celestial_completion celestial\n"
        'printf "%s\\n" "${{COMPREPLY[@]}}"\n'
    ),
    "zsh": (
        'autoload -Uz compinit && compinit -D\neval "$(celestial completion zsh)"\n'
        "_describe() {{ printf '%s\\n' ${{completions_with_descriptions%%:*}} ${{completions%%:*}} }}\n"
        'compadd() {{ shift; print -l -- "${{(P@)argv[-1]}}" }}\n'
        "words=({words}); CURRENT=$(({last} + 1)); _celestial_completion\n"
    ),
    "fish": "celestial completion fish | source\ncomplete --do-complete '{line}' | string replace -r '\\t.*' ''\n",
}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("words", "some"), [("tr", {"train"}), ("train --model resnet", {"resnet18", "resnet50"})], ids=["verb", "network"]
)
def test_a_shell_completes(shell: str, words: str, some: set[str], tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")
    # The command that belongs to this Python, under the name that the script completes.
    command = tmp_path / "celestial"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m celestial_cli.main "$@"\n')
    command.chmod(0o755)
    line = f"celestial {words}"
    script = SHELLS[shell].format(words=line, last=len(line.split()) - 1, line=line)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run([shell, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert set(done.stdout.split()) == some, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_the_command(shell: str) -> None:
    script = invoke(completion, shell).stdout
    assert f"{COMPLETE_VARIABLE}={shell}_complete" in script


def test_another_shell_is_refused() -> None:
    assert "'bsh' is not one of 'bash', 'zsh', 'fish'; did you mean 'bash'?" in invoke(completion, "bsh").stderr
