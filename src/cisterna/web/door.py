"""Signing in and out, and the link that makes the first administrator."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cisterna.domain.errors import AlreadyExists, InvalidInput, NotFound, NotSignedIn, Throttled
from cisterna.services import sign_in as sessions
from cisterna.services.setup_link import check_setup_link, use_setup_link
from cisterna.web.public_route import SignInRoute
from cisterna.web.signed import (
    FORM_COOKIE,
    SESSION_COOKIE,
    FormPerson,
    Guest,
    Parts,
    keep_cookie,
)
from cisterna.web.view import page
from cisterna.web.wording import say

router = APIRouter(include_in_schema=False)
_guests = APIRouter(include_in_schema=False, route_class=SignInRoute)

_LOCAL_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x1f]{0,500}")


def local_path(text: str) -> str:
    """Return the path if it leads to a page of ours, else the first page: nobody is sent elsewhere by a link."""
    return text if _LOCAL_PATH.fullmatch(text) else "/"


@_guests.get("/sign-in")
def show_sign_in(request: Request, parts: Parts, next: str = "/") -> Response:  # noqa: A002 - its name in addresses
    """Show the form."""
    return _sign_in_page(request, parts, next_path=local_path(next))


@_guests.post("/sign-in")
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
    fault, status = "", 200
    try:
        secret, signed = sessions.sign_in(
            name,
            password=password,
            catalogue=parts.catalogue,
            clock=parts.clock,
            passwords=parts.passwords,
            client=request.client.host if request.client else None,
        )
    except NotSignedIn:
        fault, status = say("sign_in.refused"), 401
    except Throttled as refusal:
        fault, status = str(refusal), 429
    if fault:
        return _sign_in_page(request, parts, next_path=local_path(next), name=name, fault=fault, status=status)
    response = RedirectResponse(local_path(next), 303)
    seconds = int((signed.session.expires_at - parts.clock.now()).total_seconds())
    keep_cookie(response, SESSION_COOKIE, secret, parts, seconds=seconds)
    return response


@router.post("/sign-out")
def sign_out(parts: Parts, person: FormPerson) -> Response:
    """End the session."""
    sessions.sign_out(person.secret, catalogue=parts.catalogue)
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(SESSION_COOKIE, path="/")
    return response


@_guests.get("/setup/{secret}")
def show_setup(request: Request, parts: Parts, secret: str) -> Response:
    """Show the form that the first administrator fills in."""
    try:
        check_setup_link(secret, catalogue=parts.catalogue, clock=parts.clock)
    except NotSignedIn as refusal:
        raise NotFound(str(refusal)) from refusal  # a page to sign in would help nobody here
    return _setup_page(request, parts)


@_guests.post("/setup/{secret}")
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
        use_setup_link(
            secret,
            name=name,
            full_name=full_name,
            password=password,
            catalogue=parts.catalogue,
            passwords=parts.passwords,
            clock=parts.clock,
        )
    except NotSignedIn as refusal:
        raise NotFound(str(refusal)) from refusal
    except (InvalidInput, AlreadyExists) as refusal:
        return _setup_page(request, parts, name=name, full_name=full_name, fault=str(refusal), status=422)
    return sign_in(request=request, parts=parts, _own=None, name=name, password=password)


router.include_router(_guests)


def _sign_in_page(
    request: Request, parts: Parts, *, next_path: str, name: str = "", fault: str | None = None, status: int = 200
) -> Response:
    csrf = request.cookies.get(FORM_COOKIE) or parts.passwords.new_secret()
    context = {"csrf": csrf, "next": next_path, "name": name, "fault": fault}
    response = page(request, "sign_in.html", context, status=status)
    keep_cookie(response, FORM_COOKIE, csrf, parts)
    return response


def _setup_page(
    request: Request, parts: Parts, *, name: str = "", full_name: str = "", fault: str | None = None, status: int = 200
) -> Response:
    csrf = request.cookies.get(FORM_COOKIE) or parts.passwords.new_secret()
    context = {"csrf": csrf, "name": name, "full_name": full_name, "fault": fault}
    response = page(request, "setup.html", context, status=status)
    keep_cookie(response, FORM_COOKIE, csrf, parts)
    return response
