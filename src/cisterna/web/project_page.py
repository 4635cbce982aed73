"""Projects and instruments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ValidationError

from cisterna.domain.account import Account
from cisterna.domain.alert import Alert
from cisterna.domain.credit import Creator
from cisterna.domain.errors import AlreadyExists, InvalidInput, NotFound
from cisterna.domain.instrument import Instrument
from cisterna.domain.project import MetadataDefaults, Policy, Project
from cisterna.services.overview import Choice, list_overviews, tally_instruments
from cisterna.services.project import list_projects
from cisterna.services.project_edit import add_project, edit_project, may_add_project, may_edit_project
from cisterna.web.alert_page import by_instrument
from cisterna.web.dashboard import as_row
from cisterna.web.parts import WebParts
from cisterna.web.signed import FormPerson, Parts, Person
from cisterna.web.view import page
from cisterna.web.wording import say

_SHOWN_ROWS = 200

router = APIRouter(include_in_schema=False)


class ProjectForm(BaseModel):
    """What the form holds, as text."""

    slug: str = ""
    title: str = ""
    owner: str = ""
    people: str = ""
    creators: str = ""
    publisher: str = ""
    licence: str = ""
    access: str = "open"
    human_data: str = "unanswered"
    publish: str = "never"
    model: str = ""
    convert: str = ""
    accept_passed: str = ""
    archive_incomplete: str = ""
    release: str = "never"
    release_copy: str = ""
    record: int = 0
    csrf: str = ""


@dataclass(frozen=True)
class InstrumentRow:
    """An instrument and what came from it; names of runs that are gone are for operators, who may know of all."""

    instrument: Instrument
    acquisitions: int
    last_seen: datetime | None
    alerts: Sequence[Alert]
    gone: tuple[str, ...] = ()


@router.get("/projects")
def show_projects(request: Request, parts: Parts, person: Person, flash: str = "") -> Response:
    """List the person's projects."""
    context = {
        "projects": list_projects(account=person.account, catalogue=parts.catalogue),
        "can_edit": may_add_project(person.account),
        "flash": "saved" if flash == "saved" else "",
    }
    return page(request, "projects.html", context)


@router.get("/projects/new")
def show_new_project(request: Request, parts: Parts, person: Person) -> Response:
    """Show an empty form."""
    if not may_add_project(person.account):
        raise NotFound(say("problem.404.detail"))
    return _form_page(request, parts, ProjectForm(owner=person.account.name), is_new=True, can_edit=True)


@router.get("/projects/{slug}")
def show_project(request: Request, parts: Parts, person: Person, slug: str, flash: str = "") -> Response:
    """Show a project: its data, and its settings, which its owner and operators can change."""
    project = _visible(parts, person.account, slug)
    rows = list_overviews(
        Choice(project=slug),
        catalogue=parts.catalogue,
        bucket=parts.store.bucket,
        account=person.account,
        limit=_SHOWN_ROWS,
    )
    return _form_page(
        request,
        parts,
        _filled(project),
        can_edit=may_edit_project(person.account, project),
        rows=[as_row(row) for row in rows],
        flash="saved" if flash == "saved" else "",
    )


@router.post("/projects")
def create(request: Request, parts: Parts, person: FormPerson, form: Annotated[ProjectForm, Form()]) -> Response:
    """Add a project."""
    try:
        project = _read(form, slug=form.slug, created_at=parts.clock.now())
        add_project(project, person=person.account.name, catalogue=parts.catalogue)
    except (InvalidInput, AlreadyExists) as refusal:
        return _form_page(request, parts, form, is_new=True, can_edit=True, fault=str(refusal), status=422)
    return RedirectResponse(f"/projects/{project.slug}?flash=saved", 303)


@router.post("/projects/{slug}")
def change(
    request: Request, parts: Parts, person: FormPerson, slug: str, form: Annotated[ProjectForm, Form()]
) -> Response:
    """Change a project."""
    present = _visible(parts, person.account, slug)
    try:
        project = _read(form, slug=slug, created_at=present.created_at)
        kept = project.defaults.model_copy(update={"keywords": present.defaults.keywords})
        project = project.model_copy(update={"defaults": kept})
        edit_project(project, person=person.account.name, catalogue=parts.catalogue)
    except InvalidInput as refusal:
        shown = form.model_copy(update={"slug": slug})
        return _form_page(request, parts, shown, can_edit=True, fault=str(refusal), status=422)
    return RedirectResponse(f"/projects/{slug}?flash=saved", 303)


