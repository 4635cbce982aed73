"""What every target must keep, as tests to inherit: subclass `TargetContract` and give it a fixture `stage`.

Faults strike each request of a call in turn; whatever was broken where, the same call again ends with one deposit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import count
from typing import Protocol, TypeVar

import pytest

from cisterna.domain.access import Extent
from cisterna.domain.credit import Creator
from cisterna.domain.deposit import Deposit, DepositState, deposit_key
from cisterna.domain.erasure import PUBLIC_WORDS
from cisterna.domain.errors import CisternaError, TargetRefused, TargetUnavailable
from cisterna.domain.identifier import ark, dataset_id
from cisterna.domain.project import Access, HumanData
from cisterna.metadata.forms import FORMS
from cisterna.metadata.listing import media_type
from cisterna.metadata.public_described import described_from
from cisterna.metadata.record import Dates, MetadataRecord
from cisterna.ports.publisher import PublicFile, PublicRecord
from cisterna.ports.target import DepositRequest, ReserveRequest, Target
from cisterna.testing.clock import START
from cisterna.testing.outside_server import PASSING, RETRY_SECONDS, Fault

R = TypeVar("R", bound=ReserveRequest)
SITE = "https://data.example.org"
REASON = "The plate was mixed up."
QUICK = frozenset({Fault.ERROR_BODY, Fault.LOST, Fault.THROTTLED})
FAULTS = [pytest.param(fault, marks=() if fault in QUICK else pytest.mark.torture) for fault in Fault]
"""Every fault at every request takes long; what is left to `make torture` ends as one of the quick ones does."""
ERASED_AFTER = [
    pytest.param((), id="deposited"),
    pytest.param(("withdrawn",), id="withdrawn"),
    pytest.param(("narrowed",), id="narrowed", marks=pytest.mark.torture),
]
DESCRIPTIVE = ("Nuclei", "nuclei", "Holm", "Ada", "Björn", "0000-0002-1825-0097", "Seen with", "CC-BY", "mixed up")
"""What a description of ours holds, and the reason for a withdrawal."""
MOST_REQUESTS = 60
"""More than any target makes for one small deposit."""


class Struck(Protocol):
    """A fault that waits for its request."""

    fired: int


class Stage(Protocol):
    """A target and the stand-in that it speaks to.

    Attributes:
        target: Under test.
        secret: Its credential, which must not be seen anywhere.
        faults: What `strike` can do.
    """

    target: Target
    secret: str
    faults: frozenset[Fault]

    def strike(self, fault: Fault, *, skip: int) -> Struck:
        """Break one request, after the next `skip` have passed."""
        ...

    def heal(self) -> None:
        """Break nothing any more."""
        ...

    def standing(self, key: str) -> Sequence[str]:
        """Give the ids of what is to be seen there under a key."""
        ...

    def made(self, key: str) -> Sequence[str]:
        """Give the ids of all that was ever made there under a key and is not thrown away, drafts too."""
        ...

    def told(self, key: str) -> str:
        """Give all that is said there under a key, whoever may see it, as text without escapes."""
        ...

    def writes(self) -> int:
        """Count the requests so far that were to change something."""
        ...

    def strayed(self) -> Sequence[object]:
        """Give the requests that went to another host than the target's."""
        ...


class MemoryBytes:
    """Implements `ports.target.PublicBytes` over bodies by path."""

    def __init__(self, bodies: Mapping[str, bytes]) -> None:
        self._bodies = bodies

    def files(self, record: PublicRecord) -> Iterator[PublicFile]:
        """Give those that the record names."""
        return iter(record.files)

    @contextmanager
    def open(self, file: PublicFile) -> Iterator[Iterator[bytes]]:
        """Give a body in small chunks."""
        body = self._bodies[file.path]
        yield (body[start : start + 7] for start in range(0, len(body), 7))


BODIES: Mapping[str, bytes] = {
    "README.md": b"# Nuclei\n",
    "data/0/A1 0.tiff": b"II*\x00 pixels",
}
FILES = MemoryBytes(BODIES)


