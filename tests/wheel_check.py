"""The script edge/check_wheels.py as a module, which no package holds."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location("check_wheels", Path(__file__).parents[1] / "edge" / "check_wheels.py")
assert _SPEC is not None
assert _SPEC.loader is not None
check_wheels = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(check_wheels)
