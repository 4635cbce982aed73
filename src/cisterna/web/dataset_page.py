"""Acquisitions and datasets: the evidence first, then what can be done."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import JsonValue

from cisterna.domain.account import Account, Role
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.delivery import may_deliver
from cisterna.domain.errors import CisternaError, DecisionRefused, InvalidInput, NotFound
from cisterna.domain.event import Event
from cisterna.domain.finding import Finding, Outcome
from cisterna.domain.fixity import Fixity
from cisterna.domain.permission import may_consent, may_reprocess, may_withdraw
from cisterna.domain.project import Project, ViewFormat
from cisterna.domain.publishing import Bar, consent_given, embargo_alone, publication_cautions
from cisterna.domain.review import Act, Decision
from cisterna.domain.work import WorkState
from cisterna.ports.catalogue import Transaction
from cisterna.services.consent import consenting, revoke_consent
from cisterna.services.detail import Detail, detail_of
from cisterna.services.person import stewards_of
from cisterna.services.public_record import standing
from cisterna.services.publish import bars_to_publication, request_publication, withdraw_version
from cisterna.services.reprocess import request_reprocess
from cisterna.web.alert_page import alert_context
from cisterna.web.checklist_view import Refused, answers_of, checklist_context
from cisterna.web.decision import quarantine_context, take_decision
from cisterna.web.metadata_rows import metadata_rows
from cisterna.web.parts import WebParts
from cisterna.web.problem import STATUS
from cisterna.web.release_page import release_context
from cisterna.web.removal_page import removal_context
from cisterna.web.samples_view import samples_context
from cisterna.web.score import shown_score
from cisterna.web.signed import FormPerson, Parts, Person
from cisterna.web.view import page
from cisterna.web.wording import TEXT, say

router = APIRouter(include_in_schema=False)

_FLASHES = frozenset(
    {
        "decided",
        "publishing",
        "agreed",
        "revoked",
        "withdrawn",
        "reprocessing",
        "cancelled",
        "acknowledged",
        "depositing",
    }
)
_FILES_SHOWN = 500
_THUMBS_SHOWN = 96
_QUIET_EVENTS = frozenset({"attempt.started", "attempt.completed"})

Reason = Annotated[str, Form(max_length=10_000)]
Identifier = Annotated[str, Form(max_length=200)]


@dataclass(frozen=True)
class Thumb:
    """A preview on the page."""

    path: str
    url: str
    file_url: str
    why: str = ""


@dataclass(frozen=True)
class Happening:
    """A line of the history."""

    when: datetime
    what: str
    why: str = ""


@router.get("/acquisitions/{acquisition_id}")
def show_acquisition(request: Request, parts: Parts, person: Person, acquisition_id: str, flash: str = "") -> Response:
    """Show one run as the instrument writes it."""
    found = detail_of(acquisition_id, catalogue=parts.catalogue, bucket=parts.store.bucket, account=person.account)
    if found.acquisition_id != acquisition_id:
        raise NotFound(say("problem.404.detail"))
    context = {
        "d": found,
        "history": history(found.history),
        "flash": flash if flash in _FLASHES else "",
        **release_context(parts, found, person.account),
        **alert_context(parts, found, person.account),
    }
    return page(request, "acquisition.html", context)


@router.get("/datasets/{dataset_id}")
def show_dataset(
    *, request: Request, parts: Parts, person: Person, dataset_id: str, version: str | None = None, flash: str = ""
) -> Response:
    """Show the newest version, or the one named."""
    return _dataset_page(request, parts, person.account, dataset_id, version=version, flash=flash)


def _dataset_page(
    request: Request,
    parts: WebParts,
    account: Account,
    dataset_id: str,
    *,
    version: str | None,
    flash: str = "",
    refused: Refused | None = None,
    status: int = 200,
) -> Response:
    wanted = f"{dataset_id}:{version}" if version else dataset_id
    found = detail_of(wanted, catalogue=parts.catalogue, bucket=parts.store.bucket, account=account, clock=parts.clock)
    if found.dataset_id is None or not dataset_id.startswith("ds-"):
        raise NotFound(say("problem.404.detail"))
    newest = found.versions[0].label if found.versions else None
    shown = shown_score(parts, None if found.erased else found.shown)
    fields = metadata_rows(found.shown, wanted=shown.wanted)
    may = _what_may(parts, found, account)
    context = {
        "d": found,
        "here": f"/datasets/{dataset_id}" + (f"?{urlencode({'version': version})}" if version else ""),
        "flash": flash if flash in _FLASHES else "",
        "is_old": found.version is not None and found.version != newest,
        "failed": [work for work in found.work if work.state is WorkState.FAILED],
        "fields": fields,
        "score": shown.score,
        "remedies": shown.remedies,
        "history": history(found.history),
        **samples_context(parts, found),
        **_images(parts, found),
        **_files(parts, found),
        **may,
        **checklist_context(parts, found, account, may=may, fields={one.name for one in fields}, refused=refused),
        **removal_context(parts, found, found.erasure, account),
    }
    return page(request, "dataset.html", context, status=status)


@router.post("/datasets/{dataset_id}/decision")
def decide_on(
    *,
    request: Request,
    parts: Parts,
    person: FormPerson,
    dataset_id: str,
    version_id: Identifier,
    act: Annotated[Act, Form()],
    reason: Reason,
    evidence_digest: Annotated[str, Form(max_length=128)],
    assignee: Annotated[str | None, Form(max_length=100)] = None,
    confirm: Annotated[str, Form(max_length=1000)] = "",
    seen: Annotated[str | None, Form(max_length=128)] = None,
    tick: Annotated[list[str] | None, Form()] = None,
    point: Annotated[list[str] | None, Form()] = None,
    remark: Annotated[list[str] | None, Form()] = None,
    inside_only: Annotated[bool, Form()] = False,
) -> Response:
    """Record a decision; the one that is for good asks for the dataset's name. What is refused keeps what was typed."""
    require_own_version(dataset_id, version_id)
    if act is Act.DISCARD:
        _require_name(parts, person.account, dataset_id, confirm)
    answers = answers_of(ticks=tick or (), points=point or (), remarks=remark or (), seen=seen)
    try:
        take_decision(
            parts,
            person.account,
            version_id,
            act,
            reason=reason,
            evidence_digest=evidence_digest,
            assignee=assignee,
            answers=answers,
            inside_only=inside_only,
        )
    except (DecisionRefused, InvalidInput) as error:
        if act is Act.DISCARD:
            raise
        refused = Refused(str(error), reason, answers, inside_only)
        label, status = version_id.partition(":")[2], STATUS[error.code]
        return _dataset_page(request, parts, person.account, dataset_id, version=label, refused=refused, status=status)
    return _back(dataset_id, version_id, "decided")


