"""A repository that runs on Figshare as a target: private article, files or a link to ours, publication, review.

All versions of a dataset are versions of one article. What the public sees is read where the public reads it, since
the account's own view shows the draft of the next version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import BaseModel, Field, JsonValue, TypeAdapter, ValidationError

from cisterna.adapters.target_figshare_articles import Article, FigshareArticles
from cisterna.adapters.target_figshare_files import FigshareFiles
from cisterna.adapters.target_http import TargetHttp
from cisterna.adapters.target_known import require_no_second
from cisterna.adapters.target_setting import Carries, Figshare
from cisterna.domain.deposit import Deposit, DepositState, Doi, OutsideAddress
from cisterna.domain.errors import ReviewPending, TargetRefused
from cisterna.domain.public_entry import place_of
from cisterna.domain.text import cut_line, shorten
from cisterna.metadata.described import on_one_line
from cisterna.metadata.figshare import figshare_article, is_licence
from cisterna.metadata.public_described import described_from
from cisterna.ports.clock import Clock
from cisterna.ports.publisher import PublicFile, PublicRecord
from cisterna.ports.target import DepositRequest, PublicBytes, ReserveRequest, TargetReport

_LOOK_AGAIN_SECONDS = 3600
_REASON_LEAST, _REASON_MOST = 5, 500
_ARTICLE = re.compile(r"/articles/([0-9]{1,18})/?$")
_DOI, _ADDRESS = TypeAdapter(Doi), TypeAdapter(OutsideAddress)


class _Made(BaseModel):
    location: str


class _Version(BaseModel):
    version: int = Field(ge=1)


class _Licence(BaseModel):
    value: int
    name: str
    url: str


class _Account(BaseModel):
    id: int
    maximum_file_size: int | None = None


class _Standing(NamedTuple):
    """A version that the public sees."""

    number: int
    article: Article

    @property
    def outside_id(self) -> str:
        return f"{self.article.id}.v{self.number}"


class FigshareTarget:
    """Implements `ports.target.Target`.

    Args:
        http: Speaks with it.
        setting: What it takes, and which files go there.
        clock: Dates what it says.
    """

    reserves = False
    narrows = False

    def __init__(self, http: TargetHttp, setting: Figshare, *, clock: Clock) -> None:
        self.name = setting.name
        self.title = setting.shown
        self._http = http
        self._setting = setting
        self._clock = clock
        self._articles = FigshareArticles(http, target=setting.name, title=setting.shown, clock=clock)
        self._files = FigshareFiles(http, target=setting.name, title=setting.shown)

    def reserve(self, request: ReserveRequest) -> None:
        """It reserves what all versions of an article share; a version gets its own DOI when it is public."""
        del request

    def deposit(self, request: DepositRequest, *, known: Deposit | None, files: PublicBytes) -> Deposit:
        """Find what stands, or begin an article; bring its files there, and publish it or hand it to the reviewers.

        Raises:
            ReviewPending: The people there have it, or it is not shown yet.
        """
        wanted = self._wanted(request.record)
        article = self._articles.find(request, known)
        if article is not None:
            every = self._public(article.id)
            standing = self._of_version(every, request)
            if standing is not None:
                return self._told(standing)
            self._require_turn(article, every, request)
        else:
            require_no_second(known, request, doi=None, title=self.title)
        document = self._document(request, has_files=wanted is not None)
        number = self._draft(article, document)
        if wanted is not None:
            self._files.bring(number, self._going(wanted, request.record, files), files)
        return self._publish(number, request)

    def withdraw(self, request: DepositRequest, *, known: Deposit | None, reason: str) -> Deposit | None:
        """Delete what was never public; have what is public hidden, where the repository lets us.

        Raises:
            ReviewPending: The people there have it, and might still make it public.
        """
        article = self._articles.find(request, known)
        if article is None:
            return None
        every = self._public(article.id)
        standing = self._of_version(every, request)
        if standing is not None:
            remark = self._hide(standing, every, request, reason)
            return self._gone(standing.outside_id, standing.article.doi, remark, self._kept(article, request))
        if request.version not in article.names(request.address):
            return None
        if article.status == "public":  # its publication was taken, and it is shown any moment
            raise self._pending(article.id)
        outside_id = known.outside_id if known else str(article.id)
        if not every and article.published_date is None:
            self._http.ask("DELETE", f"account/articles/{article.id}", accepted=(204, 404))
            return self._gone(outside_id, None, None)
        if article.is_in_review:  # it may yet become public
            raise self._pending(article.id)
        begun = f"article {article.id} at {self.title} still has it as changes that nobody sees; discard them there"
        doi = known.doi if known else None
        return self._gone(outside_id, doi, begun if every else None, self._kept(article, request))

    def test(self) -> TargetReport:
        """Look at the account, which takes a token that is good."""
        try:
            account = self._http.read(_Account, self._http.ask("GET", "account"))
        except TargetRefused as refusal:
            return TargetReport(is_usable=False, words=cut_line(str(refusal)) or self.name)
        limits = [
            f"at most {self._setting.files_most:,} files in one article, by the settings",
            f"at most {self._setting.bytes_most:,} bytes in one article, by the settings",
        ]
        if account.maximum_file_size:
            limits.append(f"at most {account.maximum_file_size:,} bytes in one file, as it says itself")
        if not self._setting.categories:
            limits.append("no categories are set, and Figshare publishes no article without one")
        return TargetReport(is_usable=True, words=f"{self.title} answers, and takes the token", limits=tuple(limits))

    def _wanted(self, record: PublicRecord) -> list[PublicFile] | None:
        """Give the files that go there and that the record names itself; None where the article is to lead to ours.

        Raises:
            TargetRefused: They are more than the repository takes; nothing was begun.
        """
        carries = self._setting.carries
        has_data = bool(record.lists) or any(one.path.startswith("data/") for one in record.files)
        if carries is Carries.NONE or not has_data:
            return None
        named = [one for one in record.files if carries is Carries.ALL or not one.path.startswith("data/")]
        count = record.file_count if carries is Carries.ALL else len(named)
        total = record.total_bytes if carries is Carries.ALL else sum(one.size_bytes for one in named)
        if count > self._setting.files_most or total > self._setting.bytes_most:
            msg = (
                f"{record.pid} {record.version} has {count:,} files of {total:,} bytes, and {self.title} takes at most "
                f"{self._setting.files_most:,} files and {self._setting.bytes_most:,} bytes in one article; have it "
                "take only the description or none (`carries`), or ask the repository for more room and set that"
            )
            raise TargetRefused(msg, target=self.name, files=count, bytes=total)
        return named or None

    def _going(self, wanted: list[PublicFile], record: PublicRecord, files: PublicBytes) -> Iterator[PublicFile]:
        return files.files(record) if self._setting.carries is Carries.ALL else iter(wanted)

    def _document(self, request: DepositRequest, *, has_files: bool) -> dict[str, JsonValue]:
        described = described_from(request.record, address=request.address, doi=request.doi)
        has_all_files = has_files and self._setting.carries is Carries.ALL
        document = figshare_article(described, address=request.address, has_all_files=has_all_files)
        document["license"] = self._licence(described.record.licence, request)
        document["is_metadata_record"] = not has_files
        if not has_files:
            document["metadata_reason"] = f"The data are held at {request.address}"
        if self._setting.categories:
            document["categories"] = list[JsonValue](self._setting.categories)
        if self._setting.group is not None:
            document["group_id"] = self._setting.group
        return document

    def _licence(self, identifier: str | None, request: DepositRequest) -> int:
        """Give the repository's own number of the licence; nothing goes out under another one."""
        offered = self._http.read(TypeAdapter(list[_Licence]), self._http.ask("GET", "account/licenses"))
        for one in offered:
            if identifier is not None and is_licence(identifier, one.url):
                return one.value
        names = shorten(cut_line(", ".join(one.name for one in offered)) or "none", 200)
        msg = (
            f"{request.pid} is under {identifier or 'no licence'}, which {self.title} does not offer; it has: {names}. "
            "Ask the repository for the licence; no article was published"
        )
        raise TargetRefused(msg, target=self.name)

    def _public(self, number: int) -> list[_Standing]:
        """Give the versions of an article that the public sees, newest first."""
        place = f"articles/{number}/versions"
        answer = self._http.ask("GET", place, accepted=(200, 404))
        if answer.status == 404:
            return []
        listed = self._http.read(TypeAdapter(list[_Version]), answer)
        every = []
        for one in sorted({one.version for one in listed}, reverse=True):
            held = self._http.ask("GET", f"{place}/{one}", accepted=(200, 404))
            if held.status == 200:
                every.append(_Standing(one, self._http.read(Article, held)))
        return every

    @staticmethod
    def _of_version(every: list[_Standing], request: DepositRequest) -> _Standing | None:
        return next((one for one in every if request.version in one.article.names(request.address)), None)

    def _require_turn(self, article: Article, every: list[_Standing], request: DepositRequest) -> None:
        """Leave alone what others are at, and what would bury a newer version."""
        if article.is_in_review:
            raise self._pending(article.id)
        if any(
            place_of(label) > place_of(request.version) for one in every for label in one.article.names(request.address)
        ):
            msg = f"{self.title} shows a newer version than {request.version} of {request.pid}, which would be buried"
            raise TargetRefused(msg, target=self.name)
        if request.version not in article.names(request.address):
            return
        if article.status == "public":  # its publication was taken, and a second one would make a second version
            raise self._pending(article.id)
        if article.came_back([one.article for one in every]):
            msg = (
                f"article {article.id} came back from its review at {self.title}; mend it as the reviewers say and "
                "submit it there, then ask for it here again"
            )
            raise TargetRefused(msg, target=self.name)

    def _draft(self, article: Article | None, document: dict[str, JsonValue]) -> int:
        if article is not None:
            if document["is_metadata_record"]:
                self._files.clear(article.id)
            self._http.ask("PUT", f"account/articles/{article.id}", document=document, accepted=(205,))
            return article.id
        answer = self._http.ask("POST", "account/articles", document=document, accepted=(201,))
        location = self._http.read(_Made, answer).location
        number = _ARTICLE.search(location)
        if number is None:
            msg = f"{self.title} says that the article is at {cut_line(location[:100])}, which is none; look there"
            raise TargetRefused(msg, target=self.name)
        return int(number[1])

    def _publish(self, number: int, request: DepositRequest) -> Deposit:
        self._http.ask("POST", f"account/articles/{number}/publish", accepted=(201,))
        standing = self._of_version(self._public(number), request)
        if standing is None:
            raise self._pending(number)
        return self._told(standing)

    def _pending(self, number: int) -> ReviewPending:
        msg = f"article {number} waits at {self.title} for its review, or to be shown; it is looked at every hour"
        return ReviewPending(msg, target=self.name, retry_after_seconds=_LOOK_AGAIN_SECONDS)

    def _hide(self, standing: _Standing, every: list[_Standing], request: DepositRequest, reason: str) -> str | None:
        """Have a whole article hidden, and say why where that cannot be."""
        versions = (*request.earlier, *request.later)
        withdrawn = {one.outside_id for one in versions if one.state is DepositState.WITHDRAWN}
        number = standing.article.id
        others = [one.number for one in every if one != standing and one.outside_id not in withdrawn]
        if others:
            shown = ", ".join(f"{one}" for one in sorted(others))
            return (
                f"{self.title} hides whole articles only, and version {shown} of article {number} stands; ask its "
                f"administrators to hide version {standing.number}"
            )
        words = f"Withdrawn: {on_one_line(reason)}" if len(reason) < _REASON_LEAST else on_one_line(reason)
        told: JsonValue = {"reason": shorten(words, _REASON_MOST)}
        place = f"account/articles/{number}/unpublish"
        answer = self._http.ask("POST", place, document=told, accepted=(204, 403, 404))
        if answer.status == 204:
            return None
        self._http.ask("GET", "account")  # a token that is taken no more is refused with the same status
        return f"{self.title} lets this account hide nothing; ask its administrators to unpublish article {number}"

    def _told(self, standing: _Standing) -> Deposit:
        article = standing.article
        return Deposit(
            target=self.name,
            outside_id=standing.outside_id,
            address=self._believed(_ADDRESS, article.url_public_html, article.id),
            doi=self._believed(_DOI, article.doi, article.id),
            state=DepositState.DEPOSITED,
            told_at=self._clock.now(),
        )

    def _kept(self, article: Article, request: DepositRequest) -> str | None:
        """Say what stays of a description that is to be gone: nothing of what was public can be changed or deleted."""
        if not request.record.is_bare:
            return None
        return f"{self.title} keeps what was said of article {article.id}; ask its administrators to delete it"

    def _gone(self, outside_id: str, doi: str | None, *remarks: str | None) -> Deposit:
        return Deposit(
            target=self.name,
            outside_id=outside_id,
            doi=self._believed(_DOI, doi, outside_id),
            state=DepositState.WITHDRAWN,
            told_at=self._clock.now(),
            remark="; ".join(one for one in remarks if one) or None,
        )

    def _believed(self, kind: TypeAdapter[str], said: str | None, article: int | str) -> str | None:
        if not said:
            return None
        try:
            return kind.validate_python(said)
        except ValidationError:
            what = "a DOI" if kind is _DOI else "an address"
            msg = f"{self.title} says of article {article} {what} that is none; look there"
            raise TargetRefused(msg, target=self.name) from None
