"""The two packages that only the simulator needs, with a word on how to get them."""

from __future__ import annotations

import importlib
from types import ModuleType

from celestialkeras.errors import MissingExtraError


def scientific_python() -> ModuleType:
    """SciPy with its `fft` and `ndimage`.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    for part in ("scipy.fft", "scipy.ndimage"):
        _load(part)
    return _load("scipy")


def galsim() -> ModuleType:
    """GalSim.

    Raises:
        MissingExtraError: GalSim is not installed.
    """
    return _load("galsim")


def _load(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError("simulate", "the simulator") from error