def reserve_request(target: str, *, name: str = "plate", number: int = 1) -> ReserveRequest:
    """Make what a target is told before publication."""
    dataset = dataset_id(origin=name)
    return ReserveRequest(
        key=deposit_key(f"{dataset}:v{number}", target=target),
        pid=ark(dataset, naan="12345"),
        version=f"v{number}",
        address=f"{SITE}/{ark(dataset, naan='12345')}",
    )


def deposit_request(
    target: str,
    *,
    name: str = "plate",
    number: int = 1,
    doi: str | None = None,
    bodies: Mapping[str, bytes] = BODIES,
    earlier: tuple[Deposit, ...] = (),
) -> DepositRequest:
    """Make a public version with all its forms, which names a few files."""
    return _made(target, name, number, doi, tuple(bodies.items())).model_copy(update={"earlier": earlier})


@lru_cache(maxsize=256)  # writing fourteen forms takes longer than what is tested with them
def _made(
    target: str, name: str, number: int, doi: str | None, bodies: tuple[tuple[str, bytes], ...]
) -> DepositRequest:
    before = reserve_request(target, name=name, number=number)
    files = tuple(_file(path, body) for path, body in bodies)
    data = [one for one in files if one.path.startswith("data/")]
    metadata = MetadataRecord(
        pid=before.pid,
        dataset_id=dataset_id(origin=name),
        version=before.version,
        data_type="microscopy",
        title=f"Nuclei of {name}",
        description="Seen with a lamp.\nTwice.",
        creators=(Creator(name="Holm, Ada", orcid="0000-0002-1825-0097"), Creator(name="Björn Ek")),
        publisher="National Imaging Facility",
        publication_year=2026,
        licence="CC-BY-4.0",
        access=Access.OPEN,
        human_data=HumanData.NO,
        keywords=("nuclei",),
        dates=Dates(described=START),
        manifest_digest=hashlib.sha512(name.encode()).hexdigest(),
        file_count=len(data),
        total_bytes=sum(one.size_bytes for one in data),
    )
    bare = PublicRecord(
        pid=before.pid,
        dataset_id=metadata.dataset_id,
        version=before.version,
        title=metadata.name,
        metadata=metadata.model_dump(mode="json"),
        files=files,
        doi=doi,
        published_at=START,
    )
    described = described_from(bare, address=before.address)
    documents = {form.media_type: form.write(described).decode() for form in FORMS}
    record = bare.model_copy(update={"documents": documents})
    return DepositRequest(**before.model_dump(), record=record, doi=doi)


def narrowed_of(request: DepositRequest) -> DepositRequest:
    """Make the request of a version of which the description alone is public by now."""
    said = {**request.record.metadata, "access": Access.RESTRICTED.value}
    bare = request.record.model_copy(
        update={"files": (), "documents": {}, "extent": Extent.METADATA, "metadata": said, "doi": request.doi}
    )
    described = described_from(bare, address=request.address)
    forms = {form.media_type: form.write(described).decode() for form in FORMS if not form.is_of_files}
    return request.model_copy(update={"record": bare.model_copy(update={"documents": forms})})


def tombstone_of(request: DepositRequest) -> DepositRequest:
    """Make the request of a withdrawal: the record is the tombstone that the portal shows."""
    gone = {"files": (), "documents": {}, "withdrawn_at": START, "tombstone": REASON}
    kept = {name: request.record.metadata[name] for name in ("title", "creators", "publisher", "publication_year")}
    record = request.record.model_copy(update={**gone, "metadata": kept})
    return request.model_copy(update={"record": record})


def erased_of(request: DepositRequest) -> DepositRequest:
    """Make the request of what was erased: its record tells nothing but the identifiers."""
    bare = {"title": request.pid, "metadata": {}, "tombstone": PUBLIC_WORDS}
    gone = tombstone_of(request)
    return gone.model_copy(update={"record": gone.record.model_copy(update=bare)})


