"""An OMERO as a target: a dataset for each version, whose images stay where they are.

OMERO.web lets others describe, and not import. So the dataset is made there, what is to be seen in it is listed for who
runs OMERO's machine, and the version counts as deposited once OMERO shows every image of the list. The same way back:
what has images cannot be deleted from outside, so it says that it was withdrawn, and is looked at until it is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from cisterna.adapters.omero_list import ListedImage, OmeroLists, has_name_for_omero, images_among, missing_from
from cisterna.adapters.omero_session import Named, OmeroSession
from cisterna.adapters.target_http import TargetHttp
from cisterna.adapters.target_setting import Omero, OmeroImages
from cisterna.domain.access import Extent
from cisterna.domain.deposit import Deposit, DepositState
from cisterna.domain.errors import ReviewPending, TargetRefused
from cisterna.domain.text import cut_line
from cisterna.metadata.omero import is_marked, omero_text, omero_tombstone
from cisterna.metadata.public_described import described_from
from cisterna.ports.clock import Clock
from cisterna.ports.target import DepositRequest, PublicBytes, ReserveRequest, TargetReport

_LOOK_AGAIN_SECONDS = 3600


class OmeroTarget:
    """Implements `ports.target.Target`.

    Args:
        connect: Makes what one session speaks by.
        lists: Where lists of images go; None where no image is shown.
        setting: Account, group, and how images are shown.
        clock: Dates what it says.
    """

    reserves = False
    narrows = False

    def __init__(
        self, connect: Callable[[], TargetHttp], lists: OmeroLists | None, setting: Omero, *, clock: Clock
    ) -> None:
        self.name = setting.name
        self.title = setting.shown
        self._connect = connect
        self._lists = lists
        self._setting = setting
        self._clock = clock

    def reserve(self, request: ReserveRequest) -> None:
        """It has no identifiers of its own."""
        del request

    def deposit(self, request: DepositRequest, *, known: Deposit | None, files: PublicBytes) -> Deposit:
        """Find the dataset, or make it; list what OMERO does not show of it yet.

        Raises:
            ReviewPending: Somebody there has to import what is listed.
        """
        wanted = self._wanted(request, files)
        described = described_from(request.record, address=request.address, doi=request.doi)
        text = omero_text(described, mark=_mark(request))
        with self._session() as omero:
            dataset = self._find(omero, request, known) or omero.make(text)
            if (dataset.name, dataset.description) != (text.name, text.description):
                omero.change(dataset.number, text)
            self._put_into_project(omero, dataset.number)  # after a change, which may take it out of projects
            missing = missing_from(wanted, (one.name for one in omero.images(dataset.number))) if wanted else []
        if missing:
            raise self._to_import(request, dataset.number, missing, of=len(wanted))
        self._unlist(request)
        return Deposit(
            target=self.name,
            outside_id=f"{dataset.number}",
            address=self._address(dataset.number) if self._setting.is_public else None,
            state=DepositState.DEPOSITED,
            told_at=self._clock.now(),
            remark=self._shown(dataset.number, len(wanted)),
        )

    def withdraw(self, request: DepositRequest, *, known: Deposit | None, reason: str) -> Deposit | None:
        """Delete an empty dataset; let one with images say that it was withdrawn until somebody has deleted it there.

        Raises:
            ReviewPending: Its images stand there still.
        """
        text = omero_tombstone(
            request.record.title, reason, version=request.version, address=request.address, mark=_mark(request)
        )
        with self._session() as omero:
            dataset = self._find(omero, request, known)
            if dataset is not None and (dataset.name, dataset.description) != (text.name, text.description):
                omero.change(dataset.number, text)
            self._unlist(request)  # before they are counted: nobody shall begin to import now
            if dataset is not None:
                self._delete(omero, request, dataset.number)
        outside_id = f"{dataset.number}" if dataset else known.outside_id if known else None
        if outside_id is None:
            return None
        return Deposit(target=self.name, outside_id=outside_id, state=DepositState.WITHDRAWN, told_at=self._clock.now())

    def test(self) -> TargetReport:
        """Log in, and look at the group, the project and the folder of lists that the settings name."""
        try:
            with self._session() as omero:
                lacks = self._lacks(omero)
                group = omero.group
            lists = self._lists.look() if self._lists is not None else None
        except TargetRefused as refusal:
            return TargetReport(is_usable=False, words=cut_line(str(refusal)) or self.name)
        if lacks:
            return TargetReport(is_usable=False, words=f"{self.title} answers, and {lacks}")
        limits = [f"at most {self._setting.images_most:,} images of one version, by the settings"] if lists else []
        if lists:
            limits.append(f"lists for who imports there: {lists}")
        words = f"{self.title} answers, and takes the account for its group {group}"
        return TargetReport(is_usable=True, words=words, limits=tuple(limits))

    def _lacks(self, omero: OmeroSession) -> str | None:
        project = self._setting.project
        if not omero.may_use_group:
            return f"the account {self._setting.username[:80]} is not in its group {omero.group}"
        if project is not None and omero.find("projects", project) is None:
            return f"shows this account no project {project}; name another, or make one there"
        return None

    @contextmanager
    def _session(self) -> Iterator[OmeroSession]:
        with closing(self._connect()) as http:
            yield OmeroSession(http, self._setting)

    def _wanted(self, request: DepositRequest, files: PublicBytes) -> list[ListedImage]:
        """Give the images that are to be seen there.

        Raises:
            TargetRefused: They are not public, too many, or none that OMERO can name; nothing was begun.
        """
        if self._setting.images is OmeroImages.NONE:
            return []
        if request.record.extent is not Extent.FILES:
            msg = (
                f"of {request.pid} {request.version} the description alone is public, and {self.title} shows images: "
                "it goes there by itself once the files are public too"
            )
            raise TargetRefused(msg, target=self.name)
        with_files = self._setting.images is OmeroImages.IN_PLACE
        found = images_among((one.path for one in files.files(request.record)), with_files=with_files)
        if len(found) > self._setting.images_most:
            msg = (
                f"{request.pid} {request.version} has {len(found):,} images, and at most {self._setting.images_most:,} "
                f"of one version go to {self.title}; set more (`images_most`), or show its view as OME-Zarr instead"
            )
            raise TargetRefused(msg, target=self.name, images=len(found))
        odd = next((one for one in found if not has_name_for_omero(one)), None)
        if odd is not None:
            shown = cut_line(odd.name[:100]) or "?"
            msg = f"OMERO has no name for {shown}: too long, or with characters that nobody sees; nothing was begun"
            raise TargetRefused(msg, target=self.name)
        return found

    def _find(self, omero: OmeroSession, request: ReserveRequest, known: Deposit | None) -> Named | None:
        """Find the dataset by what is known, then among those of the account.

        Raises:
            TargetRefused: What is known to be ours does not say so any more.
        """
        mark = _mark(request)
        if known is not None and known.outside_id.isdecimal():
            found = omero.find("datasets", int(known.outside_id))
            if found is not None:
                if is_marked(found.description, mark):
                    return found
                msg = f"dataset {found.number} at {self.title} says no more that it is {mark}; look there"
                raise TargetRefused(msg, target=self.name)
        ours = (one for one in omero.datasets() if is_marked(one.description, mark))
        return min(ours, key=lambda one: one.number, default=None)

    def _put_into_project(self, omero: OmeroSession, dataset: int) -> None:
        project = self._setting.project
        if project is not None and all(one.number != project for one in omero.projects(dataset)):
            omero.put_into(project, dataset)

    def _to_import(
        self, request: DepositRequest, dataset: int, missing: list[ListedImage], *, of: int
    ) -> ReviewPending:
        folder = _folder(request)
        if self._lists is not None:
            self._lists.write(folder, missing, dataset=dataset, base=self._base(request))
        words = (
            f"{of - len(missing):,} of {of:,} images are to be seen in dataset {dataset} at {self.title}; who runs it "
            f"imports the others by {self._setting.lists}/{folder}/import.sh. It is looked at every hour"
        )
        return ReviewPending(words, target=self.name, retry_after_seconds=_LOOK_AGAIN_SECONDS)

    def _delete(self, omero: OmeroSession, request: DepositRequest, dataset: int) -> None:
        images = sum(1 for _ in omero.images(dataset))
        if images:
            by = f"`omero delete Dataset/Image:{dataset}`"
            if self._lists is not None:
                self._lists.write_removal(_folder(request), dataset=dataset)
                by = f"{self._setting.lists}/{_folder(request)}/remove.sh"
            words = (
                f"{images:,} images are to be seen in dataset {dataset} at {self.title} still, and nobody deletes "
                f"them from outside; who runs it does by {by}. It is looked at every hour"
            )
            raise ReviewPending(words, target=self.name, retry_after_seconds=_LOOK_AGAIN_SECONDS)
        omero.delete(dataset)
        if omero.find("datasets", dataset) is not None:
            msg = f"{self.title} goes on showing dataset {dataset}, which was deleted; look there"
            raise TargetRefused(msg, target=self.name)

    def _unlist(self, request: DepositRequest) -> None:
        if self._lists is not None:
            self._lists.remove(_folder(request))

    def _base(self, request: DepositRequest) -> str:
        """Say below which address or folder OMERO finds the files."""
        if self._setting.images is OmeroImages.IN_PLACE:
            return f"{self._setting.folder}/{_folder(request)}"
        return f"{request.address}/{request.version}/files"

    def _address(self, dataset: int) -> str:
        return f"{self._setting.url.rstrip('/')}/webclient/?show=dataset-{dataset}"

    def _shown(self, dataset: int, images: int) -> str:
        if not images:
            return f"{self._address(dataset)} shows no image, and leads here"
        return f"{self._address(dataset)} shows {images:,} of {images:,} images"


def _mark(request: ReserveRequest) -> str:
    """Say the identifier of the version: the last line of the dataset's description."""
    return f"{request.pid}/{request.version}"


def _folder(request: ReserveRequest) -> str:
    return request.key.partition("@")[0].replace(":", "-")
