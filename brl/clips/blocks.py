"""Checksums of the blocks of a large file: damage is found without reading all of it."""

import random
import zlib
from collections.abc import Iterable

import numpy as np

BLOCK = 2**20  # bytes
SAMPLED = 6  # blocks that are compared where reading all takes too long


class Crcs:
    """The CRC-32 of each block of a file, while it is written in pieces of any size."""

    def __init__(self) -> None:
        self._complete: list[int] = []
        self._last, self._length = 0, 0  # of the block that is not complete

    def update(self, piece: np.ndarray) -> None:
        """Adds the next bytes: those of a contiguous array."""
        content = _bytes_of(piece)
        while len(content):
            part = content[: BLOCK - self._length]
            self._last, self._length = zlib.crc32(part, self._last), self._length + len(part)
            if self._length == BLOCK:
                self._complete.append(self._last)
                self._last, self._length = 0, 0
            content = content[len(part) :]

    def of_blocks(self) -> np.ndarray:
        """Those of all blocks, (B,) uint32; the last block may be shorter."""
        rest = [self._last] if self._length else []
        return np.array([*self._complete, *rest], dtype=np.uint32)


def some_blocks(number: int) -> list[int]:
    """The first and the last of so many blocks, and a few others, different ones at each call."""
    # A generator of its own: none whose numbers decide a result moves on.
    others = random.Random().sample(range(number), min(SAMPLED - 2, number))
    return sorted({0, *others, number - 1})


def first_damaged(array: np.ndarray, crcs: np.ndarray, blocks: Iterable[int]) -> int | None:
    """The first of these blocks of an array that does not have its CRC-32, (B,); None: all do."""
    content = _bytes_of(array)
    for block in blocks:
        if zlib.crc32(content[block * BLOCK : (block + 1) * BLOCK]) != crcs[block]:
            return block
    return None


def _bytes_of(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data