class TargetContract:
    """Tests of `ports.target.Target`. Provide a fixture `stage`, new for each test.

    Attributes:
        forgets: Whether it lets a description be taken back that was public; else it says whom to ask.
    """

    forgets = True

    def test_a_deposit_stands_once_however_often_it_is_asked_for(self, stage: Stage) -> None:
        """With what is known of it, and without."""
        request = deposit_request(stage.target.name)

        first = stage.target.deposit(request, known=None, files=FILES)
        again = [stage.target.deposit(request, known=known, files=FILES) for known in (first, None)]

        assert first.state is DepositState.DEPOSITED
        assert first.target == stage.target.name
        assert {(one.outside_id, one.address, one.doi) for one in again} == {
            (first.outside_id, first.address, first.doi)
        }
        assert stage.standing(request.key) == stage.made(request.key) == [first.outside_id]

    @pytest.mark.parametrize("fault", FAULTS)
    def test_whatever_breaks_where_the_same_call_again_ends_with_one_deposit(self, stage: Stage, fault: Fault) -> None:
        """Also when the target did what it was asked and its answer was lost."""

        def deposit(request: DepositRequest) -> None:
            done = stage.target.deposit(request, known=None, files=FILES)
            assert done.state is DepositState.DEPOSITED
            assert stage.standing(request.key) == stage.made(request.key) == [done.outside_id]

        requests = (deposit_request(stage.target.name, name=f"plate {number}") for number in range(MOST_REQUESTS))
        for request in _struck(stage, fault, requests, deposit):
            deposit(request)

    @pytest.mark.parametrize("fault", FAULTS)
    def test_whatever_breaks_where_the_same_withdrawal_again_hides_it(self, stage: Stage, fault: Fault) -> None:
        """With one deposit each, so that nothing else is hidden."""
        known: dict[str, Deposit] = {}

        def prepared() -> Iterator[DepositRequest]:
            for number in range(MOST_REQUESTS):
                request = deposit_request(stage.target.name, name=f"plate {number}")
                known[request.key] = stage.target.deposit(request, known=None, files=FILES)
                yield tombstone_of(request)

        def withdraw(request: DepositRequest) -> None:
            done = stage.target.withdraw(request, known=known[request.key], reason=REASON)
            assert done is not None
            assert done.state is DepositState.WITHDRAWN
            assert stage.standing(request.key) == [] or done.remark

        for request in _struck(stage, fault, prepared(), withdraw):
            withdraw(request)

    def test_a_withdrawal_finds_what_nobody_told_of_and_leaves_others_alone(self, stage: Stage) -> None:
        """The answer to the deposit never came; and where nothing stands there is nothing to do."""
        request, other = (deposit_request(stage.target.name, name=name) for name in ("plate", "other"))
        stage.target.deposit(request, known=None, files=FILES)
        stage.target.deposit(other, known=None, files=FILES)

        done = stage.target.withdraw(tombstone_of(request), known=None, reason=REASON)
        again = stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)
        unknown = tombstone_of(deposit_request(stage.target.name, name="never there"))
        nothing = stage.target.withdraw(unknown, known=None, reason=REASON)

        assert done is not None
        assert again is not None
        assert done.state is again.state is DepositState.WITHDRAWN
        assert stage.standing(request.key) == [] or done.remark
        assert len(stage.standing(other.key)) == 1
        assert nothing is None or nothing.state is DepositState.WITHDRAWN
        assert stage.standing(unknown.key) == []

    def test_what_narrows_stands_as_it_did_and_is_whole_again_under_the_same_identifier(self, stage: Stage) -> None:
        """A target that cannot says so: it is withdrawn there."""
        request = deposit_request(stage.target.name)
        first = stage.target.deposit(request, known=None, files=FILES)
        if not stage.target.narrows:
            assert stage.target.withdraw(tombstone_of(request), known=first, reason=REASON)
            return

        narrowed = [stage.target.deposit(narrowed_of(request), known=one, files=FILES) for one in (first, None)]
        whole = stage.target.deposit(request, known=narrowed[0], files=FILES)

        for one in (*narrowed, whole):
            assert (one.state, one.outside_id, one.doi) == (DepositState.DEPOSITED, first.outside_id, first.doi)
        assert stage.standing(request.key) == stage.made(request.key) == [first.outside_id]

    @pytest.mark.parametrize("before", ERASED_AFTER)
    def test_of_what_was_erased_no_description_stays_whatever_became_of_it_before(
        self, stage: Stage, before: tuple[str, ...]
    ) -> None:
        """Neither a title, a name nor the reason of an earlier withdrawal."""
        request = deposit_request(stage.target.name)
        known = _brought(stage, request, before)

        done = stage.target.withdraw(erased_of(request), known=known, reason=PUBLIC_WORDS)
        again = stage.target.withdraw(erased_of(request), known=done, reason=PUBLIC_WORDS)

        assert done is not None
        assert again is not None
        assert (done.state, again.state) == (DepositState.WITHDRAWN, DepositState.WITHDRAWN)
        assert again.remark == done.remark
        self._require_forgotten(stage, request, done)

    @pytest.mark.torture
    def test_an_erasure_that_is_cut_off_anywhere_leaves_no_description_once_it_is_asked_for_again(
        self, stage: Stage
    ) -> None:
        """Of what stands, and of what was withdrawn before."""
        known: dict[str, Deposit | None] = {}

        def prepared() -> Iterator[DepositRequest]:
            for number in range(MOST_REQUESTS):
                request = deposit_request(stage.target.name, name=f"plate {number}")
                known[request.key] = _brought(stage, request, ("withdrawn",) if number % 2 else ())
                yield request

        def erase(request: DepositRequest) -> None:
            known[request.key] = stage.target.withdraw(
                erased_of(request), known=known[request.key], reason=PUBLIC_WORDS
            )

        for request in _struck(stage, Fault.LOST, prepared(), erase):
            erase(request)
            done = known[request.key]
            assert done is not None
            self._require_forgotten(stage, request, done)

    def _require_forgotten(self, stage: Stage, request: DepositRequest, done: Deposit) -> None:
        told = stage.told(request.key)
        kept = [one for one in DESCRIPTIVE if one in told]
        if self.forgets:
            assert kept == []
        else:
            assert not kept or done.remark

    def test_a_second_version_stands_beside_the_first(self, stage: Stage) -> None:
        """Each under its own key."""
        first = deposit_request(stage.target.name)
        before = stage.target.deposit(first, known=None, files=FILES)
        bodies = {**BODIES, "data/new.csv": b"1,2\n"}
        second = deposit_request(stage.target.name, number=2, bodies=bodies, earlier=(before,))

        after = stage.target.deposit(second, known=None, files=MemoryBytes(bodies))

        assert after.outside_id != before.outside_id
        assert stage.standing(first.key) == [before.outside_id]
        assert stage.standing(second.key) == [after.outside_id]

    def test_what_is_reserved_is_seen_by_nobody_and_is_what_is_deposited(self, stage: Stage) -> None:
        """A target that reserves nothing says so."""
        asked = reserve_request(stage.target.name)

        reserved = [stage.target.reserve(asked) for _ in range(2)]

        if not stage.target.reserves:
            assert reserved == [None, None]
            assert stage.made(asked.key) == []
            return
        first, again = reserved
        assert first is not None
        assert again is not None
        assert first.doi
        assert first.state is DepositState.RESERVED
        assert (again.doi, again.outside_id) == (first.doi, first.outside_id)
        assert stage.standing(asked.key) == []
        done = stage.target.deposit(deposit_request(stage.target.name, doi=first.doi), known=first, files=FILES)
        assert (done.doi, done.outside_id) == (first.doi, first.outside_id)
        assert stage.made(asked.key) == [first.outside_id]
        late = stage.target.reserve(asked)
        assert late is not None
        assert late.doi == first.doi
        assert stage.standing(asked.key) == [first.outside_id]

    @pytest.mark.parametrize("fault", FAULTS)
    def test_whatever_breaks_where_only_one_identifier_is_reserved(self, stage: Stage, fault: Fault) -> None:
        """A second DOI for one version would be for ever."""
        if not stage.target.reserves:
            assert stage.target.reserve(reserve_request(stage.target.name)) is None
            return

        def reserve(request: ReserveRequest) -> None:
            reserved = stage.target.reserve(request)
            assert reserved is not None
            assert stage.made(request.key) == [reserved.outside_id]

        requests = (reserve_request(stage.target.name, name=f"plate {number}") for number in range(MOST_REQUESTS))
        for request in _struck(stage, fault, requests, reserve):
            reserve(request)

    def test_what_throttles_says_how_long_to_wait(self, stage: Stage) -> None:
        """The driver leaves it alone for as long."""
        if Fault.THROTTLED not in stage.faults:
            pytest.skip("nothing throttles here; another stage of this target does")
        stage.strike(Fault.THROTTLED, skip=0)

        with pytest.raises(TargetUnavailable) as refusal:
            stage.target.deposit(deposit_request(stage.target.name), known=None, files=FILES)

        assert refusal.value.facts["retry_after_seconds"] == RETRY_SECONDS

    def test_a_look_says_whether_it_can_be_used_and_writes_nothing(self, stage: Stage) -> None:
        """`cisterna target test` may be asked at any time."""
        before = stage.writes()

        report = stage.target.test()

        assert report.is_usable, report.words
        assert stage.writes() == before


