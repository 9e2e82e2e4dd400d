from dataclasses import replace

import numpy as np
import pytest

from celestialkeras.lcid.simulate.bands import V_ZERO_POINT, Spectrum, band_of, rate_factor
from celestialkeras.lcid.simulate.edge_on import EdgeOn
from celestialkeras.lcid.simulate.ellipticals import Elliptical
from celestialkeras.lcid.simulate.field import GALAXY_COUNTS, distant_galaxies, foreground_stars
from celestialkeras.lcid.simulate.irregulars import Irregular
from celestialkeras.lcid.simulate.morphology import Light, Morphology
from celestialkeras.lcid.simulate.spirals import Spiral
from celestialkeras.lcid.simulate.star_formation import Places

RADIUS = 100.0
KINDS = (Spiral, Elliptical, EdgeOn, Irregular)


def drawn(kind: type, seed: int) -> Morphology:
    return kind.draw(np.random.default_rng(seed), RADIUS)


def grid(reach: float, points: int) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.linspace(-reach, reach, points, dtype=np.float32)
    x, y = np.meshgrid(offsets, offsets)
    return x, y


def through(light: Light, name: str) -> np.ndarray:
    band = band_of("ACS/WFC", name)
    return sum(glow * rate_factor(kind, band) for kind, glow in light.glow.items())


