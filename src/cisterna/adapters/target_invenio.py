"""A repository that runs InvenioRDM, such as Zenodo, as a target: draft, files, publication.

A record of ours is known there by our ARK among its identifiers and by its version. A further version becomes a further
version there, below the same concept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Literal, NoReturn
from urllib.parse import quote

from pydantic import BaseModel, Field, JsonValue, StringConstraints, TypeAdapter, ValidationError

from cisterna.adapters.target_http import ANSWER_LIMIT_BYTES, TargetHttp
from cisterna.adapters.target_known import naming, require_no_second, says_no_more
from cisterna.adapters.target_setting import Carries, Invenio
from cisterna.domain.access import Extent
from cisterna.domain.deposit import Deposit, DepositState, Doi
from cisterna.domain.errors import ChecksumMismatch, TargetRefused
from cisterna.domain.text import cut_line
from cisterna.metadata.forms import form_of
from cisterna.metadata.invenio import invenio_tombstone
from cisterna.ports.clock import Clock
from cisterna.ports.publisher import PublicFile, PublicRecord
from cisterna.ports.target import DepositRequest, PublicBytes, ReserveRequest, TargetReport

_FORM = "invenio"
_ACCEPT = "application/vnd.inveniordm.v1+json"
"""Zenodo answers plain JSON in words of its own past."""
_FOUND_MOST = 100
_FILE_BYTES = 4096
"""What it tells of one file at most, and it tells of all files of a record at once."""
_DOI = TypeAdapter(Doi)
_HIDDEN: dict[str, JsonValue] = {"record": "restricted", "files": "restricted"}
_FILES_HIDDEN: dict[str, JsonValue] = {"record": "public", "files": "restricted"}


class _Access(BaseModel):
    record: Literal["public", "restricted"] = "public"
    files: Literal["public", "restricted"] = "public"


class _Record(BaseModel):
    """A draft or a record, as far as we read it."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
    is_published: bool
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    access: _Access = _Access()
    pids: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    files: dict[str, JsonValue] = Field(default_factory=dict)
    errors: list[JsonValue] = Field(default_factory=list)

    def is_of(self, pid: str, version: str) -> bool:
        """Tell whether it is a version of ours."""
        identifiers = self.metadata.get("identifiers")
        listed = identifiers if isinstance(identifiers, list) else []
        named = [one.get("identifier") for one in listed if isinstance(one, dict)]
        return pid in named and self.metadata.get("version") == version

    def says(self, metadata: dict[str, JsonValue]) -> bool:
        """Tell whether it says what is wanted and no more, but for what the repository makes of it."""
        told = {name for name, one in self.metadata.items() if one}
        compared = ("title", "publisher", "version")
        is_same = all(self.metadata.get(name) == metadata[name] for name in compared)
        return told <= metadata.keys() and is_same and _names(self.metadata) == _names(metadata)


class _Hits(BaseModel):
    hits: list[_Record]


class _Found(BaseModel):
    hits: _Hits


class _File(BaseModel):
    key: str
    status: str
    checksum: str | None = None
    size: float | None = None


class _Files(BaseModel):
    entries: list[_File]


def answer_bytes(setting: Invenio) -> int:
    """Say what an answer of a repository may have."""
    return max(ANSWER_LIMIT_BYTES, _FILE_BYTES * setting.files_most)


