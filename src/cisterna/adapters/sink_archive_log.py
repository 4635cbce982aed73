"""Writes what happens after a commit into the object itself, so that the archive tells it without a catalogue."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from pydantic import JsonValue

from cisterna.domain.base import Value
from cisterna.domain.dataset import Dataset, Stage
from cisterna.domain.errors import NotFound, NotReady, ObjectNotFound, PreconditionFailed
from cisterna.domain.event import Event
from cisterna.domain.ocfl import OBJECT_DECLARATION
from cisterna.domain.record import SCHEMA_VERSION, KeptFinding
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.object_store import IfAbsent, ObjectStore
from cisterna.services.object_log import log_key

_VERSION = re.compile(r"^ds-[0-9a-z]{26}:v[0-9]+(\.[0-9]+)?$")
_RECORDED = frozenset(
    {
        "receipt.issued",
        "decision.made",
        "publication.made",
        "publication.changed",
        "publication.withdrawn",
        "deposit.reserved",
        "deposit.made",
        "deposit.withdrawn",
        "copy.fixity",
        "copy.repaired",
        "delivery.handed-over",
        "delivery.acknowledged",
        "hold.placed",
        "hold.lifted",
        "release.announced",
        "release.cancelled",
        "release.refused",
        "release.begun",
        "release.stopped",
        "release.done",
    }
)
"""What happened to an object after its commit. The files of `release.begun` and `release.done` are there already: the
release writes them itself, the first before anything is deleted."""


class ArchiveLogSink:
    """Implements `ports.sink.EventSink`: receipts, decisions, publications and the commit's own event.

    Beside what happened a file holds the rows that it is about, so that a dataset is rebuilt from its object alone even
    where the record of the catalogue (`services/record.py`) is lost.

    Each becomes one JSON file in the object's `logs/`, which OCFL leaves to the archive's keeper. Files are only ever
    created, under a name made from the event: the same event again finds its file there and changes nothing. It is
    inside: the archive bucket is private.
    """

    name = "archive-log"
    inside = True

    def __init__(self, *, store: ObjectStore, catalogue: Catalogue) -> None:
        self.store = store
        self._catalogue = catalogue

    def send(self, event: Event) -> None:
        """Write the event's file.

        Raises:
            NotReady: The object has not been committed yet; a file before its declaration would be an orphan.
            StoreUnavailable: The store did not answer.
        """
        if not _is_recorded(event):
            return
        found = self._describe(event)
        if found is None:
            return
        dataset, content = found
        body = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"
        try:
            self.store.put(log_key(dataset, event), body, condition=IfAbsent(), content_type="application/json")
        except PreconditionFailed:
            return  # it is there already: this is the same event again

    def dataset_of(self, event: Event) -> Dataset | None:
        """Find the dataset in whose object an event is recorded; None when it is not recorded."""
        if not _is_recorded(event):
            return None
        found = self._describe(event)
        return found[0] if found else None

    def _describe(self, event: Event) -> tuple[Dataset, dict[str, JsonValue]] | None:
        """Add the rows that the event is about, whole; None when its version was removed as a duplicate."""
        version_id = _version_of(event)
        named = set(_strings(event.data))
        with self._catalogue.begin() as tx:
            try:
                version = tx.datasets.get_version(version_id)
            except NotFound:
                return None
            dataset = tx.datasets.get(version.dataset_id)
            versions = tx.datasets.versions(version.dataset_id)
            receipts = tx.datasets.receipts(version_id)
            decisions = tx.datasets.decisions(version_id)
            publications = tx.datasets.publications(version_id)
            findings = tx.datasets.findings(version_id)
            judged = tx.trends.judged(version_id)
            about = _origin_of(tx, dataset)
            deposits = [one for one in tx.deposits.of(dataset.dataset_id) if one.key in named]
        if all(one.ocfl_version is None for one in versions):
            msg = f"{version_id} is not archived yet; its log waits until its object is there"
            raise NotReady(msg, version_id=version_id)
        content: dict[str, JsonValue] = {
            "schema_version": SCHEMA_VERSION,
            "event": event.model_dump(mode="json"),
            "dataset": dataset.model_dump(mode="json"),
            "version": version.model_dump(mode="json"),
            **{name: value.model_dump(mode="json") for name, value in about.items()},
        }
        match event.name:
            case "version.stage":
                kept = [
                    KeptFinding(version_id=version_id, position=at, body=finding) for at, finding in enumerate(findings)
                ]
                content["findings"] = _rows(kept)
                content["metric_samples"] = _rows([judged] if judged is not None else [])
            case "receipt.issued":
                content["receipts"] = _rows([one for one in receipts if one.receipt_id in named] or receipts)
            case "decision.made":
                content["decisions"] = _rows([one for one in decisions if one.decision_id in named] or decisions)
            case "publication.made" | "publication.changed" | "publication.withdrawn":
                matching = [one for one in publications if one.publication_id in named]
                content["publications"] = _rows(matching or publications)
            case "deposit.reserved" | "deposit.made" | "deposit.withdrawn":
                content["deposits"] = _rows(deposits)
            case _:
                pass
        return dataset, content


def _origin_of(tx: Transaction, dataset: Dataset) -> dict[str, Value]:
    """Give the rows that the dataset's refers to, so that the object alone tells where it comes from."""
    found: dict[str, Value] = {}
    acquisition = tx.acquisitions.find(dataset.acquisition_id) if dataset.acquisition_id else None
    if acquisition is not None:
        found["acquisition"] = acquisition
        found["instrument"] = tx.instruments.get(acquisition.instrument)
    if dataset.project is not None:
        found["project"] = tx.projects.get(dataset.project)
    return found


