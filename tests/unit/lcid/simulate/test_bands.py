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


@pytest.mark.parametrize("instrument", BANDS)
def test_narrow_filter_lifts_gas_out_of_the_stars(instrument: str) -> None:
    def contrast(name: str) -> float:
        band = band_of(instrument, name)
        return rate_factor(Spectrum.GAS, band) / rate_factor(Spectrum.OLD, band)

    assert contrast("F658N") > 5 * contrast("F606W") > 5 * contrast("F814W")


def test_sky_of_acs_f606w_is_that_of_the_handbook() -> None:
    # ACS Instrument Handbook 9.4: 0.127 electrons a second a pixel for the average sky.
    assert sky_rate(band_of("ACS/WFC", "F606W"), 0.05) == pytest.approx(0.127, rel=0.2)


def test_unknown_filter_is_refused_by_name() -> None:
    with pytest.raises(SimulationError, match=r"`filter` must be one of F336W.*Received: filter='F999W'"):
        band_of("WFC3/UVIS", "F999W")
    with pytest.raises(SimulationError, match=r"`instrument` must be one of ACS/WFC, WFC3/UVIS.*'WFPC2'"):
        band_of("WFPC2", "F606W")
