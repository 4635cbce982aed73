"""Keeps a meter that fails from ending the read that archives: no content may keep a file from being archived.

Whatever a meter raises though it promises not to is told as `unmeasured`, since it says nothing against the file, and
goes to a steward. Only what Cisterna names itself ends the attempt, such as a share that is gone, and what `keep_on`
raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from cisterna.domain.errors import CisternaError, InvalidInput
from cisterna.ports.quality import Meter, Reading, Spool


class GuardedMeter:
    """Measures by another meter, as far as `read_once` asks one."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def read(self, body: memoryview, *, path: str) -> Reading:
        """Measure a file whose bytes are all here."""
        try:
            return self._meter.read(body, path=path)
        except Exception as failure:  # noqa: BLE001 - see `_told`
            return _told(failure)

    def spool(self, path: str, *, size_bytes: int) -> AbstractContextManager[Spool] | None:
        """Give a place for a file, as the meter does; where that fails, one that says so."""
        try:
            place = self._meter.spool(path, size_bytes=size_bytes)
        except Exception as failure:  # noqa: BLE001 - see `_told`
            return nullcontext(_GuardedSpool(None, _told(failure)))
        return None if place is None else _guarded(place)


@contextmanager
def _guarded(place: AbstractContextManager[Spool]) -> Iterator[Spool]:
    with ExitStack() as left:
        try:
            guarded = _GuardedSpool(left.enter_context(place), None)
        except Exception as failure:  # noqa: BLE001 - see `_told`
            guarded = _GuardedSpool(None, _told(failure))
        yield guarded


class _GuardedSpool:
    def __init__(self, spool: Spool | None, failed: Reading | None) -> None:
        self._spool, self._failed = spool, failed

    def write(self, piece: memoryview) -> None:
        """Hand the next bytes on, until that fails."""
        if self._spool is not None and self._failed is None:
            try:
                self._spool.write(piece)
            except Exception as failure:  # noqa: BLE001 - see `_told`
                self._failed = _told(failure)

    def read(self, *, keep_on: Callable[[], None]) -> Reading:
        """Have the file measured."""
        if self._spool is None or self._failed is not None:
            return self._failed or Reading(unmeasured="nobody measured it")
        is_stopped = False

        def go_on() -> None:
            nonlocal is_stopped
            is_stopped = True
            keep_on()
            is_stopped = False

        try:
            return self._spool.read(keep_on=go_on)
        except Exception as failure:
            if is_stopped:
                raise
            return _told(failure)


def _told(failure: Exception) -> Reading:
    """Say that a meter failed. Raises what is ours."""
    if isinstance(failure, CisternaError) and not isinstance(failure, InvalidInput):
        raise failure
    said = " ".join(f"{type(failure).__name__}: {failure}".split())[:200]
    return Reading(unmeasured=f"what measures it failed ({said})")
