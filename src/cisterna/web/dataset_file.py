"""Files and thumbnails of archived versions, for signed-in people who may see them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cisterna.domain.dataset import Version
from cisterna.domain.errors import CisternaError, NotFound
from cisterna.services.detail import Detail, detail_of
from cisterna.web.byte_range import answer_file
from cisterna.web.dataset_page import reasons_by_file
from cisterna.web.security import FILE_POLICY
from cisterna.web.signed import Parts, Person, Signed
from cisterna.web.wording import say

router = APIRouter(include_in_schema=False)

_BLANK = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><path d="M24 32h16" stroke="#808a86"/></svg>'
"""In place of a thumbnail that there is not."""


@router.get("/datasets/{dataset_id}/preview")
def show_preview(
    *, request: Request, parts: Parts, person: Person, dataset_id: str, version: str, path: str
) -> Response:
    """Show one thumbnail."""
    shown = _version(parts, person, dataset_id, version)
    png = parts.content_of(shown).previews.get(path)
    if png is None:
        raise NotFound(say("problem.404.detail"), path=path)
    del request
    headers = {"cache-control": "private, max-age=3600", "content-security-policy": FILE_POLICY}
    return Response(png, media_type="image/png", headers=headers)


@router.get("/datasets/{dataset_id}/worst")
def show_worst(*, parts: Parts, person: Person, dataset_id: str, version: str) -> Response:
    """Show the thumbnail of the image that fails worst, or of the first; what has none is a blank picture."""
    found = _found(parts, person, dataset_id, version)
    try:
        previews = parts.content_of(_shown(found)).previews
    except CisternaError:  # the page of the version says so in words
        previews = {}
    failing = (f"data/{path}" for path in reasons_by_file(found.findings))
    path = next((one for one in failing if one in previews), next(iter(previews), None))
    headers = {"cache-control": "private, max-age=300", "content-security-policy": FILE_POLICY}
    if path is None:
        return Response(_BLANK, media_type="image/svg+xml", headers=headers)
    return Response(previews[path], media_type="image/png", headers=headers)


@router.api_route("/datasets/{dataset_id}/files/{path:path}", methods=["GET", "HEAD"])
def send_file(*, request: Request, parts: Parts, person: Person, dataset_id: str, path: str, version: str) -> Response:
    """Send one file, or a part of it."""
    shown = _version(parts, person, dataset_id, version)
    file = parts.find_file(parts.content_of(shown), path)
    if file is None:
        raise NotFound(say("problem.404.detail"), path=path)
    return answer_file(request, file, store=parts.store)


def _version(parts: Parts, person: Signed, dataset_id: str, label: str) -> Version:
    return _shown(_found(parts, person, dataset_id, label))


def _found(parts: Parts, person: Signed, dataset_id: str, label: str) -> Detail:
    found = detail_of(
        f"{dataset_id}:{label}", catalogue=parts.catalogue, bucket=parts.store.bucket, account=person.account
    )
    if found.shown is None or found.dataset_id != dataset_id:
        raise NotFound(say("problem.404.detail"), dataset_id=dataset_id)
    return found


def _shown(found: Detail) -> Version:
    if found.shown is None:
        raise NotFound(say("problem.404.detail"))
    return found.shown
