"""A SciCat catalogue as a target: a dataset of its own for each version, which leads to the files here.

Its PID follows from ours, and the catalogue has no two datasets of one PID; so whatever is lost or comes late, there is
one. It is registered unseen, gets its lists of files, and becomes public by one change at the end. A list is public by
itself there: so each is added unseen as well, and shown once all are there. They show what the landing page here shows
already.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from datetime import datetime
from urllib.parse import quote

from pydantic import JsonValue

from cisterna.adapters.scicat_service import ScicatBlock, ScicatDataset, ScicatService, ScicatSession
from cisterna.adapters.target_setting import Carries, SciCat
from cisterna.domain.deposit import Deposit, DepositState
from cisterna.domain.errors import TargetRefused
from cisterna.domain.text import cut_line
from cisterna.metadata.described import Described
from cisterna.metadata.public_described import described_from
from cisterna.metadata.scicat import Custody, Document, moment_text, scicat_document, scicat_tombstone, scicat_type
from cisterna.ports.clock import Clock
from cisterna.ports.publisher import PublicFile, PublicRecord
from cisterna.ports.target import DepositRequest, PublicBytes, ReserveRequest, TargetReport

BLOCK_FILES, BLOCK_BYTES = 1000, 900_000
"""What one list has: a backend takes requests of 16 MB, and a proxy before it often no more than one."""


class ScicatTarget:
    """Implements `ports.target.Target`.

    Args:
        service: Speaks with it.
        setting: Whose the datasets are there, and what is said of them.
        clock: Dates what it says.
    """

    reserves = False
    narrows = True

    def __init__(self, service: ScicatService, setting: SciCat, *, clock: Clock) -> None:
        self.name = setting.name
        self.title = setting.shown
        self._service = service
        self._setting = setting
        self._clock = clock

    def reserve(self, request: ReserveRequest) -> None:
        """It has no identifiers that others would cite."""
        del request

    def deposit(self, request: DepositRequest, *, known: Deposit | None, files: PublicBytes) -> Deposit:
        """Find what stands, or register it unseen; bring its lists of files into order, and show it."""
        wanted = self._wanted(request.record, files)
        described = described_from(request.record, address=request.address, doi=request.doi)
        session = self._service.sign_in()
        pid = known.outside_id if known else self._pid(request.pid, request.version)
        document = self._document(described, session, folder=_folder(request))
        if self._setting.carries is Carries.ALL and request.record.file_count:  # what it would count itself
            document |= {"size": request.record.total_bytes, "numberOfFiles": request.record.file_count}
        found, before = session.find(pid), session.blocks(pid)
        found = self._require_ours(found or self._register(session, pid, described, document), request)
        has_changed = self._bring(session, pid, wanted, _file_moment(described), before=before)
        if has_changed or not found.is_published or not found.says(document):
            shown = session.change(pid, {**document, "isPublished": True})
            if not shown.is_published:
                msg = f"{self.title} was to show {pid}, and says that it does not; look there"
                raise TargetRefused(msg, target=self.name)
        return self._told(pid, DepositState.DEPOSITED)

    def withdraw(self, request: DepositRequest, *, known: Deposit | None, reason: str) -> Deposit | None:
        """Hide the dataset and say why to its own group; remove its lists of files, or hide those that have to stay."""
        session = self._service.sign_in()
        pid = known.outside_id if known else self._pid(request.pid, request.version)
        found = session.find(pid)
        if found is not None:
            self._hide(session, self._require_ours(found, request), scicat_tombstone(request.record.title, reason))
        blocks = session.blocks(pid)  # they outlive a dataset that somebody deletes there
        if known is None and found is None and not blocks:
            return None
        return self._told(pid, DepositState.WITHDRAWN, remark=self._remove_lists(session, pid, blocks))

    def test(self) -> TargetReport:
        """Ask it whether it would take a dataset with a PID of ours, which writes nothing."""
        document: Document = {
            "type": "raw",
            "owner": self._setting.owner,
            "ownerGroup": self._setting.owner_group,
            "contactEmail": self._setting.contact_email,
            "creationLocation": self._setting.location,
            "sourceFolder": "/cisterna",
            "datasetName": "Asked by Cisterna",
            "creationTime": moment_text(self._clock.now()),
        }
        try:
            session = self._service.sign_in()
            try:
                is_taken = session.may_create(f"{self._setting.pid_prefix}/cisterna", document)
                session.blocks(f"{self._setting.pid_prefix}/cisterna")
            except TargetRefused as refusal:
                raise self._of_permission(refusal) from refusal
        except TargetRefused as refusal:
            return TargetReport(is_usable=False, words=cut_line(str(refusal)) or self.name)
        if not is_taken:
            words = f"{self.title} answers, and takes no dataset as the settings describe it; look at contact_email"
            return TargetReport(is_usable=False, words=words)
        limits = (f"at most {self._setting.files_most:,} files are named of one version, by the settings",)
        words = f"{self.title} answers, and the account may register datasets with PIDs of ours"
        return TargetReport(is_usable=True, words=words, limits=limits)

    def _wanted(self, record: PublicRecord, files: PublicBytes) -> Iterable[PublicFile]:
        """Give the files that are named there.

        Raises:
            TargetRefused: They are more than the settings allow; nothing was begun.
        """
        match self._setting.carries:
            case Carries.NONE:
                return ()
            case Carries.DESCRIPTION:
                named = [one for one in record.files if not one.path.startswith("data/")]
                return self._few(record, named, len(named))
            case Carries.ALL:
                return self._few(record, files.files(record), record.file_count)

    def _few(self, record: PublicRecord, files: Iterable[PublicFile], count: int) -> Iterable[PublicFile]:
        if count > self._setting.files_most:
            msg = (
                f"{record.pid} {record.version} has {count:,} files, and at most {self._setting.files_most:,} are "
                f"named at {self.title}; set more (`files_most`), or have it name only the description (`carries`)"
            )
            raise TargetRefused(msg, target=self.name, files=count)
        return files

    def _document(self, described: Described, session: ScicatSession, *, folder: str) -> Document:
        setting = self._setting
        custody = Custody(
            owner=setting.owner,
            contact_email=setting.contact_email,
            owner_group=setting.owner_group,
            access_groups=setting.access_groups,
            location=setting.location,
            instruments=setting.instruments,
        )
        arks = [(one.pid, one.version) for one in described.record.relations if one.kind == "IsDerivedFrom"]
        pids = [self._pid(ark, version) for ark, version in arks]
        registered = session.known(pids) if pids else frozenset()
        sources = [pid if pid in registered else ark for pid, (ark, _) in zip(pids, arks, strict=True)]
        return scicat_document(described, custody=custody, sources=sources, folder=folder)

    def _register(self, session: ScicatSession, pid: str, described: Described, document: Document) -> ScicatDataset:
        published = described.published_at
        lifecycle: Document = {"archivable": False, "retrievable": False, "isOnCentralDisk": False}
        if published:
            lifecycle["publishedOn"] = moment_text(published)
        said = {name: value for name, value in document.items() if value not in ("", [], {})}
        unseen: Document = {"isPublished": False, "accessGroups": []}  # lists take the groups of their dataset
        new: Document = {**said, **unseen, "type": scicat_type(described), "datasetlifecycle": lifecycle}
        try:
            made = session.create(pid, new)
        except TargetRefused as refusal:
            raise self._of_permission(refusal) from refusal
        if made is None:  # what was asked for before, and given up, came late
            made = session.find(pid)
        if made is None:
            msg = f"{self.title} says that it has {pid}, and that it has not; look there"
            raise TargetRefused(msg, target=self.name)
        return made

    def _of_permission(self, refusal: TargetRefused) -> TargetRefused:
        """Say what an account lacks that may not register."""
        if refusal.facts.get("status") != 403:
            return refusal
        msg = (
            f"{self.title} does not let the account register datasets with PIDs of ours ({refusal}); it has to be in "
            f"the group {self._setting.owner_group} and in one that CREATE_DATASET_WITH_PID_GROUPS of the backend names"
        )
        return TargetRefused(msg, **refusal.facts)

    def _hide(self, session: ScicatSession, found: ScicatDataset, tombstone: Document) -> None:
        if found.is_published or not found.says(tombstone):
            found = session.change(found.pid, {**tombstone, "isPublished": False})
        if found.is_published or not found.says(tombstone):
            msg = f"{self.title} goes on showing {found.pid}; have it hidden there"
            raise TargetRefused(msg, target=self.name)

    def _remove_lists(self, session: ScicatSession, pid: str, blocks: Iterable[ScicatBlock]) -> str | None:
        """Remove lists of files, or hide those that the account may not remove; say so of these."""
        remark = None
        for block in blocks:
            if not session.remove_block(block.id):
                remark = (
                    f"{self.title} keeps the list of files of {pid}, for its own group to see; who may delete there "
                    "has to remove it"
                )
                if block.is_published or block.access_groups:
                    session.hide_block(block.id)
        if remark is None and session.blocks(pid):
            msg = f"{self.title} was to remove the lists of files of {pid}, and has some still; look there"
            raise TargetRefused(msg, target=self.name)
        return remark

    def _require_ours(self, found: ScicatDataset, request: ReserveRequest) -> ScicatDataset:
        if f"/{request.pid}/{request.version}/" not in f"{found.source_folder}/":
            msg = f"{found.pid} at {self.title} is none of ours; look what it is, or set another pid_prefix"
            raise TargetRefused(msg, target=self.name)
        return found

    def _bring(
        self,
        session: ScicatSession,
        pid: str,
        wanted: Iterable[PublicFile],
        made_at: datetime,
        *,
        before: Sequence[ScicatBlock],
    ) -> bool:
        """Have it hold the lists of these files and no others; say whether anything had to be done."""
        kept: dict[str, ScicatBlock] = {}
        for part in _parts(wanted, made_at):
            size = sum(one.size_bytes for one, _ in part)
            block = self._find_block(session, pid, part, size, taken=kept) if before else None
            block = block or session.add_block(_block(pid, part, size))
            kept[block.id] = block
        unseen = [one.id for one in kept.values() if not one.is_published]
        if not unseen and {one.id for one in before} == kept.keys():
            return False
        self._remove_others(session, pid, kept.keys())
        for one in unseen:
            session.show_block(one)
        return True

    def _find_block(
        self,
        session: ScicatSession,
        pid: str,
        part: Sequence[tuple[PublicFile, JsonValue]],
        size: int,
        *,
        taken: Container[str],
    ) -> ScicatBlock | None:
        """Find the list of these files by the shortest path in it: the address that asks for it is bounded."""
        path = min((one.path for one, _ in part), key=lambda path: (len(path.encode()), path))
        found = session.blocks(pid, path=path)
        return next((one for one in found if one.size == size and one.id not in taken), None)

    def _remove_others(self, session: ScicatSession, pid: str, kept: Collection[str]) -> None:
        for block in session.blocks(pid):
            if block.id not in kept:
                session.remove_block(block.id)
        left = {one.id for one in session.blocks(pid)}
        if left != set(kept):
            msg = (
                f"{self.title} has lists of files for {pid} that are not to be seen there, or lacks some; they have to "
                "be removed first, by an account in one of the DELETE_GROUPS of its backend"
            )
            raise TargetRefused(msg, target=self.name)

    def _pid(self, ark: str, version: str) -> str:
        name = ark.removeprefix("ark:/").partition("/")[2].replace("/", "-")
        return f"{self._setting.pid_prefix}/{name}-{version}"

    def _told(self, pid: str, state: DepositState, *, remark: str | None = None) -> Deposit:
        pages = (self._setting.pages_url or self._setting.url).rstrip("/")
        return Deposit(
            target=self.name,
            outside_id=pid,
            address=f"{pages}/datasets/{quote(pid, safe='')}",
            state=state,
            told_at=self._clock.now(),
            remark=remark,
        )


def _folder(request: DepositRequest) -> str:
    return f"{request.address}/{request.version}/files"


def _file_moment(described: Described) -> datetime:
    dates = described.record.dates
    return dates.acquired_to or dates.described


def _parts(files: Iterable[PublicFile], made_at: datetime) -> Iterator[list[tuple[PublicFile, JsonValue]]]:
    """Cut a list into pieces that a document of the catalogue's database holds; the same list always the same way."""
    part: list[tuple[PublicFile, JsonValue]] = []
    length = 0
    for file in files:
        entry: JsonValue = {
            "path": file.path,
            "size": file.size_bytes,
            "time": moment_text(made_at),
            "chk": file.sha512,
        }
        added = len(json.dumps(entry))
        if part and (len(part) >= BLOCK_FILES or length + added > BLOCK_BYTES):
            yield part
            part, length = [], 0
        part.append((file, entry))
        length += added
    if part:
        yield part


def _block(pid: str, part: Sequence[tuple[PublicFile, JsonValue]], size: int) -> Document:
    entries: list[JsonValue] = [entry for _, entry in part]
    return {"datasetId": pid, "size": size, "chkAlg": "sha512", "dataFileList": entries, "isPublished": False}
