"""Surveys by name."""

from __future__ import annotations

from celestialkeras.lcid.simulate.plan import SurveySpec

PRESETS = {
    "tiny": SurveySpec(objects=8, exposures_per_object=1, seed=20240101),
    "demo": SurveySpec(objects=128, exposures_per_object=1, seed=20240101, test_objects=26, validation_objects=26),
    "bench": SurveySpec(
        objects=300,
        exposures_per_object=3,
        seed=20240102,
        frames_per_exposure=1,
        test_objects=90,
        validation_objects=30,
    ),
}
"""Ready-made surveys: `tiny` for tests (16 frames), `demo` for a first afternoon (256), `bench` to compare networks by
(900)."""
