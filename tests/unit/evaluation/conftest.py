from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.lcid.manifest import LABELS, Observation

# object, instrument, filter, label, whether the answer is right
Case = tuple[str, str, str, str, bool]


@pytest.fixture
def observation() -> Callable[..., Observation]:
    def make(
        index: int = 0,
        object_id: str = "NGC4298",
        instrument: str = "ACS/WFC",
        filter_name: str = "F814W",
        label: str = "galaxy",
    ) -> Observation:
        return Observation(object_id, instrument, f"j{index:08d}", filter_name, 10.0, -5.0, 1, label)

    return make


@pytest.fixture
def predictions(observation: Callable[..., Observation]) -> Callable[[Sequence[Case]], Predictions]:
    def make(cases: Sequence[Case]) -> Predictions:
        observations = tuple(observation(index, *case[:4]) for index, case in enumerate(cases))
        logits = np.zeros((len(cases), 2), np.float32)
        for index, (*_, label, right) in enumerate(cases):
            code = LABELS.index(label)
            logits[index, code if right else 1 - code] = 2.0
        return Predictions(observations, logits)

    return make


@pytest.fixture
def mixed() -> list[Case]:
    """Ten frames: galaxies 5 of 6 right on two objects, NSC 2 of 4 right on one; ACS 3 of 4, UVIS 4 of 6."""
    return [
        *[("NGC1", "WFC3/UVIS", "F606W", "galaxy", True)] * 3,
        ("NGC1", "WFC3/UVIS", "F606W", "galaxy", False),
        *[("NGC2", "ACS/WFC", "F814W", "galaxy", True)] * 2,
        ("M16", "ACS/WFC", "F814W", "NSC", True),
        ("M16", "ACS/WFC", "F606W", "NSC", False),
        ("M16", "WFC3/UVIS", "F606W", "NSC", True),
        ("M16", "WFC3/UVIS", "F606W", "NSC", False),
    ]
