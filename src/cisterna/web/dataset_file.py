"""Files and thumbnails of archived versions, for signed-in people who may see them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cisterna.domain.dataset import Version
from cisterna.domain.errors import NotFound
from cisterna.services.detail import detail_of
from cisterna.web.byte_range import answer_file
from cisterna.web.security import FILE_POLICY
from cisterna.web.signed import Parts, Person, Signed
from cisterna.web.wording import say

router = APIRouter(include_in_schema=False)


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


@router.api_route("/datasets/{dataset_id}/files/{path:path}", methods=["GET", "HEAD"])
def send_file(*, request: Request, parts: Parts, person: Person, dataset_id: str, path: str, version: str) -> Response:
    """Send one file, or a part of it."""
    shown = _version(parts, person, dataset_id, version)
    file = parts.find_file(parts.content_of(shown), path)
    if file is None:
        raise NotFound(say("problem.404.detail"), path=path)
    return answer_file(request, file, store=parts.store, is_public=False)


def _version(parts: Parts, person: Signed, dataset_id: str, label: str) -> Version:
    found = detail_of(
        f"{dataset_id}:{label}", catalogue=parts.catalogue, bucket=parts.store.bucket, account=person.account
    )
    if found.shown is None or found.dataset_id != dataset_id:
        raise NotFound(say("problem.404.detail"), dataset_id=dataset_id)
    return found.shown
