"""Parts of large objects: the buffers they are filled in and the threads that send them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

PART_BYTES = 16 * 1024 * 1024
"""Size of the first thousand parts; each further thousand is larger by as much again."""
MOST_PARTS = 10_000
_PARTS_OF_A_SIZE = 1_000


def part_bytes(number: int) -> int:
    """Tell how large a part is, counted from 1: it depends on its number alone, so that a resumed upload fits."""
    return PART_BYTES * (1 + (number - 1) // _PARTS_OF_A_SIZE)


@dataclass(frozen=True, slots=True)
class Part:
    """A part that the store has.

    Attributes:
        crc: CRC64NVME that the store verified; None when it does not tell.
        etag: As the store gives it, with its quotes.
    """

    number: int
    size_bytes: int
    crc: int | None
    etag: str

    def has(self, body: bytes | bytearray, *, crc: int) -> bool:
        """Tell whether it is these bytes.

        SeaweedFS keeps the checksum of a part and does not list it; its ETag is the MD5, as on AWS without KMS. One
        that is anything else is not equal, and the part is sent again. The store verifies the whole in any case.
        """
        if self.size_bytes != len(body):
            return False
        if self.crc is not None:
            return self.crc == crc
        return self.etag.strip('"') == hashlib.md5(body, usedforsecurity=False).hexdigest()


class PartSenders:
    """What all uploads of a store share: a few threads, and buffers that are used again and again.

    At most twice as many parts as there are threads are on their way; a reader that is faster waits. With the one that
    each open upload is filling, that is all the memory uploads take, however large their files are.

    Args:
        parallel_parts: Threads.
    """

    def __init__(self, parallel_parts: int) -> None:
        self._pool = ThreadPoolExecutor(parallel_parts, thread_name_prefix="s3-part")
        self._most_on_their_way = 2 * parallel_parts
        self._on_their_way = threading.Semaphore(self._most_on_their_way)
        self._spare: list[bytearray] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the threads; what is on its way fails."""
        self._pool.shutdown(cancel_futures=True)

    def lend(self, size_bytes: int) -> bytearray:
        """Give a buffer of exactly that size."""
        with self._lock:
            for place, buffer in enumerate(self._spare):
                if len(buffer) == size_bytes:
                    return self._spare.pop(place)
        return bytearray(size_bytes)

    def take_back(self, buffer: bytearray) -> None:
        """Keep a buffer for the next part; more than can be on their way at once are let go."""
        with self._lock:
            if len(self._spare) < self._most_on_their_way:
                self._spare.append(buffer)

    def send(self, act: Callable[[], T], buffer: bytearray) -> Future[T]:
        """Let a thread send what is in the buffer, and take the buffer back; waits while too many are on their way."""
        self._on_their_way.acquire()
        sending = self._pool.submit(act)
        sending.add_done_callback(lambda _: self._return(buffer))
        return sending

    def _return(self, buffer: bytearray) -> None:
        self.take_back(buffer)
        self._on_their_way.release()
