"""Which artifacts are taken: hashes of what is loaded, pinned cards, signatures."""

from __future__ import annotations

import hashlib
import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from celestial_edge import card as cards
from celestial_edge.card import CARD_NAME, open_artifact, read_card
from celestial_edge.device import Classifier
from celestial_edge.golden import read_golden
from celestial_edge.opened import OpenFile
from celestial_edge.signature import SIGNATURE_NAME, make_key, sign
from celestial_edge.trust import Trust
from celestialkeras.errors import ArtifactError, MissingExtraError


@pytest.fixture
def after_hashing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], None]], None]:
    """Has something happen to `model.tflite` just when it was hashed."""

    def arrange(happen: Callable[[Path], None]) -> None:
        class Watched(OpenFile):
            @classmethod
            def of(cls, path: Path, source: Any) -> OpenFile:
                file = OpenFile.of(path, source)
                if path.name == "model.tflite":
                    happen(path)
                return file

        monkeypatch.setattr(cards, "OpenFile", Watched)

    return arrange


def test_what_is_put_in_place_after_hashing_is_not_looked_at(copy_artifact: Any, after_hashing: Any) -> None:
    def replace(path: Path) -> None:
        (path.parent / "foreign").write_bytes(b"LiteRT could not load this")
        (path.parent / "foreign").replace(path)

    after_hashing(replace)
    # LiteRT loaded what was hashed: of the foreign bytes it would have complained before.
    with pytest.raises(ArtifactError, match=r"model\.tflite: was written to or replaced while it was loaded"):
        Classifier(copy_artifact())


@pytest.mark.parametrize("where", [0, -1])
def test_what_is_written_to_after_hashing_is_refused(copy_artifact: Any, after_hashing: Any, where: int) -> None:
    def overwrite(path: Path) -> None:
        content = bytearray(path.read_bytes())
        # Beyond the end of what LiteRT reads, or nothing that changes: the times of the file tell all the same.
        with path.open("r+b") as file:
            file.seek(len(content) + where if where else 0)
            file.write(bytes(content[where : where + 1 or None]) if where else bytes(content[:1]))

    after_hashing(overwrite)
    with pytest.raises(ArtifactError, match=r"model\.tflite: was written to or replaced while it was loaded"):
        Classifier(copy_artifact())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell what a process maps")
def test_weights_are_mapped_and_not_copied(copy_artifact: Any) -> None:
    model = copy_artifact() / "model.tflite"
    classifier = Classifier(model.parent)
    mapped = [line.split(maxsplit=5)[-1] for line in Path("/proc/self/maps").read_text().splitlines()]
    assert str(model.resolve()) in mapped
    assert classifier.logits(read_golden(model.parent).codes).shape == (2, 2)


def test_a_pinned_card_is_taken_and_no_other(copy_artifact: Any) -> None:
    folder = copy_artifact()
    digest = hashlib.sha256((folder / CARD_NAME).read_bytes()).hexdigest()
    assert Classifier(folder, trust=Trust(cards=(digest.upper(),))).card_sha256 == digest
    assert Classifier(folder, trust=Trust(cards=("0" * 64, digest))).card_sha256 == digest
    with pytest.raises(
        ArtifactError, match=rf"not the artifact that was expected; its card has SHA-256 {digest}"
    ) as no:
        Classifier(folder, trust=Trust(cards=("0" * 64,)))
    assert str(no.value).startswith(f"{folder}: ")
    assert str(no.value).endswith("Expected: " + "0" * 64)


