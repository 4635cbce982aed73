"""DataCite's REST interface: one request a call, every answer looked at before it is believed.

Nothing is tried again here, and no state is kept: whoever calls knows what stands, and when to come back.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, ValidationError

from cisterna.domain.errors import TargetRefused, TargetUnavailable
from cisterna.domain.text import cut_line, shorten

_ANSWER_LIMIT_BYTES = 16 * 1024 * 1024
"""A DOI with a thousand creators has less than one; what says more is not the service."""
_TOLD_LIMIT = 400
_TOLD_ERRORS = 5
_LONGEST_WAIT_SECONDS = 86_400.0
_LATER = {408, 425, 429}

Answer = TypeVar("Answer", bound=BaseModel)


class DoiState(StrEnum):
    """States of a DOI at DataCite."""

    DRAFT = "draft"
    """Known to its repository alone; it leads nowhere and may be deleted."""
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
        repository: Whose it is, in small letters.
    """

    doi: str
    state: DoiState
    url: str | None
    repository: str | None


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
    doi: str = Field(min_length=1, max_length=2048)
    state: DoiState
    url: str | None = None


class _Doi(_Part):
    type: Literal["dois"]
    attributes: _Attributes
    relationships: _Relationships = _Relationships()


class _DoiAnswer(_Part):
    data: _Doi


class _Assigned(_Part):
    data: tuple[_Resource, ...]