def _brought(stage: Stage, request: DepositRequest, steps: tuple[str, ...]) -> Deposit | None:
    """Deposit a version, and take these steps with it."""
    known: Deposit | None = stage.target.deposit(request, known=None, files=FILES)
    for step in steps:
        if step == "narrowed" and stage.target.narrows:
            with suppress(TargetRefused):  # then it is withdrawn
                known = stage.target.deposit(narrowed_of(request), known=known, files=FILES)
        elif step == "withdrawn":
            known = stage.target.withdraw(tombstone_of(request), known=known, reason=REASON)
    return known


def _struck(stage: Stage, fault: Fault, requests: Iterator[R], call: Callable[[R], object]) -> Iterator[R]:
    """Break the first request of a call, then the second of another, until a call has no more; give what was called."""
    if fault not in stage.faults:
        pytest.skip(f"nothing is {fault.value} here; another stage of this target breaks it")
    # What is refused at a request leaves there what an answer that is lost at the one before it leaves.
    every = 1 if fault is Fault.LOST else 3
    for skip, request in zip(count(step=every), requests, strict=False):
        struck = stage.strike(fault, skip=skip)
        try:
            call(request)
        except (TargetRefused, TargetUnavailable) as refusal:
            _require_plain(refusal, fault, stage)
        finally:
            stage.heal()
        assert stage.strayed() == [], "a request went to another host"
        yield request
        if not struck.fired:
            assert skip, "no request was broken"
            return
    pytest.fail(f"more than {MOST_REQUESTS} requests for one call")


def _require_plain(refusal: CisternaError, fault: Fault, stage: Stage) -> None:
    words = f"{refusal} {refusal.facts}"
    assert stage.secret not in words, "a credential is told"
    assert len(words) < 3000, "it repeats what it was sent"
    assert "<" not in str(refusal), "it repeats a page"
    if fault in PASSING:
        assert isinstance(refusal, TargetUnavailable), f"waiting may help: {refusal}"


def _file(path: str, body: bytes) -> PublicFile:
    return PublicFile(
        path=path,
        size_bytes=len(body),
        sha512=hashlib.sha512(body).hexdigest(),
        media_type=media_type(path),
        content_key=f"object/v1/content/{path}",
    )