def grand_design(seed: int) -> Spiral:
    spiral = drawn(Spiral, seed)
    return replace(
        spiral, arms=2, pitch=np.radians(20.0), axis_ratio=1.0, angle=0.3, hand=1, bar=0.0, ring=0.0, flocculence=0.1
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_galaxies_are_finite_single_precision_and_the_same_for_the_same_seed(kind: type, seed: int) -> None:
    first, again = drawn(kind, seed), drawn(kind, seed)
    x, y = grid(2 * RADIUS, 81)

    light = first.light(x, y)
    for spectrum, glow in light.glow.items():
        assert glow.dtype == np.float32
        assert np.isfinite(glow).all()
        assert glow.min() >= 0
        np.testing.assert_array_equal(glow, again.light(x, y).glow[spectrum])
    if light.veil is not None:
        assert light.veil.dtype == np.float32
        assert light.veil.min() >= 0
    np.testing.assert_array_equal(first.sources.flux, again.sources.flux)
    np.testing.assert_array_equal(first.sources.x, again.sources.x)
    assert (first.sources.flux > 0).all()
    assert not np.array_equal(drawn(kind, seed + 10).sources.x[:50], first.sources.x[:50])
    if first.blobs is not None:
        assert (first.blobs.flux > 0).all()
        assert (first.blobs.radius > 0).all()


def test_light_is_a_function_of_the_place_whatever_the_grid() -> None:
    x, y = grid(60.0, 41)
    for kind in KINDS:
        galaxy = drawn(kind, 4)
        whole, part = galaxy.light(x, y), galaxy.light(x[10:20, 5:9], y[10:20, 5:9])
        for spectrum, glow in part.glow.items():
            np.testing.assert_allclose(glow, whole.glow[spectrum][10:20, 5:9], rtol=1e-4)


@pytest.mark.parametrize("hand", [1, -1])
@pytest.mark.parametrize("pitch", [14.0, 25.0])
def test_phase_of_two_arms_grows_with_log_radius_at_the_pitch(pitch: float, hand: int) -> None:
    spiral = replace(grand_design(6), pitch=np.radians(pitch), hand=hand, angle=0.0)
    radius = np.geomspace(0.8, 2.2, 40, dtype=np.float32) * spiral.scale_length
    angle = np.linspace(0, 2 * np.pi, 360, endpoint=False, dtype=np.float32)
    r, a = radius[:, None], angle[None, :]

    young = spiral.light(r * np.cos(a), r * np.sin(a)).glow[Spectrum.YOUNG]
    phase = np.unwrap(np.angle((young * np.exp(-2j * a)).sum(axis=1)))
    slope = np.polyfit(np.log(radius), -phase, 1)[0]

    # A crest stands at angle = log r / tan(pitch).
    assert np.degrees(np.arctan(2.0 / slope)) * hand == pytest.approx(pitch, abs=3.0)


def test_dust_lies_on_the_inner_edge_of_the_arms() -> None:
    spiral = replace(grand_design(6), angle=0.0)
    radius = np.geomspace(0.8, 2.2, 60, dtype=np.float32) * spiral.scale_length
    angle = np.linspace(0, 2 * np.pi, 360, endpoint=False, dtype=np.float32)
    r, a = radius[:, None], angle[None, :]
    light = spiral.light(r * np.cos(a), r * np.sin(a))
    crest = 2 * (a - np.log(r / spiral.scale_length) / np.tan(spiral.pitch))

    assert light.veil is not None
    stars = np.angle((light.glow[Spectrum.YOUNG] * np.exp(1j * crest)).sum())
    dust = np.angle((light.veil * np.exp(1j * crest)).sum())

    # Phase grows towards the inner side; the lane stands well before the stars, though not between the arms.
    assert 0.3 < np.angle(np.exp(1j * (dust - stars))) < 1.6


def test_young_clusters_and_ionised_gas_follow_the_arms() -> None:
    spiral = grand_design(6)
    sources, regions = spiral.sources, spiral.blobs
    assert regions is not None
    assert {Spectrum.HYDROGEN, Spectrum.OXYGEN} == set(regions.spectrum)
    light = drawn(Spiral, 6)
    places = Places.by_spectrum(light.light, 1.7 * RADIUS)
    x, y = places[Spectrum.OLD].draw(np.random.default_rng(0), 4000)

    young = sources.spectrum == Spectrum.YOUNG
    on_arms = light.light(sources.x[young], sources.y[young])
    anywhere = light.light(x, y)

    contrast = [np.median(each.glow[Spectrum.YOUNG] / each.glow[Spectrum.OLD]) for each in (on_arms, anywhere)]
    assert contrast[0] > 1.3 * contrast[1]


@pytest.mark.parametrize("kind", [Spiral, Irregular])
def test_hydrogen_filter_lifts_star_forming_regions(kind: type) -> None:
    galaxy = drawn(kind, 2)
    assert galaxy.blobs is not None
    x, y = grid(RADIUS, 201)
    light = galaxy.light(x, y)
    wide, narrow = through(light, "F814W"), through(light, "F658N")
    gas = light.glow[Spectrum.HYDROGEN]
    bright = gas > np.percentile(gas, 98)

    assert (narrow / wide)[bright].mean() > 1.5 * np.median(narrow / wide)
    lines = galaxy.blobs
    share = lines.flux[lines.spectrum == Spectrum.OXYGEN].sum() / lines.flux.sum()
    assert 0.03 < share < 0.6


def test_ultraviolet_starves_ellipticals_and_feeds_spirals() -> None:
    x, y = grid(RADIUS, 101)
    ratio = {}
    for kind in (Elliptical, Spiral):
        light = drawn(kind, 3).light(x, y)
        band = band_of("WFC3/UVIS", "F336W")
        blue = sum(glow.sum() * rate_factor(each, band) for each, glow in light.glow.items())
        ratio[kind] = blue / through(light, "F814W").sum()

    assert ratio[Elliptical] < 0.6 * ratio[Spiral]


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_dust_lane_dims_the_mid_plane_of_an_edge_on_disc(seed: int) -> None:
    disc = replace(drawn(EdgeOn, seed), burst=0.0, angle=0.0, tilt=0.0, warp=0.0, bulge=0.0, dust=3.0)
    along = np.linspace(-1.2, 1.2, 300, dtype=np.float32)[None, :] * disc.scale_length
    across = np.array([[-1.2], [0.0], [1.2]], dtype=np.float32) * disc.height

    old = disc.light(along + 0 * across, across + 0 * along).glow[Spectrum.OLD]
    clear = replace(disc, dust=0.0).light(along + 0 * across, across + 0 * along).glow[Spectrum.OLD]

    below, middle, above = np.median(old, axis=1)
    assert middle < 0.9 * min(below, above)
    assert np.median(clear, axis=1)[1] > 1.3 * np.median(clear, axis=1)[0]


def test_disc_on_its_edge_thins_out_exponentially_upwards() -> None:
    disc = replace(drawn(EdgeOn, 5), burst=0.0, angle=0.0, bulge=0.0, dust=0.0, warp=0.0)
    heights = np.array([[2.0], [3.0]], dtype=np.float32) * disc.height
    along = np.zeros((2, 1), dtype=np.float32)

    low, high = disc.light(along, heights).glow[Spectrum.OLD][:, 0]

    # Between the thin disc's scale height and three times that.
    assert 1.0 < 1.0 / np.log(low / high) < 3.0


def test_starburst_blows_hydrogen_out_of_the_plane() -> None:
    quiet = replace(drawn(EdgeOn, 3), burst=0.0, angle=0.0)
    burst = replace(quiet, burst=1.0)
    x, y = grid(RADIUS, 201)
    high = np.abs(y) > 3 * quiet.height

    calm, wind = (each.light(x, y).glow[Spectrum.HYDROGEN] for each in (quiet, burst))

    assert wind[high].sum() > 20 * calm[high].sum()
    # It leaves along the short axis.
    near_axis = np.abs(x) < 0.8 * quiet.scale_length
    assert wind[high & near_axis].mean() > 3 * wind[high & ~near_axis].mean()


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_globular_clusters_stand_farther_out_than_the_stars_of_an_elliptical(seed: int) -> None:
    galaxy = drawn(Elliptical, seed)
    rng = np.random.default_rng(0)
    places = Places.by_spectrum(galaxy.light, 2.2 * RADIUS)[Spectrum.OLD]
    stars = np.median(np.hypot(*places.draw(rng, 5000)))
    # Only the metal-poor clusters are bluer than all else there.
    blue = galaxy.sources.spectrum == Spectrum.INTERMEDIATE
    clusters = np.median(np.hypot(galaxy.sources.x[blue], galaxy.sources.y[blue]))

    assert clusters > 1.1 * stars
    magnitudes = -2.5 * np.log10(galaxy.sources.flux[blue])
    assert 0.8 < magnitudes.std() < 1.6
    assert galaxy.sources.flux[blue].sum() < 0.01 * places.total


def test_some_ellipticals_have_discs_dust_or_shells() -> None:
    galaxies = [drawn(Elliptical, seed) for seed in range(30)]

    for share in (
        np.mean([each.disc > 0 for each in galaxies]),
        np.mean([each.dust.depth > 0 for each in galaxies]),
        np.mean([len(each.shells) > 0 for each in galaxies]),
    ):
        assert 0.05 < share < 0.75


def test_irregulars_form_stars_off_their_centre() -> None:
    x, y = grid(RADIUS, 201)
    offsets = []
    for seed in range(6):
        glow = drawn(Irregular, seed).light(x, y).glow
        centres = [np.array([(g * x).sum(), (g * y).sum()]) / g.sum() for g in (glow[kind] for kind in (0, 3))]
        offsets.append(np.hypot(*(centres[1] - centres[0])))

    assert np.median(offsets) > 0.04 * RADIUS


def test_places_follow_the_map() -> None:
    def light(x: np.ndarray, y: np.ndarray) -> Light:
        return Light({Spectrum.OLD: np.where(x > 0, np.float32(3.0), np.float32(1.0))})

    places = Places.by_spectrum(light, 10.0)[Spectrum.OLD]
    x, y = places.draw(np.random.default_rng(0), 20000)

    assert (x > 0).mean() == pytest.approx(0.75, abs=0.02)
    assert np.abs(np.concatenate([x, y])).max() < 10.1
    assert places.total == pytest.approx(800.0, rel=0.02)
    stars = places.stars(np.random.default_rng(0), 1000, 2.0, 0.25)
    assert stars.flux.sum() == pytest.approx(0.25 * places.total, rel=1e-3)


def test_distant_galaxies_are_counted_as_surveys_count_them() -> None:
    reach = 600.0
    galaxies = distant_galaxies(np.random.default_rng(0), reach)
    area = (2 * reach / 60.0) ** 2
    knots = galaxies.index < 0.8
    # Bulges are listed last, one for each structured disc; the discs keep 0.6 of their light.
    magnitude = V_ZERO_POINT - 2.5 * np.log10(galaxies.flux[~knots])

    for limit, count in GALAXY_COUNTS[2:]:
        assert (magnitude < limit).sum() / area == pytest.approx(count, rel=0.3)
    faint = (magnitude > 24.5) & (magnitude < 25.5)
    assert 0.2 < np.median(galaxies.radius[~knots][faint]) < 0.4
    assert 0.02 < knots.sum() / (~knots).sum() < 1.0
    assert galaxies.flux.sum() > 0


def test_structure_is_carved_out_of_a_galaxys_own_light() -> None:
    galaxies = distant_galaxies(np.random.default_rng(1), 200.0)
    knots = galaxies.spectrum == Spectrum.YOUNG
    discs = np.flatnonzero(~knots & (galaxies.index == 1.0))

    first = np.flatnonzero(knots)[:8]
    centre = np.array([galaxies.x[first].mean(), galaxies.y[first].mean()])
    nearest = discs[np.argmin(np.hypot(galaxies.x[discs] - centre[0], galaxies.y[discs] - centre[1]))]
    away = np.hypot(galaxies.x[first] - galaxies.x[nearest], galaxies.y[first] - galaxies.y[nearest])
    assert (away < 1.8 * galaxies.radius[nearest]).all()
    assert galaxies.flux[first].sum() == pytest.approx(galaxies.flux[nearest] / 3, rel=1e-3)


def test_star_counts_steepen_towards_the_galactic_plane() -> None:
    slopes = []
    for density in (3.0, 250.0):
        stars = foreground_stars(np.random.default_rng(0), density, 1500.0 if density < 10 else 200.0)
        magnitude = V_ZERO_POINT - 2.5 * np.log10(stars.flux)
        assert magnitude.min() >= 12.0
        assert magnitude.max() <= 26.001
        slopes.append(np.log10((magnitude < 25).sum() / (magnitude < 21).sum()) / 4)

    assert slopes[0] == pytest.approx(0.11, abs=0.03)
    assert slopes[1] == pytest.approx(0.28, abs=0.03)
