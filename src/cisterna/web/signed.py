"""Who asks: the session of a browser or the token of a script, and the check that a form is the person's own."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request, Response

from cisterna.domain.account import Account, Role
from cisterna.domain.errors import CisternaError, Forbidden
from cisterna.services.api_token import authenticate_token
from cisterna.services.sign_in import find_session
from cisterna.web.parts import WebParts
from cisterna.web.request_text import require_text
from cisterna.web.wording import say

SESSION_COOKIE = "cisterna_session"
FORM_COOKIE = "cisterna_form"
CSRF_HEADER = "x-csrf-token"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Signed:
    """A person who is signed in.

    Attributes:
        csrf: What the person's own forms carry; empty for a token, which no browser sends by itself.
        secret: Of the session or token.
    """

    account: Account
    csrf: str
    secret: str

    @property
    def is_admin(self) -> bool:
        """Whether they administrate the site."""
        return self.account.has_role(Role.ADMIN, project=None)

    @property
    def is_steward(self) -> bool:
        """Whether they judge data anywhere."""
        places = {None, *(grant.project for grant in self.account.grants)}
        return any(self.account.has_role(Role.STEWARD, project=place) for place in places)

    @property
    def is_operator(self) -> bool:
        """Whether they run the site."""
        return self.account.has_role(Role.OPERATOR, project=None)


async def parts_of(request: Request) -> WebParts:
    """Return the parts of the app that serves the request."""
    return cast("WebParts", request.app.state.parts)


Parts = Annotated[WebParts, Depends(parts_of)]


def signed_in(request: Request, parts: Parts) -> Signed:
    """Return who sends a page's request.

    Raises:
        NotSignedIn: No valid session came with it.
    """
    signed = _by_cookie(request, parts)
    request.state.signed = signed
    return signed


Text = Annotated[None, Depends(require_text)]


def signed_or_token(request: Request, parts: Parts, _text: Text) -> Signed:
    """Return who sends a request to the API, by token or by session; what it holds is text.

    A session is a browser's, so it has to show with every change that a page of ours sent it (header `x-csrf-token`).

    Raises:
        NotSignedIn: Neither came with it, or it is not valid any more.
    """
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        account = authenticate_token(secret.strip(), catalogue=parts.catalogue, clock=parts.clock)
        request.state.signed = by_token = Signed(account=account, csrf="", secret=secret)
        return by_token
    request.state.signed = signed = _by_cookie(request, parts)
    if request.method not in _SAFE_METHODS:
        require_own(signed.csrf, request.headers.get(CSRF_HEADER, ""))
    return signed


async def form_secret(request: Request) -> str:
    """Read the secret that a form carries; empty when it carries none."""
    value = (await request.form()).get("csrf")
    return value if isinstance(value, str) else ""


FormSecret = Annotated[str, Depends(form_secret)]


def signed_form(request: Request, parts: Parts, csrf: FormSecret) -> Signed:
    """Return who sends a form, once it is sure that it is a form of theirs."""
    signed = signed_in(request, parts)
    require_own(signed.csrf, csrf)
    return signed


def guest_form(request: Request, csrf: FormSecret) -> None:
    """Check a form of somebody who is not signed in, by the cookie that came with the page that held it."""
    require_own(request.cookies.get(FORM_COOKIE, ""), csrf)


Person = Annotated[Signed, Depends(signed_in)]
FormPerson = Annotated[Signed, Depends(signed_form)]
ApiPerson = Annotated[Signed, Depends(signed_or_token)]
Guest = Annotated[None, Depends(guest_form)]


def require_own(expected: str, found: str) -> None:
    """Refuse a form whose secret is not the one of the page it claims to come from."""
    if not expected or not hmac.compare_digest(expected.encode(), found.encode("utf-8", "surrogatepass")):
        raise Forbidden(say("refused.csrf"))


def keep_cookie(response: Response, name: str, secret: str, parts: WebParts, *, seconds: int | None = None) -> None:
    """Set a cookie that no script reads and no other site sends."""
    response.set_cookie(
        name,
        secret,
        max_age=seconds,
        httponly=True,
        samesite="strict",
        secure=parts.base_url.startswith("https://"),
        path="/",
    )


def still_signed_in(signed: Signed, parts: WebParts) -> bool:
    """Tell whether a session still stands; used by pages that stay open."""
    try:
        find_session(signed.secret, catalogue=parts.catalogue, clock=parts.clock)
    except CisternaError:
        return False
    return True


def _by_cookie(request: Request, parts: WebParts) -> Signed:
    secret = request.cookies.get(SESSION_COOKIE, "")
    found = find_session(secret, catalogue=parts.catalogue, clock=parts.clock)
    return Signed(account=found.account, csrf=found.session.csrf, secret=secret)