@router.post("/datasets/{dataset_id}/publication")
def publish(
    parts: Parts,
    person: FormPerson,
    dataset_id: str,
    version_id: Identifier,
    confirm: Annotated[str, Form(max_length=1000)],
) -> Response:
    """Ask for publication, in the name of the person."""
    require_own_version(dataset_id, version_id)
    _require_name(parts, person.account, dataset_id, confirm)
    asked = request_publication(version_id, person=person.account.name, catalogue=parts.catalogue, clock=parts.clock)
    return _back(dataset_id, version_id, "agreed" if isinstance(asked, Decision) else "publishing")


@router.post("/datasets/{dataset_id}/revocation")
def revoke(parts: Parts, person: FormPerson, dataset_id: str, version_id: Identifier, reason: Reason) -> Response:
    """Take the consent back before anything is public."""
    require_own_version(dataset_id, version_id)
    revoke_consent(version_id, person=person.account.name, reason=reason, catalogue=parts.catalogue, clock=parts.clock)
    return _back(dataset_id, version_id, "revoked")


@router.post("/datasets/{dataset_id}/withdrawal")
def withdraw(
    *,
    parts: Parts,
    person: FormPerson,
    dataset_id: str,
    version_id: Identifier,
    reason: Reason,
    confirm: Annotated[str, Form(max_length=1000)],
) -> Response:
    """Take a publication back."""
    require_own_version(dataset_id, version_id)
    _require_name(parts, person.account, dataset_id, confirm)
    withdraw_version(
        version_id,
        person=person.account.name,
        reason=reason,
        catalogue=parts.catalogue,
        publisher=parts.publisher,
        clock=parts.clock,
    )
    return _back(dataset_id, version_id, "withdrawn")


