"""A stand-in for an OMERO as OMERO.web shows it to programs: sessions, datasets, lists of images, places in projects.

It answers as the documentation of OMERO's JSON API says, and refuses what that refuses: a write without the token
against forgery, an image to be made or deleted. What it does not do: owners other than its one account, permissions,
plates. Who runs its machine is `OmeroOperator`, who works on what is listed.
"""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Sequence
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cisterna.testing.fault_proxy import Answer
from cisterna.testing.outside_server import Asked, OutsideServer, said

USER, GROUP = 7, 5
_PLACE = re.compile(r"/api/v0/m/(datasets|projects|images)/(?:([0-9]+)/)?(?:(images|projects)/)?")
_TYPE = "http://www.openmicroscopy.org/Schemas/OME/2016-06#"


class OmeroStandIn(OutsideServer):
    """One OMERO with one account.

    Args:
        username: Of the account.
        password: Of the account.

    Attributes:
        datasets: By number.
        images: Names of the images of each dataset.
        projects: The datasets in each.
        page_most: How many things it lists at once.
    """

    def __init__(self, *, username: str, password: str) -> None:
        super().__init__()
        self._account = (username, password)
        self._sessions: set[str] = set()
        self._numbers = 0
        self.datasets: dict[int, dict[str, Any]] = {}
        self.images: dict[int, list[str]] = {}
        self.projects: dict[int, set[int]] = {3: set()}
        self.page_most = 500

    def answer(self, asked: Asked) -> Answer:
        """Do what is asked."""
        cookies = {name: one.value for name, one in SimpleCookie(asked.headers.get("cookie", "")).items()}
        if asked.path == "/api/v0/token/":
            return self._token()
        token = cookies.get("csrftoken")
        if asked.method != "GET" and (token is None or asked.headers.get("x-csrftoken") != token):
            return 403, [("Content-Type", "text/html")], b"<html><h1>CSRF Error</h1></html>"
        if asked.path == "/api/v0/login/":
            return self._log_in(asked)
        if cookies.get("sessionid") not in self._sessions:
            return said(403, {"message": "Not logged in"})
        return self._inside(asked)

    def _inside(self, asked: Asked) -> Answer:
        if asked.path == "/api/v0/m/save/":
            return self._save(asked)
        if asked.path == "/webclient/api/links/":
            for project, children in asked.json["project"].items():
                self.projects[int(project)] |= set(children["dataset"])
            return said(200, {"success": True})
        place = _PLACE.fullmatch(asked.path)
        if place is None:
            return said(404, {"message": "not found"})
        kind, number, below = place.groups()
        if number is None or below is not None:
            return self._page(asked, self._listed(asked, number, below))
        return self._on(asked, kind, int(number))

    def _listed(self, asked: Asked, number: str | None, below: str | None) -> Sequence[dict[str, Any]]:
        if number is None:
            ours = asked.query.get("owner") == f"{USER}"
            found = [one for one in self.datasets.values() if ours and one["group"] == asked.query.get("group")]
            return sorted(found, key=lambda one: str(one["Name"]).lower())
        if below == "images":
            names = self.images.get(int(number), [])
            return [{"@id": place + 1, "Name": name} for place, name in enumerate(names)]
        held = [one for one, datasets in self.projects.items() if int(number) in datasets]
        return [{"@id": one, "Name": "A project"} for one in held]

    def import_image(self, dataset: int, name: str) -> None:
        """Show an image in a dataset, as only its own machine can."""
        self.images[dataset].append(name)

    def delete_images(self, dataset: int) -> None:
        """Delete all images of a dataset, as only its own machine can."""
        self.images[dataset] = []

    def _token(self) -> Answer:
        status, headers, body = said(200, {"data": f"token{len(self.seen)}"})
        return status, [*headers, ("Set-Cookie", f"csrftoken=token{len(self.seen)}; Path=/; SameSite=Lax")], body

    def _log_in(self, asked: Asked) -> Answer:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        if (form.get("username"), form.get("password")) != self._account or form.get("server") != "1":
            return said(403, {"message": "Connection not available, please check your user name and password."})
        session = f"session{len(self.seen)}"
        self._sessions.add(session)
        context = {"userId": USER, "groupId": GROUP, "memberOfGroups": [GROUP, 1], "sessionUuid": session}
        status, headers, body = said(200, {"success": True, "eventContext": {**context, "isAdmin": False}})
        return status, [*headers, ("Set-Cookie", f"sessionid={session}; HttpOnly; Path=/")], body

    def _save(self, asked: Asked) -> Answer:
        sent = asked.json
        if sent.get("@type") != f"{_TYPE}Dataset":
            return said(405, {"message": "Creation of it not supported"})
        if "group" not in asked.query:
            return said(400, {"message": "Specify Group in omero:details or query parameters ?group=:id"})
        if asked.method == "PUT":
            if sent["@id"] not in self.datasets:
                return said(500, {"message": "ValidationException", "stacktrace": "Traceback ..."})
            self.datasets[sent["@id"]] |= {name: sent[name] for name in ("Name", "Description")}
            return said(200, {"data": self.datasets[sent["@id"]]})
        if "@id" in sent or len(sent["Name"]) > 255:
            return said(400, {"message": "Object has '@id' attribute. Use PUT to update objects"})
        self._numbers += 1
        self.datasets[self._numbers] = {**sent, "@id": self._numbers, "group": asked.query["group"]}
        self.images[self._numbers] = []
        return said(201, {"data": self.datasets[self._numbers]})

    def _on(self, asked: Asked, kind: str, number: int) -> Answer:
        known = self.datasets if kind == "datasets" else {one: {"@id": one} for one in self.projects}
        if number not in known:
            return said(404, {"message": f"{kind} {number} not found"})
        if asked.method == "GET":
            return said(200, {"data": known[number]})
        if asked.method != "DELETE" or kind != "datasets":
            return said(405, {"message": f"Delete of {kind} not supported"})
        self.images.pop(number)  # they are left without a dataset
        return said(200, {"data": self.datasets.pop(number)})

    def _page(self, asked: Asked, found: Sequence[dict[str, Any]]) -> Answer:
        offset = int(asked.query.get("offset", 0))
        limit = min(int(asked.query.get("limit", 200)), self.page_most)
        meta = {"totalCount": len(found), "limit": limit, "offset": offset, "maxLimit": self.page_most}
        return said(200, {"data": found[offset : offset + limit], "meta": meta})


