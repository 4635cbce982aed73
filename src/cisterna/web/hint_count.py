"""Counts what became of messages with hints, for this process since it started."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily

OUTCOMES = ("taken", "unknown", "malformed", "forged", "stale", "replayed")
"""What became of a message; `taken` and `unknown` are counted by hint."""


class HintCount:
    """A counter that Prometheus can read; nothing about a refused message is kept anywhere else."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def add(self, source: str, outcome: str, number: int = 1) -> None:
        """Count hints or messages of a source."""
        with self._lock:
            self._counts[source, outcome] += number

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Give every count, those that are 0 included."""
        family = CounterMetricFamily(
            "cisterna_hints", "Hints taken or of no instrument, and messages refused.", labels=("source", "outcome")
        )
        with self._lock:
            counts = dict(self._counts)
        for source in ("events", "s3"):
            for outcome in OUTCOMES:
                family.add_metric((source, outcome), counts.get((source, outcome), 0))
        return [family]
