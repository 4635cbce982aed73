"""What operators watch: liveness, readiness and metrics. Counts only; nothing here names data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import CisternaError
from cisterna.domain.fixity import Fixity
from cisterna.domain.recovery import ObjectState
from cisterna.domain.work import WorkState
from cisterna.ports.catalogue import Transaction
from cisterna.web.signed import Parts

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
def health() -> Response:
    """Say that this process answers."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
def readiness(parts: Parts) -> Response:
    """Say whether the parts that pages need answer; 503 names those that do not."""
    faults = {}
    try:
        with parts.catalogue.begin() as tx:
            tx.outbox.undelivered()
    except CisternaError as error:
        faults["catalogue"] = error.code
    try:
        parts.store.head(".cisterna-probe/ready")
    except CisternaError as error:
        faults["store"] = error.code
    return JSONResponse({"ready": not faults, "faults": faults}, 503 if faults else 200)


@router.get("/metrics")
def metrics(parts: Parts) -> Response:
    """Count what there is, in Prometheus's text form."""
    registry = CollectorRegistry()
    registry.register(parts.hint_count)
    with parts.catalogue.begin() as tx:
        _count(registry, tx)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _count(registry: CollectorRegistry, tx: Transaction) -> None:
    seen = tx.acquisitions.list()
    versions = tx.datasets.list_versions()
    states = Counter(one.state for one in seen)
    parts = {one.dataset_id for one in tx.datasets.list() if one.part_of is not None}
    seen_by_people = [one for one in versions if one.dataset_id not in parts]
    stages = Counter(one.stage for one in seen_by_people)
    verdicts = Counter(one.verdict.value if one.verdict else "none" for one in seen_by_people)
    work = {state: len(tx.inbox.list(state=state)) for state in WorkState if state is not WorkState.DONE}
    _gauge(
        registry, "cisterna_acquisitions", "Acquisitions by state.", "state", {s: states[s] for s in AcquisitionState}
    )
    _gauge(registry, "cisterna_versions", "Versions by stage.", "stage", {s: stages[s] for s in Stage})
    _gauge(registry, "cisterna_verdicts", "Versions by verdict.", "verdict", verdicts)
    _gauge(registry, "cisterna_work", "Work by state.", "state", work)
    _count_copies(registry, tx, versions)
    _gauge(registry, "cisterna_undelivered_events", "Events not delivered yet.", "sink", tx.outbox.undelivered())
    held = sum(1 for one in seen if one.held is not None)
    Gauge("cisterna_held_acquisitions", "Acquisitions held with a reason.", registry=registry).set(held)
    notes = tx.recoveries.list()
    conditions = Counter(one.state for one in notes)
    _gauge(
        registry,
        "cisterna_interrupted_objects",
        "Objects that recovery found not whole, by how it left them.",
        "state",
        {one: conditions[one] for one in ObjectState},
    )
    Gauge("cisterna_recoveries", "Commits that were rolled forward or back.", registry=registry).set(
        sum(one.recoveries for one in notes)
    )
    archived = sum(one.total_bytes for one in seen_by_people if one.ocfl_version is not None and not one.revision)
    Gauge("cisterna_archived_bytes", "Bytes of archived versions.", registry=registry).set(archived)


def _count_copies(registry: CollectorRegistry, tx: Transaction, versions: Sequence[Version]) -> None:
    """Count objects by store and what was found there, and archived versions that a store has no receipt for."""
    copies = Counter((one.store, one.fixity.value) for one in tx.copies.list() if one.fixity is not None)
    found = Gauge("cisterna_copies", "Objects by store and last finding.", ["store", "fixity"], registry=registry)
    missing = Gauge("cisterna_missing_copies", "Archived versions without a receipt.", ["store"], registry=registry)
    repaired = Gauge("cisterna_repaired_copies", "Objects that were repaired.", ["store"], registry=registry)
    proven = tx.copies.proven()
    mended = Counter(one.store for one in tx.copies.list() if one.repaired_at is not None)
    for store in tx.copies.stores():
        for fixity in Fixity:
            found.labels(store, fixity.value).set(copies[store, fixity.value])
        lacking = sum(one.is_archived and store not in proven.get(one.version_id, ()) for one in versions)
        missing.labels(store).set(lacking)
        repaired.labels(store).set(mended[store])


def _gauge(registry: CollectorRegistry, name: str, words: str, label: str, counts: Mapping[Any, int]) -> None:
    gauge = Gauge(name, words, [label], registry=registry)
    for value, count in counts.items():
        gauge.labels(str(value)).set(count)
