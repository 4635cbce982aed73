"""Signing in and out, and the link that makes the first administrator."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cisterna.domain.errors import Forbidden, InvalidInput, NotFound, NotSignedIn
from cisterna.services import account as accounts
from cisterna.web.signed import (
    FORM_COOKIE,
    SESSION_COOKIE,
    FormPerson,
    Guest,
    Parts,
    keep_cookie,
    new_guest_secret,
)
from cisterna.web.view import page
from cisterna.web.wording import say

router = APIRouter(include_in_schema=False)

_LOCAL_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x1f]{0,500}")


def local_path(text: str) -> str:
    """Return the path if it leads to a page of ours, else the first page: nobody is sent elsewhere by a link."""
    return text if _LOCAL_PATH.fullmatch(text) else "/"


@router.get("/sign-in")
def show_sign_in(request: Request, parts: Parts, next: str = "/") -> Response:  # noqa: A002 - its name in addresses
    """Show the form."""
    return _sign_in_page(request, parts, next_path=local_path(next))


@router.post("/sign-in")
def sign_in(
    *,
    request: Request,
    parts: Parts,
    _own: Guest,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=1000)],
    next: Annotated[str, Form(max_length=600)] = "/",  # noqa: A002 - its name in the form
) -> Response:
    """Begin a session."""
    try:
        secret, session = accounts.sign_in(
            name, password=password, catalogue=parts.catalogue, passwords=parts.passwords, clock=parts.clock
        )
    except (NotSignedIn, Forbidden, NotFound, InvalidInput):
        words = say("sign_in.refused")
        return _sign_in_page(request, parts, next_path=local_path(next), name=name, fault=words, status=401)
    response = RedirectResponse(local_path(next), 303)
    seconds = int((session.expires_at - parts.clock.now()).total_seconds())
    keep_cookie(response, SESSION_COOKIE, secret, parts, seconds=seconds)
    return response


@router.post("/sign-out")
def sign_out(parts: Parts, person: FormPerson) -> Response:
    """End the session."""
    accounts.sign_out(person.secret, catalogue=parts.catalogue)
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(SESSION_COOKIE, path="/")
    return response


@router.get("/setup/{secret}")
def show_setup(request: Request, parts: Parts, secret: str) -> Response:
    """Show the form that the first administrator fills in."""
    accounts.require_setup_link(secret, catalogue=parts.catalogue)
    return _setup_page(request, parts)


@router.post("/setup/{secret}")
def set_up(
    *,
    request: Request,
    parts: Parts,
    _own: Guest,
    secret: str,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=1000)],
    again: Annotated[str, Form(max_length=1000)],
    full_name: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Make the first administrator and sign them in; the link is used up."""
    if password != again:
        return _setup_page(request, parts, name=name, full_name=full_name, fault=say("setup.differ"), status=422)
    try:
        accounts.use_setup_link(
            secret,
            name=name,
            full_name=full_name,
            password=password,
            catalogue=parts.catalogue,
            passwords=parts.passwords,
            clock=parts.clock,
        )
    except InvalidInput as refusal:
        return _setup_page(request, parts, name=name, full_name=full_name, fault=str(refusal), status=422)
    return sign_in(request=request, parts=parts, _own=None, name=name, password=password)


def _sign_in_page(
    request: Request, parts: Parts, *, next_path: str, name: str = "", fault: str | None = None, status: int = 200
) -> Response:
    csrf = request.cookies.get(FORM_COOKIE) or new_guest_secret()
    context = {"csrf": csrf, "next": next_path, "name": name, "fault": fault}
    response = page(request, "sign_in.html", context, status=status)
    keep_cookie(response, FORM_COOKIE, csrf, parts)
    return response


def _setup_page(
    request: Request, parts: Parts, *, name: str = "", full_name: str = "", fault: str | None = None, status: int = 200
) -> Response:
    csrf = request.cookies.get(FORM_COOKIE) or new_guest_secret()
    context = {"csrf": csrf, "name": name, "full_name": full_name, "fault": fault}
    response = page(request, "setup.html", context, status=status)
    keep_cookie(response, FORM_COOKIE, csrf, parts)
    return response
