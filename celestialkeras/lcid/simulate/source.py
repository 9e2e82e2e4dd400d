"""Simulated frames straight to shards, with no FITS files in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from celestialkeras.lcid.build import BuildPlan, RowEncoder, encode_frame, plan_build
from celestialkeras.lcid.manifest import Observation
from celestialkeras.lcid.shards import EncodedFrame
from celestialkeras.lcid.simulate.extras import galsim, scientific_python
from celestialkeras.lcid.simulate.plan import Exposure, SurveySpec, plan_digest, plan_survey
from celestialkeras.lcid.simulate.survey import observations, simulate_frame
from celestialkeras.lcid.stretch import Stretch


@dataclass(frozen=True)
class SimulatedFrames:
    """A source of frames for `build_dataset`: each is simulated when its shard is written.

    Attributes:
        exposures: The survey's plan.
    """

    exposures: tuple[Exposure, ...]

    def digest(self) -> str:
        """See `FrameSource.digest`."""
        return plan_digest(self.exposures)

    def encoders(self, batches: Sequence[Sequence[Observation]]) -> list[RowEncoder]:
        """See `FrameSource.encoders`."""
        planned = {exposure.rootname: exposure for exposure in self.exposures}
        return [partial(_encode_exposure, {row.obsid: planned[row.obsid] for row in batch}) for batch in batches]


def plan_simulated_build(spec: SurveySpec, stretch: Stretch | None = None) -> BuildPlan:
    """Plans a data set of a survey: the frames and codes that its FITS files would give.

    Args:
        spec: What to simulate.
        stretch: Shape of the stretch; the default one if not given.

    Raises:
        ManifestError: The survey is too small to be split.
        MissingExtraError: GalSim or SciPy is not installed.
    """
    galsim()
    scientific_python()
    exposures = plan_survey(spec)
    return plan_build(observations(exposures), SimulatedFrames(exposures), stretch=stretch)


def _encode_exposure(planned: Mapping[str, Exposure], row: Observation, stretch: Stretch) -> EncodedFrame:
    return encode_frame(row, simulate_frame(planned[row.obsid], row.hdu), stretch)