@router.post("/datasets/{dataset_id}/reprocessing")
def reprocess(
    *,
    parts: Parts,
    person: FormPerson,
    dataset_id: str,
    version_id: Identifier,
    what: Annotated[str, Form(max_length=100)],
    reason: Reason,
) -> Response:
    """Ask for the data to be processed again."""
    require_own_version(dataset_id, version_id)
    kind, _, name = what.partition(":")
    if kind == "model" and name not in parts.models():
        raise NotFound(say("problem.404.detail"), model=name)
    known: dict[str, Container[str]] = {"model": parts.models(), "stage": set(Stage), "view": set(ViewFormat)}
    if name not in known.get(kind, ()):
        raise InvalidInput(say("problem.422.detail", lines=what))
    asked = request_reprocess(
        version_id,
        from_stage=Stage(name) if kind == "stage" else None,
        model=name if kind == "model" else None,
        convert=ViewFormat(name) if kind == "view" else None,
        person=person.account.name,
        reason=reason,
        catalogue=parts.catalogue,
        clock=parts.clock,
    )
    return _back(dataset_id, asked.version.version_id, "reprocessing")


def require_own_version(dataset_id: str, version_id: str) -> None:
    """Refuse a version of another dataset than the page's."""
    if not version_id.startswith(f"{dataset_id}:"):
        raise NotFound(say("problem.404.detail"), version_id=version_id)


def _require_name(parts: WebParts, account: Account, dataset_id: str, typed: str) -> None:
    found = detail_of(dataset_id, catalogue=parts.catalogue, bucket=parts.store.bucket, account=account)
    if " ".join(typed.split()) != " ".join(found.title.split()):
        raise InvalidInput(say("confirm.differs", title=found.title), dataset_id=dataset_id)


def _back(dataset_id: str, version_id: str, flash: str) -> Response:
    query = urlencode({"version": version_id.partition(":")[2], "flash": flash})
    return RedirectResponse(f"/datasets/{quote(dataset_id)}?{query}", 303)


def _images(parts: WebParts, found: Detail) -> dict[str, object]:
    if found.shown is None:
        return {"failing": [], "images": [], "unreadable": False}
    try:
        paths = list(parts.content_of(found.shown).previews)
    except CisternaError:
        return {"failing": [], "images": [], "unreadable": True}
    why = reasons_by_file(found.findings)
    failing = [_thumb(found.shown, f"data/{path}", why[path]) for path in why if f"data/{path}" in paths]
    others = [_thumb(found.shown, path, "") for path in paths if path.removeprefix("data/") not in why]
    return {"failing": failing[:_THUMBS_SHOWN], "images": others[:_THUMBS_SHOWN], "unreadable": False}


def reasons_by_file(findings: Iterable[Finding]) -> dict[str, str]:
    """Say for each file which checks it failed, in the order of the findings and worst first within each."""
    why: dict[str, list[str]] = {}
    for finding in findings:
        if finding.outcome is Outcome.PASSED:
            continue
        for path in finding.files:
            why.setdefault(path.removeprefix("data/"), []).append(finding.check)
    return {path: ", ".join(dict.fromkeys(checks)) for path, checks in why.items()}


def _thumb(version: Version, path: str, why: str) -> Thumb:
    base = f"/datasets/{version.dataset_id}"
    return Thumb(
        path=path.removeprefix("data/"),
        url=f"{base}/preview?{urlencode({'version': version.label, 'path': path})}",
        file_url=f"{base}/files/{quote(path)}?{urlencode({'version': version.label})}",
        why=why,
    )


