"""The artifact that comes with the package: a bare install decides with it before there is a model of one's own."""

from __future__ import annotations

from pathlib import Path

from celestial_edge.card import CARD_NAME
from celestialkeras.errors import ArtifactError

SHIPPED_MODEL = "celestialnet_edge"
"""Name of the network that is shipped, in int8, trained on simulated frames."""

_SHIPPED = Path(__file__).parents[1] / "shipped"


def shipped_artifact() -> Path:
    """Where the shipped artifact lies.

    Returns:
        Its folder, within the installed package; LiteRT maps the model from there.

    Raises:
        ArtifactError: The package was built without it.
    """
    folder = _SHIPPED / SHIPPED_MODEL
    if not (folder / CARD_NAME).is_file():
        raise ArtifactError(
            f"celestialkeras was packaged without its shipped model; name an artifact or a run, or make one: "
            f"`celestial train && celestial quantize --int8`. Received: no {CARD_NAME} in {folder}"
        )
    return folder


def is_shipped(folder: Path) -> bool:
    """Whether a folder is that of the shipped artifact, which is trusted as the package is."""
    return folder.resolve() == (_SHIPPED / SHIPPED_MODEL).resolve()
