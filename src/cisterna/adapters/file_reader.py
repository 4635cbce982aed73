"""Has files measured by processes of their own, and takes nothing that those answer at its word."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from cisterna.adapters.local_service import Json
from cisterna.adapters.reader_child import ReaderChild, ReaderChildren, ReaderLost
from cisterna.adapters.reader_process import OUT_OF_MEMORY
from cisterna.domain.errors import InvalidInput
from cisterna.domain.untrusted import plain_text
from cisterna.ports.quality import CURVE_POINTS, Reading

MEMORY_BYTES = 2 << 30
"""What such a process may take beside what it holds when it is loaded."""
_ANSWER_BYTES = 16 * 1024 * 1024
_CURVES_MAX = 64
_OPEN_SECONDS, _TURN_SECONDS, _FILE_SECONDS = 60.0, 60.0, 1800.0
_READERS_OWN = frozenset({OUT_OF_MEMORY, InvalidInput.code})
"""Codes of what says nothing against a file."""


class FileChildren(ReaderChildren):
    """Processes that measure HDF5 and Parquet files, kept warm between files.

    Args:
        log: What they print.
        memory_bytes: What each may take.
        most: Who wants one more waits.
    """

    def __init__(self, *, log: Path, memory_bytes: int = MEMORY_BYTES, most: int = 2) -> None:
        options = ("--memory-bytes", str(memory_bytes))
        name, module = "the reader of HDF5 and Parquet files", "cisterna.adapters.file_process"
        super().__init__(lambda: ReaderChild(name, module, *options, log=log, answer_bytes=_ANSWER_BYTES), most=most)


class FileReader:
    """Measures files of one kind; safe to share between threads.

    Args:
        children: Give processes.
        kind: Of the files.
        names: Of the metrics, all of which a reading has.
        turn_seconds: After so long without a sign of life a process is given up.
        file_seconds: After so long a file is.
    """

    def __init__(
        self,
        children: ReaderChildren,
        *,
        kind: str,
        names: Sequence[str],
        turn_seconds: float = _TURN_SECONDS,
        file_seconds: float = _FILE_SECONDS,
    ) -> None:
        self._children, self._kind, self._names = children, kind, tuple(names)
        self._turn_seconds, self._file_seconds = turn_seconds, file_seconds

    def measure(self, file: BinaryIO, keep_on: Callable[[], None], **asked: object) -> Reading:
        """Measure a file. `keep_on` is called about once a second, and raises when the attempt must stop."""
        with self._children.place():
            try:
                child = self._children.take()
                request: Json = {"op": "open", "kind": self._kind, **asked}
                answer = child.ask(request, timeout_seconds=_OPEN_SECONDS, file=file).content
                reading = self._refused(answer) or self._measured(child, keep_on)
            except ReaderLost as lost:
                return Reading(unmeasured=f"its reader {lost} while the file was measured")
            self._children.give_back(child)
            return reading

    def _measured(self, child: ReaderChild, keep_on: Callable[[], None]) -> Reading:
        until = time.monotonic() + self._file_seconds
        while time.monotonic() < until:
            try:
                keep_on()
            except BaseException:
                self._children.give_back(child)
                raise
            answer = child.ask({"op": "more"}, timeout_seconds=self._turn_seconds).content
            refused = self._refused(answer)
            if refused is not None:
                return refused
            if "reading" in answer:
                return self._believed(answer["reading"])
        return Reading(unmeasured=f"its reader had not finished after {self._file_seconds:g} s")

    def _refused(self, answer: Json) -> Reading | None:
        if "error" not in answer:
            return None
        said = plain_text(" ".join(str(answer["error"]).split())[:500]) or "in words that cannot be shown"
        if answer.get("code") == OUT_OF_MEMORY:
            return Reading(unmeasured="its reader needs more memory for it than it may have")
        nothing = dict.fromkeys(self._names)
        is_reader = answer.get("code") in _READERS_OWN
        return Reading(unmeasured=said, metrics=nothing) if is_reader else Reading(problem=said, metrics=nothing)

    def _believed(self, answer: object) -> Reading:
        """Take a reading only in the form that readings have."""
        try:
            reading = Reading.model_validate(answer)
        except ValidationError:
            return Reading(unmeasured="its reader gave what is no reading")
        is_odd = (
            tuple(reading.metrics) != self._names
            or len(reading.curves) > _CURVES_MAX
            or bool(reading.planes or reading.channels)
        )
        if is_odd or any(not 0 < len(one.x) == len(one.y) <= CURVE_POINTS for one in reading.curves):
            return Reading(unmeasured="its reader gave what is no reading")
        return reading
