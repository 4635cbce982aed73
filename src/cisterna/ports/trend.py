"""Values of datasets one after another, as part of a transaction of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

from cisterna.domain.trend import JudgedValues, MetricSample

__all__ = ["End", "JudgedValues", "MetricSample", "TrendBook"]

End = Literal["newest", "oldest"]


class TrendBook(Protocol):
    """What the summaries of gated versions said; it is in the archive's record, and erased with the data."""

    def add(self, samples: Sequence[MetricSample]) -> None:
        """Keep them; they replace those of the same version. Raises `NotFound` for one of no version."""
        ...

    def of(
        self,
        *,
        instrument: str,
        data_type: str,
        metric: str,
        channel: str | None,
        limit: int = 200,
        before: datetime | None = None,
    ) -> Sequence[MetricSample]:
        """Newest first, one a dataset: of its newest version that was judged; among the newest 1,000 versions.

        Args:
            instrument: Whose datasets.
            data_type: Of this one alone.
            metric: Its name in the summary.
            channel: Of this one; None gives the values of whole datasets.
            limit: At most so many.
            before: Of data that came before this moment.
        """
        ...

    def judged(self, version_id: str) -> JudgedValues | None:
        """All samples of a version; None where it has none."""
        ...

    def metrics(self, *, instrument: str) -> Sequence[tuple[str, str, str | None]]:
        """Data type, metric and channel of which there are samples among the instrument's newest 1,000 versions."""
        ...

    def archived(
        self, *, data_type: str, accepted: bool, limit: int, projects: frozenset[str] | None = None
    ) -> Sequence[str]:
        """Name archived versions that were judged, one a dataset, its newest; newest data first, none discarded.

        Args:
            data_type: Of this one alone.
            accepted: Only those that count as usual, see `usual`.
            limit: At most so many.
            projects: Only of these; None leaves none out, nor what no project claims.
        """
        ...

    def usual(
        self,
        *,
        instrument: str,
        data_type: str,
        since: datetime,
        before: datetime,
        other_than: str,
        end: End = "newest",
        limit: int = 200,
    ) -> Sequence[JudgedValues]:
        """Give what counts as usual: what passed or a steward accepted, and nobody rejected, withdrew or discarded.

        One a dataset, its newest; a dataset whose newest one does not count is left out.

        Args:
            instrument: Whose datasets.
            data_type: Of this one alone.
            since: Of data that came at this moment or later,
            before: and before this one.
            other_than: The dataset that is judged; it is no measure of itself.
            end: Which end of that time to begin at, the newest data or the oldest.
            limit: At most so many.
        """
        ...
