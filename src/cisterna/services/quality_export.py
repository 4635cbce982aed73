"""What the gate said of many datasets, for programs of others that draw tables of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field

from cisterna.domain.base import Value
from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.errors import CisternaError
from cisterna.domain.finding import Finding, Verdict
from cisterna.domain.untrusted import json_object
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.services.overview import Choice, list_overviews, overview_of
from cisterna.services.public_files import read_verified
from cisterna.services.validate import SUMMARY_FILE

MOST_DATASETS = 1_000
"""Of more, the latest changed are told; a table of more rows is of no use to a person."""


class JudgedDataset(Value):
    """A dataset's newest version as the gate judged it.

    Attributes:
        summary: The row that was judged; empty where it cannot be read, and then `trouble` says why.
    """

    dataset_id: str
    version: str
    title: str
    data_type: str
    instrument: str | None = None
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    summary: dict[str, float | int | str | None] = Field(default_factory=dict)
    trouble: str | None = None


def judged_datasets(
    identifiers: Sequence[str], choice: Choice, *, catalogue: Catalogue, store: ObjectStore
) -> tuple[JudgedDataset, ...]:
    """Gather what is judged: of the things that are named, or else of what is chosen, latest change first.

    Raises:
        NotFound: One of the things that are named is not there.
    """
    return tuple(_judged(identifiers, choice, catalogue=catalogue, store=store))


def _judged(
    identifiers: Sequence[str], choice: Choice, *, catalogue: Catalogue, store: ObjectStore
) -> Iterator[JudgedDataset]:
    if identifiers:
        rows = [overview_of(one, catalogue=catalogue, bucket=store.bucket) for one in identifiers]
    else:
        rows = list(list_overviews(choice, catalogue=catalogue, bucket=store.bucket, limit=MOST_DATASETS))
    for version_id in dict.fromkeys(row.version_id for row in rows):
        if version_id is None:
            continue
        with catalogue.begin() as tx:
            version = tx.datasets.get_version(version_id)
            dataset = tx.datasets.get(version.dataset_id)
            findings = tuple(tx.datasets.findings(version_id))
        if version.verdict is not None:
            yield _told(version, dataset, version.verdict, findings, store=store)


def _told(
    version: Version, dataset: Dataset, verdict: Verdict, findings: tuple[Finding, ...], *, store: ObjectStore
) -> JudgedDataset:
    summary: dict[str, float | int | str | None] = {}
    trouble = None
    try:
        content = json_object(read_verified(version, SUMMARY_FILE, dataset=dataset, store=store), SUMMARY_FILE)
        row = content.get("summary")
        cells = row.items() if isinstance(row, dict) else ()
        summary = {str(name): cell for name, cell in cells if isinstance(cell, str | int | float)}
    except CisternaError as error:
        trouble = f"{SUMMARY_FILE} of {version.version_id} cannot be read: {error}"[:500]
    return JudgedDataset(
        dataset_id=dataset.dataset_id,
        version=version.label,
        title=dataset.title,
        data_type=dataset.data_type,
        instrument=dataset.instrument,
        verdict=verdict,
        findings=findings,
        summary=summary,
        trouble=trouble,
    )
