"""A person's own account: roles and tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from cisterna.domain.errors import InvalidInput
from cisterna.services.api_token import issue_token, revoke_token
from cisterna.web.parts import WebParts
from cisterna.web.signed import FormPerson, Parts, Person, Signed
from cisterna.web.view import page

router = APIRouter(include_in_schema=False)


@router.get("/account")
def show_account(request: Request, parts: Parts, person: Person, flash: str = "") -> Response:
    """Show the person's roles and tokens."""
    return _account_page(request, parts, person, flash="revoked" if flash == "revoked" else "")


@router.post("/account/tokens")
def add_token(
    request: Request, parts: Parts, person: FormPerson, label: Annotated[str, Form(max_length=200)]
) -> Response:
    """Issue a token and show its secret, this once."""
    try:
        secret, _token = issue_token(
            person.account.name,
            label=label,
            by=person.account,
            catalogue=parts.catalogue,
            clock=parts.clock,
            passwords=parts.passwords,
        )
    except InvalidInput as refusal:
        return _account_page(request, parts, person, fault=str(refusal), status=422)
    return _account_page(request, parts, person, secret=secret)


@router.post("/account/tokens/revoke")
def end_token(parts: Parts, person: FormPerson, token_id: Annotated[str, Form(max_length=100)]) -> Response:
    """End a token."""
    revoke_token(token_id, account=person.account.name, by=person.account, catalogue=parts.catalogue, clock=parts.clock)
    return RedirectResponse("/account?flash=revoked", 303)


def _account_page(
    request: Request,
    parts: WebParts,
    person: Signed,
    *,
    secret: str | None = None,
    fault: str | None = None,
    flash: str = "",
    status: int = 200,
) -> Response:
    with parts.catalogue.begin() as tx:
        tokens = tx.accounts.tokens(person.account.name)
    context = {"tokens": tokens, "secret": secret, "fault": fault, "flash": flash}
    return page(request, "account.html", context, status=status)
