"""Turns named errors into answers: a page for people, problem+json (RFC 9457) for programs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from cisterna.domain.errors import CisternaError, InvalidInput, NotFound, Overloaded
from cisterna.web.security import BodyTooLarge, told_path
from cisterna.web.view import page
from cisterna.web.wording import say

STATUS: Mapping[str, int] = {
    "not-found": 404,
    "object-not-found": 404,
    "already-exists": 409,
    "conflict": 409,
    "illegal-transition": 409,
    "decision-refused": 409,
    "quarantined": 409,
    "publication-refused": 409,
    "release-refused": 409,
    "delivery-refused": 409,
    "erasure-refused": 409,
    "erased": 410,
    "lease-lost": 409,
    "precondition-failed": 409,
    "forbidden": 403,
    "not-signed-in": 401,
    "message-refused": 401,
    "throttled": 429,
    "invalid-input": 422,
    "hostile-input": 422,
    "unclaimed-folder": 422,
    "source-changed": 409,
    "inference-failed": 422,
    "settings-invalid": 422,
    "checksum-mismatch": 500,
    "object-invalid": 500,
    "store-unfit": 500,
    "store-forbids": 500,
    "store-lacks": 500,
    "store-not-distinct": 500,
    "error": 500,
    "store-unavailable": 503,
    "no-room": 503,
    "not-readable-now": 409,
    "catalogue-unavailable": 503,
    "source-unavailable": 503,
    "gate-unavailable": 503,
    "inference-unavailable": 503,
    "could-not-check": 503,
    "overloaded": 503,
    "sink-unavailable": 503,
    "identifier-pending": 503,
    "review-pending": 503,
    "target-unavailable": 503,
    "target-refused": 409,
    "not-ready": 503,
}
"""HTTP status by the code of an error; a test holds this table against every error there is."""

_RETRY_SECONDS = "5"
_LOG = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Answer every error in the form that the asker reads."""
    app.add_exception_handler(CisternaError, _named)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(RequestValidationError, _misread)
    app.add_exception_handler(BodyTooLarge, _too_large)
    app.add_exception_handler(Exception, _unforeseen)


def answer(request: Request, error: CisternaError) -> Response:
    """Say what went wrong; what goes on inside, with hosts and keys, only to who is known to be signed in."""
    status = STATUS.get(error.code, 500)
    detail, facts = str(error), error.facts
    is_inside = (status >= 500 or error.code == "object-not-found") and not isinstance(error, Overloaded)
    if is_inside and getattr(request.state, "signed", None) is None:
        _LOG.error("%s %r was answered with %d: %s", request.method, told_path(request.url.path), status, error)
        detail, facts = say("problem.404.detail") if status == 404 else "", {}
    headers = {"retry-after": _RETRY_SECONDS} if status == 503 else {}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if _wants_document(request):
        body = {
            "type": f"about:blank#{error.code}",
            "title": say(f"problem.{status}.title"),
            "status": status,
            "code": error.code,
            "detail": detail or say(f"problem.{status}.next"),
            "instance": request.url.path,
            "facts": {name: _plain_value(value) for name, value in facts.items()},
        }
        return JSONResponse(body, status, headers, media_type="application/problem+json")
    if status == 401 and request.method in {"GET", "HEAD"}:
        return RedirectResponse(f"/sign-in?next={quote(request.url.path)}", 303)
    return page(
        request,
        "problem.html",
        {"status": status, "code": error.code, "detail": detail},
        status=status,
        headers=headers,
    )


def _wants_document(request: Request) -> bool:
    return request.url.path.startswith(("/api/", "/hooks/", "/metrics")) or "application/json" in request.headers.get(
        "accept", ""
    )


def _plain_value(value: object) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain_value(one) for one in value]
    return str(value)


def _named(request: Request, error: Exception) -> Response:
    if not isinstance(error, CisternaError):
        raise error
    return answer(request, error)


def _plain(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        return answer(request, NotFound(say("problem.404.detail"), path=request.url.path))
    if _wants_document(request):
        body = {"type": "about:blank", "title": str(error.detail), "status": error.status_code}
        return JSONResponse(body, error.status_code, error.headers, media_type="application/problem+json")
    context = {"status": error.status_code, "code": None, "detail": str(error.detail)}
    return page(request, "problem.html", context, status=error.status_code, headers=dict(error.headers or {}))


def _misread(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    if all(one["loc"][:1] == ("path",) for one in error.errors()):
        return answer(request, NotFound(say("problem.404.detail"), path=request.url.path))
    lines = "; ".join(f"{'.'.join(map(str, one['loc'][1:])) or 'body'}: {one['msg']}" for one in error.errors()[:10])
    return answer(request, InvalidInput(say("problem.422.detail", lines=lines)))


def _too_large(request: Request, _error: Exception) -> Response:
    if _wants_document(request):
        body = {"type": "about:blank", "title": say("problem.413.title"), "status": 413}
        return JSONResponse(body, 413, media_type="application/problem+json")
    return page(request, "problem.html", {"status": 413, "code": None, "detail": ""}, status=413)


def _unforeseen(request: Request, _error: Exception) -> Response:
    """A fault of ours: the log has it, the page tells nothing of it."""
    detail = say("problem.500.detail")
    if _wants_document(request):
        body = {"type": "about:blank", "title": say("problem.500.title"), "status": 500, "detail": detail}
        return JSONResponse(body, 500, media_type="application/problem+json")
    return page(request, "problem.html", {"status": 500, "code": None, "detail": detail}, status=500)
