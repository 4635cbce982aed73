"""An OMERO as a target: a dataset for each version, whose images stay where they are.

OMERO's JSON API lets others describe, and not import. So the dataset is made there, what is to be seen in it is listed
for who runs OMERO's machine, and the version counts as deposited once OMERO shows every image of the list. The same way
back: images cannot be deleted by it, so the dataset says that it was withdrawn, and its images, wherever people put
them, are listed and looked for until they are gone. What others put into the dataset is theirs and stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

from cisterna.adapters.omero_image import ListedImage, has_name_for_omero, images_among, missing_from, path_in_name
from cisterna.adapters.omero_list import OmeroLists
from cisterna.adapters.omero_session import Image, Named, OmeroSession
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
            self._require_group(omero)
            dataset = next(self._ours(omero, request, known), None) or omero.make(text)
            omero.change(dataset, text)
            self._put_into_project(omero, dataset.number)
            shown = self._shown(omero, request, dataset.number, wanted)
        self._unlist(request)
        return Deposit(
            target=self.name,
            outside_id=f"{dataset.number}",
            address=self._address(dataset.number) if self._setting.is_public else None,
            state=DepositState.DEPOSITED,
            told_at=self._clock.now(),
            remark=shown,
        )

    def withdraw(self, request: DepositRequest, *, known: Deposit | None, reason: str) -> Deposit | None:
        """Let it say that it was withdrawn, wait until somebody there has deleted its images, and delete it.

        A dataset that holds images of others is left to them, with these words.

        Raises:
            ReviewPending: Images of the version stand there still.
        """
        text = omero_tombstone(
            request.record.title, reason, version=request.version, address=request.address, mark=_mark(request)
        )
        with self._session() as omero:
            self._require_group(omero)
            datasets = list(self._ours(omero, request, known))
            for one in datasets:
                omero.change(one, text)
            if self._lists is not None:  # before images are counted: nobody shall begin to import now
                self._lists.remove_import(_folder(request))
            others = {one.number: self._require_gone(omero, request, omero.images(one.number)) for one in datasets}
            if datasets or known:
                self._require_gone(omero, request, self._images_anywhere(omero, request))
            self._unlist(request)
            kept = [words for one in datasets if (words := self._delete(omero, one.number, others=others[one.number]))]
        outside_id = f"{datasets[0].number}" if datasets else known.outside_id if known else None
        if outside_id is None:
            return None
        return Deposit(
            target=self.name,
            outside_id=outside_id,
            state=DepositState.WITHDRAWN,
            told_at=self._clock.now(),
            remark="; ".join(kept) or None,
        )

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
        if project is None:
            return None
        found = omero.find("projects", project)
        if found is None:
            return f"shows this account no project {project}; name another, or make one there"
        if found.group not in {None, omero.group}:
            return f"project {project} is of group {found.group}, and takes no dataset of group {omero.group}"
        return None

    def _require_group(self, omero: OmeroSession) -> None:
        """Refuse to take for gone what the account may no longer see."""
        if not omero.may_use_group:
            msg = f"at {self.title} the account {self._setting.username[:80]} is not in its group {omero.group}"
            raise TargetRefused(f"{msg}; put it there again, or set another `group`", target=self.name)

    @contextmanager
    def _session(self) -> Iterator[OmeroSession]:
        with closing(self._connect()) as http:
            omero = OmeroSession(http, self._setting)
            try:
                yield omero
            finally:
                omero.end()

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
        odd = next((one for one in found if not has_name_for_omero(one, label=_folder(request))), None)
        if odd is not None:
            shown = cut_line(odd.path[:100]) or "?"
            msg = f"OMERO has no name for {shown}: too long, or with characters that nobody sees; nothing was begun"
            raise TargetRefused(msg, target=self.name)
        return found

    def _ours(self, omero: OmeroSession, request: ReserveRequest, known: Deposit | None) -> Iterator[Named]:
        """Give the dataset that is known, then those of the account that say they are the version, oldest first.

        Raises:
            TargetRefused: What is known to be ours does not say so any more.
        """
        mark = _mark(request)
        number = int(known.outside_id) if known is not None and known.outside_id.isdecimal() else None
        if number is not None and (found := omero.find("datasets", number)) is not None:
            if not is_marked(found.description, mark):
                msg = f"dataset {found.number} at {self.title} says no more that it is {mark}; look there"
                raise TargetRefused(msg, target=self.name)
            yield found
        others = (one for one in omero.datasets() if is_marked(one.description, mark) and one.number != number)
        yield from sorted(others, key=lambda one: one.number)

    def _put_into_project(self, omero: OmeroSession, dataset: int) -> None:
        project = self._setting.project
        if project is not None and all(one.number != project for one in omero.projects(dataset)):
            omero.put_into(project, dataset)

    def _shown(self, omero: OmeroSession, request: DepositRequest, dataset: int, wanted: list[ListedImage]) -> str:
        """Say how much of the version is to be seen there, once that is all of it.

        Raises:
            ReviewPending: Somebody there has to import what is listed.
        """
        label = _folder(request)
        if not wanted:
            return f"{self._address(dataset)} shows no image, and leads here"
        noted = self._lists.noted(label, dataset=dataset) if self._lists is not None else {}
        present = [one for one in omero.images(dataset) if path_in_name(one.name, label=label) is not None]
        names = Counter(one.name for one in present if one.owner == omero.account.user)
        missing = missing_from(wanted, names, label=label)
        if missing:
            if self._lists is not None:
                self._lists.write(label, missing, dataset=dataset, base=self._base(request), noted=noted)
            shown = f"{len(wanted) - len(missing):,} of {len(wanted):,}"
            raise self._to_import(label, dataset, shown, strange=len(present) - names.total())
        twice = sum(count > 1 for count in names.values())
        more = f"; {twice:,} of them more than once" if twice else ""
        return f"{self._address(dataset)} shows {len(wanted):,} of {len(wanted):,} images{more}"

    def _to_import(self, label: str, dataset: int, shown: str, *, strange: int) -> ReviewPending:
        account = self._setting.username[:80]
        ours = f". {strange:,} that another account imported do not count: log in as {account}" if strange else ""
        words = (
            f"{shown} images are to be seen in dataset {dataset} at {self.title}; who runs it "
            f"imports the others by {self._setting.lists}/{label}/import.sh{ours}. It is looked at every hour"
        )
        return ReviewPending(words, target=self.name, retry_after_seconds=_LOOK_AGAIN_SECONDS)

    def _images_anywhere(self, omero: OmeroSession, request: DepositRequest) -> Iterator[Image]:
        """Give the images of a version wherever people put them: what is withdrawn is to be seen nowhere."""
        label = _folder(request)
        return (one for one in omero.images_of_account() if path_in_name(one.name, label=label) is not None)

    def _require_gone(self, omero: OmeroSession, request: DepositRequest, images: Iterable[Image]) -> int:
        """Count the images that are not of the version, once none that is is left.

        Raises:
            ReviewPending: Somebody there has to delete what is listed.
        """
        others, ours = 0, dict[str, list[int]]()
        for one in images:
            path = path_in_name(one.name, label=_folder(request)) if one.owner == omero.account.user else None
            if path is None:
                others += 1
            else:
                ours.setdefault(path, []).append(one.number)
        if ours:
            raise self._to_delete(_folder(request), ours, others=others)
        return others

    def _to_delete(self, label: str, images: Mapping[str, Sequence[int]], *, others: int) -> ReviewPending:
        by = "a list that is written once `lists` is set"
        if self._lists is not None:
            self._lists.write_removal(label, images)
            by = f"{self._setting.lists}/{label}/remove.sh"
        stay = f" {others:,} images there are not of it and stay." if others else ""
        count = sum(len(numbers) for numbers in images.values())
        words = (
            f"{count:,} images of it are to be seen at {self.title} still, and nobody deletes them from outside; "
            f"who runs it does by {by}.{stay} It is looked at every hour"
        )
        return ReviewPending(words, target=self.name, retry_after_seconds=_LOOK_AGAIN_SECONDS)

    def _delete(self, omero: OmeroSession, dataset: int, *, others: int) -> str | None:
        """Delete a dataset, or say why it stays."""
        if others:
            return (
                f"dataset {dataset} stays at {self.title} and says that it was withdrawn: it holds {others:,} images "
                "that are not of it"
            )
        omero.delete(dataset)
        if omero.find("datasets", dataset) is not None:
            msg = f"{self.title} goes on showing dataset {dataset}, which was deleted; look there"
            raise TargetRefused(msg, target=self.name)
        return None

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


def _mark(request: ReserveRequest) -> str:
    """Say the identifier of the version: the last line of the dataset's description."""
    return f"{request.pid}/{request.version}"


def _folder(request: ReserveRequest) -> str:
    """Say the version in a file name; in the names of its images it is what tells whose they are."""
    return request.key.partition("@")[0].replace(":", "-")
