"""What goes for good, on pages: what is due, what would go and what not, the decision, and how far it has come."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cisterna.domain.account import Account, Role
from cisterna.domain.erasure import Erasure, RemovalKind, read_order
from cisterna.domain.errors import Conflict, ErasureRefused, InvalidInput, NotFound
from cisterna.services.detail import Detail, detail_of
from cisterna.services.erase_decision import ask_again, list_standings, standing_of
from cisterna.services.erase_plan import ErasurePlan
from cisterna.services.overview import Overview
from cisterna.services.retention import list_retentions
from cisterna.web.parts import WebParts
from cisterna.web.removal_api import decide, erasure_of, order_of_disposal, plan
from cisterna.web.signed import FormPerson, Parts, Person, Signed
from cisterna.web.view import page
from cisterna.web.wording import say

router = APIRouter(include_in_schema=False)

_DUE_SHOWN = 500
_PATHS = {RemovalKind.ERASURE: "erasure", RemovalKind.RETENTION: "disposal"}

Confirm = Annotated[str, Form(max_length=200)]
Scope = Annotated[str, Form(max_length=64)]
Words = Annotated[str, Form(max_length=10_000)]


@router.get("/end-of-life")
def show_end_of_life(request: Request, parts: Parts, person: Person, flash: str = "") -> Response:
    """List what has come to its end, for stewards, and what went or goes, for administrators."""
    if not person.is_steward:
        raise NotFound(say("problem.404.detail"))
    due = list_retentions(account=person.account, catalogue=parts.catalogue, clock=parts.clock)
    context = {
        "due": [
            {"dataset": dataset, "retention": judged, "can_remove": _administrates(person.account, dataset.project)}
            for dataset, judged in due[:_DUE_SHOWN]
        ],
        "more": max(0, len(due) - _DUE_SHOWN),
        "standings": list_standings(account=person.account, catalogue=parts.catalogue),
        "flash": "removing" if flash == "removing" else "",
    }
    return page(request, "end_of_life.html", context)


@router.get("/datasets/{dataset_id}/{what}")
def show_removal(
    *,
    request: Request,
    parts: Parts,
    person: Person,
    dataset_id: str,
    what: Literal["erasure", "disposal"],
    flash: str = "",
) -> Response:
    """Show what would go; of what is decided already, how far that has come."""
    kind = RemovalKind.ERASURE if what == "erasure" else RemovalKind.RETENTION
    return _removal_page(request, parts, person, dataset_id, kind, flash="removing" if flash == "removing" else "")


@router.post("/datasets/{dataset_id}/erasure")
def erase(
    *,
    request: Request,
    parts: Parts,
    person: FormPerson,
    dataset_id: str,
    scope: Scope,
    controller: Words = "",
    basis: Words = "",
    decision: Words = "",
    reason: Words = "",
    confirm: Confirm = "",
) -> Response:
    """Decide that a dataset is erased."""
    given = {"controller": controller, "basis": basis, "decision": decision, "reason": reason}
    kind = RemovalKind.ERASURE
    try:
        order = read_order(kind=kind, **given)
        decide(parts, person, dataset_id, order, scope=scope, confirm=confirm)
    except (InvalidInput, Conflict, ErasureRefused) as refusal:
        return _removal_page(request, parts, person, dataset_id, kind, fault=refusal, given=given)
    return _follow(dataset_id, kind)


@router.post("/datasets/{dataset_id}/disposal")
def dispose(
    *,
    request: Request,
    parts: Parts,
    person: FormPerson,
    dataset_id: str,
    scope: Scope,
    reason: Words = "",
    confirm: Confirm = "",
) -> Response:
    """Let a dataset go whose end of life has come."""
    kind = RemovalKind.RETENTION
    try:
        order = order_of_disposal(parts, person, dataset_id, reason=reason)
        decide(parts, person, dataset_id, order, scope=scope, confirm=confirm)
    except (InvalidInput, Conflict, ErasureRefused) as refusal:
        return _removal_page(request, parts, person, dataset_id, kind, fault=refusal, given={"reason": reason})
    return _follow(dataset_id, kind)


@router.post("/erasures/{erasure_id}/attempts")
def go_on(parts: Parts, person: FormPerson, erasure_id: str) -> Response:
    """Ask for another attempt at what is left."""
    standing = ask_again(erasure_id, person=person.account.name, catalogue=parts.catalogue, clock=parts.clock)
    return _follow(standing.erasure.target, standing.erasure.order.kind)


def removal_context(parts: WebParts, row: Overview, erasure: Erasure | None, account: Account) -> dict[str, object]:
    """Give the dataset's page what an administrator may do about its end, and how far that has come."""
    if row.dataset_id is None or not _administrates(account, row.project):
        return {"can_remove": False, "standing": None}
    standing = None
    if erasure is not None:
        standing = standing_of(erasure.erasure_id, account=account, catalogue=parts.catalogue)
    return {"can_remove": True, "standing": standing}


