"""What one account may do in an OMERO: its JSON API, by one session that lasts as long as one step takes.

That interface makes and deletes datasets and lists images; it imports none and deletes none. What OMERO's own pages use
puts a dataset into a project, for which the JSON API has nothing, and changes its name and description: what the JSON
API takes in place of a dataset says nothing of the projects that it is in, and OMERO may take it out of all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import quote_plus, urlencode

from pydantic import BaseModel, Field, JsonValue, SecretStr, StringConstraints, TypeAdapter

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
_FIRST_PAGES = (_PAGE, 1, 67)
"""How long the first page is, and when that did not lead to all, how long the next time. OMERO orders by name alone:
where equal names meet the end of a page, one thing may come twice and another never, and then pages end elsewhere."""
_PAGES_MOST = 5000
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


class _Id(BaseModel):
    number: int = Field(alias="@id", ge=0)


class _Group(BaseModel):
    group: _Id | None = None


class _Owner(BaseModel):
    owner: _Id


class Named(BaseModel):
    """A dataset or a project, as far as we read it."""

    number: int = Field(alias="@id", ge=1)
    name: str = Field("", alias="Name")
    description: str = Field("", alias="Description")
    details: _Group = Field(_Group(), alias="omero:details")

    @property
    def group(self) -> int | None:
        """Whose members see it; None where OMERO does not say."""
        return self.details.group.number if self.details.group else None


class Image(BaseModel):
    """An image, as far as we read it."""

    number: int = Field(alias="@id", ge=1)
    name: str = Field("", alias="Name")
    details: _Owner = Field(alias="omero:details")

    @property
    def owner(self) -> int:
        """Whose it is."""
        return self.details.owner.number


class _One(BaseModel):
    data: Named


class _Meta(BaseModel):
    total: int = Field(alias="totalCount", ge=0)


T = TypeVar("T", Named, Image)


class _Page(BaseModel, Generic[T]):
    data: list[T]
    meta: _Meta


_NAMED, _IMAGES = TypeAdapter(_Page[Named]), TypeAdapter(_Page[Image])


class _Linked(BaseModel):
    success: Literal[True]


class _Saved(BaseModel):
    bad: Literal["false"]


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
        return self._pages(_NAMED, "m/datasets/", {"owner": f"{self.account.user}", "group": f"{self._group}"})

    def images(self, dataset: int) -> Iterator[Image]:
        """Give every image of a dataset, whoever has it."""
        return self._pages(_IMAGES, f"m/datasets/{dataset}/images/", {"normalize": "true"})

    def images_of_account(self) -> Iterator[Image]:
        """Give every image of the account, in whatever group and dataset, and those that are in none."""
        return self._pages(_IMAGES, "m/images/", {"owner": f"{self.account.user}", "normalize": "true"})

    def projects(self, dataset: int) -> Iterator[Named]:
        """Give every project that a dataset is in."""
        return self._pages(_NAMED, f"m/datasets/{dataset}/projects/", {})

    def find(self, kind: Literal["datasets", "projects"], number: int) -> Named | None:
        """Read a dataset or a project; None when there is none that the account may see."""
        answer = self._ask("GET", f"{_API}/m/{kind}/{number}/", accepted=(200, 404))
        return self._same(answer, number) if answer.status == 200 else None

    def make(self, text: OmeroText) -> Named:
        """Make a dataset."""
        query = {"group": f"{self._group}"}
        answer = self._ask("POST", f"{_API}/m/save/", document=_dataset(text), query=query, accepted=(201,))
        return self._http.read(_One, answer).data

    def change(self, dataset: Named, text: OmeroText) -> None:
        """Give a dataset another name and description; whatever it is in and whatever is in it stays."""
        said = (("description", dataset.description, text.description), ("name", dataset.name, text.name))
        changed = [(field, wanted) for field, is_now, wanted in said if is_now.strip() != wanted.strip()]
        if changed and dataset.group not in {None, self.account.group}:  # its pages change what is in one group
            query = {"active_group": f"{dataset.group}"}
            self._ask("GET", "webclient/active_group/", query=query, accepted=(200, 302))
        for field, wanted in changed:
            place = f"webclient/action/save{field}/dataset/{dataset.number}/"
            self._http.read(_Saved, self._send_form(place, {field: wanted}))

    def delete(self, dataset: int) -> None:
        """Delete a dataset; its images would stay without one, so it has to be empty."""
        answer = self._ask("DELETE", f"{_API}/m/datasets/{dataset}/", accepted=(200, 404))
        if answer.status == 200:
            self._same(answer, dataset)

    def put_into(self, project: int, dataset: int) -> None:
        """Put a dataset into a project.

        Raises:
            TargetRefused: It is not in it afterwards, whatever was answered.
        """
        document: JsonValue = {"project": {f"{project}": {"dataset": [dataset]}}}
        self._http.read(_Linked, self._ask("POST", "webclient/api/links/", document=document))
        if all(one.number != project for one in self.projects(dataset)):
            msg = f"{self._name} does not take dataset {dataset} into project {project}; is that of the same group?"
            raise TargetRefused(msg, target=self._name)

    def end(self) -> None:
        """Log out; a session that cannot be ended ends by itself."""
        with suppress(TargetRefused, TargetUnavailable):
            self._ask("POST", "webclient/logout/", accepted=(200, 302))

    def _log_in(self, setting: Omero) -> Account:
        self._take_token()
        password = setting.password.get_secret_value()
        told = {"server": f"{setting.server}", "username": setting.username, "password": password}
        try:
            answer = self._send_form(f"{_API}/login/", told)
        except TargetRefused as refusal:
            if _SLEEPS not in str(refusal):
                raise
            msg = f"OMERO.web of {self._name} answers, and the OMERO behind it does not; it is tried again"
            raise TargetUnavailable(msg, target=self._name) from refusal
        return self._http.read(_LoggedIn, answer, is_secret=True).account

    def _take_token(self) -> None:
        token = self._http.read(_Token, self._ask("GET", f"{_API}/token/")).data
        self._more = {**self._more, "x-csrftoken": token}

    def _pages(self, model: TypeAdapter[_Page[T]], place: str, query: dict[str, str]) -> Iterator[T]:
        """Give each thing of a list once.

        Raises:
            TargetUnavailable: Not all of it came, however it was asked for.
            TargetRefused: It has no end.
        """
        given: set[int] = set()
        for first in _FIRST_PAGES:
            total = 0
            for page in self._one_by_one(model, place, query, first=first):
                total = page.meta.total
                for one in page.data:
                    if one.number not in given:
                        given.add(one.number)
                        yield one
            if len(given) >= total:
                return
        msg = f"the list {place} of {self._name} changed while it was read; it is tried again"
        raise TargetUnavailable(msg, target=self._name)

    def _one_by_one(
        self, model: TypeAdapter[_Page[T]], place: str, query: dict[str, str], *, first: int
    ) -> Iterator[_Page[T]]:
        read = 0
        for _ in range(_PAGES_MOST):
            asked = {**query, "limit": f"{_PAGE if read else first}", "offset": f"{read}"}
            page = self._http.read(model, self._ask("GET", f"{_API}/{place}", query=asked))
            yield page
            read += len(page.data)
            if read >= page.meta.total:
                return
            if not page.data:
                break
        msg = f"{self._name} says that there are {page.meta.total} of {place} and gives {read}; look there"
        raise TargetRefused(msg, target=self._name)

    def _same(self, answer: TargetAnswer, number: int) -> Named:
        found = self._http.read(_One, answer).data
        if found.number != number:
            msg = f"{self._name} was asked for {number} and answers of {found.number}; look there"
            raise TargetRefused(msg, target=self._name)
        return found

    def _send_form(self, place: str, fields: dict[str, str]) -> TargetAnswer:
        body = urlencode(fields).encode()
        return self._ask("POST", place, content=iter([body]), size_bytes=len(body), media_type=_FORM)

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
