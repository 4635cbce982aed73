"""A stand-in for a repository that runs on Figshare: it keeps articles, files, uploads, versions and reviews, by the
documented interface.

What it does not do: searches, collections, projects, embargoes, authors with accounts, and quotas.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cisterna.testing.fault_proxy import Answer
from cisterna.testing.figshare_told import LICENCES, account, listed, private_file, whole
from cisterna.testing.outside_server import Asked, OutsideServer, said

PART_BYTES = 8
"""Size of the parts in which it takes files."""
_FIELDS = frozenset(
    {
        "title",
        "description",
        "is_metadata_record",
        "metadata_reason",
        "keywords",
        "related_materials",
        "categories",
        "authors",
        "defined_type",
        "funding_list",
        "license",
        "timeline",
        "group_id",
    }
)
"""Of an article, as far as clients of ours may use them."""
_MATERIAL = frozenset({"identifier", "identifier_type", "relation", "title", "is_linkout"})
_PLACE = re.compile(r"/account/articles/(?P<id>[0-9]+)(?P<rest>/.*)?")
_FILE = re.compile(r"/files/(?P<id>[0-9]+)")
_PUBLIC = re.compile(r"/articles/(?P<id>[0-9]+)/versions(?:/(?P<version>[0-9]+))?")
_UPLOAD = re.compile(r"/upload/(?P<token>[0-9]+)(?:/(?P<part>[0-9]+))?")
_BEGAN = datetime(2026, 11, 30, 10, tzinfo=UTC)
_PAGE_MOST, _PAGES_MOST = 1000, 5000


class FigshareStandIn(OutsideServer):
    """One account of a repository.

    Args:
        token: That it takes.
        reviews: Whether its people look at an article before it is public.
        lets_unpublish: Whether the account may hide what is public.

    Attributes:
        address: By which it tells clients where things are, such as that of a proxy before it.
        computes: Whether it computes checksums at once.
        page_most: Entries that a page of a list has at most, whatever is asked for.
    """

    def __init__(self, *, token: str, reviews: bool = False, lets_unpublish: bool = True) -> None:
        super().__init__()
        self._token = token
        self._reviews = reviews
        self._lets_unpublish = lets_unpublish
        self.address = self.url
        self.computes = True
        self.page_most = _PAGE_MOST
        self.articles: dict[int, dict[str, Any]] = {}
        self.public: dict[int, dict[int, dict[str, Any]]] = {}
        self.bodies: dict[int, dict[int, bytes]] = {}
        self._files = 0
        self._changes = 0

    def answer(self, asked: Asked) -> Answer:
        """Do what is asked."""
        upload = _UPLOAD.fullmatch(asked.path)
        if upload is not None:
            return self._upload(asked, int(upload["token"]), upload["part"])
        place = asked.path.removeprefix("/v2")
        public = _PUBLIC.fullmatch(place)
        if public is not None and asked.method == "GET":
            return self._shown(int(public["id"]), public["version"])
        if asked.headers.get("authorization") != f"token {self._token}":
            return said(403, {"message": "Invalid OAuth token", "code": "OAuthInvalidToken"})
        acts: dict[tuple[str, str], Callable[[], Answer]] = {
            ("GET", "/account"): lambda: said(200, account()),
            ("GET", "/account/licenses"): lambda: said(200, list(LICENCES)),
            ("GET", "/account/articles"): lambda: self._page(
                asked, [listed(one, place=self._place(one["id"])) for one in reversed(self.articles.values())]
            ),
            ("POST", "/account/articles"): lambda: self._make(asked),
        }
        act = acts.get((asked.method, place))
        if act is not None:
            return act()
        article = _PLACE.fullmatch(place)
        if article is None or int(article["id"]) not in self.articles:
            return _missing()
        return self._on_article(asked, self.articles[int(article["id"])], article["rest"] or "")

    def of(self, address: str) -> Iterator[tuple[dict[str, Any], int | None]]:
        """Give the article of a version, by the address of its page, with its number there while it is public."""
        for number, article in self.articles.items():
            shown = [version for version, one in self.public[number].items() if _is_of(one, address)]
            if shown or _is_of(article, address):
                yield article, (shown[-1] if shown else None)

    def write(self, **fields: Any) -> int:
        """Let a person of the account begin an article by hand, and give its number."""
        return self._begin({"title": "Something else", "description": "", "related_materials": [], **fields})

    def change(self, number: int, **fields: Any) -> None:
        """Let a person change an article by hand, as those who review may."""
        self.articles[number] |= {**fields, "modified_date": self._moment()}

    def approve(self, number: int) -> None:
        """Let its people make an article public that waits for them."""
        self.articles[number]["curation_status"] = "approved"
        self._show(self.articles[number])

    def turn_down(self, number: int) -> None:
        """Let its people give an article back."""
        self.change(number, status="draft", curation_status="rejected")

    def _place(self, number: int) -> str:
        return f"{self.address}/v2/account/articles/{number}"

    def _page(self, asked: Asked, every: Sequence[dict[str, Any]]) -> Answer:
        """Give one page of a list, of ten entries unless more are asked for."""
        size, page = int(asked.query.get("page_size", "10")), int(asked.query.get("page", "1"))
        if not (1 <= size <= _PAGE_MOST and 1 <= page <= _PAGES_MOST):
            return said(400, {"message": "page or page_size is out of range"})
        size = min(size, self.page_most)
        return said(200, list(every[(page - 1) * size : page * size]))

    def _make(self, asked: Asked) -> Answer:
        fault = _fault(asked.json)
        if fault:
            return said(422, {"message": fault})
        number = self._begin(asked.json)
        return said(201, {"entity_id": number, "location": self._place(number), "warnings": []})

    def _moment(self) -> str:
        self._changes += 1
        return (_BEGAN + timedelta(seconds=self._changes)).isoformat()

    def _begin(self, document: dict[str, Any]) -> int:
        number = 20_000_000 + len(self.bodies)
        self.bodies[number], self.public[number] = {}, {}
        self.articles[number] = {
            "id": number,
            "doi": "",
            "status": "draft",
            "curation_status": "",
            "created_date": self._moment(),
            "modified_date": None,
            "published_date": None,
            "url_public_html": None,
            "timeline": {"submission": None},
            "files": [],
            "description": "",
            "keywords": [],
            "categories": [],
            "references": [],
            "related_materials": [],
        }
        self._take(self.articles[number], document)
        return number

    def _take(self, article: dict[str, Any], document: dict[str, Any]) -> None:
        submitted = article["timeline"]["submission"]
        article.update(copy.deepcopy(document), status="draft", modified_date=self._moment())
        article["timeline"] = {**article["timeline"], "submission": submitted}

    def _on_article(self, asked: Asked, article: dict[str, Any], rest: str) -> Answer:
        acts: dict[tuple[str, str], Callable[[], Answer]] = {
            ("GET", ""): lambda: said(200, self._private(article)),
            ("PUT", ""): lambda: self._change(asked, article),
            ("DELETE", ""): lambda: self._throw_away(article),
            ("GET", "/files"): lambda: self._page(asked, [private_file(one) for one in article["files"]]),
            ("POST", "/files"): lambda: self._announce(asked, article),
            ("POST", "/publish"): lambda: self._publish(article),
            ("POST", "/unpublish"): lambda: self._unpublish(asked, article),
        }
        act = acts.get((asked.method, rest))
        if act is not None:
            return act()
        file = _FILE.fullmatch(rest)
        held = [one for one in article["files"] if file and one["id"] == int(file["id"])]
        return self._file(asked, article, held[0]) if held else _missing()

    def _private(self, article: dict[str, Any]) -> dict[str, Any]:
        number = article["id"]
        told = whole(article, place=self._place(number), version=max(self.public[number], default=0))
        return {**told, "account_id": 1, "curation_status": article["curation_status"]}

    def _change(self, asked: Asked, article: dict[str, Any]) -> Answer:
        fault = _fault(asked.json)
        if fault:
            return said(422, {"message": fault})
        if article["status"] == "in review":
            return said(403, {"message": "The item is under review"})
        self._take(article, asked.json)
        return 205, [], b""

    def _throw_away(self, article: dict[str, Any]) -> Answer:
        if article["published_date"] or article["status"] == "in review":
            return said(403, {"message": "The item cannot be deleted"})
        del self.articles[article["id"]]
        return 204, [], b""

    def _announce(self, asked: Asked, article: dict[str, Any]) -> Answer:
        told = asked.json
        if set(told) != {"name", "md5", "size"}:
            return said(422, {"message": "Parameters missing or incorrect"})
        self._files += 1
        starts = range(0, told["size"], PART_BYTES)
        article["files"].append(
            {
                "id": self._files,
                "name": told["name"],
                "size": told["size"],
                "status": "created",
                "supplied_md5": told["md5"],
                "computed_md5": "",
                "upload_url": f"{self.address}/upload/{self._files}",
                "parts": [
                    {
                        "partNo": number,
                        "startOffset": start,
                        "endOffset": min(start + PART_BYTES, told["size"]) - 1,
                        "status": "PENDING",
                        "locked": False,
                    }
                    for number, start in enumerate(starts, start=1)
                ],
            }
        )
        self.bodies[article["id"]][self._files] = bytes(told["size"])
        return said(201, {"location": f"{self._place(article['id'])}/files/{self._files}"})

    def _file(self, asked: Asked, article: dict[str, Any], file: dict[str, Any]) -> Answer:
        if asked.method == "GET":
            return said(200, private_file(file))
        if asked.method == "DELETE":
            article["files"].remove(file)
            return 204, [], b""
        if any(part["status"] != "COMPLETE" for part in file["parts"]):
            return said(400, {"message": "Not all parts were uploaded"})
        file["status"] = "ic_checking"
        if self.computes:
            self.compute(article["id"], file["id"])
        return 202, [], b""

    def compute(self, number: int, file_id: int) -> None:
        """Compute the checksum of what it has."""
        body = self.bodies[number][file_id]
        (file,) = [one for one in self.articles[number]["files"] if one["id"] == file_id]
        file |= {"status": "available", "computed_md5": hashlib.md5(body, usedforsecurity=False).hexdigest()}

    def _upload(self, asked: Asked, token: int, part_number: str | None) -> Answer:
        every = [(number, file) for number, one in self.articles.items() for file in one["files"]]
        number, file = next(((number, file) for number, file in every if file["id"] == token), (0, None))
        if file is None:
            return _missing()
        if part_number is None and asked.method == "GET":
            shown = {"token": f"{token}", "md5": file["supplied_md5"], "size": file["size"], "name": file["name"]}
            return said(200, {**shown, "status": file.get("upload", "PENDING"), "parts": file["parts"]})
        part = next((one for one in file["parts"] if f"{one['partNo']}" == part_number), None)
        if part is None or asked.method != "PUT":
            return _missing()
        first, after = part["startOffset"], part["endOffset"] + 1
        if part["locked"] or part["status"] == "COMPLETE" or len(asked.body) != after - first:
            return 409, [], b""
        body = bytearray(self.bodies[number][token])
        body[first:after] = asked.body
        self.bodies[number][token] = bytes(body)
        part["status"] = "COMPLETE"
        return 200, [], b""

    def _publish(self, article: dict[str, Any]) -> Answer:
        wanting = [
            name for name in ("description", "authors", "keywords", "categories", "license") if not article[name]
        ]
        if article["is_metadata_record"] == bool(article["files"]):
            wanting.append("files")
        if any(file["status"] == "created" for file in article["files"]):
            wanting.append("uploads")
        if wanting:
            return said(400, {"message": f"The item cannot be published: {', '.join(wanting)}"})
        if article["status"] == "in review":
            return said(403, {"message": "The item is under review"})
        if self._reviews:
            article |= {"status": "in review", "curation_status": "pending"}
            article["timeline"]["submission"] = "2026-11-30"
        else:
            self._show(article)
        return said(201, {"location": f"{self.address}/v2/articles/{article['id']}"})

    def _show(self, article: dict[str, Any]) -> None:
        number = article["id"]
        version = max(self.public[number], default=0) + 1
        article |= {
            "status": "public",
            "published_date": "2026-11-30T10:00:00Z",
            "modified_date": self._moment(),
            "doi": f"10.6084/m9.figshare.{number}.v{version}",
            "url_public_html": f"https://repository.example.org/articles/dataset/x/{number}/{version}",
        }
        self.public[number][version] = copy.deepcopy(article)

    def _unpublish(self, asked: Asked, article: dict[str, Any]) -> Answer:
        if not self._lets_unpublish:
            return said(403, {"message": "You do not have access to unpublish this item"})
        if not 5 <= len(asked.json["reason"]) <= 500:
            return said(400, {"message": "reason is too short or too long"})
        if not self.public[article["id"]]:
            return _missing()
        self.public[article["id"]] = {}
        article["status"] = "draft"
        return 204, [], b""

    def _shown(self, number: int, version: str | None) -> Answer:
        every: Mapping[int, dict[str, Any]] = self.public.get(number, {})
        if not every or (version and int(version) not in every):
            return _missing()
        if version:
            return said(200, whole(every[int(version)], place=self._place(number), version=int(version)))
        place = f"{self.address}/v2/articles/{number}/versions"
        return said(200, [{"version": one, "url": f"{place}/{one}"} for one in every])


def _fault(document: dict[str, Any]) -> str | None:
    unknown = set(document) - _FIELDS
    if unknown:
        return f"unknown fields: {', '.join(sorted(unknown))}"
    if not 3 <= len(document["title"]) <= 1000 or len(document["description"]) > 20_000:
        return "title or description is too short or too long"
    if any(set(one) - _MATERIAL for one in document["related_materials"]):
        return "related_materials have unknown fields"
    return None


def _is_of(article: dict[str, Any], address: str) -> bool:
    return any(one["identifier"] == address for one in article["related_materials"])


def _missing() -> Answer:
    return said(404, {"message": "Entity not found", "code": "EntityNotFound"})