def test_a_card_that_is_not_expected_is_not_parsed(copy_artifact: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy_artifact()
    (folder / CARD_NAME).write_text("{ this is no JSON")
    with pytest.raises(ArtifactError, match="not the artifact that was expected"):
        read_card(folder, Trust(cards=("0" * 64,)))


@pytest.mark.parametrize("digest", ["", "12", "0" * 63, "g" * 64, "0" * 64 + "\n"])
def test_a_pin_that_is_no_digest_is_refused(digest: str) -> None:
    with pytest.raises(ValueError, match=r"a SHA-256 has 64 hexadecimal digits\. Received: "):
        Trust(cards=(digest,))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    pytest.importorskip("cryptography", reason="the extra `sign` is not installed")
    make_key(tmp_path / "keys" / "ours")
    return tmp_path / "keys" / "ours"


def public(key: Path) -> Trust:
    return Trust(public_key=key.with_name(f"{key.name}.pub"))


def signed(folder: Path, key: Path) -> Path:
    with open_artifact(folder) as artifact:
        (folder / SIGNATURE_NAME).write_text(sign(artifact.encoded_card, key))
    return folder


def test_a_signed_artifact_is_taken(copy_artifact: Any, key: Path) -> None:
    folder = signed(copy_artifact(), key)
    assert Classifier(folder, trust=public(key)).card.model == "small"
    assert read_card(folder).files.keys() == {"model.tflite", "golden.npz"}, "the signature is no file of the card's"


def test_keys_are_private_and_never_written_over(key: Path) -> None:
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    assert before.startswith(b"-----BEGIN PRIVATE KEY-----")
    with pytest.raises(ArtifactError, match=r"ours: exists already, and keys are not written over"):
        make_key(key)
    assert key.read_bytes() == before


def test_an_unsigned_artifact_is_refused(copy_artifact: Any, key: Path) -> None:
    with pytest.raises(ArtifactError, match=r"not signed, it has no card\.sig; `celestial sign` signs it"):
        Classifier(copy_artifact(), trust=public(key))


def test_the_signature_of_another_key_is_refused(copy_artifact: Any, key: Path) -> None:
    make_key(key.with_name("theirs"))
    folder = signed(copy_artifact(), key.with_name("theirs"))
    with pytest.raises(ArtifactError, match=r"its card\.sig is not the signature of its card by .*ours\.pub"):
        Classifier(folder, trust=public(key))


def test_a_card_that_was_altered_after_signing_is_refused(copy_artifact: Any, key: Path) -> None:
    folder = signed(copy_artifact(), key)
    data = json.loads((folder / CARD_NAME).read_text())
    (folder / CARD_NAME).write_text(json.dumps({**data, "temperature": 0.01}))
    assert read_card(folder).temperature == 0.01, "hashes alone do not show it"
    with pytest.raises(ArtifactError, match=r"is not the signature of its card"):
        read_card(folder, public(key))


@pytest.mark.parametrize("text", ["", "????", "AAAA", "\u00e9", "A" * 86 + "==", "A" * (1 << 20)])
def test_signatures_that_are_none_are_refused(copy_artifact: Any, key: Path, text: str) -> None:
    folder = copy_artifact()
    (folder / SIGNATURE_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"is not the signature of its card"):
        read_card(folder, public(key))


def test_keys_that_are_none_are_refused(copy_artifact: Any, key: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = signed(copy_artifact(), key)
    other = key.with_name("other.pub")
    with pytest.raises(ArtifactError, match=r"other\.pub: cannot be read .*Ed25519 public key"):
        read_card(folder, Trust(public_key=other))
    for content in (b"", b"no key", key.read_bytes()):
        other.write_bytes(content)
        with pytest.raises(ArtifactError, match=r"other\.pub: must be a PEM file of an Ed25519 public key"):
            read_card(folder, Trust(public_key=other))
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    other.write_bytes(curve.public_bytes(serialization.Encoding.PEM, form))
    with pytest.raises(ArtifactError, match=r"Ed25519 public key.* Received: ECPublicKey"):
        read_card(folder, Trust(public_key=other))
    with pytest.raises(ArtifactError, match=r"ours\.pub: must be a PEM file of an Ed25519 private key"):
        sign(b"card", key.with_name("ours.pub"))


def test_without_cryptography_the_extra_is_named(
    copy_artifact: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_artifact()
    (folder / SIGNATURE_NAME).write_text("AAAA")
    for name in ("cryptography", "cryptography.hazmat.primitives", "cryptography.hazmat.primitives.asymmetric"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"checking a signature needs the extra `sign`: pip install"):
        Classifier(folder, trust=Trust(public_key=tmp_path / "key.pub"))
    with pytest.raises(MissingExtraError, match="making a key needs the extra `sign`"):
        make_key(tmp_path / "key")
