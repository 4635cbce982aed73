"""A maker's file that is open in a plane process; when the process is lost, in another one, a few times."""

from __future__ import annotations

import time
from collections.abc import Mapping
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cisterna.adapters.local_service import Json, Message
from cisterna.adapters.reader_child import ReaderChild, ReaderChildren, ReaderLost
from cisterna.adapters.reader_process import OUT_OF_MEMORY
from cisterna.domain.errors import InvalidInput
from cisterna.domain.plane_choice import MOST_TAKEN, PlacedPlane, Taken
from cisterna.domain.untrusted import plain_text
from cisterna.ports.profile import Plane, StagePlace
from cisterna.ports.quality import PlaneReading, Reading

_LOSSES_MAX = 3
_OPEN_SECONDS, _FILE_SECONDS = 60.0, 1800.0
_SIDE_MAX = 2**31
_READERS_OWN = frozenset({OUT_OF_MEMORY, InvalidInput.code})
"""Codes of what says nothing against a file."""


class MakerPlanes:
    """Reads the planes that were chosen, one after another. Nothing that a process answers is believed unseen.

    Args:
        file: For the process to open.
        kind: Of the file.
        children: Give processes.
        most: So many planes are chosen, at most.
        plane_seconds: How long one may take.
        file_seconds: After so long no further plane is begun.
    """

    def __init__(
        self,
        file: BinaryIO,
        kind: str,
        children: ReaderChildren,
        *,
        most: int,
        plane_seconds: float,
        file_seconds: float = _FILE_SECONDS,
    ) -> None:
        self._file, self._kind, self._children, self._most = file, kind, children, most
        self._plane_seconds, self._file_seconds = plane_seconds, file_seconds
        self._begun = time.monotonic()
        self._child: ReaderChild | None = None
        self._losses = 0
        self.placed: tuple[PlacedPlane, ...] = ()
        self.in_file = 0

    def open(self) -> Reading | None:
        """Open the file and learn its planes; or say why that cannot be."""
        self._begun = time.monotonic()
        try:
            answer = self._opened()
        except ReaderLost as lost:
            return Reading(unmeasured=f"its reader {lost} while the file was opened")
        if "error" in answer:
            said = f"the file cannot be opened ({_words(answer)})"
            is_reader = answer.get("code") in _READERS_OWN
            return Reading(unmeasured=said) if is_reader else Reading(problem=said)
        try:
            self.placed = tuple(_placed(cells) for cells in answer["planes"][: self._most])
            self.in_file = max(int(answer["planes_in_file"]), len(self.placed))
        except (KeyError, TypeError, ValueError, OverflowError):
            return Reading(unmeasured="its reader gave what is no list of planes")
        return None if self.placed else Reading(problem="the file holds no plane")

    def pixels(self, index: int) -> NDArray[Any] | PlaneReading:
        """Read a plane, or say why it cannot be had."""
        placed = self.placed[index]
        if time.monotonic() - self._begun > self._file_seconds:
            return _without(placed, unmeasured=f"its file had taken more than {self._file_seconds:g} s")
        try:
            child = self._child or self._opened_again()
            if child is None:
                return _without(placed, unmeasured="its reader was lost too often in this file")
            answer = child.ask({"op": "plane", "index": index}, timeout_seconds=self._plane_seconds)
        except ReaderLost as lost:
            self._child, self._losses = None, self._losses + 1
            return _without(placed, unmeasured=f"its reader {lost} while the plane was read")
        if "error" not in answer.content:
            found = _pixels(answer, placed)
            return _without(placed, problem=found) if isinstance(found, str) else found
        if answer.content.get("code") == OUT_OF_MEMORY:
            return _without(placed, unmeasured="its reader needs more memory for it than it may have")
        return _without(placed, problem=f"the plane cannot be read ({_words(answer.content)})")

    def close(self) -> None:
        """Leave the process to the next file."""
        if self._child is not None:
            self._children.give_back(self._child)
            self._child = None

    def _opened_again(self) -> ReaderChild | None:
        """Open the file in another process; None when it was lost too often, or does not say the same of itself."""
        if self._losses >= _LOSSES_MAX:
            return None
        answer = self._opened()
        if answer.get("planes_in_file") != self.in_file:
            self._losses = _LOSSES_MAX
            self.close()
        return self._child

    def _opened(self) -> Json:
        self._child = self._children.take()
        request: Json = {"op": "open", "kind": self._kind, "most": self._most}
        try:
            return self._child.ask(request, timeout_seconds=_OPEN_SECONDS, file=self._file).content
        except ReaderLost:
            self._child = None
            raise


def place_of(placed: PlacedPlane) -> Plane:
    """Give the plane's place in the run."""
    return Plane(region=placed.region, field=placed.field, channel=placed.channel, z=placed.z, t=placed.t)


def taken_of(placed: PlacedPlane) -> StagePlace | None:
    """Give where and when it was taken."""
    return None if placed.taken is None else StagePlace(*placed.taken)


def _without(placed: PlacedPlane, **why: str) -> PlaneReading:
    return PlaneReading(plane=place_of(placed), taken=taken_of(placed), **why)


def _words(answer: Mapping[str, object]) -> str:
    return plain_text(" ".join(str(answer.get("error")).split())[:300]) or "in words that cannot be shown"


def _placed(cells: Any) -> PlacedPlane:
    """Take one plane out of an answer. Raises `TypeError`, `ValueError`."""
    key, region, channel, height, width, item_bytes, field, z, t, samples, fault, taken = cells
    texts = [plain_text(text, longest=500) for text in (region, channel, field)]
    numbers = [int(number) for number in (height, width, item_bytes, samples, z, t)]
    if None in texts or any(not 0 <= number < _SIDE_MAX for number in numbers):
        msg = "a plane without a name, or of no size"
        raise ValueError(msg)
    return PlacedPlane(
        key=tuple(key),
        region=texts[0] or "",
        channel=texts[1] or "",
        field=texts[2] or "",
        height=numbers[0],
        width=numbers[1],
        item_bytes=numbers[2],
        samples=numbers[3],
        z=numbers[4],
        t=numbers[5],
        fault=None if fault is None else plain_text(fault) or "it is not whole",
        taken=None if taken is None else _taken(taken),
    )


def _taken(cells: Any) -> Taken:
    x, y, z, seconds = (None if cell is None else float(cell) for cell in cells)
    if any(value is not None and not abs(value) <= MOST_TAKEN for value in (x, y, z, seconds)):
        msg = "a plane that was taken nowhere"
        raise ValueError(msg)
    return x, y, z, seconds


def _pixels(answer: Message, placed: PlacedPlane) -> NDArray[Any] | str:
    """Take the pixels out of an answer, or say what is wrong with them."""
    wanted = (placed.height, placed.width) + ((placed.samples,) if placed.samples > 1 else ())
    try:
        shape, kind = tuple(answer.content["shape"]), np.dtype(str(answer.content["dtype"]))
        (body,) = answer.blobs
    except (KeyError, TypeError, ValueError):
        return "its reader gave what are no pixels"
    if shape != wanted or kind.kind not in "biuf" or prod(wanted) * kind.itemsize != len(body):
        return f"its reader gave pixels of {shape} {kind} where the file tells of {wanted}"
    if not body:
        return "the plane has no pixels"
    return np.frombuffer(body, kind).astype(kind.newbyteorder("="), copy=False).reshape(wanted)
