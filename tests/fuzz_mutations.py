"""Mutations of bytes that any format may suffer, from one generator: the same seed gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Mutation = Callable[[bytes, np.random.Generator], bytes]

# What sizes, counts and offsets are tripped by, as 32-bit words.
_WORDS = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)


def place(content: bytes, rng: np.random.Generator) -> int:
    """Somewhere in it, the first bytes as likely as all the others: headers are small and matter most."""
    reach = len(content) if rng.random() < 0.5 else min(len(content), 512)
    return int(rng.integers(max(reach, 1)))


def flip_bits(content: bytes, rng: np.random.Generator) -> bytes:
    """Turns over one to sixteen bits."""
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 17)) if content else 0):
        changed[place(content, rng)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def overwrite(content: bytes, rng: np.random.Generator) -> bytes:
    """Writes noise over up to 64 bytes."""
    start = place(content, rng)
    stop = min(len(content), start + int(rng.integers(1, 65)))
    return content[:start] + rng.bytes(stop - start) + content[stop:]


def set_word(content: bytes, rng: np.random.Generator) -> bytes:
    """Sets an aligned 32-bit word to one that sizes are tripped by, or moves it by a little."""
    start = place(content, rng) // 4 * 4
    word = int.from_bytes(content[start : start + 4], "little")
    word = int(rng.choice(_WORDS)) if rng.random() < 0.5 else (word + int(rng.integers(-16, 17))) % (1 << 32)
    return content[:start] + word.to_bytes(4, "little") + content[start + 4 :]


def truncate(content: bytes, rng: np.random.Generator) -> bytes:
    """Cuts the end off."""
    return content[: place(content, rng)]


def insert(content: bytes, rng: np.random.Generator) -> bytes:
    """Puts up to 64 bytes of noise in between."""
    start = place(content, rng)
    return content[:start] + rng.bytes(int(rng.integers(1, 65))) + content[start:]


def delete(content: bytes, rng: np.random.Generator) -> bytes:
    """Takes up to 64 bytes out."""
    start = place(content, rng)
    return content[:start] + content[start + int(rng.integers(1, 65)) :]


def rearrange_blocks(size: int) -> Mutation:
    """Swaps, repeats or drops blocks of this many bytes."""

    def rearrange(content: bytes, rng: np.random.Generator) -> bytes:
        blocks = [content[start : start + size] for start in range(0, len(content), size)]
        if not blocks:
            return content
        one, other = (place(content, rng) // size for _ in range(2))
        way = rng.integers(3)
        if way == 0:
            blocks[one], blocks[other] = blocks[other], blocks[one]
        elif way == 1:
            blocks.insert(one, blocks[other])
        else:
            del blocks[one]
        return b"".join(blocks)

    return rearrange


ANY_BYTES: Sequence[Mutation] = (flip_bits, overwrite, set_word, truncate, insert, delete, rearrange_blocks(64))
"""Mutations that know nothing of the format."""


def mutate(content: bytes, mutations: Sequence[Mutation], rng: np.random.Generator) -> bytes:
    """Applies one mutation mostly, up to four at times."""
    for _ in range(1 + int(rng.geometric(0.6)) % 4):
        content = mutations[int(rng.integers(len(mutations)))](content, rng)
    return content
