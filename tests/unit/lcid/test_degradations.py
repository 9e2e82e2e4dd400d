"""LCID-Blurry: what each kind of degradation does, measured back from frames."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from celestialkeras.errors import DatasetError
from celestialkeras.evaluation.evaluate import frame_batches
from celestialkeras.lcid.dataset import LcidDataset, open_dataset
from celestialkeras.lcid.degradations import KINDS, Degradation, parse_degradation
from celestialkeras.lcid.degradations.degrade import degrade_codes
from celestialkeras.lcid.degradations.optics import blurred, gaussian_kernel, trail_kernel
from celestialkeras.lcid.degradations.photons import shortened
from celestialkeras.lcid.frame_noise import FrameNoise
from celestialkeras.lcid.frames import Frame
from celestialkeras.lcid.manifest import Observation
from celestialkeras.lcid.pipeline import batches
from celestialkeras.lcid.stretch import Background, Stretch, decode, encode
from small_datasets import DatasetFactory

STRETCH = Stretch()
NOISELESS = FrameNoise(math.inf, 0.0, 0.0)
# 40 DN of sky on UVIS: noise of 5.3 DN, 8.5 electrons.
MEASURED = {"sky": 40.0, "noise": 5.35, "exptime": 300.0, "bias_left": 2516.0, "bias_right": 2505.0}
ROW = Observation("NGC4298", "WFC3/UVIS", "iddt11fxq", "F625W", 185.4, 14.6, 1, "galaxy")
WIDTHS = KINDS["psf"].levels
LENGTHS = KINDS["jitter"].levels


def as_frame(signal: np.ndarray) -> Frame:
    columns = ((0, signal.shape[1]),)
    data = signal.astype(np.float32)
    return Frame(data, (0.0,), columns, "iddt11fxq", 1, "WFC3/UVIS", "F625W", 300.0, "NGC4298", 185.4, 14.6, "")


def codes_of(signal: np.ndarray) -> np.ndarray:
    return encode(as_frame(signal), STRETCH, Background(0.0, 1.0))


def sky_codes(shape: tuple[int, int] = (512, 512), seed: int = 5) -> np.ndarray:
    return codes_of(np.random.default_rng(seed).standard_normal(shape))


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def point(side: int = 257) -> np.ndarray:
    image = np.zeros((side, side), np.float32)
    image[side // 2, side // 2] = 1000.0
    return image


def spreads(image: np.ndarray, angle: float = 0.0) -> tuple[float, float]:
    """Variances of the light along `angle` and across it, squared pixels."""
    rows, columns = np.indices(image.shape) - np.array(image.shape)[:, None, None] // 2
    # Transforms in single precision leave 1e-7 of the light everywhere, which weighs in far away.
    kept = np.where(image > 3e-7 * image.sum(), image, 0.0)
    weights = kept / kept.sum()
    along = columns * math.cos(angle) + rows * math.sin(angle)
    across = rows * math.cos(angle) - columns * math.sin(angle)
    return float((weights * along**2).sum()), float((weights * across**2).sum())


def kernels() -> list[Any]:
    gaussians = [pytest.param(gaussian_kernel(width), id=f"psf {width:g}") for width in WIDTHS]
    return [*gaussians, *(pytest.param(trail_kernel(length, 0.7), id=f"jitter {length:g}") for length in LENGTHS)]


def test_codes_go_back_to_the_signal_and_come_again() -> None:
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)
    signal = decode(codes, STRETCH)
    assert signal.dtype == np.float32
    assert (signal[0, 0], signal[-1, -1]) == (-4.0, pytest.approx(2000.0))
    np.testing.assert_array_equal(codes_of(signal), codes)


def test_the_error_of_8_bits_is_as_stated() -> None:
    sky = rng().standard_normal((256, 256)).clip(-4, None)
    assert np.std(decode(codes_of(sky), STRETCH) - sky) == pytest.approx(0.023, abs=0.003)
    bright = rng().uniform(50, 1900, (256, 256))
    relative = decode(codes_of(bright), STRETCH) / bright - 1
    assert relative.std() == pytest.approx(0.0102, abs=0.0005)
    assert abs(relative.mean()) < 0.001
    beyond = decode(codes_of(np.array([[1e5, -50.0]])), STRETCH)
    assert beyond.tolist() == [[pytest.approx(2000.0), -4.0]]


@pytest.mark.parametrize("kernel", kernels())
def test_a_blur_conserves_the_light(kernel: np.ndarray) -> None:
    assert kernel.sum() == pytest.approx(1.0, abs=1e-5)
    assert kernel.min() >= 0
    assert blurred(point(), kernel, NOISELESS, rng()).sum() == pytest.approx(1000.0, rel=1e-4)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_width_of_a_blurred_star(width: float) -> None:
    star = blurred(point(), gaussian_kernel(width), NOISELESS, rng())
    for profile in (star[128], star[:, 128]):
        beyond = 1 + int(np.flatnonzero(profile >= profile[128] / 2)[-1]) - 128
        # A Gaussian that falls by r over so many pixels has fallen to half at sqrt(ln 2 / ln r) of the way.
        fallen = math.log(profile[128] / profile[128 + beyond])
        assert 2 * beyond * math.sqrt(math.log(2) / fallen) == pytest.approx(width, rel=0.002)
    factor = math.sqrt(8 * math.log(2))
    assert [factor * math.sqrt(variance) for variance in spreads(star)] == pytest.approx([width, width], rel=0.01)


@pytest.mark.parametrize("angle", [0.0, 0.6, math.pi / 2, 2.5])
@pytest.mark.parametrize("length", LENGTHS)
def test_the_length_and_direction_of_a_trail(length: float, angle: float) -> None:
    trail = blurred(point(), trail_kernel(length, angle), NOISELESS, rng())
    along, across = spreads(trail, angle)
    # A line of length L has a variance of L^2 / 12 along it; sharing among pixels adds up to a quarter to each axis.
    assert math.sqrt(12 * (along - across)) == pytest.approx(length, abs=0.4)
    assert across == pytest.approx(0.125, abs=0.126)


def test_a_frame_edge_keeps_its_light() -> None:
    flat = np.full((40, 70), 7.0, np.float32)
    np.testing.assert_allclose(blurred(flat, gaussian_kernel(24), NOISELESS, rng()), flat, rtol=1e-4)


@pytest.mark.parametrize("kernel", kernels())
def test_the_noise_of_the_sky_stays_white_and_as_strong(kernel: np.ndarray) -> None:
    sky = rng().standard_normal((512, 512)).astype(np.float32)
    found = blurred(sky, kernel, FrameNoise(8.5, 0.4, 0.6), np.random.default_rng(2))
    # Positive noise is told photons of its own, 1 / electrons of it: less than 3 % of the deviation.
    assert found.std() == pytest.approx(1.0, abs=0.03)
    beside, below = (float((found * np.roll(found, 1, axis)).mean()) for axis in (0, 1))
    assert (beside, below) == pytest.approx((0.0, 0.0), abs=0.03)


def test_a_blurred_source_has_the_noise_of_its_photons() -> None:
    electrons = 10.0
    source = 100 + math.sqrt(1 + 100 / electrons) * rng().standard_normal((256, 256))
    noise = FrameNoise(electrons, 0.4, 0.6)
    found = blurred(source.astype(np.float32), gaussian_kernel(6), noise, np.random.default_rng(2))
    assert found.mean() == pytest.approx(100, abs=0.2)
    assert found.std() == pytest.approx(math.sqrt(11), rel=0.02)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.01])
@pytest.mark.parametrize("light", [0.0, 5000.0])
def test_a_shorter_exposure_has_the_noise_of_its_electrons(share: float, light: float) -> None:
    """Electrons drawn for the full exposure and shortened by us, against the sums of the shorter exposure itself."""
    read, sky = 3.0, 60.0
    unit = math.sqrt(read**2 + sky)
    generator = rng()
    full = generator.poisson(sky + light, (400, 400)) + generator.normal(0, read, (400, 400)) - sky
    noise = FrameNoise(unit, read**2 / unit**2, sky / unit**2)
    found = unit * shortened((full / unit).astype(np.float32), share, noise, generator)
    assert found.mean() == pytest.approx(share * light, rel=0.001, abs=0.1)
    assert found.std() == pytest.approx(math.sqrt(read**2 + share * (sky + light)), rel=0.015)


def test_fainter_light_at_a_shorter_exposure_stands_out_less() -> None:
    signal = np.random.default_rng(5).standard_normal((512, 512))
    signal[100:140, 100:140] += 10
    codes = codes_of(signal)
    contrast = []
    for level in range(6):
        found = decode(degrade_codes(codes, STRETCH, ROW, MEASURED, Degradation("exposure", level), 0), STRETCH)
        contrast.append(float(found[100:140, 100:140].mean()))
        assert np.median(found) == pytest.approx(0.0, abs=0.05)
        assert np.std(found[300:, 300:]) == pytest.approx(1.0, abs=0.06)
    # 10 noises of 5.35 DN at 1.595 electrons a DN in 300 s; read noise 3.13, sky 63.8 electrons.
    for level, seconds in enumerate((300, 100, 30, 10, 3), 1):
        share = seconds / 300
        expected = 10 * share * 8.535 / math.sqrt(9.77 + share * 63.8)
        assert contrast[level] == pytest.approx(expected, rel=0.06, abs=0.1), level


def test_what_was_exposed_for_less_is_left_as_it_is() -> None:
    codes = sky_codes((64, 64))
    brief = {**MEASURED, "exptime": 20.0}
    for level, changed in ((1, False), (2, False), (3, False), (4, True), (5, True)):
        found = degrade_codes(codes, STRETCH, ROW, brief, Degradation("exposure", level), 0)
        assert (found is not codes) == changed


@pytest.mark.parametrize("kind", KINDS)
def test_level_0_changes_nothing(kind: str) -> None:
    codes = sky_codes((64, 64))
    assert degrade_codes(codes, STRETCH, ROW, MEASURED, Degradation(kind, 0), 0) is codes
    assert Degradation(kind, 0).amount is None


@pytest.mark.parametrize("kind", ["psf", "jitter"])
def test_each_level_dims_a_star_further(kind: str) -> None:
    signal = np.random.default_rng(5).standard_normal((512, 512))
    signal[256, 256] = 1900
    codes = codes_of(signal)
    peaks = [
        int(degrade_codes(codes, STRETCH, ROW, MEASURED, Degradation(kind, level), 3)[246:267, 246:267].max())
        for level in range(6)
    ]
    assert peaks == sorted(peaks, reverse=True)
    assert len(set(peaks)) == 6


@pytest.mark.parametrize(
    "degradation", ["psf:2", "jitter:4", "exposure:3", "read-noise:2", "sky:2", "cosmic-rays:5", "bad-columns:1"]
)
def test_a_frame_is_always_degraded_alike(degradation: str) -> None:
    codes = sky_codes((96, 128))

    def found(row: Observation = ROW, seed: int = 0) -> bytes:
        return degrade_codes(codes, STRETCH, row, MEASURED, parse_degradation(degradation), seed).tobytes()

    assert found() == found()
    assert len({found(), found(seed=1), found(replace(ROW, hdu=4)), found(replace(ROW, obsid="iddt11fyq"))}) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("psf", r"must be written KIND:LEVEL, a kind of psf, .*, rotation and a level from 1 to 5. Received: 'psf'"),
        ("psf:two", "Received: 'psf:two'"),
        ("psf:6", r"a whole number from 0 \(none\) to 5. Received: 6"),
        ("fog:1", "must be one of psf, jitter, exposure, .*, rotation. Received: 'fog'"),
    ],
)
def test_degradations_that_are_none(text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        parse_degradation(text)


def test_a_degradation_says_what_it_is() -> None:
    found = parse_degradation("exposure:2")
    assert (str(found), found.describe()) == ("exposure:2", "exposure:2 (100 seconds)")
    assert found.to_json() == {
        "kind": "exposure",
        "level": 2,
        "amount": 100.0,
        "unit": "seconds",
        "quantity": "exposure time; shorter exposures are left as they are",
    }


@pytest.mark.parametrize(
    ("row", "measured", "message"),
    [
        (ROW, {"sky": 40.0, "noise": 5.0}, "exposure needs the frame's exposure time; take another degradation"),
        (
            replace(ROW, instrument="picture"),
            MEASURED,
            "exposure needs a known detector, ACS/WFC, .* Received: picture",
        ),
    ],
    ids=["no exposure time", "unknown detector"],
)
def test_frames_that_cannot_be_shortened(row: Observation, measured: dict[str, float], message: str) -> None:
    with pytest.raises(DatasetError, match=f"iddt11fxq, HDU 1: {message}"):
        degrade_codes(sky_codes((64, 64)), STRETCH, row, measured, Degradation("exposure", 1), 0)


@pytest.mark.parametrize("kind", KINDS)
def test_which_kinds_pictures_can_take(kind: str) -> None:
    codes, picture = sky_codes((64, 64)), replace(ROW, instrument="picture")
    if kind in ("psf", "jitter", "bad-columns", "rotation"):
        assert (degrade_codes(codes, STRETCH, picture, MEASURED, Degradation(kind, 3), 0) != codes).any()
    else:
        with pytest.raises(DatasetError, match=f"{kind} needs a known detector"):
            degrade_codes(codes, STRETCH, picture, MEASURED, Degradation(kind, 3), 0)


@pytest.mark.parametrize("kind", KINDS)
def test_levels_state_ever_worse_amounts(kind: str) -> None:
    levels = KINDS[kind].levels
    assert len(set(levels)) == 5
    assert list(levels) == sorted(levels, reverse=kind in ("exposure", "saturation"))


@pytest.fixture
def dataset(make_dataset: DatasetFactory) -> LcidDataset:
    return open_dataset(make_dataset((64, 128)))


def test_training_and_evaluation_read_the_same_degraded_frames(dataset: LcidDataset) -> None:
    files = {path: path.read_bytes() for path in sorted(dataset.folder.rglob("*")) if path.is_file()}
    worse = dataset.degraded(Degradation("psf", 3), seed=4)
    records = worse.records("validation")
    ((frames, _),) = batches(worse, "validation", size=(20, 50), batch_size=len(records)).as_numpy_iterator()
    (evaluated,) = frame_batches(worse, records, (20, 50))
    np.testing.assert_array_equal(frames[..., 0], evaluated.codes / np.float32(255))
    whole = degrade_codes(
        dataset.codes(records[0]), STRETCH, records[0].observation, records[0].measured, Degradation("psf", 3), 4
    )
    np.testing.assert_array_equal(worse.codes(records[0]), whole)
    assert {path: path.read_bytes() for path in sorted(dataset.folder.rglob("*")) if path.is_file()} == files


def test_degraded_frames_are_not_taken_for_the_stored_ones(dataset: LcidDataset) -> None:
    record = dataset.records("train")[0]
    stored = dataset.codes(record, 2)
    worse = dataset.degraded(Degradation("psf", 5))
    assert (worse.codes(record, 2) != stored).mean() > 0.2
    np.testing.assert_array_equal(dataset.codes(record, 2), stored)
    digests = {
        dataset.digest,
        worse.digest,
        dataset.degraded(Degradation("psf", 4)).digest,
        dataset.degraded(Degradation("psf", 5), seed=1).digest,
    }
    assert len(digests) == 4
    assert open_dataset(dataset.folder).degraded(Degradation("psf", 5)).digest == worse.digest


def test_a_data_set_is_degraded_once_and_not_at_level_0(dataset: LcidDataset) -> None:
    assert dataset.degraded(Degradation("jitter", 0)) is dataset
    with pytest.raises(DatasetError, match=r"degraded once, .* Received: jitter:1 after psf:5"):
        dataset.degraded(Degradation("psf", 5)).degraded(Degradation("jitter", 1))
