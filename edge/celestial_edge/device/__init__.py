"""The board side: classify and benchmark with an artifact, without TensorFlow.

>>> from celestial_edge.device import Classifier
>>> verdict = Classifier("artifact").classify("iddt11fxq_raw.fits", hdu=1)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celestial_edge.device.runtime import Chip, ChipResult, Classifier, Verdict, combine

__all__ = ["Chip", "ChipResult", "Classifier", "Verdict", "combine"]


def __getattr__(name: str) -> Any:
    # The verbs import modules of this package to say which of them there are: LiteRT and astropy wait until used.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("celestial_edge.device.runtime"), name)
