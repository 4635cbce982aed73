"""People and their roles, for administrators."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from cisterna.domain.account import Grant, Role
from cisterna.domain.errors import AlreadyExists, Forbidden, InvalidInput, NotFound
from cisterna.services.account import add_grant, create_account, remove_grant, set_active
from cisterna.web.parts import WebParts
from cisterna.web.signed import FormPerson, Parts, Person, Signed
from cisterna.web.view import page
from cisterna.web.wording import say

router = APIRouter(include_in_schema=False)

Short = Annotated[str, Form(max_length=200)]


@router.get("/people")
def show_people(request: Request, parts: Parts, person: Person, flash: str = "") -> Response:
    """List accounts and what they may do."""
    _require_admin(person)
    return _people_page(request, parts, flash="saved" if flash == "saved" else "")


@router.post("/people")
def add_person(
    *,
    request: Request,
    parts: Parts,
    person: FormPerson,
    name: Short,
    password: Annotated[str, Form(max_length=1000)],
    full_name: Short = "",
) -> Response:
    """Add an account without any role."""
    _require_admin(person)
    try:
        create_account(
            name,
            by=person.account,
            password=password,
            full_name=full_name,
            catalogue=parts.catalogue,
            clock=parts.clock,
            passwords=parts.passwords,
        )
    except (InvalidInput, AlreadyExists) as refusal:
        return _people_page(request, parts, fault=str(refusal), status=422)
    return RedirectResponse("/people?flash=saved", 303)


@router.post("/people/{name}/grants")
def change_grants(
    *,
    request: Request,
    parts: Parts,
    person: FormPerson,
    name: str,
    role: Annotated[Role, Form()],
    change: Annotated[Literal["grant", "take"], Form()],
    project: Short = "",
) -> Response:
    """Give or take a role."""
    _require_admin(person)
    act = add_grant if change == "grant" else remove_grant
    try:
        grant = Grant(role=role, project=project or None)
        act(name, grant=grant, by=person.account, catalogue=parts.catalogue)
    except ValidationError as error:
        raise InvalidInput(say("problem.422.detail", lines=project)) from error
    except (Forbidden, NotFound) as refusal:
        return _people_page(request, parts, fault=str(refusal), status=422)
    return RedirectResponse("/people?flash=saved", 303)


@router.post("/people/{name}/state")
def change_state(
    *,
    request: Request,
    parts: Parts,
    person: FormPerson,
    name: str,
    state: Annotated[Literal["active", "inactive"], Form()],
) -> Response:
    """Deactivate an account, or bring it back."""
    _require_admin(person)
    try:
        set_active(name, active=state == "active", by=person.account, catalogue=parts.catalogue)
    except (Forbidden, NotFound) as refusal:
        return _people_page(request, parts, fault=str(refusal), status=422)
    return RedirectResponse("/people?flash=saved", 303)


def _require_admin(person: Signed) -> None:
    """Nobody else is told that the page is there."""
    if not person.is_admin:
        raise NotFound(say("problem.404.detail"))


def _people_page(
    request: Request, parts: WebParts, *, fault: str | None = None, flash: str = "", status: int = 200
) -> Response:
    with parts.catalogue.begin() as tx:
        accounts = tx.accounts.list()
        projects = [project.slug for project in tx.projects.list()]
    context = {
        "accounts": accounts,
        "projects": projects,
        "roles": [role.value for role in Role],
        "fault": fault,
        "flash": flash,
    }
    return page(request, "people.html", context, status=status)
