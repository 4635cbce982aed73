"""A SciCat backend's REST interface, version 4: one request a call, and every answer looked at before it is believed.

Only the sign-in is of version 3, which has no other. Nothing is tried again here, and no state is kept but a session.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, StringConstraints, TypeAdapter

from cisterna.adapters.target_http import TargetAnswer, TargetHttp
from cisterna.domain.errors import TargetRefused
from cisterna.ports.clock import Clock

BLOCKS_MOST = 10_000
"""Lists of files that are looked for in one dataset."""
_DATASETS, _BLOCKS = "api/v4/datasets", "api/v4/origdatablocks"
_BLOCK_FIELDS: JsonValue = ["_id", "size", "isPublished", "accessGroups"]
_PIDS_AT_ONCE = 50
"""What fits into an address."""
_LONGEST_SESSION_SECONDS = 600.0
_REFUSED = frozenset({401, 403})
Document = dict[str, JsonValue]


class ScicatDataset(BaseModel):
    """A dataset there, with all that it says of itself."""

    model_config = ConfigDict(frozen=True, extra="allow")

    pid: Annotated[str, StringConstraints(min_length=1, max_length=400)]
    is_published: bool = Field(alias="isPublished")
    source_folder: str = Field(alias="sourceFolder")

    def says(self, wanted: Mapping[str, JsonValue]) -> bool:
        """Tell whether it says all of this already."""
        said = self.model_dump(mode="json", by_alias=True)
        return all(_is_same(said.get(name), value) for name, value in wanted.items())


class ScicatBlock(BaseModel):
    """A list of files that belongs to a dataset, without its files."""

    model_config = ConfigDict(frozen=True)

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,100}$")] = Field(alias="_id")
    size: int
    is_published: bool = Field(False, alias="isPublished")
    access_groups: tuple[str, ...] = Field((), alias="accessGroups")


class _Login(BaseModel):
    access_token: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~+/=-]{8,16384}$")]
    expires_in: float | None = None


class _Missing(BaseModel):
    """How it says that something is not there."""

    status: Literal[404] = Field(alias="statusCode")
    message: str


class _Pid(BaseModel):
    pid: str


class _Verdict(BaseModel):
    valid: bool


class ScicatService:
    """Speaks to one backend with one account. Safe to share between threads.

    Args:
        url: Of the backend, without `/api`.
        target: What settings call it, for messages.
        username: Of the account.
        password: Of the account.
        clock: Tells when a session is to be begun anew.
    """

    def __init__(self, url: str, *, target: str, username: str, password: SecretStr, clock: Clock) -> None:
        self._http = TargetHttp(url, target=target, credential=None, clock=clock, secrets=[password])
        self._target = target
        self._username = username
        self._password = password
        self._clock = clock

    def close(self) -> None:
        """Give back what it holds."""
        self._http.close()

    def sign_in(self) -> ScicatSession:
        """Begin a session, which begins anew by itself before it is over."""
        return ScicatSession(self, self._clock, target=self._target)

    def new_token(self) -> tuple[TargetHttp, float]:
        """Sign in; give who speaks with the token, and for how many seconds.

        Raises:
            TargetRefused: It does not take the account, or gives no token.
        """
        document: Document = {"username": self._username, "password": self._password.get_secret_value()}
        answer = self._http.ask("POST", "api/v3/auth/login", document=document, accepted=(200, 201))
        try:
            login = self._http.read(_Login, answer)
        except TargetRefused:  # what it said may hold a token, and is told to nobody
            msg = f"{self._target} answers a sign-in with no token; its address has to be the backend's, without /api"
            raise TargetRefused(msg, target=self._target) from None
        seconds = login.expires_in if login.expires_in and login.expires_in > 0 else _LONGEST_SESSION_SECONDS * 2
        return self._http.with_token(SecretStr(login.access_token)), min(seconds / 2, _LONGEST_SESSION_SECONDS)


class ScicatSession:
    """What an account may do there. For one thread."""

    def __init__(self, service: ScicatService, clock: Clock, *, target: str) -> None:
        self._service = service
        self._clock = clock
        self._target = target
        self._http, self._until = self._begin()
        self._is_doubted = False

    def find(self, pid: str) -> ScicatDataset | None:
        """Read a dataset, whether the public sees it or not.

        Raises:
            TargetRefused: Also when the account may not see it.
        """
        answer = self._ask("GET", _of(_DATASETS, pid), accepted=(200, 404))
        if answer.status == 200:
            return self._dataset(answer, pid)
        if self._http.read(_Missing, answer).message.startswith("Cannot "):  # the address is not there
            raise self._too_old()
        return None

    def known(self, pids: Sequence[str]) -> frozenset[str]:
        """Give those of the PIDs that it has."""
        found: set[str] = set()
        for start in range(0, len(pids), _PIDS_AT_ONCE):
            some = list(pids[start : start + _PIDS_AT_ONCE])
            where: Document = {"pid": {"$in": [*some]}}
            answer = self._ask("GET", _DATASETS, query=_filter(where, ["pid"], len(some)))
            found |= {one.pid for one in self._http.read(TypeAdapter(list[_Pid]), answer)}
        return frozenset(found.intersection(pids))

    def create(self, pid: str, document: Document) -> ScicatDataset | None:
        """Register a dataset; None when one has this PID by now, since no two have the same."""
        answer = self._ask("POST", _DATASETS, document={"pid": pid, **document}, accepted=(201, 409))
        return None if answer.status == 409 else self._dataset(answer, pid)

    def may_create(self, pid: str, document: Document) -> bool:
        """Ask whether it would take a dataset; nothing is written.

        Raises:
            TargetRefused: The account may not register such a one.
        """
        answer = self._ask("POST", f"{_DATASETS}/isValid", document={"pid": pid, **document})
        return self._http.read(_Verdict, answer).valid

    def change(self, pid: str, document: Document) -> ScicatDataset:
        """Have a dataset say this; what is not named stays."""
        return self._dataset(self._ask("PATCH", _of(_DATASETS, pid), document=document), pid)

    def blocks(self, pid: str, *, path: str | None = None) -> list[ScicatBlock]:
        """Give the lists of files of a dataset, or only those that name a path."""
        where: Document = {"datasetId": pid} if path is None else {"datasetId": pid, "dataFileList.path": path}
        answer = self._ask("GET", _BLOCKS, query=_filter(where, _BLOCK_FIELDS, BLOCKS_MOST), accepted=(200, 404))
        if answer.status == 404:
            raise self._too_old()
        found = self._http.read(TypeAdapter(list[ScicatBlock]), answer)
        if len(found) >= BLOCKS_MOST:
            msg = f"{self._target} has more lists of files for {pid} than were ever sent; have them looked at there"
            raise TargetRefused(msg, target=self._target)
        return found

    def add_block(self, document: Document) -> ScicatBlock:
        """Add a list of files."""
        return self._http.read(ScicatBlock, self._ask("POST", _BLOCKS, document=document, accepted=(201,)))

    def show_block(self, block: str) -> None:
        """Let anybody see a list of files."""
        self._change_block(block, {"isPublished": True})

    def hide_block(self, block: str) -> None:
        """Let nobody see a list of files but the group that owns it: its groups are its own, and not its dataset's."""
        self._change_block(block, {"isPublished": False, "accessGroups": []})

    def remove_block(self, block: str) -> bool:
        """Remove a list of files; False when the account may not. Whether it is gone is seen by looking."""
        return self._ask("DELETE", _of(_BLOCKS, block), accepted=(200, 204, 403, 404)).status != 403

    def _change_block(self, block: str, document: Document) -> None:
        changed = self._http.read(ScicatBlock, self._ask("PATCH", _of(_BLOCKS, block), document=document))
        if changed.is_published is not document["isPublished"] or (not changed.is_published and changed.access_groups):
            msg = f"{self._target} was to change who sees the list of files {block}, and did not; look there"
            raise TargetRefused(msg, target=self._target)

    def _dataset(self, answer: TargetAnswer, pid: str) -> ScicatDataset:
        found = self._http.read(ScicatDataset, answer)
        if found.pid != pid:
            msg = f"{self._target} was asked for {pid} and answers with another dataset; look there"
            raise TargetRefused(msg, target=self._target)
        return found

    def _too_old(self) -> TargetRefused:
        msg = f"{self._target} has not all of version 4 of SciCat's interface; it takes a newer backend, from 4.20 on"
        return TargetRefused(msg, target=self._target)

    def _ask(
        self,
        method: str,
        place: str,
        *,
        document: JsonValue = None,
        query: Mapping[str, str] | None = None,
        accepted: Sequence[int] = (200,),
    ) -> TargetAnswer:
        if self._clock.monotonic() >= self._until:
            self._http, self._until = self._begin()
            self._is_doubted = False
        known = accepted if self._is_doubted else (*accepted, *_REFUSED)
        answer = self._http.ask(method, place, document=document, query=query, accepted=known)
        if answer.status not in _REFUSED or self._is_doubted:
            return answer
        # A right is missing, or the token is over: by 403 a backend says both. A new token tells, once a session.
        self._http, self._until = self._begin()
        self._is_doubted = True
        return self._http.ask(method, place, document=document, query=query, accepted=accepted)

    def _begin(self) -> tuple[TargetHttp, float]:
        """Get a token; give who speaks with it, and until when."""
        http, seconds = self._service.new_token()
        return http, self._clock.monotonic() + seconds


def _of(kind: str, name: str) -> str:
    return f"{kind}/{quote(name, safe='')}"


def _filter(where: Document, fields: JsonValue, most: int) -> dict[str, str]:
    wanted: Document = {"where": where, "fields": fields, "limits": {"limit": most}}
    return {"filter": json.dumps(wanted, ensure_ascii=False, separators=(",", ":"))}


def _is_same(said: JsonValue, wanted: JsonValue) -> bool:
    """Compare what it says with what it was told: it adds values in SI units, and leaves away what is empty."""
    if not said and not wanted and not isinstance(said, int | float) and not isinstance(wanted, int | float):
        return True
    if isinstance(wanted, dict) and isinstance(said, dict):
        kept = {name: value for name, value in said.items() if not name.endswith("SI")}
        return kept.keys() == wanted.keys() and all(_is_same(kept[name], value) for name, value in wanted.items())
    return said == wanted
