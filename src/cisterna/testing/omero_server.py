"""A stand-in for an OMERO as OMERO.web shows it to programs: sessions, datasets, images, places in projects.

It answers as the documentation and the source of OMERO.web say, also where that is unkind: whoever is in a group sees
what is in it and nothing else, images are in as many datasets as people like, lists are in no order among equal names,
a dataset that is replaced by the JSON API leaves its projects, and a link that could not be made is called a success.
What it does not do: permissions within a group, plates. Who runs its machine is `OmeroOperator`.
"""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cisterna.testing.fault_proxy import Answer
from cisterna.testing.outside_server import Asked, OutsideServer, said

USER, GROUP = 7, 5
OTHER_USER, OTHER_GROUP = 8, 6
_PLACE = re.compile(r"/api/v0/m/(datasets|projects|images)/(?:([0-9]+)/)?(?:(images|projects)/)?")
_SAVE = re.compile(r"/webclient/action/save(name|description)/dataset/([0-9]+)/")
_DELETE = re.compile(r"^omero delete --force ((?:Image:[0-9,]+ )+)", re.MULTILINE)
_TYPE = "http://www.openmicroscopy.org/Schemas/OME/2016-06#"
_PAGE = [("Content-Type", "text/html")]


class OmeroStandIn(OutsideServer):
    """One OMERO.

    Args:
        username: Of the account.
        password: Of the account.

    Attributes:
        datasets: By number.
        images: By number.
        places: Which dataset holds which image.
        projects: The datasets in each.
        project_groups: The group of each project.
        sessions: Those that were not ended, and the group that each looks at.
        groups: Those that the account is in; the first is its own.
        page_most: How many things it lists at once.
    """

    def __init__(self, *, username: str, password: str) -> None:
        super().__init__()
        self._account = (username, password)
        self.sessions: dict[str, int] = {}
        self._numbers = 0
        self.datasets: dict[int, dict[str, Any]] = {}
        self.images: dict[int, dict[str, Any]] = {}
        self.places: set[tuple[int, int]] = set()
        self.projects: dict[int, set[int]] = {3: set()}
        self.project_groups: dict[int, int] = {3: GROUP}
        self.groups = [GROUP, 1]
        self.page_most = 500

    def answer(self, asked: Asked) -> Answer:
        """Do what is asked."""
        cookies = {name: one.value for name, one in SimpleCookie(asked.headers.get("cookie", "")).items()}
        if asked.path == "/api/v0/token/":
            return self._token()
        token = cookies.get("csrftoken")
        if asked.method != "GET" and (token is None or asked.headers.get("x-csrftoken") != token):
            return 403, _PAGE, b"<html><h1>CSRF Error</h1></html>"
        if asked.path == "/api/v0/login/":
            return self._log_in(asked)
        session = cookies.get("sessionid", "")
        if session in self.sessions:
            return self._inside(asked, session)
        if asked.path.startswith("/webclient/"):
            return 302, [("Location", "/webclient/login/")], b""
        return said(403, {"message": "Not logged in"})

    def add_dataset(self, name: str, description: str, *, owner: int = USER, group: int = GROUP) -> int:
        """Make a dataset."""
        self._numbers += 1
        details = {"owner": {"@id": owner}, "group": {"@id": group}}
        made = {"@id": self._numbers, "Name": name, "Description": description, "omero:details": details}
        self.datasets[self._numbers] = made
        return self._numbers

    def import_image(self, dataset: int, name: str, *, owner: int = USER, fileset: int | None = None) -> int:
        """Show an image in a dataset, as only its own machine can; images of one file are of one fileset."""
        self._numbers += 1
        details = {"owner": {"@id": owner}, "group": self.datasets[dataset]["omero:details"]["group"]}
        made = {"@id": self._numbers, "Name": name, "omero:details": details, "fileset": fileset or -self._numbers}
        self.images[self._numbers] = made
        self.places.add((dataset, self._numbers))
        return self._numbers

    def delete_images(self, numbers: Iterable[int]) -> bool:
        """Delete images, wherever they are, as only its own machine can; a fileset goes whole or not at all."""
        gone = set(numbers)
        filesets = {self.images[one]["fileset"] for one in gone if one in self.images}
        if any(one["fileset"] in filesets and number not in gone for number, one in self.images.items()):
            return False
        self.images = {number: one for number, one in self.images.items() if number not in gone}
        self.places = {(dataset, image) for dataset, image in self.places if image not in gone}
        return True

    def names_in(self, dataset: int) -> list[str]:
        """Give the names of the images of a dataset, in order."""
        return sorted(self.images[image]["Name"] for where, image in self.places if where == dataset)

    def _inside(self, asked: Asked, session: str) -> Answer:
        if asked.path.startswith("/webclient/"):
            return self._on_pages(asked, session)
        if asked.path == "/api/v0/m/save/":
            return self._save(asked)
        place = _PLACE.fullmatch(asked.path)
        if place is None:
            return said(404, {"message": "not found"})
        kind, number, below = place.groups()
        if number is None or below is not None:
            return self._page(asked, self._listed(asked, kind, number, below))
        return self._on(asked, kind, int(number))

    def _on_pages(self, asked: Asked, session: str) -> Answer:
        """Do what its own pages ask for."""
        if asked.path == "/webclient/active_group/":
            if int(asked.query["active_group"]) in self.groups:
                self.sessions[session] = int(asked.query["active_group"])
            return 302, [("Location", "/webclient/")], b""
        if asked.path == "/webclient/logout/" and asked.method == "POST":
            del self.sessions[session]
            return 302, [("Location", "/webclient/login/")], b""
        if (field := _SAVE.fullmatch(asked.path)) is not None:
            return self._save_field(asked, field[1].title(), int(field[2]), group=self.sessions[session])
        return self._link(asked.json) if asked.path == "/webclient/api/links/" else said(404, {"message": "not found"})

    def _sees(self, one: dict[str, Any]) -> bool:
        return one["omero:details"]["group"]["@id"] in self.groups

    def _listed(self, asked: Asked, kind: str, number: str | None, below: str | None) -> Sequence[dict[str, Any]]:
        held: dict[int, dict[str, Any]] = {"datasets": self.datasets, "images": self.images}.get(
            below or kind, self._projects()
        )
        of: dict[str | None, Callable[[int], bool]] = {
            None: lambda _: True,
            "images": lambda one: (int(number or 0), one) in self.places,
            "projects": lambda one: int(number or 0) in self.projects[one],
        }
        found = [one for key, one in held.items() if self._sees(one) and of[below](key)]
        for name in ("owner", "group"):
            if asked.query.get(name, "-1") != "-1":
                found = [one for one in found if f"{one['omero:details'][name]['@id']}" == asked.query[name]]
        return found

    def _projects(self) -> dict[int, dict[str, Any]]:
        details = {one: {"owner": {"@id": USER}, "group": {"@id": group}} for one, group in self.project_groups.items()}
        return {one: {"@id": one, "Name": "A project", "omero:details": details[one]} for one in self.projects}

    def _token(self) -> Answer:
        status, headers, body = said(200, {"data": f"token{len(self.seen)}"})
        return status, [*headers, ("Set-Cookie", f"csrftoken=token{len(self.seen)}; Path=/; SameSite=Lax")], body

    def _log_in(self, asked: Asked) -> Answer:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        if (form.get("username"), form.get("password")) != self._account or form.get("server") != "1":
            return said(403, {"message": "Connection not available, please check your user name and password."})
        session = f"session{len(self.seen)}"
        self.sessions[session] = self.groups[0]
        context = {"userId": USER, "groupId": self.groups[0], "memberOfGroups": self.groups, "sessionUuid": session}
        status, headers, body = said(200, {"success": True, "eventContext": {**context, "isAdmin": False}})
        return status, [*headers, ("Set-Cookie", f"sessionid={session}; HttpOnly; Path=/")], body

    def _save(self, asked: Asked) -> Answer:
        sent = asked.json
        if sent.get("@type") != f"{_TYPE}Dataset":
            return said(405, {"message": "Creation of it not supported"})
        if "group" not in asked.query:
            return said(400, {"message": "Specify Group in omero:details or query parameters ?group=:id"})
        if int(asked.query["group"]) not in self.groups:
            return said(403, {"message": "SecurityViolation"})
        return self._replace(sent) if asked.method == "PUT" else self._make(sent, group=int(asked.query["group"]))

    def _replace(self, sent: Any) -> Answer:
        if sent["@id"] not in self.datasets:
            return said(500, {"message": "ValidationException", "stacktrace": "Traceback ..."})
        for held in self.projects.values():  # what is sent says that it is in none
            held.discard(sent["@id"])
        self.datasets[sent["@id"]] |= {name: sent[name] for name in ("Name", "Description")}
        return said(200, {"data": self.datasets[sent["@id"]]})

    def _make(self, sent: Any, *, group: int) -> Answer:
        if "@id" in sent or len(sent["Name"]) > 255:
            return said(400, {"message": "Object has '@id' attribute. Use PUT to update objects"})
        return said(201, {"data": self.datasets[self.add_dataset(sent["Name"], sent["Description"], group=group)]})

    def _save_field(self, asked: Asked, field: str, number: int, *, group: int) -> Answer:
        """Change one field as its pages do: within the group that is looked at, and without white ends."""
        dataset = self.datasets.get(number)
        if dataset is None or dataset["omero:details"]["group"]["@id"] != group:
            return 500, _PAGE, b"<html>We are sorry, but that Dataset does not exist</html>"
        sent = parse_qs(asked.body.decode()).get(field.lower(), [""])[0].strip()
        if field == "Name" and not sent:
            return said(200, {"bad": "true", "errs": {"name": "This field is required."}})
        dataset[field] = sent
        return said(200, {"bad": "false"})

    def _link(self, sent: Any) -> Answer:
        """Put datasets into projects; a link between groups fails, and nobody is told."""
        for project, children in sent["project"].items():
            if int(project) not in self.projects:
                return said(404, {"error": f"Object of type Project and ID {project} not found"})
            for one in children["dataset"]:
                if self.datasets[one]["omero:details"]["group"]["@id"] == self.project_groups[int(project)]:
                    self.projects[int(project)].add(one)
        return said(200, {"success": True})

    def _on(self, asked: Asked, kind: str, number: int) -> Answer:
        known = self.datasets if kind == "datasets" else self._projects()
        if number not in known or not self._sees(known[number]):
            return said(404, {"message": f"{kind} {number} not found"})
        if asked.method == "GET":
            return said(200, {"data": known[number]})
        if asked.method != "DELETE" or kind != "datasets":
            return said(405, {"message": f"Delete of {kind} not supported"})
        self.places = {(dataset, image) for dataset, image in self.places if dataset != number}  # images stay
        for held in self.projects.values():
            held.discard(number)
        return said(200, {"data": self.datasets.pop(number)})

    def _page(self, asked: Asked, found: Sequence[dict[str, Any]]) -> Answer:
        offset = int(asked.query.get("offset", 0))
        limit = min(int(asked.query.get("limit", 200)), self.page_most)
        turned = -1 if offset else 1  # it orders by the name alone, and each page is asked of the database anew
        ordered = sorted(found, key=lambda one: (str(one["Name"]).lower(), turned * int(one["@id"])))
        meta = {"totalCount": len(found), "limit": limit, "offset": offset, "maxLimit": self.page_most}
        return said(200, {"data": ordered[offset : offset + limit], "meta": meta})


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
            for words in _DELETE.findall(script.read_text("utf-8")):
                self._omero.delete_images(int(one) for one in re.findall("[0-9]+", words))

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
        if dataset in self._omero.datasets and name not in self._omero.names_in(dataset):
            self._omero.import_image(dataset, name)
