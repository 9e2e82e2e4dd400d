"""What sky, readout, silicon and roll do to a frame, measured back in the units that their levels state."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from celestialkeras.lcid.degradations import KINDS, Degradation
from celestialkeras.lcid.degradations.degrade import degrade_codes
from celestialkeras.lcid.degradations.photons import brightened, with_read_noise
from celestialkeras.lcid.degradations.readout import (
    saturated,
    with_bad_columns,
    with_bias_step,
    with_charge_trails,
    with_cosmic_rays,
)
from celestialkeras.lcid.degradations.rotation import rotated
from celestialkeras.lcid.detectors import DETECTORS, WFC3_UVIS
from celestialkeras.lcid.frame_noise import FrameNoise
from celestialkeras.lcid.frames import Frame
from celestialkeras.lcid.manifest import Observation
from celestialkeras.lcid.simulate.cosmic_rays import HITS_PER_SECOND
from celestialkeras.lcid.stretch import Background, Stretch, encode

STRETCH = Stretch()
# Eight electrons in a unit, 32 electrons of sky: four units.
NOISE = FrameNoise(electrons=8.0, read=0.5, sky=0.5)
ROW = Observation("NGC4298", "WFC3/UVIS", "iddt11fxq", "F625W", 185.4, 14.6, 1, "galaxy")
MEASURED = {"sky": 40.0, "noise": 5.35, "exptime": 300.0, "bias_left": 2516.0, "bias_right": 2505.0}


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def dark(rows: int = 400, columns: int = 300) -> np.ndarray:
    return np.zeros((rows, columns), np.float32)


def codes_of(signal: np.ndarray) -> np.ndarray:
    columns = ((0, signal.shape[1]),)
    frame = Frame(signal, (0.0,), columns, "iddt11fxq", 1, "WFC3/UVIS", "F625W", 300.0, "NGC4298", 185.4, 14.6, "")
    return encode(frame, STRETCH, Background(0.0, 1.0))


def test_the_level_of_the_sky_in_units() -> None:
    assert NOISE.sky_level == 4.0
    assert FrameNoise(math.inf, 0.0, 1.0).sky_level == math.inf


@pytest.mark.parametrize("rms", KINDS["read-noise"].levels)
def test_added_read_noise_in_electrons(rms: float) -> None:
    added = (with_read_noise(dark() + 3, rms, NOISE, rng()) - 3) * NOISE.electrons
    assert added.std() == pytest.approx(rms, rel=0.01)
    assert added.mean() == pytest.approx(0.0, abs=0.01 * rms)
    noisy = rng(2).standard_normal((400, 300), np.float32)
    both = with_read_noise(noisy, rms, NOISE, rng()) * NOISE.electrons
    assert both.std() == pytest.approx(math.hypot(8.0, rms), rel=0.01)


@pytest.mark.parametrize("electrons", KINDS["sky"].levels)
def test_an_added_sky_in_electrons(electrons: float) -> None:
    added = brightened(dark(), electrons, NOISE, rng()) * NOISE.electrons
    assert added.mean() == pytest.approx(electrons, rel=0.01)
    assert added.var() == pytest.approx(electrons, rel=0.02)


@pytest.mark.parametrize("seconds", KINDS["cosmic-rays"].levels)
def test_cosmic_rays_of_so_many_seconds(seconds: float) -> None:
    added = with_cosmic_rays(dark(600, 600), seconds, NOISE, rng()) * NOISE.electrons
    hit = (added > 20).mean()
    # Riess 2002: 1.5 to 3 % of the pixels in 1000 s; tracks that cross others are no further pixels.
    assert 1 - (1 - 0.015) ** (seconds / 1000) < hit < 1 - (1 - 0.03) ** (seconds / 1000)
    # Half of the tracks leave over 1000 electrons, with a long tail.
    assert 1000 < added.sum() / (HITS_PER_SECOND * seconds * added.size) < 2500
    np.testing.assert_allclose(with_cosmic_rays(dark(600, 600) + 2, seconds, NOISE, rng()), added / 8 + 2, rtol=1e-5)


@pytest.mark.parametrize("lost", KINDS["charge-transfer"].levels)
@pytest.mark.parametrize("hdu", [1, 4])
def test_charge_that_traps_take_over_2048_transfers(lost: float, hdu: int) -> None:
    """A packet of 1000 electrons in the dark, in the row that is read last."""
    frame = dark(2048, 3)
    last = 2047 if hdu == 1 else 0
    frame[last, 1] = 1000 / 8
    no_sky = FrameNoise(8.0, 1.0, 0.0)
    found = 8 * with_charge_trails(frame, lost, no_sky, hdu, 0)
    assert found[last, 1] == pytest.approx(1000 - lost, rel=0.001)
    # After half as many transfers there were half as many traps; what they took comes after it and nowhere else.
    frame[:] = 0
    frame[1024, 1] = 1000 / 8
    found = 8 * with_charge_trails(frame, lost, no_sky, hdu, 0)
    assert 1000 - found[1024, 1] == pytest.approx(1000 * lost / (2000 - lost), rel=0.002)
    assert found.sum() == pytest.approx(1000, rel=0.001)
    behind = found[1025:] if hdu == 1 else found[:1024]
    assert behind.sum() == pytest.approx(1000 - found[1024, 1], rel=0.001)


def test_charge_transfer_leaves_an_even_sky_and_its_noise() -> None:
    sky = rng().standard_normal((500, 200), np.float32).clip(-3, 3)
    found = with_charge_trails(sky, 400.0, NOISE, 1, 0)
    # Traps near the register are filled by fewer rows than those further on, which costs the sky half an electron.
    np.testing.assert_allclose(found, sky, atol=0.08)


@pytest.mark.parametrize("full_well", KINDS["saturation"].levels)
def test_no_pixel_holds_more_than_its_full_well(full_well: float) -> None:
    frame = dark(801, 3)
    frame[400, 1] = 12000 / 8
    found = 8 * (saturated(frame, full_well, NOISE) + NOISE.sky_level)
    assert found.max() == pytest.approx(full_well, rel=1e-5)
    # Charge stays in its column, and runs up as far as down.
    assert found.sum() == pytest.approx(12000 + 32 * frame.size, rel=1e-5)
    np.testing.assert_allclose(found[:, [0, 2]], 32, rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], found[::-1, 1], rtol=1e-3)
    filled = (12000 + 32 - full_well) / (full_well - 32) + 1
    assert int((found[:, 1] > 0.999 * full_well).sum()) == pytest.approx(filled, abs=2)


def test_what_does_not_reach_the_full_well_is_left() -> None:
    frame = rng().standard_normal((50, 50), np.float32)
    np.testing.assert_array_equal(saturated(frame, 1000.0, NOISE), frame)


def test_charge_that_finds_no_room_on_the_chip_is_gone() -> None:
    found = saturated(dark(20, 4) + 50, 200.0, NOISE)
    np.testing.assert_allclose(8 * (found + 4), 200.0, rtol=1e-6)


@pytest.mark.parametrize("instrument", DETECTORS)
def test_the_step_between_amplifiers_in_electrons(instrument: str) -> None:
    detector = DETECTORS[instrument]
    found = 8 * with_bias_step(dark(4, 512), 30.0, NOISE, detector, rng())
    edges = [start // 8 for start, _ in detector.frame_columns()[1:]]
    steps = np.diff(found[0])
    assert np.flatnonzero(steps).tolist() == [edge - 1 for edge in edges]
    np.testing.assert_allclose(np.abs(steps[steps != 0]), 30.0)
    assert found.mean() == pytest.approx(0.0, abs=1e-4)
    signs = {float(with_bias_step(dark(1, 64), 1.0, NOISE, WFC3_UVIS, rng(seed))[0, 0]) for seed in range(9)}
    assert signs == {-0.0625, 0.0625}


@pytest.mark.parametrize("count", [16, 64, 256])
def test_so_many_columns_are_bad(count: int) -> None:
    found = with_bad_columns(dark(6, 300), count, (-4.0, 2000.0), rng())
    assert (found == found[0]).all()
    assert [(found[0] == value).sum() for value in (-4, 2000, 0)] == [count / 2, count / 2, 300 - count]
    more = with_bad_columns(dark(6, 300), count + 10, (-4.0, 2000.0), rng())
    assert (more[0][found[0] != 0] == found[0][found[0] != 0]).all()


def test_bad_columns_are_bias_or_white_in_codes() -> None:
    codes = codes_of(rng().standard_normal((64, 4096)).astype(np.float32))
    found = degrade_codes(codes, STRETCH, ROW, MEASURED, Degradation("bad-columns", 2), 0)
    constant = (found == found[0]).all(axis=0)
    assert constant.sum() == 64
    assert (found[0, constant] == 255).sum() == 32
    # Of 64 electrons of sky nothing is left, below black.
    assert (found[0, constant] == 0).sum() == 32


@pytest.mark.parametrize("degrees", [*KINDS["rotation"].levels, -30.0])
def test_the_angle_by_which_a_pattern_is_turned(degrees: float) -> None:
    frame = dark(401, 601)
    rows, columns = np.indices(frame.shape) - np.array([200, 300])[:, None, None]
    line = (np.abs(rows) < 3) & (columns > 20) & (columns < 180)
    frame[line] = 1.0
    found = rotated(frame, math.radians(degrees))
    down, across = (float((found * axis).sum() / found.sum()) for axis in (rows, columns))
    assert math.degrees(math.atan2(down, across)) == pytest.approx(degrees, abs=0.1)
    assert math.hypot(down, across) == pytest.approx(100, abs=0.5)
    assert found.sum() == pytest.approx(frame.sum(), rel=0.02)


def test_a_quarter_turn_moves_every_pixel_to_its_place() -> None:
    frame = rng().standard_normal((60, 60), np.float32)
    # Rows grow downwards in memory: from columns to rows is clockwise there.
    np.testing.assert_array_equal(rotated(frame, math.pi / 2), np.rot90(frame, -1))
    np.testing.assert_array_equal(rotated(frame, 0.0), frame)


def test_a_turned_sky_is_as_noisy_and_as_white() -> None:
    sky = rng().standard_normal((512, 1024), np.float32)
    found = rotated(sky, math.radians(20))
    assert found.std() == pytest.approx(1.0, abs=0.01)
    beside = float((found[:, 1:] * found[:, :-1]).mean())
    assert abs(beside) < 0.07


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_degrades_a_frame_always_alike(kind: str) -> None:
    signal = rng().standard_normal((64, 1100)).astype(np.float32)
    signal[20:40, 200:240] += 1500
    codes = codes_of(signal)

    def found(level: int, row: Observation = ROW, seed: int = 3) -> bytes:
        return degrade_codes(codes, STRETCH, row, MEASURED, Degradation(kind, level), seed).tobytes()

    assert found(0) == codes.tobytes()
    assert found(4) == found(4)
    assert len({codes.tobytes(), found(2), found(4), found(5)}) == 4
    # Nothing is drawn for charge that is trailed or spilled, and one of two for a step or a turn.
    drawn = {"charge-transfer": 1, "saturation": 1, "bias": 2, "rotation": 2}.get(kind, 8)
    assert len({found(4, seed=seed) for seed in range(8)}) == drawn
    assert len({found(4, replace(ROW, obsid=f"iddt{number}fyq")) for number in range(11, 19)}) == drawn
