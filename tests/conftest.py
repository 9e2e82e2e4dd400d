"""Files and data sets that tests make on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from celestialkeras.lcid.detectors import CHIP_HDUS
from celestialkeras.lcid.manifest import SPLITS, Observation
from celestialkeras.lcid.shards import EncodedFrame, write_shard, write_summary
from celestialkeras.lcid.stretch import Stretch
from raw_files import RawFile
from small_datasets import SmallSplit


@pytest.fixture(scope="session")
def uvis_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return RawFile().write(tmp_path_factory.mktemp("uvis") / "iddt11fxq_raw.fits")


DatasetFactory = Callable[..., Path]


@pytest.fixture
def make_dataset(tmp_path: Path) -> DatasetFactory:
    """Writes a small data set: galaxies are smooth, NSCs grainy, so that a small network can tell them apart."""

    def make(
        shape: tuple[int, int] = (64, 128),
        sizes: tuple[SmallSplit, SmallSplit, SmallSplit] = (SmallSplit(6, 6), SmallSplit(3, 3), SmallSplit(3, 3)),
        name: str = "shards",
    ) -> Path:
        folder = tmp_path / name
        rng = np.random.default_rng(7)
        names = []
        for split, size in zip(SPLITS, sizes, strict=True):
            frames = []
            for index in range(size.galaxies + size.nscs):
                label = "galaxy" if index < size.galaxies else "NSC"
                row = Observation(
                    object_id=f"{split}-{label}-{index // 2}",
                    instrument=("ACS/WFC", "WFC3/UVIS")[index % 2],
                    obsid=f"j{split[:4]}{index:04d}",
                    filter="F814W",
                    ra=10.0,
                    dec=-5.0,
                    hdu=CHIP_HDUS[index % 2],
                    label=label,
                    extra={"split": split},
                )
                codes = rng.integers(40, 60, shape).astype(np.uint8)
                if label == "NSC":
                    codes[rng.random(shape) < 0.02] = 250
                else:
                    codes[shape[0] // 4 : -shape[0] // 4, shape[1] // 4 : -shape[1] // 4] += 80
                frames.append(EncodedFrame(row, codes, {"sky": 10.0, "noise": 3.0}))
            if frames:
                names.append(f"{split}-00000.tfrecord")
                write_shard(folder, names[-1], frames)
        write_summary(folder, names, Stretch())
        return folder

    return make