@router.get("/instruments")
def show_instruments(request: Request, parts: Parts, person: Person) -> Response:
    """List instruments, with counts of the acquisitions that the person may see."""
    tallies = tally_instruments(catalogue=parts.catalogue, account=person.account)
    with parts.catalogue.begin() as tx:
        instruments = tx.instruments.list()
    alerts = by_instrument(parts, person.account)
    shown = []
    for instrument in instruments:
        own = tallies.get(instrument.name)
        if own or person.is_operator or person.is_admin:
            last, guard = own.changed_at if own else None, instrument.guard
            shown.append(
                InstrumentRow(
                    instrument=instrument,
                    acquisitions=own.acquisitions if own else 0,
                    last_seen=last,
                    alerts=alerts.get(instrument.name, []),
                    gone=guard.examples if guard and person.is_operator else (),
                )
            )
    return page(request, "instruments.html", {"rows": shown})


def _visible(parts: WebParts, account: Account, slug: str) -> Project:
    for project in list_projects(account=account, catalogue=parts.catalogue):
        if project.slug == slug:
            return project
    raise NotFound(say("problem.404.detail"), project=slug)


def _form_page(
    request: Request,
    parts: WebParts,
    form: ProjectForm,
    *,
    can_edit: bool,
    is_new: bool = False,
    rows: list[object] | None = None,
    fault: str | None = None,
    flash: str = "",
    status: int = 200,
) -> Response:
    context = {
        "form": form,
        "is_new": is_new,
        "can_edit": can_edit,
        "rows": rows or [],
        "models": parts.models(),
        "fault": fault,
        "flash": flash,
    }
    return page(request, "project.html", context, status=status)


def _filled(project: Project) -> ProjectForm:
    defaults, policy = project.defaults, project.policy
    lines = ["; ".join(filter(None, (one.name, one.orcid, one.affiliation))) for one in defaults.creators]
    return ProjectForm(
        slug=project.slug,
        title=project.title,
        owner=project.owner,
        people=", ".join(project.people),
        creators="\n".join(lines),
        publisher=defaults.publisher or "",
        licence=defaults.licence or "",
        access=defaults.access.value,
        human_data=defaults.human_data.value,
        publish=policy.publish.value,
        model=policy.model or "",
        convert=policy.convert.value if policy.convert else "",
        accept_passed="yes" if policy.accept_passed else "",
        archive_incomplete="yes" if policy.archive_incomplete else "",
        release=policy.release.value,
        release_copy=policy.release_copy or "",
        record=project.record,
    )


def _read(form: ProjectForm, *, slug: str, created_at: datetime) -> Project:
    """Make a project of what was typed. Raises `InvalidInput` that names the field."""
    try:
        return Project(
            slug=slug,
            title=form.title,
            owner=form.owner.strip(),
            people=tuple(filter(None, (name.strip() for name in form.people.split(",")))),
            defaults=MetadataDefaults.model_validate(
                {
                    "creators": tuple(_creators(form.creators)),
                    "publisher": form.publisher.strip() or None,
                    "licence": form.licence.strip() or None,
                    "access": form.access,
                    "human_data": form.human_data,
                }
            ),
            policy=Policy.model_validate(
                {
                    "accept_passed": form.accept_passed == "yes",
                    "archive_incomplete": form.archive_incomplete == "yes",
                    "publish": form.publish,
                    "model": form.model.strip() or None,
                    "convert": form.convert or None,
                    "release": form.release,
                    "release_copy": form.release_copy.strip() or None,
                }
            ),
            created_at=created_at,
            record=form.record,
        )
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise InvalidInput(say("problem.422.detail", lines=lines)) from error


def _creators(text: str) -> list[Creator]:
    creators = []
    for line, content in enumerate(text.splitlines(), start=1):
        if not content.strip():
            continue
        name, orcid, affiliation, *_rest = [*(part.strip() for part in content.split(";")), "", ""]
        if orcid and not any(character.isdigit() for character in orcid):
            orcid, affiliation = "", orcid  # the iD was left out
        try:
            creators.append(Creator(name=name, orcid=orcid or None, affiliation=affiliation or None))
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            raise InvalidInput(say("project.fault.creator", line=line, why=why), line=line) from error
    return creators
