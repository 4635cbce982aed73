"""Packages for the BioImage Archive as a target: a folder for each version, which people upload there by hand.

A package holds the submission as PageTab (`submission.json`), the list of its files as the archive takes it
(`file-list.tsv`), and the data files by their paths. It is held against rules of ours before it counts as whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence

from pydantic import JsonValue, TypeAdapter, ValidationError

from cisterna.adapters.target_place import Place
from cisterna.domain.access import Extent
from cisterna.domain.deposit import Deposit, DepositState
from cisterna.domain.errors import ChecksumMismatch, TargetRefused
from cisterna.domain.text import cut_line
from cisterna.metadata.forms import form_of
from cisterna.ports.clock import Clock
from cisterna.ports.publisher import PublicFile, PublicRecord
from cisterna.ports.target import DepositRequest, PublicBytes, ReserveRequest, TargetReport

SUBMISSION, FILE_LIST, WHOLE = "submission.json", "file-list.tsv", "package.json"
_DATA = "data/"
_LEAST_TITLE = 25
"""Characters that the archive asks of a title."""
_Attributes = TypeAdapter(list[dict[str, JsonValue]])
Document = dict[str, JsonValue]


class BiaTarget:
    """Implements `ports.target.Target`.

    Args:
        place: Where packages go.
        name: Of the target.
        title: Of the target, for people.
        clock: Dates what it says.
    """

    reserves = False
    narrows = False

    def __init__(self, place: Place, *, name: str, title: str, clock: Clock) -> None:
        self.name = name
        self.title = title
        self._place = place
        self._clock = clock

    def reserve(self, request: ReserveRequest) -> None:
        """The archive gives its accession when somebody submits."""
        del request

    def deposit(self, request: DepositRequest, *, known: Deposit | None, files: PublicBytes) -> Deposit:
        """Write the package; what of it is whole already is left as it is."""
        del known
        folder = _folder(request)
        if request.record.extent is not Extent.FILES:
            msg = (
                f"of {request.pid} {request.version} the description alone is public, and a package holds its files: "
                "it is made by itself once they are public too"
            )
            raise TargetRefused(msg, target=self.name)
        submission = self._submission(request.record)
        self._require_fit(submission, request.record)
        body = json.dumps(submission, ensure_ascii=False, indent=1).encode() + b"\n"
        if self._place.size_of(f"{folder}{WHOLE}") is None:
            self._require_list(files, request)
            self._pack(request, body, files)
        elif self._place.read(f"{folder}{SUBMISSION}") != body:  # the files of a version stay as they are
            self._place.write(f"{folder}{SUBMISSION}", body, media_type="application/json")
        return self._told(folder, DepositState.DEPOSITED)

    def withdraw(self, request: DepositRequest, *, known: Deposit | None, reason: str) -> Deposit | None:
        """Remove the package; what somebody has submitted meanwhile, they have to withdraw there."""
        del reason
        folder = _folder(request)
        found = list(self._place.below(folder))
        ours = [path for path in found if _is_ours(path.removeprefix(folder))]
        if not ours and known is None:
            return None
        for path in sorted(ours, key=lambda one: not one.endswith(f"/{WHOLE}")):  # it is whole no longer from then on
            self._place.remove(path)
        remark = "the package is removed; if it was submitted to the archive already, ask there for its withdrawal"
        if len(found) > len(ours):
            remark = f"{remark}. {len(found) - len(ours):,} files that others put there stay"
        return self._told(folder, DepositState.WITHDRAWN, remark=remark)

    def test(self) -> TargetReport:
        """Look whether the place answers."""
        try:
            words = self._place.look()
        except TargetRefused as refusal:
            return TargetReport(is_usable=False, words=cut_line(str(refusal)) or self.name)
        return TargetReport(is_usable=True, words=f"{words}; packages are uploaded to the archive by hand")

    def _require_list(self, files: PublicBytes, request: DepositRequest) -> None:
        """See that the data can be listed, one file in a line; nothing was begun. Raises `TargetRefused`."""
        count = 0
        for file in files.files(request.record):
            if not file.path.startswith(_DATA):
                continue
            count += 1
            if not file.path.isprintable():
                shown = cut_line(file.path[:100]) or "?"
                msg = f"{shown} has no place in a file list: there are characters in it that nobody sees"
                raise TargetRefused(msg, target=self.name)
        if not count:
            msg = f"{request.pid} {request.version} has no data file, and a package is made for those"
            raise TargetRefused(msg, target=self.name)

    def _pack(self, request: DepositRequest, submission: bytes, files: PublicBytes) -> None:
        """Bring every file and what lists them, and say last that the package is whole."""
        folder = _folder(request)
        lines = ["Files\tBytes\tSHA-512\tMedia type\n"]
        wanted = {f"{folder}{name}" for name in (SUBMISSION, FILE_LIST)}
        for file in files.files(request.record):
            if file.path.startswith(_DATA):
                self._bring(f"{folder}{file.path}", file, files)
                wanted.add(f"{folder}{file.path}")
                lines.append(f"{file.path}\t{file.size_bytes}\t{file.sha512}\t{file.media_type}\n")
        self._place.carry(f"{folder}{FILE_LIST}", (line.encode() for line in lines))
        self._place.write(f"{folder}{SUBMISSION}", submission, media_type="application/json")
        self._require_whole(folder, wanted)
        said = json.dumps({"pid": request.pid, "version": request.version, "files": len(lines) - 1}).encode()
        self._place.write(f"{folder}{WHOLE}", said, media_type="application/json")

    def _submission(self, record: PublicRecord) -> Document:
        form = form_of("pagetab")
        text = record.documents.get(form.media_type if form else "")
        if text is None:
            msg = f"{record.pid} {record.version} was published without the form `pagetab`; publish it anew"
            raise TargetRefused(msg, target=self.name)
        submission: Document = json.loads(text)
        for component in _components(submission):
            component.pop("files", None)
            component["attributes"] = [
                *_Attributes.validate_python(component.get("attributes", [])),
                {"name": "File List", "value": FILE_LIST},
            ]
        return submission

    def _require_fit(self, submission: Document, record: PublicRecord) -> None:
        """Hold the submission against what the archive asks for at least. Raises `TargetRefused` with all it lacks."""
        said = {str(one.get("name")): one.get("value") for one in _attributes(submission, "section")}
        lacks = []
        if len(str(said.get("Title") or "")) < _LEAST_TITLE:
            lacks.append(f"a title of at least {_LEAST_TITLE} characters")
        if not said.get("Description"):
            lacks.append("a description")
        if not said.get("License"):
            lacks.append("a licence")
        section = submission.get("section")
        parts = section.get("subsections") if isinstance(section, dict) else None
        kinds = [one.get("type") for one in parts if isinstance(one, dict)] if isinstance(parts, list) else []
        if "Author" not in kinds:
            lacks.append("somebody who made it")
        if kinds.count("Study Component") != 1:
            lacks.append("its one component")
        if lacks:
            msg = (
                f"{record.pid} {record.version} is no submission for the BioImage Archive; it lacks {', '.join(lacks)}"
            )
            raise TargetRefused(msg, target=self.name, lacks=lacks)

    def _bring(self, path: str, file: PublicFile, files: PublicBytes) -> None:
        """Bring a file, and read it back: it is what was archived, or it is not there."""
        if self._place.size_of(path) != file.size_bytes:
            with files.open(file) as chunks:
                self._place.carry(path, chunks)
        digest = hashlib.sha512()
        for chunk in self._place.stream(path):
            digest.update(chunk)
        if digest.hexdigest() != file.sha512:
            self._place.remove(path)
            msg = f"{file.path} did not come back from {self.title} as it was written; it was removed there"
            raise ChecksumMismatch(msg, path=file.path, expected=file.sha512, found=digest.hexdigest())

    def _require_whole(self, folder: str, wanted: set[str]) -> None:
        found = set(self._place.below(folder))
        for path in found - wanted:
            if _is_ours(path.removeprefix(folder)):  # what people put beside it is theirs
                self._place.remove(path)
        if wanted - found:
            msg = f"the package {folder} lacks {min(wanted - found)}; it is written again"
            raise ChecksumMismatch(msg, path=min(wanted - found))

    def _told(self, folder: str, state: DepositState, *, remark: str | None = None) -> Deposit:
        return Deposit(target=self.name, outside_id=folder, state=state, told_at=self._clock.now(), remark=remark)


def _folder(request: DepositRequest) -> str:
    return f"{request.pid.removeprefix('ark:/')}/{request.version}/"


def _is_ours(path: str) -> bool:
    return path in {SUBMISSION, FILE_LIST, WHOLE} or path.startswith(_DATA) or _is_left(path)


def _is_left(path: str) -> bool:
    """Tell whether a kill left it half written."""
    name = path.rpartition("/")[2]
    return name.startswith(".") and name.endswith(".part")


def _components(submission: Document) -> Iterator[Document]:
    section = submission.get("section")
    parts = section.get("subsections") if isinstance(section, dict) else None
    for one in parts if isinstance(parts, list) else []:
        if isinstance(one, dict) and one.get("type") == "Study Component":
            yield one


def _attributes(submission: Document, part: str) -> Sequence[dict[str, JsonValue]]:
    section = submission.get(part)
    try:
        return _Attributes.validate_python(section.get("attributes") if isinstance(section, dict) else [])
    except ValidationError:
        return []