def _administrates(account: Account, project: str | None) -> bool:
    return account.has_role(Role.ADMIN, project=project)


def _follow(dataset_id: str, kind: RemovalKind) -> Response:
    return RedirectResponse(f"/datasets/{quote(dataset_id)}/{_PATHS[kind]}?flash=removing", 303)


def _removal_page(
    request: Request,
    parts: WebParts,
    person: Signed,
    dataset_id: str,
    kind: RemovalKind,
    *,
    flash: str = "",
    fault: InvalidInput | Conflict | ErasureRefused | None = None,
    given: dict[str, str] | None = None,
) -> Response:
    """Render plan and form, or the standing of what is decided. A refusal keeps what was typed."""
    found = detail_of(
        dataset_id, catalogue=parts.catalogue, bucket=parts.store.bucket, account=person.account, clock=parts.clock
    )
    if found.dataset_id != dataset_id:
        raise NotFound(say("problem.404.detail"))
    erasure = erasure_of(parts, dataset_id)
    looked: ErasurePlan | None = None
    if erasure is None:
        looked = plan(parts, person, dataset_id, kind)
        standing = None
    else:
        standing = standing_of(erasure.erasure_id, account=person.account, catalogue=parts.catalogue)
    context = {
        "d": found,
        "kind": _PATHS[erasure.order.kind if erasure else kind],
        "plan": looked,
        "stores": _by_store(looked) if looked else [],
        "standing": standing,
        "titles": _titles(found),
        "flash": flash,
        "fault": str(fault) if fault else None,
        "given": given or {},
    }
    status = 200 if fault is None else 422 if isinstance(fault, InvalidInput) else 409
    return page(request, "removal.html", context, status=status)


def _titles(found: Detail) -> dict[str, str]:
    """Name the datasets that the person may see; what goes with them and is another's is named by its id alone."""
    return {one.dataset_id: one.title for one in (found, *found.related) if one.dataset_id}


def _by_store(looked: ErasurePlan) -> list[dict[str, Any]]:
    """Sum up what each store holds, one line a store; of one that could not be seen there is no number."""
    lines: list[dict[str, Any]] = []
    for store in dict.fromkeys(one.store for one in looked.stores):
        looks = [one for one in looked.stores if one.store == store]
        contents = [one.content for one in looks if one.content]
        unseen = [one.problem or (one.content.unseen if one.content else None) for one in looks]
        lines.append(
            {
                "store": store,
                "objects": sum(one.keys for one in contents) if contents else None,
                "replaced": sum(one.replaced for one in contents) if contents else None,
                "uploads": sum(one.uploads for one in contents) if contents else None,
                "size_bytes": sum(one.size_bytes for one in contents) if contents else None,
                "problems": list(dict.fromkeys(one for one in unseen if one)),
            }
        )
    return lines
