"""`celestial train --stem-strips`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from celestial_cli.train import train
from celestialkeras.errors import ModelError
from small_datasets import DatasetFactory


def test_a_network_without_a_pooled_stem_is_refused_before_there_is_a_run(
    make_dataset: DatasetFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_dataset((64, 128))
    monkeypatch.chdir(tmp_path)
    asked = ["--data", str(data), "--model", "celestialnet_edge", "--size", "2", "--stem-strips", "4"]
    with pytest.raises(
        ModelError, match=r"in strips: .* Received: stem_conv \(Conv2D\), stem_bn \(BatchNormalization\)"
    ):
        CliRunner().invoke(train, asked, catch_exceptions=False)
    assert not Path("runs").exists()


def test_a_number_of_strips_below_zero_is_a_matter_of_usage() -> None:
    done = CliRunner().invoke(train, ["--stem-strips", "-1"])
    assert done.exit_code == 2
    assert "-1 is not in the range x>=0" in done.output
