"""What charge loses on its way to the read-out register: traps in the silicon hold electrons and let them go late.

A simplified form of Massey et al. 2010 (MNRAS 401, 371) and Massey 2010 (MNRAS 409, L109): the cloud of a packet grows
as a power near one half of its charge (0.48 there, the square root here), so that small packets lose the larger part;
traps fill at once and empty exponentially, the fast ones within a pixel and the slow ones within ten. Rather than
stepping every pixel through the chip, all its transfers act at once, as in Anderson and Bedin 2010 (PASP 122, 1035).
What a packet loses is given to those that follow it: an even sky gets back what it loses, and a star in it loses less
than one in the dark.
"""

from __future__ import annotations

import numpy as np

from celestialkeras.lcid.simulate.arrays import FloatArray

RELEASE_PIXELS = (0.88, 10.4)
"""Pixels after which the two kinds of trap have let go of all but 1/e of what they took (Massey et al. 2010)."""

_SHARES = (0.25, 0.75)


def trail(charge: FloatArray, loss: float, distance: int, overscan_rows: int = 0) -> FloatArray:
    """Drags charge out behind every packet of a chip, away from its register.

    Args:
        charge: Electrons, `float32 (rows, columns)`, row 0 nearest to the register; a view may be turned over. Changed
            in place.
        loss: `Camera.trap_loss`: electrons over the root of the charge, for large packets over 2048 transfers.
        distance: Rows between the register and row 0.
        overscan_rows: Rows that are read beyond the chip's last one.

    Returns:
        Electrons that traps release into those rows, `float32 (overscan_rows, columns)`.
    """
    columns = charge.shape[1]
    deferred = np.zeros((overscan_rows, columns), np.float32)
    if loss <= 0.0:
        return deferred
    kept = [np.float32(np.exp(-1.0 / pixels)) for pixels in RELEASE_PIXELS]
    per_row = np.float32(loss / 2048.0)
    # Rows below the first one were as bright as it is: traps that are in balance with it hold this much.
    taken = _taken(charge[:16].mean(axis=0), per_row * np.float32(distance + 1))
    held = [np.float32(share / (1.0 - keep)) * taken for share, keep in zip(_SHARES, kept, strict=True)]
    packet, root, part = (np.empty(columns, np.float32) for _ in range(3))
    for row in range(len(charge)):
        strength = per_row * np.float32(distance + row + 1)
        line = charge[row]
        np.maximum(line, np.float32(0.0), out=packet)
        # As in `_taken`, without its temporary arrays.
        np.sqrt(packet, out=root)
        root += strength
        packet *= strength
        packet /= root
        line -= packet
        for traps, share, keep in zip(held, _SHARES, kept, strict=True):
            np.multiply(traps, np.float32(1.0) - keep, out=part)
            line += part
            traps -= part
            np.multiply(packet, np.float32(share), out=part)
            traps += part
    for line in deferred:
        for traps, keep in zip(held, kept, strict=True):
            line += traps * (np.float32(1.0) - keep)
            traps *= keep
    return deferred


def _taken(charge: FloatArray, strength: np.float32) -> FloatArray:
    """Electrons that traps take: `strength` times the root of a large packet, all of a packet that is next to none."""
    packet = np.maximum(charge, np.float32(0.0))
    return np.asarray(strength * packet / (strength + np.sqrt(packet)), dtype=np.float32)
