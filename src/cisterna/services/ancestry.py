"""Tells where a thing came from and what came of it, from the catalogue alone."""

from __future__ import annotations

from collections.abc import Sequence

from cisterna.domain.base import Value
from cisterna.domain.dataset import Dataset
from cisterna.domain.event import Event
from cisterna.ports.catalogue import Transaction


def events_about(tx: Transaction, identifier: str) -> Sequence[Event]:
    """Give every event about an acquisition, a dataset or a version and what was derived from it, oldest first.

    Raises:
        NotFound: The catalogue has nothing of that id.
    """
    return tx.outbox.history(sorted(_subjects(tx, identifier)))


class Branch(Value):
    """One line of the tree of what came from what.

    Attributes:
        made_by: The jobs that made it, with their outcome in a word.
    """

    title: str
    identifier: str
    made_by: tuple[str, ...] = ()
    branches: tuple[Branch, ...] = ()


def lineage_tree(tx: Transaction, identifier: str) -> Branch:
    """Draw where a thing came from and what came of it, from its acquisition (or sources) downwards.

    Raises:
        NotFound: The catalogue has nothing of that id.
    """
    dataset = _dataset_of(tx, identifier)
    if dataset is None:
        seen = tx.acquisitions.get(identifier)
        return Branch(title=f"{seen.name} ({seen.state.value})", identifier=identifier)
    below = _branch(tx, dataset, seen=set())
    if dataset.acquisition_id is not None:
        acquisition = tx.acquisitions.find(dataset.acquisition_id)
        title = f"{acquisition.name} on {acquisition.instrument}" if acquisition else dataset.acquisition_id
        return Branch(title=title, identifier=dataset.acquisition_id, branches=(below,))
    for relation in dataset.relations:
        if relation.kind == "IsDerivedFrom":
            source = tx.datasets.get(relation.dataset_id)
            return Branch(title=f"{source.title} {relation.version}", identifier=source.pid, branches=(below,))
    return below


def _branch(tx: Transaction, dataset: Dataset, *, seen: set[str]) -> Branch:
    seen.add(dataset.dataset_id)
    versions = tx.datasets.versions(dataset.dataset_id)
    lines = tuple(
        Branch(
            title=f"{version.label} {version.stage.value}"
            + (f", {version.verdict.value}" if version.verdict else "")
            + f": {version.cause}",
            identifier=version.version_id,
        )
        for version in versions
    )
    derived = [one for one in tx.datasets.derived_from(dataset.dataset_id) if one.dataset_id not in seen]
    made_by = (dataset.model,) if dataset.model else ()
    branches = (*lines, *(_branch(tx, one, seen=seen) for one in derived))
    return Branch(title=dataset.title, identifier=dataset.pid, made_by=made_by, branches=branches)


def _dataset_of(tx: Transaction, identifier: str) -> Dataset | None:
    if identifier.startswith("acq-"):
        dataset = tx.acquisitions.get(identifier).dataset_id
        return tx.datasets.get(dataset) if dataset else None
    return tx.datasets.get(identifier.partition(":")[0])


def _subjects(tx: Transaction, identifier: str) -> set[str]:
    start = _dataset_of(tx, identifier)
    if start is None:
        return {identifier}
    subjects, waiting = {identifier}, [start]
    while waiting:
        dataset = waiting.pop()
        if dataset.dataset_id in subjects and dataset is not start:
            continue
        subjects |= {dataset.dataset_id, *filter(None, [dataset.acquisition_id])}
        subjects |= {version.version_id for version in tx.datasets.versions(dataset.dataset_id)}
        waiting.extend(tx.datasets.derived_from(dataset.dataset_id))
    return subjects
