from __future__ import annotations

from pathlib import Path

import pytest

from celestial_edge.device import shipped
from celestial_edge.device.shipped import shipped_artifact
from celestialkeras.errors import ArtifactError


def test_a_package_without_the_shipped_model_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "_SHIPPED", tmp_path)
    with pytest.raises(
        ArtifactError, match=r"packaged without its shipped model; name an artifact .* Received: no card\.json in"
    ):
        shipped_artifact()
    (tmp_path / "celestialnet_edge").mkdir()
    (tmp_path / "celestialnet_edge" / "card.json").write_text("{}")
    assert shipped_artifact() == tmp_path / "celestialnet_edge"
