"""Datasets that were judged by the real gate and archived, for what is done with their summaries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.finding import Outcome, Verdict, verdict_of
from cisterna.ports.quality import MetricTable
from cisterna.services.measurement import METRICS_PATH
from cisterna.services.staging import stage_files
from cisterna.services.summary import Summary
from cisterna.services.trend import samples_of
from cisterna.services.validate import SUMMARY_FILE, _summary_json
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.factory import keep_version, make_account, make_finding
from cisterna.testing.memory_store import MemoryStore

GOOD: dict[str, float | int | str | None] = {"bad_share": 0.1, "brightness": 10.0, "images": 24, "kind": "x"}


class Judged:
    """A facility with datasets of the type `cells`, each with a summary in its object."""

    def __init__(self, catalogue: SqlCatalogue, clock: SettableClock) -> None:
        self.catalogue, self.clock = catalogue, clock
        self.store = MemoryStore()
        self.tables = ParquetTables()
        self.account = make_account("rita")

    def add(
        self,
        name: str,
        *,
        verdict: Verdict = Verdict.PASSED,
        stage: Stage = Stage.VERIFIED,
        day: float = 0,
        by_channel: dict[str, dict[str, float | None]] | None = None,
        body: bytes | None = None,
        **row: float | str | None,
    ) -> Version:
        """Archive a dataset with this summary, whose data came so many days after the start."""
        at = START + timedelta(days=day)
        version = keep_version(self.catalogue, name, staging="v1/content/one", created_at=at)
        summary = Summary(
            row={**GOOD, **row}, table=MetricTable(columns={"path": ["a"] * 24}), by_channel=by_channel or {}
        )
        with self.catalogue.begin() as tx:
            dataset = tx.datasets.save(
                tx.datasets.get(version.dataset_id).model_copy(update={"data_type": "cells", "title": name})
            )
            files = {SUMMARY_FILE: body or _summary_json(summary, {})}
            files[METRICS_PATH] = self.tables.dump({"path": ["a"]})
            staged = stage_files(version, files, dataset=dataset, store=self.store)
            outcome = {Verdict.PASSED: Outcome.PASSED, Verdict.REVIEW: Outcome.WARNING}.get(verdict, Outcome.FAILED)
            finding = make_finding("focus-lost", outcome)
            tx.datasets.set_findings(version.version_id, [finding])
            assert verdict_of([finding]) is verdict
            update = {"stage": stage, "verdict": verdict, "ocfl_version": 1}
            saved = tx.datasets.save_version(staged.model_copy(update=update))
            tx.trends.add(samples_of(summary, version=saved, dataset=dataset, verdict=verdict, at=at))
        return saved

    def add_many(self, count: int, **fields: Any) -> Sequence[Version]:
        """Archive good datasets, a day apart, that differ a little."""
        return [
            self.add(f"run {at}", day=at, bad_share=0.1 + 0.01 * (at % 5), brightness=10.0 + 0.1 * (at % 7), **fields)
            for at in range(count)
        ]
