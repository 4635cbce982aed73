"""Projects and instruments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ValidationError

from cisterna.domain.account import Account
from cisterna.domain.alert import Alert
from cisterna.domain.base import Value
from cisterna.domain.credit import Contributor, Creator, Funding, Reference, Subject
from cisterna.domain.errors import AlreadyExists, InvalidInput, NotFound
from cisterna.domain.instrument import Instrument
from cisterna.domain.project import MetadataDefaults, Policy, Project
from cisterna.metadata.given_fault import fault_words
from cisterna.services.overview import Choice, list_overviews, tally_instruments
from cisterna.services.project import list_projects
from cisterna.services.project_edit import add_project, edit_project, may_add_project, may_edit_project
from cisterna.web.alert_page import by_instrument
from cisterna.web.dashboard import as_row
from cisterna.web.parts import WebParts
from cisterna.web.signed import FormPerson, Parts, Person
from cisterna.web.view import page
from cisterna.web.wording import say

LISTS: Mapping[str, type[Value]] = {
    "creators": Creator,
    "contributors": Contributor,
    "subjects": Subject,
    "funding": Funding,
    "references": Reference,
}
"""Fields that are typed one entry a line."""

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
    publisher_ror: str = ""
    licence: str = ""
    language: str = ""
    keywords: str = ""
    contributors: str = ""
    subjects: str = ""
    funding: str = ""
    references: str = ""
    access: str = "open"
    embargo_until: str = ""
    human_data: str = "unanswered"
    publish: str = "never"
    show_metadata: str = ""
    model: str = ""
    convert: str = ""
    accept_passed: str = ""
    archive_incomplete: str = ""
    release: str = "never"
    release_copy: str = ""
    targets: str = ""
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
        add_project(
            project,
            person=person.account.name,
            catalogue=parts.catalogue,
            clock=parts.clock,
            offered=parts.offered,
            vocabulary=parts.vocabulary,
        )
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
        project = _read(form, slug=slug, created_at=present.created_at, present=present.defaults)
        edit_project(
            project,
            person=person.account.name,
            catalogue=parts.catalogue,
            clock=parts.clock,
            offered=parts.offered,
            vocabulary=parts.vocabulary,
        )
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
    return ProjectForm(
        slug=project.slug,
        title=project.title,
        owner=project.owner,
        people=", ".join(project.people),
        **{name: "\n".join(one.line for one in getattr(defaults, name)) for name in LISTS},
        keywords="\n".join(defaults.keywords),
        publisher=defaults.publisher or "",
        publisher_ror=defaults.publisher_ror or "",
        licence=defaults.licence or "",
        language=defaults.language or "",
        access=defaults.access.value,
        embargo_until=str(defaults.embargo_until or ""),
        human_data=defaults.human_data.value,
        publish=policy.publish.value,
        show_metadata="yes" if policy.show_metadata else "",
        model=policy.model or "",
        convert=policy.convert.value if policy.convert else "",
        accept_passed="yes" if policy.accept_passed else "",
        archive_incomplete="yes" if policy.archive_incomplete else "",
        release=policy.release.value,
        release_copy=policy.release_copy or "",
        targets=", ".join(policy.targets),
        record=project.record,
    )


def _read(form: ProjectForm, *, slug: str, created_at: datetime, present: MetadataDefaults | None = None) -> Project:
    """Make a project of what was typed. Raises `InvalidInput` that names the field."""
    try:
        return Project(
            slug=slug,
            title=form.title,
            owner=form.owner.strip(),
            people=tuple(filter(None, (name.strip() for name in form.people.split(",")))),
            defaults=_defaults(form, present or MetadataDefaults()),
            policy=Policy.model_validate(
                {
                    "accept_passed": form.accept_passed == "yes",
                    "archive_incomplete": form.archive_incomplete == "yes",
                    "publish": form.publish,
                    "show_metadata": form.show_metadata == "yes",
                    "model": form.model.strip() or None,
                    "convert": form.convert or None,
                    "release": form.release,
                    "release_copy": form.release_copy.strip() or None,
                    "targets": tuple(filter(None, (name.strip() for name in form.targets.split(",")))),
                }
            ),
            created_at=created_at,
            record=form.record,
        )
    except ValidationError as error:
        raise InvalidInput(say("problem.422.detail", lines=fault_words(error))) from error


def _defaults(form: ProjectForm, present: MetadataDefaults) -> MetadataDefaults:
    words = ("publisher", "publisher_ror", "licence", "language", "embargo_until")
    return MetadataDefaults.model_validate(
        {
            **{name: _entries(name, getattr(form, name), getattr(present, name)) for name in LISTS},
            **{name: getattr(form, name).strip() or None for name in words},
            "keywords": tuple(filter(None, (line.strip() for line in form.keywords.splitlines()))),
            "access": form.access,
            "human_data": form.human_data,
        }
    )


def _entries(name: str, text: str, present: Sequence[Creator | Funding | Subject | Reference]) -> tuple[Value, ...]:
    """Read a list, one entry a line; a line that was not touched is the entry that it was, whatever a line can tell."""
    kept: dict[str, Value] = {one.line: one for one in present}
    entries = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entries.append(kept.get(line.strip()) or LISTS[name].model_validate(line))
        except ValidationError as error:
            why = fault_words(error)
            told = say("project.fault.line", line=number, field=say(f"project.{name}"), why=why)
            raise InvalidInput(told, line=number) from error
    return tuple(entries)