class OmeroOperator:
    """Who runs an OMERO's machine: works on every list of a folder whenever called, and on each image once.

    Args:
        omero: The stand-in.
        lists: The folder.
    """

    def __init__(self, omero: OmeroStandIn, lists: Path) -> None:
        self._omero = omero
        self._lists = lists

    def __call__(self) -> None:
        """Import and delete what is listed."""
        for script in sorted(self._lists.glob("*/import.sh")):
            self._import(script)
        for script in sorted(self._lists.glob("*/remove.sh")):
            for dataset in re.findall(
                r"^omero delete Dataset/Image:([0-9]+)$", script.read_text("utf-8"), re.MULTILINE
            ):
                self._omero.delete_images(int(dataset))

    def _import(self, script: Path) -> None:
        text = script.read_text("utf-8")
        target = re.search(r"--target Dataset:([0-9]+)", text)
        for line in text.splitlines():
            if line.startswith("show ") and target is not None:
                self._show(int(target[1]), shlex.split(line)[2])
        if "omero import --bulk bulk.yml" in text:
            bulk = (script.parent / "bulk.yml").read_text("utf-8")
            dataset = re.search(r'^target: "Dataset:id:([0-9]+)"$', bulk, re.MULTILINE)
            with (script.parent / "images.tsv").open(encoding="utf-8", newline="") as table:
                for name, _ in csv.reader(table, delimiter="\t"):
                    self._show(int(dataset[1]) if dataset else 0, name)

    def _show(self, dataset: int, name: str) -> None:
        if name not in self._omero.images.get(dataset, [name]):
            self._omero.import_image(dataset, name)
