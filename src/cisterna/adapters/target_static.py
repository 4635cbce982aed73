"""A site of plain pages as a target: for a web server or a bucket that needs nothing of ours to run.

The list of what it holds is a file of the site itself. It is written after a version's own pages and before the pages
that lead to it, so that a kill leaves at most a version that nothing leads to yet, and the same call goes on. Several
may write to one site: none writes over what another one added, and whoever ends last leads to what is listed then.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from pydantic import ValidationError

from cisterna.adapters.static_pages import (
    SHOWN_FILES,
    Row,
    Shelf,
    feed,
    file_address,
    folder_of,
    forms_of,
    gone_page,
    index_pages,
    record_page,
    row_of,
    site_map,
    versions_page,
)
from cisterna.adapters.target_place import Place
from cisterna.domain.deposit import Deposit, DepositState
from cisterna.domain.errors import TargetRefused
from cisterna.domain.text import cut_line
from cisterna.ports.clock import Clock
from cisterna.ports.publisher import PublicFile
from cisterna.ports.target import DepositRequest, PublicBytes, ReserveRequest, TargetReport

SHELF = "cisterna-site.json"
_HTML = "text/html; charset=utf-8"
_LISTED = 50_000
"""Files in one list: some ten megabytes."""


class StaticSiteTarget:
    """Implements `ports.target.Target`.

    Args:
        place: Where the pages go.
        name: Of the target.
        title: Of the target, for people.
        url: Address under which the pages are served.
        site: What the site is called.
        clock: Dates what it says.
    """

    reserves = False
    narrows = True

    def __init__(self, place: Place, *, name: str, title: str, url: str, site: str, clock: Clock) -> None:
        self.name = name
        self.title = title
        self._place = place
        self._url = url.rstrip("/")
        self._site = site
        self._clock = clock

    def reserve(self, request: ReserveRequest) -> None:
        """It has no identifiers of its own."""
        del request

    def deposit(self, request: DepositRequest, *, known: Deposit | None, files: PublicBytes) -> Deposit:
        """Write the version's pages, then the lists; what stands already is written again, the same.

        What a page of it named before and this one does not is removed, once nothing leads there.
        """
        del known
        folder = row_of(request).folder
        forms = forms_of(request.record)
        for form in forms:
            self._place.write(f"{folder}{form.file}", form.body.encode(), media_type=form.media_type)
        lists = []
        listed = files.files(request.record)
        first = list(islice(listed, SHOWN_FILES))
        for name, body in _lists(request, _all(first, listed)):
            self._place.write(f"{folder}{name}", body, media_type="text/plain; charset=utf-8")
            lists.append(name)
        page = record_page(request, files=first, lists=lists, site=self._site)
        self._place.write(f"{folder}index.html", page, media_type=_HTML)
        written = {f"{folder}{name}" for name in ("index.html", *lists, *(form.file for form in forms))}
        for path in list(self._place.below(folder)):
            if path not in written:
                self._place.remove(path)
        self._list(row_of(request))
        return self._told(request, DepositState.DEPOSITED)

    def withdraw(self, request: DepositRequest, *, known: Deposit | None, reason: str) -> Deposit | None:
        """Put the tombstone in place of the page, and remove all else of the version."""
        del reason  # the tombstone has it
        row = row_of(request)
        page = f"{row.folder}index.html"
        if known is None and next(iter(self._place.below(row.folder)), None) is None:
            return None  # no page yet is not nothing: it is written after the forms
        self._list(row)
        self._place.write(page, gone_page(request, site=self._site), media_type=_HTML)
        for path in list(self._place.below(row.folder)):
            if path != page:
                self._place.remove(path)
        return self._told(request, DepositState.WITHDRAWN)

    def test(self) -> TargetReport:
        """Look whether the place answers."""
        try:
            words = self._place.look()
            held = len(self._shelf().rows)
        except TargetRefused as refusal:
            return TargetReport(is_usable=False, words=cut_line(str(refusal)) or self.name)
        return TargetReport(is_usable=True, words=f"{words}, and holds {held} versions; served at {self._url}")

    def _list(self, row: Row) -> None:
        def listed(body: bytes | None) -> bytes:
            return self._read(body).with_row(row).model_dump_json().encode()

        self._place.change(SHELF, listed, media_type="application/json")
        newest = self._shelf()
        shelf = None
        while newest != shelf:  # another one wrote meanwhile, and these pages would go back behind its own
            shelf = newest
            self._lead(shelf, row)
            newest = self._shelf()

    def _lead(self, shelf: Shelf, row: Row) -> None:
        same = [one for one in shelf.rows if one.pid == row.pid]
        versions = versions_page(same, site=self._site)
        self._place.write(f"{folder_of(row.pid)}index.html", versions, media_type=_HTML)
        for name, body in index_pages(shelf, site=self._site):
            self._place.write(name, body, media_type=_HTML)
        self._place.write("sitemap.xml", site_map(shelf, url=self._url), media_type="application/xml")
        atom = feed(shelf, url=self._url, site=self._site)
        self._place.write("feed.xml", atom, media_type="application/atom+xml")

    def _shelf(self) -> Shelf:
        return self._read(self._place.read(SHELF))

    def _read(self, body: bytes | None) -> Shelf:
        if body is None:
            return Shelf()
        try:
            return Shelf.model_validate_json(body)
        except ValidationError as error:
            msg = f"{SHELF} of {self.title} is not a list of ours; look what it is, or give the site a place of its own"
            raise TargetRefused(msg, target=self.name) from error

    def _told(self, request: DepositRequest, state: DepositState) -> Deposit:
        folder = row_of(request).folder
        return Deposit(
            target=self.name,
            outside_id=folder,
            address=f"{self._url}/{folder}index.html",
            state=state,
            told_at=self._clock.now(),
        )


def _all(first: list[PublicFile], rest: Iterator[PublicFile]) -> Iterator[PublicFile]:
    yield from first
    yield from rest


def _lists(request: DepositRequest, files: Iterator[PublicFile]) -> Iterator[tuple[str, bytes]]:
    """Write every file with digest, size and address, some ten megabytes in one list."""
    for number in range(1, 10_000):
        lines = [f"{one.sha512}\t{one.size_bytes}\t{file_address(request, one)}\n" for one in islice(files, _LISTED)]
        if lines or number == 1:
            yield f"files-{number}.txt", "".join(lines).encode()
        if len(lines) < _LISTED:
            return
