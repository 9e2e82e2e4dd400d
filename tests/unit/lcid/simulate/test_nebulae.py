from collections.abc import Callable

import numpy as np
import pytest

from celestialkeras.lcid.simulate.bands import Spectrum
from celestialkeras.lcid.simulate.ionised import Front, IonisedCloud
from celestialkeras.lcid.simulate.morphology import Light, Morphology
from celestialkeras.lcid.simulate.nebulae import Emission, Reflection
from celestialkeras.lcid.simulate.planetary import Planetary
from celestialkeras.lcid.simulate.remnants import Remnant

KINDS = [Emission.draw, Reflection.draw, Planetary.draw, Remnant.draw]


def grid(reach: float, points: int = 241) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.linspace(-reach, reach, points, dtype=np.float32)
    x, y = np.meshgrid(offsets, offsets)
    return x, y


def mean_distance(weight: np.ndarray, distance: np.ndarray) -> float:
    return float((weight * distance).sum() / weight.sum())


@pytest.mark.parametrize("draw", KINDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_gives_the_same_nebula_from_any_pointing(
    draw: Callable[[np.random.Generator, float], Morphology], seed: int
) -> None:
    first, again = (draw(np.random.default_rng(seed), 90.0) for _ in range(2))
    x, y = grid(150.0, 61)

    whole, part = first.light(x, y), again.light(x[20:40, 10:30], y[20:40, 10:30])

    for spectrum, glow in whole.glow.items():
        np.testing.assert_allclose(part.glow[spectrum], glow[20:40, 10:30], rtol=1e-5, atol=1e-7)
        assert glow.dtype == np.float32
        assert glow.min() >= 0.0
        assert np.isfinite(glow).all()


@pytest.mark.parametrize("seed", range(4))
def test_oxygen_of_an_emission_nebula_keeps_nearer_to_its_stars_than_hydrogen(seed: int) -> None:
    cloud = IonisedCloud.draw(np.random.default_rng(seed), 100.0)
    x, y = grid(150.0)
    glow = cloud.light(x, y).glow
    distance = np.hypot(x - cloud.lamp[0], y - cloud.lamp[1])

    assert mean_distance(glow[Spectrum.OXYGEN], distance) < mean_distance(glow[Spectrum.HYDROGEN], distance)


@pytest.mark.parametrize("seed", range(4))
def test_fronts_are_bright_towards_the_stars_and_dark_behind(seed: int) -> None:
    cloud = IonisedCloud.draw(np.random.default_rng(seed), 100.0, spread=0.0)
    nearest = cloud.fronts[1]
    directions = np.linspace(-np.pi, np.pi, len(nearest.reach))
    chosen = slice(0, None, 16)
    facing, behind = [], []
    for offset, kept in ((-0.4, facing), (6.0, behind)):
        distance = nearest.reach[chosen] + np.float32(offset)
        x = np.float32(np.cos(directions[chosen])) * distance
        y = np.float32(np.sin(directions[chosen])) * distance
        light = _wide_and_calm(cloud).light(x, y)
        assert light.veil is not None
        kept.extend([light.glow[Spectrum.HYDROGEN].mean(), light.veil.mean()])

    assert facing[0] > 1.5 * behind[0]
    assert behind[1] > facing[1] + 0.3


def _wide_and_calm(cloud: IonisedCloud) -> IonisedCloud:
    fronts = tuple(Front(front.reach, front.slope, front.dust, 0.0) for front in cloud.fronts)
    return IonisedCloud(**{**vars(cloud), "radius": 400.0, "fronts": fronts, "globules": cloud.globules[:, :0]})


def test_pillars_reach_from_the_wall_towards_the_stars() -> None:
    bare, with_pillars = (Front.draw(np.random.default_rng(4), 60.0, count, 3.0) for count in (0, 6))

    assert (with_pillars.reach <= bare.reach + 1e-3).all()
    nearer = with_pillars.reach < 0.9 * bare.reach
    assert 0.0 < nearer.mean() < 0.5


def test_globules_are_dark() -> None:
    cloud = IonisedCloud.draw(np.random.default_rng(3), 100.0)
    place = np.float32([[10.0], [5.0], [4.0], [1.0], [0.0]])
    with_globule = IonisedCloud(**{**vars(cloud), "globules": place})
    without = IonisedCloud(**{**vars(cloud), "globules": place[:, :0]})
    at = np.float32([[10.0]]), np.float32([[5.0]])

    dark, bright = with_globule.light(*at), without.light(*at)

    assert _veil(dark) > _veil(bright) + 2.5
    assert dark.glow[Spectrum.HYDROGEN][0, 0] < bright.glow[Spectrum.HYDROGEN][0, 0]


def _veil(light: Light) -> float:
    assert light.veil is not None
    return float(light.veil.ravel()[0])


def test_stars_behind_the_dust_of_a_nebula_are_dim() -> None:
    nebula = Emission.draw(np.random.default_rng(2), 100.0)
    veil = nebula.light(nebula.sources.x, nebula.sources.y).veil
    assert veil is not None
    flux = nebula.sources.flux

    assert np.median(flux[veil > 2.0]) < 0.8 * np.median(flux[veil < 0.2])


@pytest.mark.parametrize("seed", range(6))
def test_oxygen_of_a_planetary_nebula_lies_within_hydrogen(seed: int) -> None:
    nebula = Planetary.draw(np.random.default_rng(seed), 60.0)
    x, y = grid(60.0)
    glow = nebula.light(x, y).glow
    distance = np.hypot(x, y)

    assert mean_distance(glow[Spectrum.OXYGEN], distance) < mean_distance(glow[Spectrum.HYDROGEN], distance)
    assert (nebula.sources.spectrum == Spectrum.YOUNG).all()
    np.testing.assert_array_equal([nebula.sources.x, nebula.sources.y], 0.0)


def test_tails_of_knots_point_away_from_the_central_star() -> None:
    nebulae = [Planetary.draw(np.random.default_rng(seed), 60.0) for seed in range(12)]
    knotted = [nebula.blobs for nebula in nebulae if nebula.blobs is not None]

    assert 2 <= len(knotted) <= 10
    for blobs in knotted:
        outwards = np.cos(blobs.angle) * blobs.x + np.sin(blobs.angle) * blobs.y
        np.testing.assert_allclose(outwards, np.hypot(blobs.x, blobs.y), rtol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_a_remnant_is_thin_filaments_that_run_around_it(seed: int) -> None:
    remnant = Remnant.draw(np.random.default_rng(seed), 100.0)
    x, y = grid(125.0, 501)
    glow = remnant.light(x, y).glow
    light = glow[Spectrum.HYDROGEN] + glow[Spectrum.OXYGEN]

    # Half of the light comes from a small part of the sky, and it falls off faster along the radius than across it.
    brightest = np.sort(light.ravel())[::-1].cumsum()
    assert np.searchsorted(brightest, 0.5 * brightest[-1]) < 0.1 * light.size
    across, up = np.gradient(np.log(light + 0.02 * light.max()))
    distance = np.hypot(x, y) + 1.0
    radial = (up * x + across * y) / distance
    around = (across * x - up * y) / distance
    assert (radial**2).sum() > 1.5 * (around**2).sum()


@pytest.mark.parametrize("radius", [50.0, 200.0])
def test_filaments_of_a_remnant_are_arcseconds_wide_whatever_its_radius(radius: float) -> None:
    offsets = np.arange(-40.0, 40.0, 0.02, dtype=np.float32)
    for seed in range(4):
        for sheet in Remnant.draw(np.random.default_rng(seed), radius).sheets:
            for filament in sheet.filaments:
                hydrogen, oxygen = filament.glow(offsets)
                if filament.oxygen < 1.0:
                    assert 0.2 < 0.02 * np.count_nonzero(hydrogen > 0.5 * hydrogen.max()) < 2.0
                if 0.0 < filament.oxygen < 1.0:
                    assert mean_distance(oxygen, offsets) < mean_distance(hydrogen, offsets)


def test_balmer_and_oxygen_filaments_of_a_remnant_lie_apart() -> None:
    x, y = grid(100.0, 301)
    for seed in range(4):
        glow = Remnant.draw(np.random.default_rng(seed), 100.0).light(x, y).glow
        bright = (glow[Spectrum.HYDROGEN] + glow[Spectrum.OXYGEN]).ravel()
        chosen = bright > np.quantile(bright, 0.9)
        share = glow[Spectrum.OXYGEN].ravel()[chosen] / bright[chosen]
        assert share.std() > 0.1
        assert 0.02 < share.mean() < 0.98


def test_a_reflection_nebula_shines_with_starlight_brightest_at_its_stars() -> None:
    nebula = Reflection.draw(np.random.default_rng(1), 80.0)
    x, y = grid(80.0)
    glow = nebula.light(x, y).glow
    nearest = np.min([np.hypot(x - x0, y - y0) for x0, y0, _ in nebula.lamps.T], axis=0)
    blue = glow[Spectrum.YOUNG]

    assert blue.sum() > 5 * glow[Spectrum.HYDROGEN].sum()
    assert Spectrum.OXYGEN not in glow
    assert blue[nearest < 15].mean() > 2 * blue[(nearest > 30) & (nearest < 45)].mean()
