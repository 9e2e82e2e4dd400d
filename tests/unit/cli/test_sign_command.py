"""`celestial sign`, and verbs that ask for a signature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from celestial_cli.main import celestial
from celestial_edge.card import CARD_NAME
from celestialkeras.errors import ArtifactError
from celestialkeras.files import sha256_of

pytest.importorskip("cryptography", reason="the extra `sign` is not installed")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(celestial, [*map(str, arguments)], standalone_mode=False)


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    made = json.loads(run("sign", "--new-key", tmp_path / "key", "--json").stdout)
    return Path(made["private_key"]), Path(made["public_key"])


def test_what_was_signed_is_taken_and_what_was_not_is_refused(copy_artifact: Any, keys: tuple[Path, Path]) -> None:
    folder = copy_artifact()
    private, public = keys
    refused = run("verify", folder, "--public-key", public)
    assert isinstance(refused.exception, ArtifactError)
    assert f"{folder}: not signed" in str(refused.exception)

    told = json.loads(run("sign", folder, "--key", private, "--json").stdout)
    assert told == {
        "schema": "celestialkeras.signature/1",
        "signature": str(folder / "card.sig"),
        "card_sha256": sha256_of(folder / CARD_NAME),
    }
    report = json.loads(run("verify", folder, "--public-key", public, "--json").stdout)
    assert (report["agrees"], report["card_sha256"]) == (True, told["card_sha256"])
    assert set(report["files"]) == {"model.tflite", "golden.npz"}


def test_an_altered_artifact_is_not_signed(copy_artifact: Any, keys: tuple[Path, Path]) -> None:
    folder = copy_artifact()
    (folder / "model.tflite").write_bytes(b"altered")
    refused = run("sign", folder, "--key", keys[0])
    assert isinstance(refused.exception, ArtifactError)
    assert "model.tflite was truncated or altered" in str(refused.exception)
    assert not (folder / "card.sig").exists()


def test_verify_says_what_to_pin(copy_artifact: Any) -> None:
    folder = copy_artifact()
    digest = sha256_of(folder / CARD_NAME)
    assert digest in run("verify", folder).stdout
    assert run("verify", folder, "--expect", digest).exception is None
    assert "its card has SHA-256" in str(run("verify", folder, "--expect", "0" * 64).exception)


@pytest.mark.parametrize("arguments", [(), ("art",), ("--key", "key"), ("art", "--key", "key", "--new-key", "new")])
def test_it_signs_or_makes_keys(arguments: tuple[str, ...]) -> None:
    assert "sign with ARTIFACT --key FILE, or make a pair" in str(run("sign", *arguments).exception)