class CopyLogSink:
    """Implements `ports.sink.EventSink`: the records of the archive's `logs/`, in a store of copies.

    The very bytes of the archive's file, created once. Each store is a sink of its own, so one that is away gets its
    records later and no other waits for it.
    """

    inside = True

    def __init__(self, archive: ArchiveLogSink, *, copy: ObjectStore) -> None:
        self.name = f"{archive.name}-{copy.name}"
        self._archive = archive
        self._copy = copy

    def send(self, event: Event) -> None:
        """Copy the event's file.

        Raises:
            NotReady: The object was not copied yet, or the archive does not have the file yet.
            StoreUnavailable: One of the stores did not answer.
        """
        dataset = self._archive.dataset_of(event)
        if dataset is None:
            return
        if self._copy.head(f"{dataset.object_root}/{OBJECT_DECLARATION}") is None:
            msg = f"{dataset.pid} was not copied to {self._copy.name} yet; its log waits until it was"
            raise NotReady(msg, pid=dataset.pid)
        key = log_key(dataset, event)
        try:
            body, _ = self._archive.store.get(key)
        except ObjectNotFound as absent:
            raise NotReady(f"the archive has no {key} yet; its copy waits until it has", key=key) from absent
        try:
            self._copy.put(key, body, condition=IfAbsent(), content_type="application/json")
        except PreconditionFailed:
            return  # it is there already: this is the same event again, or the copy brought it


def _is_recorded(event: Event) -> bool:
    if event.name == "version.stage":
        return event.data.get("stage") == Stage.ARCHIVED.value
    return event.name in _RECORDED


def _version_of(event: Event) -> str:
    """Find the version the event is about: its subject, or the one version that its content names."""
    for candidate in (event.subject, event.data.get("version_id"), *_strings(event.data)):
        if isinstance(candidate, str) and _VERSION.fullmatch(candidate):
            return candidate
    return event.subject


def _strings(content: JsonValue) -> list[str]:
    match content:
        case str():
            return [content]
        case dict():
            return [text for value in content.values() for text in _strings(value)]
        case list():
            return [text for value in content for text in _strings(value)]
        case _:
            return []


def _rows(values: Sequence[Value]) -> list[JsonValue]:
    return [value.model_dump(mode="json") for value in values]
