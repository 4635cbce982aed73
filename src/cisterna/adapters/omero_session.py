"""What one account may do in an OMERO: its JSON API, by one session that lasts as long as one step takes.

That interface makes and changes datasets and lists images; it imports none and deletes none. Only the place of a
dataset in a project is set by what OMERO's own pages use, since the JSON API has nothing for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import quote_plus, urlencode

from pydantic import BaseModel, Field, JsonValue, SecretStr, StringConstraints

from cisterna.adapters.target_http import TargetAnswer, TargetHttp
from cisterna.adapters.target_setting import Omero
from cisterna.domain.errors import TargetRefused, TargetUnavailable
from cisterna.metadata.omero import OmeroText
from cisterna.ports.clock import Clock

_API = "api/v0"
_TYPE = "http://www.openmicroscopy.org/Schemas/OME/2016-06#Dataset"
_FORM = "application/x-www-form-urlencoded"
_PAGE = 200
"""What OMERO gives at once unless told otherwise; some allow no more."""
_PAGES_MOST = 1000
_SLEEPS = "not responding"
"""What OMERO.web says, with the status of a wrong password, where the server behind it is down."""


class _Token(BaseModel):
    data: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,200}$")]


class Account(BaseModel):
    """Who is let in."""

    user: int = Field(alias="userId", ge=0)
    group: int = Field(alias="groupId", ge=0)
    groups: list[int] = Field(alias="memberOfGroups")
    is_admin: bool = Field(False, alias="isAdmin")


class _LoggedIn(BaseModel):
    success: Literal[True]
    account: Account = Field(alias="eventContext")


class Named(BaseModel):
    """A dataset, an image or a project, as far as we read it."""

    number: int = Field(alias="@id", ge=1)
    name: str = Field("", alias="Name")
    description: str = Field("", alias="Description")


class _One(BaseModel):
    data: Named


class _Meta(BaseModel):
    total: int = Field(alias="totalCount", ge=0)


class _Page(BaseModel):
    data: list[Named]
    meta: _Meta


class _Linked(BaseModel):
    success: Literal[True]


class OmeroSession:
    """One session, already let in.

    Args:
        http: Speaks with OMERO.web; it keeps the cookies, so it is of this session alone.
        setting: Whose session it is.

    Raises:
        TargetUnavailable, TargetRefused: Nobody is let in now, or not with this password.
    """

    def __init__(self, http: TargetHttp, setting: Omero) -> None:
        self._http = http
        self._name = setting.name
        self._more = {"referer": f"{setting.url.rstrip('/')}/"}  # Django wants to see it where https is used
        self.account = self._log_in(setting)
        self._take_token()  # some give another one to who has come in
        self._group = self.account.group if setting.group is None else setting.group

    @property
    def may_use_group(self) -> bool:
        """Whether the account is in the group that the settings name."""
        return self.account.is_admin or self._group in self.account.groups

    @property
    def group(self) -> int:
        """Whose members see what is made here."""
        return self._group

    def datasets(self) -> Iterator[Named]:
        """Give every dataset of the account in the group."""
        return self._pages("m/datasets/", {"owner": f"{self.account.user}", "group": f"{self._group}"})

    def images(self, dataset: int) -> Iterator[Named]:
        """Give every image of a dataset."""
        return self._pages(f"m/datasets/{dataset}/images/", {"normalize": "true"})

    def projects(self, dataset: int) -> Iterator[Named]:
        """Give every project that a dataset is in."""
        return self._pages(f"m/datasets/{dataset}/projects/", {})

    def find(self, kind: Literal["datasets", "projects"], number: int) -> Named | None:
        """Read a dataset or a project; None when there is none that the account may see."""
        answer = self._ask("GET", f"{_API}/m/{kind}/{number}/", accepted=(200, 404))
        return self._same(answer, number) if answer.status == 200 else None

    def make(self, text: OmeroText) -> Named:
        """Make a dataset."""
        query = {"group": f"{self._group}"}
        answer = self._ask("POST", f"{_API}/m/save/", document=_dataset(text), query=query, accepted=(201,))
        return self._http.read(_One, answer).data

    def change(self, dataset: int, text: OmeroText) -> None:
        """Give a dataset another name and description; what is in it stays in it."""
        document: dict[str, JsonValue] = {**_dataset(text), "@id": dataset}
        answer = self._ask("PUT", f"{_API}/m/save/", document=document, query={"group": f"{self._group}"})
        self._same(answer, dataset)

    def delete(self, dataset: int) -> None:
        """Delete a dataset; its images would stay without one, so it has to be empty."""
        answer = self._ask("DELETE", f"{_API}/m/datasets/{dataset}/", accepted=(200, 404))
        if answer.status == 200:
            self._same(answer, dataset)

    def put_into(self, project: int, dataset: int) -> None:
        """Put a dataset into a project."""
        document: JsonValue = {"project": {f"{project}": {"dataset": [dataset]}}}
        self._http.read(_Linked, self._ask("POST", "webclient/api/links/", document=document))

    def _log_in(self, setting: Omero) -> Account:
        self._take_token()
        password = setting.password.get_secret_value()
        told = {"server": f"{setting.server}", "username": setting.username, "password": password}
        body = urlencode(told).encode()
        try:
            answer = self._ask("POST", f"{_API}/login/", content=iter([body]), size_bytes=len(body), media_type=_FORM)
        except TargetRefused as refusal:
            if _SLEEPS not in str(refusal):
                raise
            msg = f"OMERO.web of {self._name} answers, and the OMERO behind it does not; it is tried again"
            raise TargetUnavailable(msg, target=self._name) from refusal
        return self._http.read(_LoggedIn, answer).account

    def _take_token(self) -> None:
        token = self._http.read(_Token, self._ask("GET", f"{_API}/token/")).data
        self._more = {**self._more, "x-csrftoken": token}

    def _pages(self, place: str, query: dict[str, str]) -> Iterator[Named]:
        given = 0
        for _ in range(_PAGES_MOST):
            asked = {**query, "limit": f"{_PAGE}", "offset": f"{given}"}
            page = self._http.read(_Page, self._ask("GET", f"{_API}/{place}", query=asked))
            yield from page.data
            given += len(page.data)
            if given >= page.meta.total:
                return
            if not page.data:
                break
        msg = f"{self._name} says that there are {page.meta.total} of {place} and gives {given}; look there"
        raise TargetRefused(msg, target=self._name)

    def _same(self, answer: TargetAnswer, number: int) -> Named:
        found = self._http.read(_One, answer).data
        if found.number != number:
            msg = f"{self._name} was asked for {number} and answers of {found.number}; look there"
            raise TargetRefused(msg, target=self._name)
        return found

    def _ask(self, method: str, place: str, **sent: Any) -> TargetAnswer:
        return self._http.ask(method, place, more=self._more, **sent)


def omero_http(setting: Omero, *, clock: Clock) -> TargetHttp:
    """Make what one session speaks by; it repeats no password, as it is or as it is sent."""
    http = logging.getLogger("httpcore")  # at its finest it logs the headers of answers, and in those is the session
    http.setLevel(max(http.level, logging.INFO))
    sent = SecretStr(quote_plus(setting.password.get_secret_value()))
    return TargetHttp(setting.url, target=setting.name, credential=None, clock=clock, secrets=(setting.password, sent))


def _dataset(text: OmeroText) -> dict[str, JsonValue]:
    return {"@type": _TYPE, "Name": text.name, "Description": text.description}
