"""Gathers what is said of access to a version: by its project, by newer descriptions, and by all it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cisterna.domain.access import AccessNow, SaidOfVersion, access_of
from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.errors import InvalidInput
from cisterna.domain.project import Project
from cisterna.metadata.record import read_record
from cisterna.ports.catalogue import Transaction
from cisterna.ports.clock import Clock
from cisterna.services.public_record import HELD


def access_now(tx: Transaction, version: Version, dataset: Dataset, *, clock: Clock) -> AccessNow:
    """Say how much of a version may be public today, by UTC."""
    whole, *sources = tx.access.said([dataset.dataset_id])[dataset.dataset_id]
    # Its own word is what the caller holds, which it may not have written yet.
    said = SaidOfVersion(version.version_id, version.number, version.revision, is_rejected=False, said=version.metadata)
    return access_of(said, whole, sources, day=clock.now().date())


def project_of(tx: Transaction, dataset: Dataset) -> Project | None:
    """Return the project that claims a dataset."""
    return tx.projects.get(dataset.project) if dataset.project else None


def newer_revisions(tx: Transaction, version: Version) -> Sequence[Version]:
    """Give the newer descriptions of the same data: who makes access stricter need not wait for a review.

    One that a steward rejected says nothing.
    """
    return [
        one
        for one in tx.datasets.versions(version.dataset_id)
        if one.number == version.number
        and one.revision > version.revision
        and one.metadata is not None
        and one.stage is not Stage.REJECTED
    ]


def sources_of(tx: Transaction, dataset: Dataset) -> Iterator[tuple[Version, Project | None]]:
    """Give every version that the dataset was derived from, however far back, and the project that claims each."""
    waiting, seen = [dataset], {dataset.dataset_id}
    while waiting:
        for relation in waiting.pop().relations:
            if relation.dataset_id in seen:
                continue
            seen.add(relation.dataset_id)
            source = tx.datasets.get(relation.dataset_id)
            project = project_of(tx, source)
            for version in tx.datasets.versions(source.dataset_id):
                yield version, project
            waiting.append(source)


def misnamed_relations(tx: Transaction, version: Version) -> Sequence[str]:
    """Name the datasets whose title a description tells although it never was public.

    The archived forms of the description become public as they were written, so nothing of theirs can be left out.
    """
    if version.metadata is None:
        return []
    try:
        relations = read_record(version.metadata).relations
    except InvalidInput:
        return []  # what cannot be read is a bar of its own, and becomes public in no way
    told = [one for one in relations if one.kind not in HELD and one.title]
    return [one.pid for one in told if one.title not in _public_titles(tx, one.pid)]


def _public_titles(tx: Transaction, pid: str) -> set[object]:
    dataset = tx.datasets.by_pid(pid)
    if dataset is None:
        return set()
    return {
        (one.metadata or {}).get("title")
        for one in tx.datasets.versions(dataset.dataset_id)
        if tx.datasets.publications(one.version_id)
    }