class DataCiteService:
    """Speaks to one address for one repository. Safe to share between threads.

    Args:
        address: Of the interface, such as `https://api.datacite.org`.
        repository: Account of the repository, such as `ABCD.EFGH`.
        password: Of that account.
        timeout_seconds: For a whole answer; a server that sends it in drips does not hold us longer.
    """

    def __init__(self, address: str, *, repository: str, password: SecretStr, timeout_seconds: float = 30.0) -> None:
        self._address = address.rstrip("/")
        self._repository = repository
        self._timeout_seconds = timeout_seconds
        secret = password.get_secret_value()
        self._unsaid = (secret, base64.b64encode(f"{repository}:{secret}".encode()).decode())
        self._client = httpx.Client(
            auth=httpx.BasicAuth(repository, secret),
            headers={"accept": "application/vnd.api+json", "accept-encoding": "identity", "user-agent": "cisterna"},
            timeout=timeout_seconds,
            trust_env=False,  # a proxy from the environment would be told the password
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close kept connections."""
        self._client.close()

    def find(self, doi: str) -> DoiRecord | None:
        """Read what stands; None where there is no such DOI, or a draft of somebody else's."""
        status, body = self._ask("GET", _path(doi))
        if status == httpx.codes.NOT_FOUND and _said_as_errors(body):
            return None
        return self._record(status, body, doi)

    def create(self, attributes: Mapping[str, JsonValue]) -> DoiRecord:
        """Make a DOI that was not there.

        Raises:
            DoiTaken: It is.
        """
        doi = str(attributes["doi"])
        status, body = self._ask("POST", "/dois", attributes)
        if status == httpx.codes.UNPROCESSABLE_ENTITY and "already been taken" in self._told(body):
            msg = f"the DOI {doi} is there already; look again"
            raise DoiTaken(msg, doi=doi)
        return self._record(status, body, doi)

    def change(self, doi: str, attributes: Mapping[str, JsonValue]) -> DoiRecord:
        """Change what is said of a DOI, its address or its state; what is not named stays as it is."""
        status, body = self._ask("PUT", _path(doi), attributes)
        return self._record(status, body, doi)

    def has_prefix(self, prefix: str) -> bool:
        """Tell whether the repository may make DOIs with a prefix; asking proves the password too."""
        query = httpx.QueryParams({"client-id": self._repository.lower(), "prefix-id": prefix, "page[size]": 1})
        status, body = self._ask("GET", f"/client-prefixes?{query}")
        self._require_done(status, body)
        return bool(self._read(_Assigned, body).data)

    def _ask(
        self, method: str, path: str, attributes: Mapping[str, JsonValue] | None = None
    ) -> tuple[int, bytes]:
        """Send one request and give status and body. Raises `TargetUnavailable` for what may be better later."""
        content = None
        headers = {}
        if attributes is not None:
            content = json.dumps({"data": {"type": "dois", "attributes": attributes}}, allow_nan=False).encode()
            headers = {"content-type": "application/json"}
        request = self._client.build_request(method, f"{self._address}{path}", content=content, headers=headers)
        until = time.monotonic() + self._timeout_seconds
        try:
            answer = self._client.send(request, stream=True)
            try:
                body = self._body(answer, until)
            finally:
                answer.close()
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            msg = f"DataCite at {self._address} did not answer ({self._clean(str(error)) or type(error).__name__})"
            raise TargetUnavailable(msg, address=self._address) from error
        if answer.status_code in _LATER or answer.is_server_error:
            self._come_back(answer, body)
        return answer.status_code, body

    def _body(self, answer: httpx.Response, until: float) -> bytes:
        body = bytearray()
        for piece in answer.iter_bytes():
            body += piece
            if len(body) > _ANSWER_LIMIT_BYTES:
                msg = f"{self._address} answers with more than {_ANSWER_LIMIT_BYTES:,} bytes; it is not DataCite"
                raise TargetRefused(msg, address=self._address)
            if time.monotonic() > until:
                msg = f"DataCite at {self._address} did not finish its answer in {self._timeout_seconds:g} s"
                raise TargetUnavailable(msg, address=self._address)
        return bytes(body)

    def _come_back(self, answer: httpx.Response, body: bytes) -> None:
        wait = _seconds_of(answer.headers.get("retry-after"))
        facts: dict[str, object] = {"status": answer.status_code, "address": self._address}
        told = f": {said}" if (said := self._told(body)) else ""
        msg = f"DataCite at {self._address} answers {answer.status_code} and cannot now{told}"
        raise TargetUnavailable(msg, **facts | ({} if wait is None else {"retry_after_seconds": wait}))

    def _record(self, status: int, body: bytes, doi: str) -> DoiRecord:
        self._require_done(status, body, doi=doi)
        found = self._read(_DoiAnswer, body).data
        named = found.attributes.doi.lower()
        if named != doi.lower():
            msg = f"DataCite was asked for {doi} and answers with '{self._clean(named)}'; nothing of that is believed"
            raise TargetRefused(msg, doi=doi)
        owner = found.relationships.client.data
        return DoiRecord(named, found.attributes.state, found.attributes.url, owner.id.lower() if owner else None)

    def _require_done(self, status: int, body: bytes, *, doi: str | None = None) -> None:
        """Raise `TargetRefused` unless the answer is a success, and one that says no error."""
        if httpx.codes.is_success(status) and not _said_as_errors(body):
            return
        told = self._told(body) or "without a reason that could be read"
        about = f" for {doi}" if doi else ""
        facts: dict[str, object] = {"status": status} | ({"doi": doi} if doi else {})
        match status:
            case 401:
                remedy = "see that the repository's account and password in the settings are right"
            case 403:
                remedy = f"the repository {self._repository} may not do that; is the prefix or the DOI another's?"
            case 404:
                remedy = f"see that {self._address} is the address of DataCite's REST interface"
            case 422:
                remedy = "mend what it names, and ask again"
            case _:
                remedy = "see that the address in the settings is that of DataCite's REST interface"
        msg = f"DataCite refuses{about} ({status}): {told}; {remedy}"
        raise TargetRefused(msg, **facts)

    def _read(self, kind: type[Answer], body: bytes) -> Answer:
        try:
            return kind.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "the whole"
            msg = (
                f"{self._address} answers what is not DataCite's ({place}: {first['msg']}); nothing of it is believed. "
                f"See that the address in the settings is that of its REST interface"
            )
            raise TargetRefused(msg, address=self._address) from None  # the cause would show the answer

    def _told(self, body: bytes) -> str:
        """Give what the service says went wrong, with the fields that it names; empty for what it does not write."""
        errors = _said_as_errors(body)
        words = []
        for one in errors[:_TOLD_ERRORS]:
            said = one if isinstance(one, dict) else {"title": one}
            title = said.get("title") or said.get("detail") or said.get("message") or "an error"
            source = said.get("source")
            words.append(f"{source}: {title}" if isinstance(source, str) and source else str(title))
        return self._clean("; ".join(words))

    def _clean(self, text: str) -> str:
        for secret in self._unsaid:
            text = text.replace(secret, "***")
        return shorten(cut_line(text.replace("\n", " ")) or "", _TOLD_LIMIT)


def _path(doi: str) -> str:
    return f"/dois/{quote(doi, safe='/')}"


def _said_as_errors(body: bytes) -> list[Any]:
    """Give the errors of a JSON:API answer; of anything else none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return []
    errors = document.get("errors") if isinstance(document, dict) else None
    return errors if isinstance(errors, list) else [errors] if errors else []


def _seconds_of(header: str | None) -> float | None:
    """Read how long to wait: seconds, or a date; None for anything else."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_WAIT_SECONDS)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(0.0, (until - datetime.now(UTC)).total_seconds()), _LONGEST_WAIT_SECONDS)
