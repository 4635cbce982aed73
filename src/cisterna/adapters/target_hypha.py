"""The artifact manager of a Hypha server as a target: an artifact of its own for each version, in one collection.

Hypha has versions of an artifact too. They share its permissions and cannot be hidden one by one, and a version of ours
may be withdrawn while another stands; so each is an artifact, whose alias follows from our key.

An artifact is begun as a draft that says nothing yet, since who may read the collection may read drafts in it by their
address. Description and files become public by one commit.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Annotated, Literal, NoReturn
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, JsonValue, StringConstraints, TypeAdapter, ValidationError

from cisterna.adapters.target_http import TargetAnswer, TargetHttp
from cisterna.adapters.target_setting import Carries, Hypha
from cisterna.domain.deposit import Deposit, DepositState
from cisterna.domain.errors import ChecksumMismatch, TargetRefused
from cisterna.domain.text import cut_line
from cisterna.metadata.hypha import hypha_manifest
from cisterna.metadata.public_described import described_from
from cisterna.ports.clock import Clock
from cisterna.ports.publisher import PublicFile, PublicRecord
from cisterna.ports.target import DepositRequest, PublicBytes, ReserveRequest, TargetReport

FILE_MOST_BYTES = 5 * 2**30
"""What S3 takes in one request."""
_ALIAS = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_PAGE = 1000
_DEEPEST = 64
_MARK = "cisterna"
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')
"""An ETag of this form is the digest of the bytes, unless the store encrypts with keys of a service of its own."""
_PUBLIC: dict[str, JsonValue] = {"*": "r"}
Manifest = dict[str, JsonValue]


class _Mark(BaseModel):
    """How we know an artifact of ours."""

    pid: str
    version: str
    state: Literal["draft", "public", "withdrawn"]


class _Artifact(BaseModel):
    """An artifact, as far as we read it."""

    alias: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    type: str
    manifest: Manifest
    config: dict[str, JsonValue] | None = None
    versions: list[dict[str, JsonValue]] | None
    staging: list[dict[str, JsonValue]] | None

    @property
    def is_committed(self) -> bool:
        """Whether it was ever made public."""
        return bool(self.versions)

    @property
    def is_staged(self) -> bool:
        """Whether what was read is not what the public sees yet."""
        return self.staging is not None

    @property
    def mark(self) -> _Mark | None:
        """Ours, if it has one."""
        try:
            return _Mark.model_validate(self.manifest.get(_MARK))
        except ValidationError:
            return None

    def says(self, manifest: Manifest) -> bool:
        """Tell whether it says just that; what the service adds says nothing of ours."""
        return {name: value for name, value in self.manifest.items() if value} == manifest

    @property
    def staged_paths(self) -> set[str]:
        """Files that are part of what is staged, also those whose bytes never came."""
        return {path for one in self.staging or () if isinstance(path := one.get("path"), str)}


class _Entry(BaseModel):
    name: Annotated[str, StringConstraints(max_length=1024)]
    """Empty where a store keeps a mark for the folder itself."""
    type: Literal["file", "directory"]
    size: int | None = None


class _Said(BaseModel):
    detail: str


class HyphaTarget:
    """Implements `ports.target.Target`.

    Args:
        http: Speaks with it.
        store: Brings files to its store, without a credential: each address that it gives is signed.
        setting: Where in it artifacts go, what it takes, and which files go there.
        clock: Dates what it says.
    """

    reserves = False
    narrows = False

    def __init__(self, http: TargetHttp, store: TargetHttp, setting: Hypha, *, clock: Clock) -> None:
        self.name = setting.name
        self.title = setting.shown
        self._http = http
        self._store = store
        self._setting = setting
        self._clock = clock

    def reserve(self, request: ReserveRequest) -> None:
        """It has no identifiers of its own."""
        del request

    def deposit(self, request: DepositRequest, *, known: Deposit | None, files: PublicBytes) -> Deposit:
        """Find what stands, or begin a draft; bring its files there, and commit it.

        What was withdrawn, or has other files than are public by now, is deleted and begun anew: files that are brought
        to what is committed already are to be seen one by one.
        """
        del known  # the alias finds it
        wanted = self._wanted(request.record, files)
        found = self._find(request)
        if found is not None and found.is_committed:
            if self._stands(request, found, wanted):
                return self._told(request, DepositState.DEPOSITED)
            self._require_alone(request, found)
            self._delete(request)
            found = None
        draft = found or self._begin(request)
        self._bring(request, draft, wanted, files)
        described = described_from(request.record, address=request.address, doi=request.doi)
        permissions = (draft.config or {}).get("permissions")
        shared = {**(permissions if isinstance(permissions, dict) else {}), **_PUBLIC}
        manifest = {**hypha_manifest(described), _MARK: _mark(request, "public")}
        self._stage(request, manifest, config={**(draft.config or {}), "permissions": shared})
        self._commit(request, version=request.version)
        return self._told(request, DepositState.DEPOSITED)

    def withdraw(self, request: DepositRequest, *, known: Deposit | None, reason: str) -> Deposit | None:
        """Delete a draft; of what is public, let a tombstone take the place of description and files, by one commit."""
        found = self._find(request)
        if found is None:
            return self._told(request, DepositState.WITHDRAWN) if known else None
        if not found.is_committed:
            self._delete(request)
            return self._told(request, DepositState.WITHDRAWN)
        held = list(self._below(request))
        tombstone = _tombstone(request, reason)
        if held or found.is_staged or not found.says(tombstone):
            self._stage(request, tombstone)
            for path in held:
                self._remove(request, path)
            found = self._commit(request)
            if next(self._below(request), None) is not None:
                self._refuse_to_believe(request)
        remark = None
        if len(found.versions or ()) > 1:
            remark = (
                f"somebody gave {self._id(request)} further versions at {self.title}; those have to be deleted there"
            )
        return self._told(request, DepositState.WITHDRAWN, remark=remark)

    def test(self) -> TargetReport:
        """Read the collection, which takes a token that is good."""
        collection = f"{self._setting.workspace}/{self._setting.collection}"
        try:
            found = self._read(collection)
        except TargetRefused as refusal:
            return TargetReport(is_usable=False, words=cut_line(str(refusal)) or self.name)
        if found is None or found.type != "collection":
            words = f"{self.title} answers, and has no collection {collection}; make one there"
            return TargetReport(is_usable=False, words=words)
        limits = (
            f"at most {self._setting.files_most:,} files in one artifact, by the settings",
            f"at most {self._setting.bytes_most:,} bytes in one artifact, by the settings",
            f"at most {FILE_MOST_BYTES:,} bytes in one file",
        )
        words = f"{self.title} answers, and shows the collection {collection}; the first deposit tells who may write"
        return TargetReport(is_usable=True, words=words, limits=limits)

    def _wanted(self, record: PublicRecord, files: PublicBytes) -> list[PublicFile]:
        """Give the files that go there.

        Raises:
            TargetRefused: They are more than it takes; nothing was begun.
        """
        is_all = self._setting.carries is Carries.ALL
        named = [one for one in record.files if is_all or not one.path.startswith("data/")]
        count = record.file_count if is_all else len(named)
        total = record.total_bytes if is_all else sum(one.size_bytes for one in named)
        if count > self._setting.files_most or total > self._setting.bytes_most:
            msg = (
                f"{record.pid} {record.version} has {count:,} files of {total:,} bytes, and {self.title} takes at most "
                f"{self._setting.files_most:,} files and {self._setting.bytes_most:,} bytes in one artifact; have it "
                "take only the description (`carries`), or set more"
            )
            raise TargetRefused(msg, target=self.name, files=count, bytes=total)
        wanted = list(files.files(record)) if is_all else named
        for file in wanted:
            if file.size_bytes > FILE_MOST_BYTES:
                msg = (
                    f"{file.path} has {file.size_bytes:,} bytes, and {self.title} takes at most {FILE_MOST_BYTES:,} in "
                    "one file; have it take only the description (`carries`)"
                )
                raise TargetRefused(msg, target=self.name, path=file.path)
        return wanted

    def _find(self, request: ReserveRequest) -> _Artifact | None:
        """Find ours under its alias.

        Raises:
            TargetRefused: What stands there is another's; it is left alone.
        """
        found = self._read(self._id(request))
        if found is None:
            return None
        mark = found.mark
        if mark is None or (mark.pid, mark.version) != (request.pid, request.version):
            msg = f"{self._id(request)} at {self.title} is none of ours; look what it is, or name another workspace"
            raise TargetRefused(msg, target=self.name)
        return found

    def _read(self, artifact: str) -> _Artifact | None:
        sent: dict[str, JsonValue] = {"artifact_id": artifact, "stage": True, "silent": True}
        answer = self._http.ask("POST", _function("read"), document=sent, accepted=(200, 404))
        if answer.status == 200:
            return self._http.read(_Artifact, answer)
        said = self._http.read(_Said, answer).detail
        if artifact not in said or "does not exist" not in said:  # the service may be missing, and not the artifact
            shown = cut_line(said[:300]) or "nothing"
            msg = f"{self.title} says 404 where artifacts are read: {shown}; does that server have an artifact manager?"
            raise TargetRefused(msg, target=self.name)
        return None

    def _begin(self, request: ReserveRequest) -> _Artifact:
        manifest: Manifest = {
            "name": f"{request.pid} {request.version}",
            "description": "It is being brought here.",
            _MARK: _mark(request, "draft"),
        }
        answer = self._call(
            "create",
            alias=self._alias(request),
            parent_id=f"{self._setting.workspace}/{self._setting.collection}",
            type="dataset",
            manifest=manifest,
            stage=True,
        )
        return self._http.read(_Artifact, answer)

    def _bring(self, request: DepositRequest, draft: _Artifact, wanted: list[PublicFile], files: PublicBytes) -> None:
        """Send every file, also what an earlier try sent: Hypha tells no digest of what it has."""
        for file in wanted:
            self._send(request, file, files)
        sizes = dict(self._sizes(request))
        for path in sorted((sizes.keys() | draft.staged_paths) - {one.path for one in wanted}):
            self._remove(request, path)
        for file in wanted:
            if sizes.get(file.path) != file.size_bytes:
                self._spoiled(file, f"{file.size_bytes} bytes", f"{sizes.get(file.path)} bytes")

    def _send(self, request: DepositRequest, file: PublicFile, files: PublicBytes) -> None:
        digest = hashlib.md5(usedforsecurity=False)  # what a store tells of what it was sent at once

        def digested(chunks: Iterator[bytes]) -> Iterator[bytes]:
            for chunk in chunks:
                digest.update(chunk)
                yield chunk

        address = self._signed(request, file)
        with files.open(file) as chunks:
            content = digested(chunks)
            answer = self._store.ask("PUT", address, content=content, size_bytes=file.size_bytes, media_type="")
        told = answer.headers.get("etag")
        if not told:
            msg = f"the store of {self.title} took {file.path} and does not say what it has; is it one of S3?"
            raise TargetRefused(msg, target=self.name, path=file.path)
        as_digest = _MD5.fullmatch(told)
        if as_digest and as_digest[1] != digest.hexdigest():
            self._spoiled(file, digest.hexdigest(), as_digest[1])

    def _signed(self, request: DepositRequest, file: PublicFile) -> str:
        """Ask for the address to which a file is brought.

        Raises:
            TargetRefused: It is of another host than the settings name.
        """
        answer = self._call("put_file", artifact_id=self._id(request), file_path=file.path)
        address = self._http.read(TypeAdapter(str), answer)
        ours, theirs = urlsplit(self._setting.files_url or self._setting.url), urlsplit(address)
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
            shown = cut_line(f"{theirs.scheme}://{theirs.netloc}"[:80]) or "nowhere"
            msg = (
                f"{self.title} wants files brought to {shown}, which is no address of the settings; if that is its "
                "store, name it there as `files_url`"
            )
            raise TargetRefused(msg, target=self.name)
        return address

    def _remove(self, request: ReserveRequest, path: str) -> None:
        answer = self._call("remove_file", artifact_id=self._id(request), file_path=path)
        self._http.read(TypeAdapter(None), answer)

    def _refuse_to_believe(self, request: ReserveRequest) -> NoReturn:
        msg = f"{self.title} goes on showing what was removed from {self._id(request)}; have it deleted there"
        raise TargetRefused(msg, target=self.name)

    def _spoiled(self, file: PublicFile, expected: str, found: str) -> NoReturn:
        msg = f"{file.path} is not at {self.title} what was sent there; nothing of it is public"
        raise ChecksumMismatch(msg, path=file.path, expected=expected, found=found)

    def _stage(self, request: ReserveRequest, manifest: Manifest, *, config: JsonValue = None) -> None:
        answer = self._call("edit", artifact_id=self._id(request), manifest=manifest, config=config, stage=True)
        self._http.read(_Artifact, answer)

    def _commit(self, request: ReserveRequest, *, version: str | None = None) -> _Artifact:
        answer = self._call("commit", artifact_id=self._id(request), version=version)
        done = self._http.read(_Artifact, answer)
        if not done.is_committed or done.is_staged:
            msg = f"{self.title} says that it committed {self._id(request)}, and that it did not; look there"
            raise TargetRefused(msg, target=self.name)
        return done

    def _below(self, request: ReserveRequest) -> Iterator[str]:
        return (path for path, _ in self._sizes(request))

    def _sizes(self, request: ReserveRequest, folder: str = "", depth: int = 0) -> Iterator[tuple[str, int]]:
        """Walk what it holds: its lists are of one folder each."""
        if depth > _DEEPEST:
            raise TargetRefused(f"{self.title} names folders in folders without an end", target=self.name)
        for entry in self._entries(request, folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.type == "directory":
                yield from self._sizes(request, path, depth + 1)
            else:
                yield path, entry.size or 0

    def _entries(self, request: ReserveRequest, folder: str) -> Iterator[_Entry]:
        offset = 0
        while True:
            answer = self._call(
                "list_files",
                artifact_id=self._id(request),
                dir_path=folder or None,
                stage=True,
                limit=_PAGE,
                offset=offset,
            )
            page = self._http.read(TypeAdapter(list[_Entry]), answer)
            yield from (one for one in page if one.name)
            if len(page) < _PAGE:
                return
            offset += len(page)

    def _call(self, function: str, **sent: JsonValue) -> TargetAnswer:
        named: JsonValue = {name: value for name, value in sent.items() if value is not None}
        return self._http.ask("POST", _function(function), document=named)

    def _stands(self, request: DepositRequest, found: _Artifact, wanted: list[PublicFile]) -> bool:
        is_public = found.mark is not None and found.mark.state == "public"
        return is_public and {one.path for one in wanted} == set(self._below(request))

    def _require_alone(self, request: DepositRequest, found: _Artifact) -> None:
        """Refuse to delete what somebody else has made of it."""
        if len(found.versions or ()) > 1:
            msg = (
                f"{self._id(request)} is to stand anew at {self.title}, and somebody gave it further versions; those "
                "have to be deleted there"
            )
            raise TargetRefused(msg, target=self.name)

    def _delete(self, request: ReserveRequest) -> None:
        self._call("delete", artifact_id=self._id(request), delete_files=True)
        if self._find(request) is not None:
            self._refuse_to_believe(request)

    def _alias(self, request: ReserveRequest) -> str:
        alias = re.sub("[:.]", "-", request.key.partition("@")[0])  # a revision is called v1.1
        if not _ALIAS.fullmatch(alias):
            msg = f"the key '{request.key}' makes no alias that Hypha takes"
            raise TargetRefused(msg, target=self.name)
        return alias

    def _id(self, request: ReserveRequest) -> str:
        return f"{self._setting.workspace}/{self._alias(request)}"

    def _place(self, request: ReserveRequest) -> str:
        return f"{quote(self._setting.workspace, safe='')}/artifacts/{self._alias(request)}"

    def _told(self, request: ReserveRequest, state: DepositState, *, remark: str | None = None) -> Deposit:
        return Deposit(
            target=self.name,
            outside_id=self._id(request),
            address=f"{self._setting.url.rstrip('/')}/{self._place(request)}",
            state=state,
            told_at=self._clock.now(),
            remark=remark,
        )


def _function(name: str) -> str:
    return f"public/services/artifact-manager/{name}"


def _mark(request: ReserveRequest, state: str) -> JsonValue:
    return {"pid": request.pid, "version": request.version, "state": state}


def _tombstone(request: DepositRequest, reason: str) -> Manifest:
    """Say what stood there and why it does no longer."""
    return {
        "type": "dataset",
        "name": request.record.title,
        "description": f"Withdrawn: {reason}",
        "version": request.version,
        "status": "withdrawn",
        "documentation": request.address,
        "links": [request.address],
        "identifiers": [one for one in (request.pid, request.doi) if one],
        _MARK: _mark(request, "withdrawn"),
    }
