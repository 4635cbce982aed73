"""What decides how much may be public, and which publications have to be looked at because that may have changed.

Whatever changes a project, a description or what a dataset was made from leaves a mark, whoever does it, in the same
transaction; so does a publication that is new. Marks are made by the catalogue itself: no writer can forget to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from cisterna.domain.access import SaidOfDataset


class AccessLook(NamedTuple):
    """A look at the publication of a version that is due.

    Attributes:
        due_at: Since when; who is done with the look names it, so that one that was asked for anew meanwhile stays.
        waits: Whether more may be public than is, and nothing less: that may wait for what must go.
    """

    version_id: str
    due_at: datetime
    waits: bool = False


class AccessBook(Protocol):
    """A part of a transaction of the catalogue."""

    def said(self, dataset_ids: Sequence[str]) -> Mapping[str, Sequence[SaidOfDataset]]:
        """Give what decides about each of these datasets: of itself first, then of all that it was made from.

        What cannot be found stands there too, and says that it was not.
        """
        ...

    def spread(self, *, now: datetime) -> int:
        """Make of some marks looks at every publication that stands and hangs on what was changed; count the marks.

        Again and again until there are none.
        """
        ...

    def due(self, *, now: datetime, limit: int) -> Sequence[AccessLook]:
        """Give looks that are due: first where less may have to be shown, and there what was changed last.

        What must not wait and is due in a while only is given as well: the clock went back since.
        """
        ...

    def settle(self, done: Sequence[tuple[AccessLook, AccessLook | None]]) -> None:
        """Put the next look at a version in the place of one that was given; None: nothing is to come."""
        ...
