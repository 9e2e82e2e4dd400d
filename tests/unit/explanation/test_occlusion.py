"""Patches made sky, and what is compared with them; the networks are functions of the codes."""

from __future__ import annotations

import numpy as np
import pytest

from celestialkeras.errors import DatasetError
from celestialkeras.explanation.occlusion import occlude, patch_grid, rank_correlation


class Brightness:
    """Answers NSC by the sum of codes above 100, a pixel's weight growing to the right; remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[np.ndarray] = []

    def logits(self, codes: np.ndarray) -> np.ndarray:
        self.given.append(codes.copy())
        weight = np.linspace(0, 1, codes.shape[2])
        margin = (np.maximum(codes.astype(float) - 100, 0) * weight).sum(axis=(1, 2)) / 1000
        return np.stack([np.zeros_like(margin), margin], axis=1).astype(np.float32)


def sky(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(1).integers(35, 46, shape).astype(np.uint8)


def test_patches_tile_frames_of_any_size() -> None:
    grid = patch_grid((50, 101), 4)
    assert grid.rows == (0, 12, 25, 38, 50)
    assert grid.shape == (4, 8)
    assert grid.columns[0] == 0
    assert grid.columns[-1] == 101
    values = np.arange(50 * 101, dtype=np.float32).reshape(50, 101)
    assert grid.means(values)[1, 2] == pytest.approx(values[grid.patch(1, 2)].mean())
    expanded = grid.expand(grid.means(values), (50, 101))
    assert np.ptp(expanded[grid.patch(3, 7)]) == 0
    assert expanded[0, 0] == pytest.approx(grid.means(values)[0, 0])


@pytest.mark.parametrize("across", [1, 51])
def test_patches_that_do_not_fit_are_refused(across: int) -> None:
    with pytest.raises(DatasetError, match=f"from 2 to 50 patches fit .* 50 x 101 pixels. Received: {across}"):
        patch_grid((50, 101), across)


def test_each_patch_loses_what_it_holds_and_nothing_else_changes() -> None:
    codes = sky((32, 64))
    codes[10, 20] = codes[11, 60] = 250
    network = Brightness()
    lost = occlude(network, codes, patch_grid(codes.shape, 4), np.random.default_rng(0))
    expected = np.zeros((4, 8))
    expected[1, 2], expected[1, 7] = 150 * 20 / 63 / 1000, 150 * 60 / 63 / 1000
    np.testing.assert_allclose(lost, expected, atol=1e-6)
    occluded = np.concatenate(network.given[1:])
    assert len(occluded) == 32
    for number, frame in enumerate(occluded):
        rows, columns = np.nonzero(frame != codes)
        assert set(rows // 8) == {number // 8}
        assert set(columns // 8) == {number % 8}
        assert frame[frame != codes].max() < 46


def test_a_patch_on_an_object_is_filled_with_the_sky_beside_it() -> None:
    codes = sky((40, 80))
    codes[:, :40] += 100
    network = Brightness()
    occlude(network, codes, patch_grid(codes.shape, 5), np.random.default_rng(0))
    occluded = np.concatenate(network.given[1:])
    # Two patches from the edge the sky is near enough; three away the object is all there is.
    assert 35 <= occluded[3][:8, 24:32].mean() <= 46
    assert 135 <= occluded[0][:8, :8].mean() <= 146


def test_the_same_seed_gives_the_same_map() -> None:
    codes = sky((16, 32)) + np.uint8(70)
    maps = [occlude(Brightness(), codes, patch_grid(codes.shape, 4), np.random.default_rng(s)) for s in (5, 5, 6)]
    np.testing.assert_array_equal(maps[0], maps[1])
    assert (maps[0] != maps[2]).any()


def test_rank_correlation_heeds_order_alone() -> None:
    one = np.arange(12.0).reshape(3, 4)
    assert rank_correlation(one, one**3) == pytest.approx(1.0)
    assert rank_correlation(one, -np.exp(one)) == pytest.approx(-1.0)
    assert rank_correlation(one, np.zeros((3, 4))) is None
