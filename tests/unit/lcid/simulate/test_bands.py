import math

import pytest

from celestialkeras.errors import SimulationError
from celestialkeras.lcid.simulate.bands import BANDS, Spectrum, band_of, rate_factor, sky_rate


def test_v_band_rate_is_the_unit_of_every_continuum() -> None:
    band = band_of("ACS/WFC", "F555W")

    for spectrum in (Spectrum.OLD, Spectrum.INTERMEDIATE, Spectrum.YOUNG):
        assert rate_factor(spectrum, band) == pytest.approx(1.0, abs=0.1)


def test_old_stars_are_red_and_young_ones_blue() -> None:
    def colour(spectrum: Spectrum) -> float:
        red, blue = band_of("ACS/WFC", "F814W"), band_of("ACS/WFC", "F435W")
        return rate_factor(spectrum, red) / rate_factor(spectrum, blue)

    assert colour(Spectrum.OLD) > 1.5 * colour(Spectrum.INTERMEDIATE) > 2.0 * colour(Spectrum.YOUNG)


def line_contrast(instrument: str, name: str, spectrum: Spectrum = Spectrum.HYDROGEN) -> float:
    band = band_of(instrument, name)
    return rate_factor(spectrum, band) / rate_factor(Spectrum.OLD, band)


@pytest.mark.parametrize(("instrument", "name"), [("ACS/WFC", "F658N"), ("WFC3/UVIS", "F656N"), ("WFC3/UVIS", "F657N")])
def test_narrow_filter_lifts_gas_out_of_the_stars(instrument: str, name: str) -> None:
    assert line_contrast(instrument, name) > 5 * line_contrast(instrument, "F606W")
    assert line_contrast(instrument, "F606W") > 3 * line_contrast(instrument, "F814W")
    assert line_contrast(instrument, "F502N", Spectrum.OXYGEN) > 5 * line_contrast(instrument, "F502N")


def test_nitrogen_filter_of_uvis_sees_a_fraction_of_hydrogen() -> None:
    # F658N of UVIS passes [N II] 658.3, F656N H-alpha, F657N both; that of ACS is wide enough for both.
    uvis, acs = BANDS["WFC3/UVIS"], BANDS["ACS/WFC"]

    assert uvis["F658N"].hydrogen < 0.4 * uvis["F656N"].hydrogen
    assert uvis["F656N"].hydrogen < uvis["F657N"].hydrogen
    assert acs["F658N"].hydrogen > 0.9 * acs["F625W"].hydrogen


def test_ultraviolet_starves_old_stars() -> None:
    def share(spectrum: Spectrum, name: str) -> float:
        band = band_of("WFC3/UVIS", name)
        return rate_factor(spectrum, band) / rate_factor(Spectrum.YOUNG, band)

    assert share(Spectrum.OLD, "F225W") < 0.02
    assert share(Spectrum.OLD, "F225W") < share(Spectrum.OLD, "F275W") < 0.05 < share(Spectrum.OLD, "F336W")
    assert share(Spectrum.INTERMEDIATE, "F275W") > 4 * share(Spectrum.OLD, "F275W")


def test_narrow_and_ultraviolet_filters_are_faint() -> None:
    faint = {name for bands in BANDS.values() for name, band in bands.items() if band.faint}

    assert faint == {"F225W", "F275W", "F336W", "F502N", "F656N", "F657N", "F658N", "NUV"}


def test_csst_bands_lie_where_zhan_2021_puts_them() -> None:
    pivots = {name: band.pivot for name, band in BANDS["CSST/MSC"].items()}

    expected = {"NUV": 287, "u": 360, "g": 475, "r": 620, "i": 764, "z": 920, "y": 968}
    assert pivots == {name: pytest.approx(value, abs=6) for name, value in expected.items()}


@pytest.mark.parametrize(
    ("name", "seconds", "reads", "depth"),
    [
        ("NUV", 600, 4, 25.4),
        ("u", 300, 2, 25.4),
        ("g", 300, 2, 26.3),
        ("r", 300, 2, 26.0),
        ("i", 300, 2, 25.9),
    ],
)
def test_csst_zero_points_give_the_depth_of_the_survey(name: str, seconds: int, reads: int, depth: float) -> None:
    # Gong et al. 2019, table 1: five sigma for point sources, with 80 % of the light within 0.15 arcseconds.
    band = band_of("CSST/MSC", name)
    pixels = math.pi * (0.15 / 0.074) ** 2
    signal = 0.8 * seconds * 10 ** (0.4 * (band.zero_point - depth))
    noise = math.sqrt(signal + pixels * (seconds * (sky_rate(band, 0.074) + 0.02) + reads * 5.0**2))

    assert 2.5 * math.log10(signal / noise / 5.0) == pytest.approx(0.0, abs=0.15)


def test_sky_of_acs_f606w_is_that_of_the_handbook() -> None:
    # ACS Instrument Handbook 9.4: 0.127 electrons a second a pixel for the average sky.
    assert sky_rate(band_of("ACS/WFC", "F606W"), 0.05) == pytest.approx(0.127, rel=0.2)


@pytest.mark.parametrize(("name", "handbook"), [("F606W", 0.08), ("F814W", 0.04)])
def test_sky_of_uvis_is_that_of_the_handbook(name: str, handbook: float) -> None:
    # WFC3 Instrument Handbook 9.7, average sky, electrons a second a pixel, rounded.
    assert sky_rate(band_of("WFC3/UVIS", name), 0.04) == pytest.approx(handbook, rel=0.35)


def test_ultraviolet_sky_is_all_but_dark() -> None:
    # WFC3 Instrument Handbook 9.7: below dark current in a long exposure.
    assert 0.0003 < sky_rate(band_of("WFC3/UVIS", "F225W"), 0.04) < 0.003
    assert 0.0003 < sky_rate(band_of("WFC3/UVIS", "F275W"), 0.04) < 0.003


def test_unknown_filter_is_refused_by_name() -> None:
    with pytest.raises(SimulationError, match=r"`filter` must be one of F225W.*Received: filter='F999W'"):
        band_of("WFC3/UVIS", "F999W")
    with pytest.raises(SimulationError, match=r"`instrument` must be one of ACS/WFC, WFC3/UVIS, CSST/MSC.*'WFPC2'"):
        band_of("WFPC2", "F606W")
