"""What is known of acquisitions that are still written: their pace, and what was read ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from cisterna.domain.ahead import Ahead, AheadBatch
from cisterna.domain.listing import SeenFile
from cisterna.domain.writing import Writing


class Aheads(Protocol):
    """Reading ahead, one row an acquisition while it is written; it goes when the ingest has what it needs of it."""

    def add(self, ahead: Ahead) -> Ahead:
        """Add it, or return the one already there for the acquisition. Locks it as `lock` does."""
        ...

    def find(self, acquisition_id: str) -> Ahead | None:
        """The acquisition's, if there is one."""
        ...

    def lock(self, acquisition_id: str) -> Ahead | None:
        """Like `find`, and nobody else locks or saves it until this transaction ends."""
        ...

    def save(self, ahead: Ahead) -> None:
        """Replace it; whoever saves it has locked it. Raises `NotFound`."""
        ...

    def remove(self, acquisition_id: str) -> None:
        """Forget it and its batches; none is no error."""
        ...

    def list(self) -> Sequence[Ahead]:
        """All of them, by object root."""
        ...

    def of(self, acquisition_ids: Sequence[str]) -> Mapping[str, Ahead]:
        """Those of these acquisitions, by their id."""
        ...

    def add_batch(self, batch: AheadBatch) -> None:
        """Raises `AlreadyExists` for a taken number."""
        ...

    def batches(self, acquisition_id: str) -> Sequence[AheadBatch]:
        """In order, without the files that each has seen."""
        ...

    def seen(self, acquisition_id: str) -> Mapping[str, SeenFile]:
        """Every file that was read ahead, by path, as it was when it was read last."""
        ...


class Writings(Protocol):
    """How fast acquisitions are written: one row each, for as long as they are."""

    def find(self, acquisition_id: str) -> Writing | None:
        """The acquisition's, if it is written."""
        ...

    def of(self, acquisition_ids: Sequence[str]) -> Mapping[str, Writing]:
        """Those of these acquisitions, by their id."""
        ...

    def put(self, writing: Writing) -> None:
        """Insert or replace; the last one counts."""
        ...

    def remove(self, acquisition_ids: Sequence[str]) -> None:
        """Forget those that are not written any more; none is no error."""
        ...

    def ids(self, *, instrument: str) -> Sequence[str]:
        """The acquisitions of an instrument that have one."""
        ...
