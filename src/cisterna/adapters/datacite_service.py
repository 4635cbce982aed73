"""DataCite's REST interface: one request a call, and every answer looked at before it is believed.

Nothing is tried again here, and no state is kept: whoever calls knows what should stand, and when to come back.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, NamedTuple
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr

from cisterna.adapters.target_http import Credential, TargetAnswer, TargetHttp
from cisterna.domain.errors import TargetRefused
from cisterna.domain.text import cut_line, shorten
from cisterna.ports.clock import Clock

_MEDIA_TYPE = "application/vnd.api+json"
_SENT_AS = "application/json"
_TOLD_ERRORS = 8
_TAKEN = "already been taken"


class DoiState(StrEnum):
    """States of a DOI at DataCite."""

    DRAFT = "draft"
    """Known to its repository alone; it leads nowhere, and may be deleted."""
    REGISTERED = "registered"
    """It leads to its address for ever; its description is not to be found."""
    FINDABLE = "findable"


class DoiEvent(StrEnum):
    """What moves a DOI from one state to another."""

    REGISTER = "register"
    PUBLISH = "publish"
    HIDE = "hide"


class DoiRecord(NamedTuple):
    """A DOI as the service says that it is.

    Attributes:
        doi: In small letters, as DOIs are compared.
        url: Where it leads to, or will.
        repository: Whose it is, in small letters; None where the service does not say.
        said: All other attributes, as the service tells them.
    """

    doi: str
    state: DoiState
    url: str | None
    repository: str | None
    said: Mapping[str, JsonValue]


class DoiTaken(TargetRefused):
    """The DOI that was to be made is there already."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Resource(_Part):
    id: str = Field(min_length=1, max_length=300)


class _Link(_Part):
    data: _Resource | None = None


class _Relationships(_Part):
    client: _Link = _Link()


class _Attributes(_Part):
    model_config = ConfigDict(frozen=True, extra="allow")

    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)
    doi: str = Field(min_length=1, max_length=2048)
    state: DoiState
    url: str | None = None


class _Doi(_Part):
    type: Literal["dois"]
    attributes: _Attributes
    relationships: _Relationships = _Relationships()


class _DoiAnswer(_Part):
    data: _Doi
    errors: None = None
    """An answer that has some is none, whatever else it says."""


class _AssignedAnswer(_Part):
    data: tuple[_Resource, ...]
    errors: None = None


class _Error(_Part):
    source: str | None = None
    title: str


class _ErrorAnswer(_Part):
    errors: tuple[_Error, ...] = Field(min_length=1)


class DataCiteService:
    """Speaks to one address for one repository. Safe to share between threads.

    Args:
        address: Of the interface, such as `https://api.datacite.org`.
        repository: Account of the repository, such as `ABCD.EFGH`.
        password: Of that account.
        clock: Tells how long the service wants to be left alone.
    """

    def __init__(self, address: str, *, repository: str, password: SecretStr, clock: Clock) -> None:
        token = base64.b64encode(f"{repository}:{password.get_secret_value()}".encode()).decode()
        self.repository = repository.lower()
        self._password = password.get_secret_value()
        self._http = TargetHttp(
            address,
            target="DataCite",
            credential=Credential("Basic", SecretStr(token), made_of=password),
            clock=clock,
            media_type=_MEDIA_TYPE,
        )

    def close(self) -> None:
        """Give back what the client holds."""
        self._http.close()

    def find(self, doi: str) -> DoiRecord | None:
        """Read what stands; None where there is no such DOI, or a draft of somebody else's."""
        answer = self._http.ask("GET", _place(doi), accepted=(200, 404))
        if answer.status == 404:
            self._http.read(_ErrorAnswer, answer)  # said by the service, and not by another that knows no DOIs
            return None
        return self._record(answer, doi)

    def create(self, attributes: Mapping[str, JsonValue]) -> DoiRecord:
        """Make a DOI that was not there.

        Raises:
            DoiTaken: It is.
        """
        return self._write("POST", "dois", attributes, doi=str(attributes["doi"]))

    def change(self, doi: str, attributes: Mapping[str, JsonValue]) -> DoiRecord:
        """Change what is said of a DOI, its address or its state; what is not named stays as it is."""
        return self._write("PUT", _place(doi), attributes, doi=doi)

    def has_prefix(self, prefix: str) -> bool:
        """Tell whether the repository may make DOIs with a prefix. Asking proves the password too."""
        query = {"client-id": self.repository, "prefix-id": prefix, "page[size]": "1"}
        answer = self._http.ask("GET", "client-prefixes", query=query)
        return bool(self._http.read(_AssignedAnswer, answer).data)

    def _write(self, method: str, place: str, attributes: Mapping[str, JsonValue], *, doi: str) -> DoiRecord:
        document: JsonValue = {"data": {"type": "dois", "attributes": dict(attributes)}}
        accepted = (200, 201, 422)
        answer = self._http.ask(method, place, document=document, media_type=_SENT_AS, accepted=accepted)
        if answer.status == 422:
            raise self._refusal(answer, doi)
        return self._record(answer, doi)

    def _record(self, answer: TargetAnswer, doi: str) -> DoiRecord:
        found = self._http.read(_DoiAnswer, answer).data
        named = found.attributes.doi.lower()
        if named != doi.lower():
            msg = f"DataCite was asked for {doi} and answers with '{_shown(named)}'; nothing of that is believed"
            raise TargetRefused(msg, doi=doi)
        owner = found.relationships.client.data
        repository = owner.id.lower() if owner else None
        return DoiRecord(
            named, found.attributes.state, found.attributes.url, repository, found.attributes.model_extra or {}
        )

    def _refusal(self, answer: TargetAnswer, doi: str) -> TargetRefused:
        """Say which fields it does not take, in its own words."""
        errors = self._http.read(_ErrorAnswer, answer).errors[:_TOLD_ERRORS]
        said = "; ".join(f"{one.source}: {one.title}" if one.source else one.title for one in errors)
        told = _shown(said.replace(self._password, "***"))
        fields = sorted({_shown(one.source) for one in errors if one.source})
        if any(_TAKEN in one.title for one in errors):
            return DoiTaken(f"DataCite has {doi} already: {told}", doi=doi)
        msg = f"DataCite does not take {doi}: {told}; mend what it names, and ask for it again"
        return TargetRefused(msg, doi=doi, fields=fields)


def _place(doi: str) -> str:
    return f"dois/{quote(doi, safe='/')}"


def _shown(text: str) -> str:
    return shorten(cut_line(text[:800].replace("<", " ")) or "nothing that could be read", 400)
