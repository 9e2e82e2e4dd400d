import numpy as np
import pytest

from celestialkeras.lcid.simulate.bands import Spectrum, band_of, rate_factor
from celestialkeras.lcid.simulate.clusters import Globular, OpenCluster, globular_magnitude
from celestialkeras.lcid.simulate.populations import coeval_population, evolved_population


def globular(seed: int) -> Globular:
    return Globular.draw(np.random.default_rng(seed), 100.0)


def open_cluster(seed: int) -> OpenCluster:
    return OpenCluster.draw(np.random.default_rng(seed), 100.0)


@pytest.mark.parametrize("total", [-6.0, -7.5])
def test_old_stars_and_their_glow_add_up_to_the_cluster(total: float) -> None:
    stars = evolved_population(np.random.default_rng(1), total, blue=0.5, at_most=30_000)

    light = stars.luminosity.sum(dtype=np.float64) + stars.faint
    # A cluster's light rests on few giants, so it scatters.
    assert -2.5 * np.log10(light) + 4.83 == pytest.approx(total, abs=0.15)
    assert len(stars.mass) == pytest.approx(30_000, rel=0.05)


def test_the_old_luminosity_function_rises_steeply_only_up_to_the_turn_off() -> None:
    stars = evolved_population(np.random.default_rng(2), -8.5, blue=0.0, at_most=400_000)
    count, _ = np.histogram(stars.magnitude, bins=[1.5, 2.5, 3.5, 4.5, 5.5, 6.5])
    growth = np.diff(np.log10(count))

    assert growth[1] > 0.7
    assert growth[1] > 1.5 * growth[0]
    assert growth[1] > 3 * growth[3]


def test_a_blue_horizontal_branch_shines_in_the_ultraviolet_where_giants_do_not() -> None:
    ultraviolet, red = band_of("WFC3/UVIS", "F336W"), band_of("WFC3/UVIS", "F814W")
    shares = {}
    for blue in (0.0, 1.0):
        stars = evolved_population(np.random.default_rng(3), -8.0, blue, at_most=50_000)
        giants = (stars.spectrum == Spectrum.OLD) & (stars.magnitude < 2.8)
        clump = (stars.magnitude > 0.3) & (stars.magnitude < 3.0) & (stars.mass == np.float32(0.7))
        factors = {band: np.array([rate_factor(code, band) for code in Spectrum]) for band in (ultraviolet, red)}
        light = {band: stars.luminosity * factors[band][stars.spectrum] for band in (ultraviolet, red)}
        shares[blue] = [light[band][clump].sum() / light[band][giants].sum() for band in (ultraviolet, red)]

    assert shares[1.0][0] > 1.0
    assert shares[1.0][0] > 5 * shares[1.0][1]
    assert shares[1.0][0] > 1.5 * shares[0.0][0]


# Clusters of ordinary luminosity: of the brightest only giants are seen singly, and all giants weigh the same.
@pytest.mark.parametrize("seed", [3, 7, 15])
def test_massive_stars_of_a_globular_sink_to_the_middle(seed: int) -> None:
    cluster = globular(seed)
    points = cluster.sources
    distance = np.hypot(points.x, points.y)
    order = np.argsort(points.flux)
    tenth = len(order) // 10
    magnitude = 4.83 - 2.5 * np.log10(points.flux)
    # Fainter than nearly all of the horizontal branch, and blue.
    stragglers = (points.spectrum == Spectrum.YOUNG) & (magnitude > 2.8) & (magnitude < 3.8)

    assert np.median(distance[order[-tenth:]]) < np.median(distance[order[:tenth]])
    assert np.median(distance[stragglers]) < np.median(distance)


def test_a_globular_ends_at_its_tidal_radius() -> None:
    cluster = globular(4)
    glow = cluster.light(np.float32([0.0, 50.0, 150.0, 250.0]), np.zeros(4, np.float32)).glow[Spectrum.OLD]

    assert np.hypot(cluster.sources.x, cluster.sources.y).max() <= 200.0
    assert glow[0] > glow[1] > glow[2]
    assert glow[3] == 0.0


def test_the_faint_glow_holds_the_light_it_stands_for() -> None:
    offsets = np.linspace(-200.0, 200.0, 801, dtype=np.float32)
    cluster = globular(4)
    again = np.random.default_rng(4)
    again.uniform(), again.uniform(), again.uniform()
    stars = evolved_population(again, globular_magnitude(again), float(again.beta(0.6, 0.6)), 80_000)

    glow = cluster.light(*np.meshgrid(offsets, offsets)).glow[Spectrum.OLD]

    assert glow.sum(dtype=np.float64) * 0.25 == pytest.approx(stars.faint, rel=0.01)


@pytest.mark.parametrize(("age", "turn_off"), [(1.0e8, 6.31), (1.0e9, 2.512)])
def test_stars_past_the_turn_off_are_gone_and_those_at_it_are_red(age: float, turn_off: float) -> None:
    stars = coeval_population(np.random.default_rng(1), 200_000, age)
    giants = stars.mass > turn_off

    assert stars.mass.max() < 1.1 * turn_off
    assert giants.any()
    assert (stars.spectrum[giants] == Spectrum.OLD).all()
    hot = (stars.mass > 1.8) & (stars.mass < 0.95 * turn_off)
    assert (stars.spectrum[hot] == Spectrum.YOUNG).all()


def test_young_clusters_have_salpeter_masses() -> None:
    mass = coeval_population(np.random.default_rng(1), 400_000, 2.0e6).mass
    count, _ = np.histogram(mass, bins=[0.6, 1.2, 2.4, 4.8])

    slopes = np.diff(np.log(count)) / np.log(2.0)
    np.testing.assert_allclose(slopes, -1.3, atol=0.1)


def test_only_young_clusters_keep_gas_and_it_ionises_oxygen_too() -> None:
    clusters = [open_cluster(seed) for seed in range(16)]
    x, y = np.meshgrid(*[np.linspace(-100, 100, 41, dtype=np.float32)] * 2)
    wet = [cluster for cluster in clusters if cluster.gas is not None]

    assert 1 <= len(wet) <= 9
    for cluster in wet:
        glow = cluster.light(x, y).glow
        assert glow[Spectrum.HYDROGEN].sum() > 0
        assert glow[Spectrum.OXYGEN].sum() > 0
    for cluster in clusters:
        if cluster.gas is None:
            assert set(cluster.light(x, y).glow) == {Spectrum.OLD}


def test_bright_stars_of_an_open_cluster_are_mostly_near_its_middle() -> None:
    nearer = []
    for seed in range(8):
        points = open_cluster(seed).sources
        distance = np.hypot(points.x - np.median(points.x), points.y - np.median(points.y))
        bright = points.flux > np.quantile(points.flux, 0.95)
        nearer.append(np.median(distance[bright]) < np.median(distance[~bright]))

    assert sum(nearer) >= 7


@pytest.mark.parametrize("draw", [Globular.draw, OpenCluster.draw])
def test_clusters_repeat_with_their_seed(draw) -> None:  # type: ignore[no-untyped-def]
    first, again, other = (draw(np.random.default_rng(seed), 80.0).sources for seed in (1, 1, 2))

    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.flux, again.flux)
    assert len(first.x) != len(other.x)
    assert first.x.dtype == first.flux.dtype == np.float32