class InvenioTarget:
    """Implements `ports.target.Target`.

    Args:
        http: Speaks with it.
        setting: What it takes, and which files go there.
        clock: Dates what it says.
    """

    reserves = False
    narrows = True

    def __init__(self, http: TargetHttp, setting: Invenio, *, clock: Clock) -> None:
        self.name = setting.name
        self.title = setting.shown
        self._http = http
        self._setting = setting
        self._clock = clock
        self._begun: dict[str, str] = {}  # ids of drafts, by the keys of deposits that are not done

    def reserve(self, request: ReserveRequest) -> None:
        """It gives its DOI with the publication."""
        del request

    def deposit(self, request: DepositRequest, *, known: Deposit | None, files: PublicBytes) -> Deposit:
        """Find what stands, or begin a draft; bring its files there, and publish it."""
        found = self._find(request, known)
        if found is None:
            require_no_second(known, request, doi=request.doi, title=self.title)
        if found is None or not found.is_published:
            wanted = self._wanted(request.record)
            has_files = bool(wanted or (self._setting.carries is Carries.ALL and request.record.file_count))
            document = self._document(request.record, has_files=has_files)
            draft = self._draft(request, found, document)
            if has_files:
                self._bring(draft.id, wanted, request.record, files)
            found = self._publish(draft.id)
        else:
            found = self._shown(found, request.record)
        self._begun.pop(request.key, None)
        return self._told(found, DepositState.DEPOSITED)

    def withdraw(self, request: DepositRequest, *, known: Deposit | None, reason: str) -> Deposit | None:
        """Throw a draft away; of a record that is public, restrict as much as the repository allows."""
        del reason  # it has no field for it; the landing page that the record leads to says why
        found = self._find(request, known)
        if found is None:
            return None
        if not found.is_published:
            self._http.ask("DELETE", f"api/records/{found.id}/draft", accepted=(204, 404))
            return self._told(found, DepositState.WITHDRAWN)
        wanted = invenio_tombstone(request.record) if request.record.is_bare else None
        # Files alone are restricted of what was narrowed, and of what Zenodo has hidden as far as it hides anything.
        was_shown = known is not None and known.state is not DepositState.WITHDRAWN
        is_hidden = found.access.record == "restricted" or (found.access.files == "restricted" and not was_shown)
        if not is_hidden or (wanted is not None and not found.says(wanted)):
            found = self._hide(found, wanted)
        remark = None
        if found.access.record == "public":
            what = "a record without its description" if wanted is not None else "its description"
            remark = f"{self.title} goes on showing {what}; ask its administrators to delete the record"
        return self._told(found, DepositState.WITHDRAWN, remark=remark)

    def test(self) -> TargetReport:
        """Look for our own records, which takes a token that is good."""
        try:
            self._search('metadata.version:"v0"')
        except TargetRefused as refusal:
            return TargetReport(is_usable=False, words=cut_line(str(refusal)) or self.name)
        limits = (
            f"at most {self._setting.files_most:,} files in one record, by the settings",
            f"at most {self._setting.bytes_most:,} bytes in one record, by the settings",
        )
        return TargetReport(is_usable=True, words=f"{self.title} answers, and takes the token", limits=limits)

    def _wanted(self, record: PublicRecord) -> list[PublicFile]:
        """Give the files that go there and that the record names itself.

        Raises:
            TargetRefused: They are more than the repository takes; nothing was begun.
        """
        named = [one for one in record.files if self._goes(one)]
        is_all = self._setting.carries is Carries.ALL
        if is_all and record.extent is not Extent.FILES:  # published without files, it takes none ever after
            msg = (
                f"of {record.pid} {record.version} the description alone is public, and {self.title} takes its files: "
                "it goes there by itself once they are public too"
            )
            raise TargetRefused(msg, target=self.name)
        count = record.file_count if is_all else len(named)
        total = record.total_bytes if is_all else sum(one.size_bytes for one in named)
        if count > self._setting.files_most or total > self._setting.bytes_most:
            msg = (
                f"{record.pid} {record.version} has {count:,} files of {total:,} bytes, and {self.title} takes at most "
                f"{self._setting.files_most:,} files and {self._setting.bytes_most:,} bytes in one record; have it "
                "take only the description (`carries`), or ask the repository for more room and set that"
            )
            raise TargetRefused(msg, target=self.name, files=count, bytes=total)
        return named

    def _goes(self, file: PublicFile) -> bool:
        carries = self._setting.carries
        return carries is Carries.ALL or (carries is Carries.DESCRIPTION and not file.path.startswith("data/"))

    def _document(self, record: PublicRecord, *, has_files: bool) -> dict[str, JsonValue]:
        form = form_of(_FORM)
        text = record.documents.get(form.media_type if form else "")
        if text is None:
            msg = f"{record.pid} {record.version} was published without the form `{_FORM}`; publish it anew"
            raise TargetRefused(msg, target=self.name)
        document: dict[str, JsonValue] = json.loads(text)
        return document | {"files": {"enabled": has_files}}

    def _find(self, request: ReserveRequest, known: Deposit | None) -> _Record | None:
        """Find ours by what is known, then by our identifier among all that is ours there.

        The search may be late. So what it finds is read where it is kept, and what was begun is remembered.

        Raises:
            TargetRefused: What is known to be ours does not say so any more.
        """
        for identity in (known.outside_id if known else None, self._begun.get(request.key)):
            found = self._read(identity) if identity else None
            if found is not None and found.is_of(request.pid, request.version):
                return found
            if found is not None and known is not None and found.id == known.outside_id:
                raise says_no_more(f"record {found.id}", request, target=self.name, title=self.title)
        hits = self._search(f'metadata.identifiers.identifier:"{request.pid}"')
        read = [self._read(one.id) for one in hits if one.is_of(request.pid, request.version)]
        ours = [one for one in read if one is not None and one.is_of(request.pid, request.version)]
        return next((one for one in ours if one.is_published), ours[0] if ours else None)

    def _read(self, identity: str) -> _Record | None:
        """Read a record; one that is not public yet as the draft that it is."""
        place = f"api/records/{quote(identity)}"
        return self._get(place) or self._get(f"{place}/draft")

    def _get(self, place: str) -> _Record | None:
        answer = self._http.ask("GET", place, accept=_ACCEPT, accepted=(200, 404, 410))
        return self._http.read(_Record, answer) if answer.status == 200 else None

    def _search(self, words: str) -> list[_Record]:
        query = {"q": words, "size": str(_FOUND_MOST), "allversions": "true"}
        answer = self._http.ask("GET", "api/user/records", accept=_ACCEPT, query=query)
        return self._http.read(_Found, answer).hits.hits

    def _draft(self, request: DepositRequest, found: _Record | None, document: dict[str, JsonValue]) -> _Record:
        if found is None:
            found = self._next_version(request)
        if found is None:
            answer = self._http.ask("POST", "api/records", document=document, accept=_ACCEPT, accepted=(201,))
        else:
            answer = self._http.ask("PUT", f"api/records/{found.id}/draft", document=document, accept=_ACCEPT)
        draft = self._http.read(_Record, answer)
        self._begun[request.key] = draft.id
        if draft.errors:
            self._refuse(draft)
        return draft

    def _next_version(self, request: DepositRequest) -> _Record | None:
        """Begin a version of the same concept; where one is begun already, it is that one."""
        for earlier in request.earlier:
            place = f"api/records/{quote(earlier.outside_id)}/versions"
            answer = self._http.ask("POST", place, accept=_ACCEPT, accepted=(201, 404, 410))
            if answer.status == 201:
                return self._http.read(_Record, answer)
        return None

    def _refuse(self, draft: _Record) -> NoReturn:
        said = []
        for one in draft.errors[:5]:
            fields = one if isinstance(one, dict) else {}
            messages = fields.get("messages")
            words = "; ".join(map(str, messages)) if isinstance(messages, list) else "it is amiss"
            said.append(f"{fields.get('field')}: {words}")
        shown = cut_line("; ".join(said)[:600]) or "without saying why"
        raise TargetRefused(f"{self.title} does not take the description: {shown}", target=self.name)

    def _bring(self, draft: str, wanted: list[PublicFile], record: PublicRecord, files: PublicBytes) -> None:
        """Bring every file there, but those whose bytes are there already; what is there beside them goes."""
        base = f"api/records/{draft}/draft/files"
        present = {one.key: one for one in self._http.read(_Files, self._http.ask("GET", base)).entries}
        kept = set()
        for file in self._going(wanted, record, files):
            kept.add(file.path)
            with naming(file.path):
                self._bring_one(base, file, present.get(file.path), files)
        for key in present.keys() - kept:
            self._http.ask("DELETE", f"{base}/{quote(key, safe='/')}", accepted=(204, 404))

    def _bring_one(self, base: str, file: PublicFile, held: _File | None, files: PublicBytes) -> None:
        place = f"{base}/{quote(file.path, safe='/')}"
        if held is not None and held.status == "completed":
            if held.size == file.size_bytes and held.checksum == _md5_of(file, files):
                return
            self._http.ask("DELETE", place, accepted=(204, 404))
            held = None
        if held is None:
            self._http.ask("POST", base, document=[{"key": file.path}], accepted=(201,))
        self._send(place, file, files)

    def _going(self, wanted: list[PublicFile], record: PublicRecord, files: PublicBytes) -> Iterator[PublicFile]:
        return files.files(record) if self._setting.carries is Carries.ALL else iter(wanted)

    def _send(self, place: str, file: PublicFile, files: PublicBytes) -> None:
        digest = hashlib.md5(usedforsecurity=False)  # what the repository tells of what it has

        def digested(chunks: Iterator[bytes]) -> Iterator[bytes]:
            for chunk in chunks:
                digest.update(chunk)
                yield chunk

        with files.open(file) as chunks:
            self._http.ask("PUT", f"{place}/content", content=digested(chunks), size_bytes=file.size_bytes)
        done = self._http.read(_File, self._http.ask("POST", f"{place}/commit"))
        expected = f"md5:{digest.hexdigest()}"
        if done.checksum != expected or done.size != file.size_bytes:
            self._http.ask("DELETE", place, accepted=(204, 404))
            msg = (
                f"{file.path} is not at {self.title} what was sent there; it was taken out again and nothing is public"
            )
            raise ChecksumMismatch(msg, path=file.path, expected=expected, found=done.checksum)

    def _publish(self, draft: str) -> _Record:
        answer = self._http.ask("POST", f"api/records/{draft}/draft/actions/publish", accept=_ACCEPT, accepted=(202,))
        record = self._http.read(_Record, answer)
        if not record.is_published:
            msg = f"{self.title} says that it published {record.id}, and that it is not public; look there"
            raise TargetRefused(msg, target=self.name)
        return record

    def _hide(self, found: _Record, wanted: dict[str, JsonValue] | None) -> _Record:
        hidden = self._with_access(found, _HIDDEN, _FILES_HIDDEN, metadata=wanted)  # Zenodo hides no description
        if hidden.access.files != "restricted":
            msg = f"{self.title} goes on showing the files of {hidden.id}; ask its administrators to delete the record"
            raise TargetRefused(msg, target=self.name)
        if wanted is not None and not hidden.says(wanted):
            msg = f"{self.title} goes on telling what was said of {hidden.id}; ask its administrators to delete it"
            raise TargetRefused(msg, target=self.name)
        return hidden

    def _shown(self, found: _Record, record: PublicRecord) -> _Record:
        """Show as much as the record says, described as it says; what is shown so already is left alone."""
        document = self._document(record, has_files=True)
        access = document["access"]
        wanted = _Access.model_validate(access)
        metadata = document["metadata"]
        if not isinstance(access, dict) or not isinstance(metadata, dict):
            return found
        if found.access == wanted and found.metadata.get("title") == metadata.get("title"):  # else a tombstone's
            return found
        shown = self._with_access(found, access, metadata=metadata)
        if shown.access.record != wanted.record or (shown.files.get("enabled") and shown.access.files != wanted.files):
            msg = f"{self.title} was to show of {shown.id} what is public here, and does not; look there"
            raise TargetRefused(msg, target=self.name)
        return shown

    def _with_access(self, found: _Record, *tried: dict[str, JsonValue], metadata: JsonValue = None) -> _Record:
        """Edit who may see a record, in the first way that the repository takes."""
        answer = self._http.ask("POST", f"api/records/{found.id}/draft", accept=_ACCEPT, accepted=(201,))
        draft = self._http.read(_Record, answer)
        document: dict[str, JsonValue] = {
            "metadata": metadata or _by_id(draft.metadata),
            "files": {"enabled": bool(draft.files.get("enabled", True))},
            "pids": {name: dict(one) for name, one in draft.pids.items()},
        }
        place = f"api/records/{draft.id}/draft"
        for access in tried:
            accepted = (200,) if access is tried[-1] else (200, 400, 403)
            changed = self._http.ask(
                "PUT", place, document=document | {"access": access}, accept=_ACCEPT, accepted=accepted
            )
            if changed.status == 200:
                break
        return self._publish(draft.id)

    def _doi(self, record: _Record) -> str | None:
        said = record.pids.get("doi", {}).get("identifier")
        if not said:
            return None
        try:
            return _DOI.validate_python(said)
        except ValidationError:
            msg = f"{self.title} says of {record.id} a DOI that is none; look there"
            raise TargetRefused(msg, target=self.name) from None

    def _told(self, record: _Record, state: DepositState, *, remark: str | None = None) -> Deposit:
        return Deposit(
            target=self.name,
            outside_id=record.id,
            address=f"{self._setting.url.rstrip('/')}/records/{record.id}",
            doi=self._doi(record) if record.is_published else None,  # one that is reserved leads nobody anywhere
            state=state,
            told_at=self._clock.now(),
            remark=remark,
        )


def _names(metadata: dict[str, JsonValue]) -> list[JsonValue]:
    match metadata.get("creators"):
        case list(creators):
            people = [one.get("person_or_org") for one in creators if isinstance(one, dict)]
            return [one.get("name") for one in people if isinstance(one, dict)]
        case _:
            return []


def _md5_of(file: PublicFile, files: PublicBytes) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with files.open(file) as chunks:
        for chunk in chunks:
            digest.update(chunk)
    return f"md5:{digest.hexdigest()}"


def _by_id(value: JsonValue) -> JsonValue:
    """Name what is of the repository's vocabularies by its identifier alone, as it takes them."""
    match value:
        case {"id": str(identifier), "title": dict()}:
            return {"id": identifier}
        case dict():
            return {name: _by_id(one) for name, one in value.items()}
        case list():
            return [_by_id(one) for one in value]
        case _:
            return value
