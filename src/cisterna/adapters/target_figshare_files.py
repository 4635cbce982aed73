"""Brings files to an article of Figshare: each is announced, sent in the parts that Figshare names, and checked there.

What is there already is not sent again, and of what was begun only the parts that are missing. A file is known by its
name, its size and its MD5. Figshare's list of an article's files tells no folders, so the path stands in the name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, Field, JsonValue, TypeAdapter

from cisterna.adapters.target_http import TargetHttp
from cisterna.adapters.target_known import naming
from cisterna.domain.errors import ChecksumMismatch, TargetRefused, TargetUnavailable
from cisterna.domain.text import cut_line
from cisterna.ports.publisher import PublicFile
from cisterna.ports.target import PublicBytes

FILES_MOST = 1000
"""Files that one page of the list has at most, and so an article of ours."""
_CHECKING_SECONDS = 60
_NUMBER = re.compile(r"/files/([0-9]{1,18})/?")
_OPEN = "created"
"""What Figshare says of a file whose upload is not completed."""


class _Location(BaseModel):
    location: str


class _File(BaseModel):
    id: int = Field(ge=1)
    name: str
    size: int = Field(ge=0)
    status: str | None = None
    supplied_md5: str | None = None
    computed_md5: str | None = None
    upload_url: str | None = None


class _Part(BaseModel):
    partNo: int  # noqa: N815 - named so there
    startOffset: int = Field(ge=0)  # noqa: N815
    endOffset: int  # noqa: N815
    status: Literal["PENDING", "COMPLETE"]
    locked: bool = False

    @property
    def size_bytes(self) -> int:
        return self.endOffset - self.startOffset + 1


class _Upload(BaseModel):
    size: int
    status: Literal["PENDING", "COMPLETED", "ABORTED"]
    parts: list[_Part]


_Files = TypeAdapter(list[_File])


def figshare_name(path: str) -> str:
    """Name a file of an article by its path."""
    return path.replace("/", "__")


class FigshareFiles:
    """The files of the articles of one account.

    Args:
        http: Speaks with the repository.
        target: What settings call it.
        title: For people.
    """

    def __init__(self, http: TargetHttp, *, target: str, title: str) -> None:
        self._http = http
        self._target = target
        self._title = title

    def bring(self, article: int, wanted: Iterator[PublicFile], files: PublicBytes) -> None:
        """Make the draft of an article have these files and no others.

        Raises:
            ChecksumMismatch: One is not there as it was sent; it was taken out again.
            TargetRefused: Two would have one name there.
            TargetUnavailable: The repository is still at the checking of one.
        """
        present = self._of(article)
        kept: dict[str, tuple[int, PublicFile]] = {}
        for file in wanted:
            name = figshare_name(file.path)
            if name in kept:
                msg = f"{kept[name][1].path} and {file.path} would both be {name} at {self._title}; rename one"
                raise TargetRefused(msg, target=self._target)
            with naming(file.path):
                kept[name] = (self._held(article, file, present, files), file)
        self._delete(article, {one.id for one in present} - {number for number, _ in kept.values()})
        self._require_whole(article, kept)

    def clear(self, article: int) -> None:
        """Take every file out of the draft of an article."""
        self._delete(article, {one.id for one in self._of(article)})

    def _of(self, article: int) -> list[_File]:
        query = {"page": "1", "page_size": f"{FILES_MOST}"}
        answer = self._http.ask("GET", f"account/articles/{article}/files", query=query)
        return self._http.read(_Files, answer)

    def _delete(self, article: int, numbers: set[int]) -> None:
        for number in sorted(numbers):
            self._http.ask("DELETE", f"account/articles/{article}/files/{number}", accepted=(204, 404))

    def _held(self, article: int, file: PublicFile, present: list[_File], files: PublicBytes) -> int:
        """Have a file there, its upload completed, and return its number."""
        name, md5 = figshare_name(file.path), _md5_of(file, files)
        same = [one for one in present if (one.name, one.size, one.supplied_md5) == (name, file.size_bytes, md5)]
        held = next((one for one in same if one.status != _OPEN), None) or next(iter(same), None)
        held = held or self._announced(article, file, md5)
        if held.status == _OPEN:
            self._send(article, held, file, files)
        return held.id

    def _announced(self, article: int, file: PublicFile, md5: str) -> _File:
        place = f"account/articles/{article}/files"
        announced: dict[str, JsonValue] = {"name": figshare_name(file.path), "md5": md5, "size": file.size_bytes}
        answer = self._http.ask("POST", place, document=announced, accepted=(201,))
        location = self._http.read(_Location, answer).location
        number = _NUMBER.search(location)
        if number is None:
            msg = f"{self._title} says that {file.path} is at {cut_line(location[:100])}, which is no file; look there"
            raise TargetRefused(msg, target=self._target)
        return self._http.read(_File, self._http.ask("GET", f"{place}/{number[1]}"))

    def _send(self, article: int, held: _File, file: PublicFile, files: PublicBytes) -> None:
        place = f"account/articles/{article}/files/{held.id}"
        upload = self._upload(held, file)
        if upload.status == "ABORTED":
            self._http.ask("DELETE", place, accepted=(204, 404))
            msg = f"{self._title} gave up the upload of {file.path}; it is begun anew"
            raise TargetUnavailable(msg, target=self._target)
        with files.open(file) as chunks:
            pieces = _Pieces(chunks)
            for part in upload.parts:
                if part.status == "COMPLETE":
                    pieces.skip(part.size_bytes)
                else:
                    self._send_part(held, part, pieces)
            pieces.skip(None)  # the end tells whether it was the file that was archived
        if any(part.status != "COMPLETE" for part in self._upload(held, file).parts):
            msg = f"{self._title} has not all parts of {file.path} that were sent there"
            raise TargetUnavailable(msg, target=self._target)
        self._http.ask("POST", place, accepted=(202,))

    def _upload(self, held: _File, file: PublicFile) -> _Upload:
        upload = self._http.read(_Upload, self._http.ask("GET", held.upload_url or ""))
        upload.parts.sort(key=lambda part: part.startOffset)
        ends = [0, *(part.endOffset + 1 for part in upload.parts)]
        starts = [part.startOffset for part in upload.parts]
        has_gap = starts != ends[:-1] or ends != sorted(ends)
        if upload.status != "ABORTED" and (has_gap or ends[-1] != file.size_bytes or upload.size != file.size_bytes):
            msg = f"{self._title} wants {file.path} in parts that are not the file; look there"
            raise TargetRefused(msg, target=self._target)
        return upload

    def _send_part(self, held: _File, part: _Part, pieces: _Pieces) -> None:
        place = f"{(held.upload_url or '').rstrip('/')}/{part.partNo}"
        content, size = pieces.take(part.size_bytes), part.size_bytes
        answer = self._http.ask("PUT", place, content=content, size_bytes=size, accepted=(200, 409))
        if answer.status == 409:
            msg = f"{self._title} holds part {part.partNo} of {held.name} locked, as for another upload of it"
            raise TargetUnavailable(msg, target=self._target)

    def _require_whole(self, article: int, kept: dict[str, tuple[int, PublicFile]]) -> None:
        """Compare what the repository computed from what it has with what was announced."""
        found = {one.id: one for one in self._of(article)}
        for number, file in kept.values():
            one = found.get(number)
            if one is None or one.status == _OPEN or not one.computed_md5:
                msg = f"{self._title} has not checked {file.path} yet"
                raise TargetUnavailable(msg, target=self._target, retry_after_seconds=_CHECKING_SECONDS)
            if one.computed_md5 != one.supplied_md5 or one.size != file.size_bytes:
                self._delete(article, {number})
                msg = f"{file.path} is not at {self._title} what was sent there; it was taken out and nothing is public"
                raise ChecksumMismatch(
                    msg, path=file.path, expected=f"md5:{one.supplied_md5}", found=cut_line(one.computed_md5[:100])
                )


class _Pieces:
    """Cuts a stream of chunks into pieces of given sizes."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def take(self, size_bytes: int) -> Iterator[bytes]:
        """Give the next bytes, chunk by chunk."""
        while size_bytes > 0:
            chunk = self._rest or next(self._chunks, b"")
            if not chunk:
                return
            yield chunk[:size_bytes]
            self._rest = chunk[size_bytes:]
            size_bytes -= min(size_bytes, len(chunk))

    def skip(self, size_bytes: int | None) -> None:
        """Pass over the next bytes, or over all that are left."""
        if size_bytes is not None:
            for _ in self.take(size_bytes):
                pass
            return
        self._rest = b""
        for _ in self._chunks:
            pass


def _md5_of(file: PublicFile, files: PublicBytes) -> str:
    digest = hashlib.md5(usedforsecurity=False)  # what Figshare wants to be told, and tells of what it has
    with files.open(file) as chunks:
        for chunk in chunks:
            digest.update(chunk)
    return digest.hexdigest()
