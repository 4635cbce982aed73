"""What Figshare tells of an account, an article and a file, in all the fields that its interface is described with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LICENCES = (
    {"value": 1, "name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"},
    {"value": 2, "name": "CC0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"},
)
Told = dict[str, Any]

_FILES_TOLD = 10
"""Files that an article itself tells; the list of its files has them all."""
_LISTED = ("id", "title", "doi", "timeline", "created_date", "modified_date", "published_date", "url_public_html")
_OF_EVERY_ONE: Told = {
    "handle": "",
    "url_public_api": "",
    "thumb": "",
    "defined_type": 3,
    "defined_type_name": "dataset",
    "resource_doi": "",
    "resource_title": "",
}
_NOTHING: Told = {
    "citation": "",
    "confidential_reason": "",
    "custom_fields": [],
    "download_disabled": False,
    "embargo_options": [],
    "embargo_reason": "",
    "embargo_title": "",
    "folder_structure": {},
    "funding": "",
    "has_linked_file": False,
    "is_confidential": False,
    "is_embargoed": False,
}
_KEPT = ("status", "description", "keywords", "references", "related_materials")
_NAMELESS = ("first_name", "last_name", "email", "orcid_id", "institution_user_id", "symplectic_user_id")
_QUOTAS = ("quota", "used_quota", "used_quota_private", "used_quota_public", "group_id", "institution_id", "user_id")


def account() -> Told:
    """Tell of the account."""
    days = dict.fromkeys(("created_date", "modified_date"), "2026-11-30T10:00:00")
    told: Told = {**dict.fromkeys(_NAMELESS, ""), **dict.fromkeys(_QUOTAS, 0), **days}
    return {**told, "id": 1, "active": 1, "pending_quota_request": False, "maximum_file_size": 10**10}


def listed(article: Mapping[str, Any], *, place: str) -> Told:
    """Tell of an article in a list: neither its description nor what it is related to."""
    addresses = dict.fromkeys(("url", "url_private_api", "url_private_html"), place)
    told = {**_OF_EVERY_ONE, **{name: article[name] for name in _LISTED}, **addresses}
    return {**told, "url_public_html": told["url_public_html"] or ""}


def whole(article: Mapping[str, Any], *, place: str, version: int) -> Told:
    """Tell of an article, or of a version that is public."""
    categories = [{"id": one, "title": "", "path": "", "source_id": ""} for one in article["categories"]]
    return {
        **listed(article, place=place),
        **_NOTHING,
        **{name: article[name] for name in _KEPT},
        "authors": [_author(number, one) for number, one in enumerate(article.get("authors", ()), start=1)],
        "categories": [{**one, "parent_id": 0, "taxonomy_id": 1} for one in categories],
        "figshare_url": article["url_public_html"] or "",
        "files": [_file(one) for one in article["files"][:_FILES_TOLD]],
        "funding_list": [_funding(one) for one in article.get("funding_list", ())],
        "is_metadata_record": article.get("is_metadata_record", False),
        "is_public": article["published_date"] is not None,
        "license": next((one for one in LICENCES if one["value"] == article.get("license")), LICENCES[0]),
        "metadata_reason": article.get("metadata_reason", ""),
        "size": sum(one["size"] for one in article["files"]),
        "tags": article["keywords"],
        "version": version,
    }


def private_file(file: Mapping[str, Any]) -> Told:
    """Tell of a file of the draft, to whose it is."""
    told = {"status": file["status"], "upload_url": file["upload_url"], "upload_token": f"{file['id']}"}
    return {**_file(file), **told, "viewer_type": "", "preview_state": "", "is_attached_to_public_version": False}


def _file(file: Mapping[str, Any]) -> Told:
    told = {name: file[name] for name in ("id", "name", "size", "supplied_md5", "computed_md5")}
    return {**told, "download_url": f"https://ndownloader.example.org/files/{file['id']}", "is_link_only": False}


def _author(number: int, author: Mapping[str, Any]) -> Told:
    first, _, last = author["name"].rpartition(" ")
    names = {"full_name": author["name"], "first_name": first, "last_name": last, "url_name": author["name"]}
    return {**names, "id": number, "is_active": False, "orcid_id": author.get("orcid_id", "")}


def _funding(funding: Mapping[str, Any]) -> Told:
    return {"id": 1, "title": funding["title"], "grant_code": "", "funder_name": "", "is_user_defined": 1, "url": ""}