def _files(parts: WebParts, found: Detail) -> dict[str, object]:
    try:
        content = parts.content_of(found.shown) if found.shown else None
        files = parts.run_of_files(content, 0, _FILES_SHOWN) if content else []
    except CisternaError:
        content, files = None, []
    count = len(content.files) + sum(one.file_count for one in content.lists) if content else 0
    query = urlencode({"version": found.version or ""})
    shown = [{**dict(file), "url": f"/datasets/{found.dataset_id}/files/{quote(file.path)}?{query}"} for file in files]
    return {"files": shown, "more_files": count - len(shown)}


def _what_may(parts: WebParts, found: Detail, account: Account) -> dict[str, object]:
    """Tell what this person may do with this version; the services check again."""
    with parts.catalogue.begin() as tx:
        project: Project | None = tx.projects.get(found.project) if found.project else None
        stewards: Sequence[str] = stewards_of(found.project, tx=tx)
        agreed = _whose_word(tx, found.shown, project)
    is_steward = account.has_role(Role.STEWARD, project=found.project)
    bars: tuple[Bar, ...] = ()
    may_ask = project is not None and (may_consent(account, project) or is_steward)
    can_publish = may_ask and found.version_id is not None and found.stage is Stage.ACCEPTED
    if can_publish and found.version_id is not None:
        bars = bars_to_publication(found.version_id, person=account.name, catalogue=parts.catalogue, clock=parts.clock)
    may_agree = project is not None and may_consent(account, project)
    return {
        **quarantine_context(found, is_steward=is_steward),
        "own": account.name == found.submitter,
        "stewards": stewards,
        "publication": standing(found.publications),
        "can_publish": can_publish,
        "bars": tuple(one for one in bars if not one.passes),
        "agreed": agreed,
        "waits_until": embargo_alone([one for one in bars if not one.passes]) if may_agree else None,
        "cautions": publication_cautions(found.shown) if found.shown else (),
        "targets": tuple(one for one in parts.targets if one not in {wish.target for wish in found.deposits}),
        "can_withdraw": may_withdraw(account, project),
        "can_deliver": found.object_url is not None and may_deliver(account, project),
        "can_reprocess": found.object_url is not None and may_reprocess(account, project),
        "models": parts.models(),
    }


def _whose_word(tx: Transaction, version: Version | None, project: Project | None) -> str | None:
    """Name whose consent counts now: beside that of an owner who is none any more the present one can still agree."""
    if version is None or project is None:
        return None
    said = consenting(tx, version, tx.datasets.get(version.dataset_id))
    return consent_given(version, project, consent=said)


def history(events: Iterable[Event]) -> list[Happening]:
    """Write events as lines for people; what only machines care about is left out."""
    return [
        Happening(when=event.occurred_at, what=_what(event.name, event.data), why=_why(event.name, event.data))
        for event in events
        if event.name not in _QUIET_EVENTS
    ]


def _what(name: str, data: Mapping[str, JsonValue]) -> str:
    words = {
        key: _named(key, data.get(key))
        for key in ("version", "stage", "state", "person", "to", "act", "store", "fixity", "target")
    }
    return say(f"event.{name}", name, **words)


def _named(kind: str, value: JsonValue) -> str:
    return TEXT.get(f"{kind}.{value}", str(value or ""))


def _why(name: str, data: Mapping[str, JsonValue]) -> str:
    keys = ["decision", "withdrawn_reason", "held", "error", "message", "review"]
    if name == "copy.fixity" and data.get("fixity") == Fixity.OK:
        return ""
    if name != "version.stage" or data.get("stage") == Stage.GATED or data.get("base"):
        keys.append("reason")  # later stages carry the verdict's words along; once is enough
    for key in keys:
        if isinstance(text := data.get(key), str) and text:
            return text
    return ""
