"""What operators watch: liveness, readiness and metrics. Counts only; nothing here names data.

Counts tell something, too: how many bytes were archived since the last look is the size of what came in, whoever may
know of that. So metrics are told on the machine itself and to operators.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import Stage
from cisterna.domain.errors import CisternaError, Forbidden
from cisterna.domain.fixity import Fixity
from cisterna.domain.recovery import ObjectState
from cisterna.domain.work import WorkState
from cisterna.ports.roster import Census
from cisterna.web.public_route import WatchRoute
from cisterna.web.signed import Parts, signed_or_token
from cisterna.web.wording import say

_FOR_OTHERS = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")

router = APIRouter(include_in_schema=False, route_class=WatchRoute)


@router.get("/healthz")
async def health() -> Response:
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
def metrics(request: Request, parts: Parts) -> Response:
    """Count what there is, in Prometheus's text form."""
    _require_watcher(request, parts)
    registry = CollectorRegistry()
    registry.register(parts.hint_count)
    with parts.catalogue.begin() as tx:
        census, undelivered = tx.roster.census(), tx.outbox.undelivered()
    for name, words, label, counts in _counts(census, undelivered):
        _gauge(registry, name, words, label, counts)
    for name, words, count in (
        ("cisterna_held_acquisitions", "Acquisitions held with a reason.", census.held),
        ("cisterna_recoveries", "Commits that were rolled forward or back.", census.recoveries),
        ("cisterna_archived_bytes", "Bytes of archived versions.", census.archived_bytes),
    ):
        Gauge(name, words, registry=registry).set(count)
    found = Gauge("cisterna_copies", "Objects by store and last finding.", ["store", "fixity"], registry=registry)
    for store, one in census.stores.items():
        for fixity in Fixity:
            found.labels(store, fixity.value).set(one.found.get(fixity, 0))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _require_watcher(request: Request, parts: Parts) -> None:
    """Let in who asks on this machine itself, and operators, by token or session.

    Raises:
        NotSignedIn: It is somebody else who did not sign in.
        Forbidden: It is somebody else.
    """
    if _is_here(request):
        return
    signed = signed_or_token(request, parts, None)
    if not (signed.is_operator or signed.is_admin):
        raise Forbidden(say("refused.metrics"))


def _is_here(request: Request) -> bool:
    """Tell whether a program on this machine asks for itself; a proxy says in a header that it asks for others."""
    if any(name in request.headers for name in _FOR_OTHERS) or request.client is None:
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def _counts(census: Census, undelivered: Mapping[str, int]) -> Iterator[tuple[str, str, str, Mapping[Any, int]]]:
    """Give each counted thing: its name, what it is, its label, and how many there are by the label's value."""
    states, stages = census.acquisitions, census.stages
    yield "cisterna_acquisitions", "Acquisitions by state.", "state", {s: states.get(s, 0) for s in AcquisitionState}
    yield "cisterna_versions", "Versions by stage.", "stage", {s: stages.get(s, 0) for s in Stage}
    yield "cisterna_verdicts", "Versions by verdict.", "verdict", census.verdicts
    work = {state: census.work.get(state, 0) for state in WorkState if state is not WorkState.DONE}
    yield "cisterna_work", "Work by state.", "state", work
    yield "cisterna_undelivered_events", "Events not delivered yet.", "sink", undelivered
    left = {state: census.objects.get(state, 0) for state in ObjectState}
    yield "cisterna_interrupted_objects", "Objects that recovery found not whole, by how it left them.", "state", left
    missing = {name: one.missing for name, one in census.stores.items()}
    yield "cisterna_missing_copies", "Archived versions without a receipt.", "store", missing
    repaired = {name: one.repaired for name, one in census.stores.items()}
    yield "cisterna_repaired_copies", "Objects that were repaired.", "store", repaired


def _gauge(registry: CollectorRegistry, name: str, words: str, label: str, counts: Mapping[Any, int]) -> None:
    gauge = Gauge(name, words, [label], registry=registry)
    for value, count in counts.items():
        gauge.labels(str(value)).set(count)
