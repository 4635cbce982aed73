"""The articles of one account of Figshare, and which of them is ours.

An article of ours names the address of its version first among what it is related to, and last in its description.
Neither is in Figshare's lists, and its search is late and not said to be complete. So the account's own list is walked
whole, and each article is opened once, and again when it has changed.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from html import unescape
from typing import NamedTuple

from pydantic import BaseModel, Field, TypeAdapter

from cisterna.adapters.target_http import TargetHttp
from cisterna.adapters.target_known import says_no_more
from cisterna.domain.deposit import Deposit
from cisterna.domain.errors import TargetRefused, TargetUnavailable
from cisterna.metadata.figshare import SAME
from cisterna.ports.clock import Clock
from cisterna.ports.target import DepositRequest

_PAGE = 500
"""Articles of one answer: with the longest titles still less than an answer may have."""
_PAGES_MOST = 200
_LOOKING_SECONDS = 600.0
"""How long articles are opened for in one go, well within the time for which a deposit is claimed."""
_VERSION = r"v[1-9][0-9]{0,5}(?:\.[1-9][0-9]{0,5})?"
_LABEL = re.compile(_VERSION)
_TOLD = re.compile(rf"ark:/\S{{1,200}}, version {_VERSION}: (\S{{1,2000}}?)/({_VERSION})\b")
"""How a description of ours ends."""


class _Material(BaseModel):
    identifier: str | None = None
    relation: str | None = None


class _Timeline(BaseModel):
    submission: str | None = None
    """When it went into review, if it did."""


class Article(BaseModel):
    """An article, or a version of it that is public, as far as we read it."""

    id: int = Field(ge=1)
    description: str | None = None
    doi: str | None = None
    status: str | None = None
    curation_status: str | None = None
    published_date: str | None = None
    url_public_html: str | None = None
    related_materials: list[_Material] | None = None
    timeline: _Timeline | None = None

    def names(self, address: str) -> set[str]:
        """Give the labels of the versions of ours that it says it is; reviewers may have changed one place.

        Who only cites a version, or writes of it, does not say to be it.
        """
        related = {label for place, label in self._related() if place == address}
        return related or {label for place, label in self._told() if place == address}

    def addresses(self) -> frozenset[str]:
        """Give the addresses of all datasets of which it says that it is a version."""
        return frozenset(place for place, _ in (*self._related(), *self._told()))

    def _related(self) -> list[tuple[str, str]]:
        same = [one for one in self.related_materials or () if one.relation in SAME]
        named = [(one.identifier or "").rpartition("/") for one in same]
        return [(place, label) for place, _, label in named if _LABEL.fullmatch(label)]

    def _told(self) -> list[tuple[str, str]]:
        return _TOLD.findall(unescape(self.description or ""))[-1:]

    @property
    def is_in_review(self) -> bool:
        """Whether the people there have it."""
        return "review" in (self.status or "").lower() or self.curation_status == "pending"

    def came_back(self, shown: Sequence[Article]) -> bool:
        """Tell whether reviewers gave it back, and not only let an earlier version pass.

        Args:
            shown: Its versions that are public.
        """
        if self.curation_status in {"approved", "rejected"}:
            return self.curation_status == "rejected"
        submission = self.timeline.submission if self.timeline else None
        submitted = (submission or "")[:10]
        return bool(submitted) and all(submitted >= (one.published_date or "")[:10] for one in (self, *shown))


class _Listed(BaseModel):
    id: int = Field(ge=1)
    modified_date: str | None = None


class _Opened(NamedTuple):
    """What an article said when it was opened."""

    modified_date: str | None
    addresses: frozenset[str]


_Page = TypeAdapter(list[_Listed])


class FigshareArticles:
    """The articles of one account; safe to share between threads.

    Args:
        http: Speaks with the repository.
        target: What settings call it.
        title: For people.
        clock: Tells how long articles have been opened for.
    """

    def __init__(self, http: TargetHttp, *, target: str, title: str, clock: Clock) -> None:
        self._http = http
        self._target = target
        self._title = title
        self._clock = clock
        self._opened: dict[int, _Opened] = {}
        self._turn = threading.Lock()  # two that look at the same time would open all twice

    def find(self, request: DepositRequest, known: Deposit | None) -> Article | None:
        """Find the dataset's article by what is known of its versions, then among all that the account has.

        Raises:
            TargetRefused: What is known to be ours does not say so any more, or several say so.
            TargetUnavailable: There are more than can be opened in one go; the next one goes on from here.
        """
        for deposit in (known, *request.earlier, *request.later):
            number = deposit.outside_id.partition(".")[0] if deposit else ""
            article = self._open(int(number)) if number.isdecimal() else None
            if article is not None and article.names(request.address):
                return article
            if article is not None and deposit is known:
                raise says_no_more(f"article {number}", request, target=self._target, title=self._title)
        ours = self._of(request)
        if len(ours) > 1:
            every = ", ".join(f"{one.id}" for one in ours)
            msg = f"the articles {every} at {self._title} all say that they are {request.pid}; delete all but one there"
            raise TargetRefused(msg, target=self._target)
        return ours[0] if ours else None

    def _of(self, request: DepositRequest) -> list[Article]:
        """Give all that say now that they are the dataset's."""
        said = [number for number, one in self._looked_into(request).items() if request.address in one.addresses]
        opened = [article for article in map(self._open, said) if article is not None]
        return [article for article in opened if article.names(request.address)]

    def _looked_into(self, request: DepositRequest) -> dict[int, _Opened]:
        """Open what was not opened yet, or has changed since; what is not listed any more is forgotten."""
        with self._turn:
            listed, begun = self._every(), self._clock.monotonic()
            self._opened = {number: one for number, one in self._opened.items() if number in listed}
            for number, changed in listed.items():
                opened = self._opened.get(number)
                if opened is not None and opened.modified_date == changed:
                    continue
                if self._clock.monotonic() - begun > _LOOKING_SECONDS:
                    msg = (
                        f"{self._title} has {len(listed):,} articles, and any could be {request.pid}; "
                        f"{len(self._opened):,} of them were looked at so far"
                    )
                    raise TargetUnavailable(msg, target=self._target)
                article = self._open(number)
                self._opened[number] = _Opened(changed, article.addresses() if article else frozenset())
            return dict(self._opened)

    def _open(self, number: int) -> Article | None:
        answer = self._http.ask("GET", f"account/articles/{number}", accepted=(200, 404))
        return self._http.read(Article, answer) if answer.status == 200 else None

    def _every(self) -> dict[int, str | None]:
        """Give every article of the account, newest first, and when each was changed.

        An article that is deleted while pages are turned moves another one to a page that was turned already. So
        several pages are walked again until they hold nothing new.
        """
        every: dict[int, str | None] = {}
        while True:
            pages = self._walk()
            listed = {one.id: one.modified_date for page in pages for one in page}
            is_whole = len(pages) < 2 or listed.keys() <= every.keys()
            every |= listed
            if is_whole:
                return every

    def _walk(self) -> list[list[_Listed]]:
        pages: list[list[_Listed]] = []
        while len(pages) < _PAGES_MOST:
            query = {"page": f"{len(pages) + 1}", "page_size": f"{_PAGE}"}
            page = self._http.read(_Page, self._http.ask("GET", "account/articles", query=query))
            if not page:  # a page that is short is no proof of the end
                return pages
            pages.append(page)
        msg = (
            f"the account at {self._title} has more than {_PAGE * _PAGES_MOST:,} articles, which are not all looked "
            "through; give Cisterna an account of its own"
        )
        raise TargetRefused(msg, target=self._target)
