"""Ed25519 signatures of cards: who made an artifact, told by a key that was handed over on another way.

Keys are PEM files as OpenSSL writes them (`openssl genpkey -algorithm ed25519`), and the signature is that of the
card's bytes as they lie in the file, so that OpenSSL can check it too. The card names the SHA-256 of every other file.
"""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celestialkeras.errors import ArtifactError, MissingExtraError
from celestialkeras.files import write_text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE_NAME = "card.sig"
"""Name of the signature beside the card: 64 bytes in base64, on one line."""

PUBLIC_SUFFIX = ".pub"
"""What is added to a private key's name for the public one."""

# A PEM file of an Ed25519 key takes 120 bytes.
_LARGEST_KEY = 65536

_OWNER_ONLY = 0o600


def make_key(path: Path) -> Path:
    """Makes a pair of keys.

    Args:
        path: Where the private key goes; only its owner may read it.

    Returns:
        The public key's path: `path` with `.pub` added.

    Raises:
        ArtifactError: One of the files exists already: a key that is lost cannot be made again.
        MissingExtraError: cryptography is not installed.
    """
    ed25519, serialization = _cryptography("making a key")
    public = path.with_name(path.name + PUBLIC_SUFFIX)
    for taken in (path, public):
        if os.path.lexists(taken):
            raise ArtifactError(f"{taken}: exists already, and keys are not written over; choose another name")
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "wb") as file:
        file.write(private)
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_text(public, pem.decode("ascii"))
    return public


def sign(card: bytes, key: Path) -> str:
    """Signs a card.

    Args:
        card: The bytes of `card.json`.
        key: PEM file of an Ed25519 private key, not encrypted.

    Returns:
        The text of `card.sig`.

    Raises:
        ArtifactError: The file holds no such key.
        MissingExtraError: cryptography is not installed.
    """
    ed25519, serialization = _cryptography("signing")
    loaded: Ed25519PrivateKey = _load(
        key, lambda pem: serialization.load_pem_private_key(pem, password=None), ed25519.Ed25519PrivateKey, "private"
    )
    return base64.b64encode(loaded.sign(card)).decode("ascii") + "\n"


def check_signature(card: bytes, signature: bytes, key: Path, folder: Path) -> None:
    """Checks that a card was signed with the private part of a key.

    Args:
        card: The bytes of `card.json`.
        signature: Those of `card.sig`.
        key: PEM file of the Ed25519 public key.
        folder: The artifact, for messages.

    Raises:
        ArtifactError: It was not, or the file holds no such key.
        MissingExtraError: cryptography is not installed.
    """
    ed25519, serialization = _cryptography("checking a signature")
    from cryptography.exceptions import InvalidSignature

    loaded: Ed25519PublicKey = _load(key, serialization.load_pem_public_key, ed25519.Ed25519PublicKey, "public")
    try:
        loaded.verify(base64.b64decode(signature.strip(), validate=True), card)
    except (InvalidSignature, binascii.Error) as error:
        raise ArtifactError(
            f"{folder}: its {SIGNATURE_NAME} is not the signature of its card by {key}; the card or the signature was "
            f"altered, or another key signed it"
        ) from error


def _load(path: Path, parse: Any, kind: Any, part: str) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm

    wanted = f"must be a PEM file of an Ed25519 {part} key, not encrypted; `celestial sign --new-key FILE` makes a pair"
    try:
        with path.open("rb") as source:
            key = parse(source.read(_LARGEST_KEY))
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error.strerror}); it {wanted}") from error
    # An encrypted key without its passphrase is a TypeError.
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ArtifactError(f"{path}: {wanted}. Received: {str(error).splitlines()[0]}") from error
    if not isinstance(key, kind):
        raise ArtifactError(f"{path}: {wanted}. Received: {type(key).__name__}")
    return key


def _cryptography(needed_for: str) -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError as error:
        raise MissingExtraError("sign", needed_for) from error
    return ed25519, serialization
