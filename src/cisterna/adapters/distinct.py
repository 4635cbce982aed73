"""Counts texts that come more than once, in bounded memory.

Texts are told apart by a hash of 64 bits: among four million different ones two share theirs once in two million
files. Of more different texts than are kept, those whose hash ends in so many zeros are, and the count is multiplied:
equal texts have equal hashes, so a text is kept or left out with all its repetitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cisterna.adapters.compiled import compiled

Numbers = NDArray[Any]

MOST = 1 << 22
_FNV_START, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_HALF = np.uint64(33)


@compiled
def _hash(offsets: Numbers, data: Numbers, before: Numbers, hashes: Numbers) -> None:
    """FNV-1a of each text with its last bits mixed, going on from what was before."""
    for index in range(hashes.size):
        value = before[index]
        for place in range(offsets[index], offsets[index + 1]):
            value = (value ^ np.uint64(data[place])) * _FNV_PRIME
        value = (value ^ np.uint64(0xFF)) * _FNV_PRIME  # no byte of UTF-8: where one text ends and the next begins
        value ^= value >> _HALF
        value *= _MIX
        hashes[index] = value ^ (value >> _HALF)


def hash_texts(offsets: Numbers, data: Numbers, before: Numbers | None = None) -> Numbers:
    """Hash texts that lie one after another.

    Args:
        offsets: Where each begins, and one more where the last one ends.
        data: Their bytes.
        before: Hashes to go on from, for a key of several columns.
    """
    count = max(0, offsets.size - 1)
    texts = data.view()
    texts.flags.writeable = False  # whoever lends them: what is compiled for one kind of array is compiled once
    start = np.full(count, _FNV_START, np.uint64) if before is None else before
    hashes = np.empty(count, np.uint64)
    _hash(offsets.astype(np.int64), texts, start.astype(np.uint64), hashes)
    return hashes


def hash_list(texts: Sequence[bytes]) -> Numbers:
    """Hash a list of texts."""
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    return hash_texts(offsets, np.frombuffer(b"".join(texts), np.uint8))


class Distinct:
    """Takes hashes in any order.

    Args:
        most: So many different ones are kept.
    """

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._kept = np.empty(0, np.uint64)
        self._waiting: list[Numbers] = []
        self._waiting_count = 0
        self._repeated = 0
        self._shift = 0

    def add(self, hashes: Numbers) -> None:
        """Take more."""
        self._waiting.append(self._sampled(hashes))
        self._waiting_count += self._waiting[-1].size
        if self._waiting_count > self._most // 4:
            self._settle()

    @property
    def repeated(self) -> int:
        """How many were there before; an estimate where not all different ones could be kept."""
        self._settle()
        return self._repeated << self._shift

    def _sampled(self, hashes: Numbers) -> Numbers:
        if self._shift == 0:
            return hashes
        mask = np.uint64((1 << self._shift) - 1)
        return np.asarray(hashes[(hashes & mask) == 0])

    def _settle(self) -> None:
        if not self._waiting:
            return
        together = np.sort(np.concatenate([self._kept, *self._waiting]))
        self._waiting, self._waiting_count = [], 0
        is_new = np.ones(together.size, np.bool_)
        is_new[1:] = together[1:] != together[:-1]
        self._repeated += int(together.size - is_new.sum())
        self._kept = together[is_new]
        while self._kept.size > self._most:
            self._shift += 1
            self._kept = self._sampled(self._kept)
            self._repeated >>= 1
