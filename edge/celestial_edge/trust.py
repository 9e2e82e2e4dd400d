"""Whose artifacts are taken: hashes beside a file show corruption, a pinned hash or a signature shows tampering."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from celestial_edge.signature import SIGNATURE_NAME, check_signature
from celestialkeras.errors import ArtifactError

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Trust:
    """What an artifact must prove beside that its files are those of its card; by default nothing.

    Attributes:
        cards: SHA-256 of the cards that are taken, in hexadecimal; none for any card.
        public_key: PEM file of the Ed25519 key that the card must be signed with; None for no signature.
        untried: Whether one of which neither is asked is loaded without a trial (`device.trial`) all the same: it was
            made here, or this process may end with it.
    """

    cards: tuple[str, ...] = ()
    public_key: Path | None = None
    untried: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "cards", tuple(digest.lower() for digest in self.cards))
        for digest in self.cards:
            if not _SHA256.fullmatch(digest):
                raise ValueError(f"a SHA-256 has 64 hexadecimal digits. Received: {digest!r}")

    @property
    def demands(self) -> bool:
        """Whether anything is asked of an artifact."""
        return bool(self.cards or self.public_key)

    @property
    def takes_untried(self) -> bool:
        """Whether an artifact that passes is loaded without a trial."""
        return self.untried or self.demands

    def check(self, card: bytes, folder: Path, read: Callable[[str], bytes]) -> None:
        """Judges a card before a byte of it is interpreted.

        Args:
            card: The bytes of `card.json`.
            folder: The artifact, for messages.
            read: Reads a small file of the artifact by its name.

        Raises:
            ArtifactError: The card is none of those that are taken, or its signature is missing or of another key.
            MissingExtraError: A signature is asked for and cryptography is not installed.
        """
        if self.cards and (found := hashlib.sha256(card).hexdigest()) not in self.cards:
            raise ArtifactError(
                f"{folder}: not the artifact that was expected; its card has SHA-256 {found}. "
                f"Expected: {' or '.join(self.cards)}"
            )
        if self.public_key is not None:
            try:
                signature = read(SIGNATURE_NAME)
            except FileNotFoundError as error:
                raise ArtifactError(
                    f"{folder}: not signed, it has no {SIGNATURE_NAME}; `celestial sign` signs it where its key is"
                ) from error
            check_signature(card, signature, self.public_key, folder)
