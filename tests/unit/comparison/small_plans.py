"""What the fixture that makes small plans is."""

from __future__ import annotations

from collections.abc import Callable

from celestialkeras.comparison.plan import Plan

MakePlan = Callable[..., Plan]
