from dataclasses import replace

import numpy as np
import pytest

from celestialkeras.errors import SimulationError
from celestialkeras.lcid.simulate.bands import Spectrum
from celestialkeras.lcid.simulate.plan import SUBTYPES, CelestialObject
from celestialkeras.lcid.simulate.scene import Sky, sky_around

ALL = [(label, subtype) for label, subtypes in SUBTYPES.items() for subtype in subtypes]


def target(label: str, subtype: str, seed: int = 4) -> CelestialObject:
    return CelestialObject(
        name="SIM-X0000",
        label=label,
        subtype=subtype,
        ra=10.0,
        dec=20.0,
        radius=80.0,
        brightness=2.0,
        star_density=5.0,
        seed=seed,
    )


def grid(reach: float, points: int = 101) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.linspace(-reach, reach, points, dtype=np.float32)
    x, y = np.meshgrid(offsets, offsets)
    return x, y


def total_light(sky: Sky, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return sum(sky.morphology.light(x, y).glow.values(), np.zeros_like(x)) * sky.scale


@pytest.mark.parametrize(("label", "subtype"), ALL)
def test_light_is_finite_single_precision_and_never_negative(label: str, subtype: str) -> None:
    sky = sky_around(target(label, subtype))
    light = sky.morphology.light(*grid(300.0))

    for glow in light.glow.values():
        assert glow.dtype == np.float32
        assert np.isfinite(glow).all()
        assert glow.min() >= 0.0
    if light.veil is not None:
        assert np.isfinite(light.veil).all()
        assert light.veil.min() >= 0.0
    assert (sky.morphology.sources.flux > 0).all()


@pytest.mark.parametrize(("label", "subtype"), ALL)
def test_brightness_within_the_radius_is_that_of_the_plan(label: str, subtype: str) -> None:
    sky = sky_around(target(label, subtype))
    x, y = grid(80.0, 201)
    inside = np.hypot(x, y) <= 80.0
    points = sky.morphology.sources
    near = np.hypot(points.x, points.y) <= 80.0

    mean = total_light(sky, x, y)[inside].mean() + sky.scale * points.flux[near].sum() / (np.pi * 80.0**2)
    if sky.morphology.blobs is not None:
        mean += sky.scale * sky.morphology.blobs.flux.sum() / (np.pi * 80.0**2)

    average_sky = 10 ** (0.4 * (25.7 - 22.4))
    assert mean == pytest.approx(2.0 * average_sky, rel=0.12)


@pytest.mark.parametrize(("label", "subtype"), ALL)
def test_objects_fade_beyond_their_radius(label: str, subtype: str) -> None:
    sky = sky_around(target(label, subtype))
    x, y = grid(240.0, 241)
    distance = np.hypot(x, y)
    light = total_light(sky, x, y)

    assert light[distance > 200].mean() < 0.25 * light[distance < 80].mean()


@pytest.mark.parametrize(("label", "subtype"), ALL)
def test_an_object_is_made_from_its_seed_alone(label: str, subtype: str) -> None:
    x, y = grid(100.0, 41)
    first, again, other = (sky_around(target(label, subtype, seed)) for seed in (4, 4, 5))

    np.testing.assert_array_equal(total_light(first, x, y), total_light(again, x, y))
    np.testing.assert_array_equal(first.morphology.sources.x, again.morphology.sources.x)
    np.testing.assert_array_equal(first.stars.flux, again.stars.flux)
    assert not np.allclose(total_light(first, x, y), total_light(other, x, y), rtol=0.01)


def test_nebulae_shine_in_lines_and_ellipticals_do_not() -> None:
    x, y = grid(80.0, 41)
    nebula = sky_around(target("NSC", "emission")).morphology.light(x, y).glow
    elliptical = sky_around(target("galaxy", "elliptical")).morphology.light(x, y).glow

    assert nebula[Spectrum.HYDROGEN].mean() > 3 * nebula[Spectrum.YOUNG].mean()
    assert set(elliptical) == {Spectrum.OLD}


def test_globular_clusters_concentrate_their_stars() -> None:
    points = sky_around(target("NSC", "globular")).morphology.sources
    distance = np.hypot(points.x, points.y)

    assert len(distance) > 5000
    assert np.median(distance) < 50.0
    assert distance.max() <= 160.0


def test_star_counts_follow_the_density_of_the_plan() -> None:
    sparse = target("galaxy", "elliptical")
    dense = replace(sparse, star_density=100.0)

    counts = [len(sky_around(each).stars.flux) for each in (sparse, dense)]

    square = (2 * (2.4 * 140.0 + 150.0) / 60.0) ** 2
    assert counts[0] == pytest.approx(5.0 * square, rel=0.1)
    assert counts[1] == pytest.approx(100.0 * square, rel=0.03)


def test_unknown_subtype_is_refused() -> None:
    with pytest.raises(SimulationError, match=r"`subtype` must be one of spiral.*Received: subtype='quasar'"):
        sky_around(target("galaxy", "quasar"))
