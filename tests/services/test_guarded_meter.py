"""A meter that fails costs its reading and nothing else: what is archived is archived all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest

from cisterna.domain.errors import InvalidInput, LeaseLost, SourceUnavailable
from cisterna.ports.quality import Reading, Spool
from cisterna.services.crew import GivenUp
from cisterna.services.guarded_meter import GuardedMeter

BODY = memoryview(b"bytes")
GOOD = Reading(metrics={"a": 1.0})


class Failing:
    """A meter, and its own spool, that raises at the places it is told to."""

    names = ("a",)
    has_places = False

    def __init__(self, error: Exception, *at: str) -> None:
        self._error, self._at = error, at
        self.is_left = False

    def _pass(self, place: str) -> None:
        if place in self._at:
            raise self._error

    def takes(self, path: str, *, is_image: bool) -> bool:
        return is_image and bool(path)

    def read(self, body: memoryview | None = None, *, path: str = "", keep_on: Callable[[], None] = int) -> Reading:
        del body, path
        self._pass("read")
        keep_on()
        return GOOD

    def write(self, piece: memoryview) -> None:
        del piece
        self._pass("write")

    def spool(self, path: str, *, size_bytes: int) -> AbstractContextManager[Spool] | None:
        del path, size_bytes
        self._pass("spool")
        return self._entered()

    @contextmanager
    def _entered(self) -> Iterator[Spool]:
        self._pass("enter")
        yield self  # type: ignore[misc]
        self.is_left = True


def spooled(meter: Failing, *, keep_on: Callable[[], None] = int) -> Reading:
    with GuardedMeter(meter).spool("a", size_bytes=5) or nullcontext(meter) as spool:  # type: ignore[attr-defined]
        for _ in range(3):
            spool.write(BODY)
        return spool.read(keep_on=keep_on)


def test_a_meter_that_does_not_fail_is_not_noticed() -> None:
    meter = Failing(IndexError())

    assert (GuardedMeter(meter).read(BODY, path="a"), spooled(meter), meter.is_left) == (GOOD, GOOD, True)


@pytest.mark.parametrize("at", ["spool", "enter", "write", "read"])
@pytest.mark.parametrize("error", [IndexError("out of\n range"), MemoryError(), InvalidInput("no such thing")])
def test_whatever_it_raises_is_told_and_says_nothing_against_the_file(at: str, error: Exception) -> None:
    reading = spooled(Failing(error, at))

    assert (reading.unmeasured or "").startswith(f"what measures it failed ({type(error).__name__}")
    assert (reading.problem, reading.metrics) == (None, {})
    assert "\n" not in (reading.unmeasured or "")


def test_so_it_is_of_a_file_that_is_measured_from_memory() -> None:
    reading = GuardedMeter(Failing(IndexError("out of range"), "read")).read(BODY, path="a")

    assert reading == Reading(unmeasured="what measures it failed (IndexError: out of range)")


@pytest.mark.parametrize("at", ["spool", "enter", "write", "read"])
def test_a_share_that_is_gone_ends_the_attempt_and_is_no_reading(at: str) -> None:
    with pytest.raises(SourceUnavailable):
        spooled(Failing(SourceUnavailable("the share is gone"), at))


@pytest.mark.parametrize("error", [GivenUp(), LeaseLost("somebody else has it"), KeyError("anything")])
def test_what_keep_on_raises_ends_the_attempt(error: Exception) -> None:
    def stop() -> None:
        raise error

    with pytest.raises(type(error)):
        spooled(Failing(IndexError()), keep_on=stop)
