"""What every target must keep, as tests to inherit: subclass `TargetContract` and give it a fixture `stage`.

Faults strike each request of a call in turn; whatever was broken where, the same call again ends with one deposit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain, count
from typing import ClassVar, Protocol, TypeVar

import pytest

from cisterna.domain.deposit import Deposit, DepositState
from cisterna.domain.erasure import PUBLIC_WORDS
from cisterna.domain.errors import (
    ChecksumMismatch,
    CisternaError,
    StoreUnavailable,
    TargetRefused,
    TargetUnavailable,
)
from cisterna.ports.publisher import PublicFile
from cisterna.ports.target import DepositRequest, ReserveRequest, Target
from cisterna.testing.outside_server import PASSING, RETRY_SECONDS, Fault
from cisterna.testing.target_request import (
    BODIES,
    FILES,
    REASON,
    MemoryBytes,
    deposit_request,
    erased_of,
    narrowed_of,
    reserve_request,
    tombstone_of,
)

R = TypeVar("R", bound=ReserveRequest)
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


class CountedBytes(MemoryBytes):
    """Files that know which of them were read."""

    def __init__(self, bodies: Mapping[str, bytes], *, ends_with: Exception | None = None) -> None:
        super().__init__(bodies)
        self.opened: set[str] = set()
        self._ends_with = ends_with

    @contextmanager
    def open(self, file: PublicFile) -> Iterator[Iterator[bytes]]:
        """Give a body, and after its last chunk raise what it ends with."""
        self.opened.add(file.path)
        with super().open(file) as chunks:
            yield chain(chunks, self._end())

    def _end(self) -> Iterator[bytes]:
        if self._ends_with is not None:
            raise self._ends_with
        yield from ()


SPOILED = [
    pytest.param(ChecksumMismatch("it is not what was archived", path="README.md"), id="not-what-was-archived"),
    pytest.param(
        StoreUnavailable("the archive does not answer", key="README.md"), id="not-to-be-read", marks=pytest.mark.torture
    ),
]
LOOKED = [pytest.param(fault, marks=() if fault is Fault.ERROR_BODY else pytest.mark.torture) for fault in Fault]


class TargetContract:
    """Tests of `ports.target.Target`. Provide a fixture `stage`, new for each test.

    Attributes:
        forgets: Whether it lets a description be taken back that was public; else it says whom to ask.
        struck_by: Where nothing breaks: the class of the same file whose stage breaks the same target.
    """

    forgets = True
    struck_by: ClassVar[str | None] = None

    def test_something_breaks_here_or_in_the_class_that_is_named(self, stage: Stage) -> None:
        """What strikes nothing keeps every promise."""
        if stage.faults:
            assert self.struck_by is None
            return
        other = getattr(sys.modules[type(self).__module__], self.struck_by or "", None)
        assert other, "nothing breaks here: name the class that strikes this target in `struck_by`"
        assert issubclass(other, TargetContract)
        assert other.struck_by is None

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
        assert nothing is None
        assert stage.standing(unknown.key) == []

    def test_what_was_withdrawn_stands_again_once_it_is_public_again(self, stage: Stage) -> None:
        """Access was closed for a while: there is no second one."""
        request = deposit_request(stage.target.name)
        first = stage.target.deposit(request, known=None, files=FILES)
        gone = stage.target.withdraw(tombstone_of(request), known=first, reason=REASON)

        done = stage.target.deposit(request, known=gone, files=FILES)

        assert done.state is DepositState.DEPOSITED
        assert stage.standing(request.key) == stage.made(request.key) == [done.outside_id]

    def test_what_went_out_as_a_description_gets_its_files_once_they_are_public(self, stage: Stage) -> None:
        """One that cannot get them later waits for them."""
        request, other = (deposit_request(stage.target.name, name=name) for name in ("plate", "other"))
        once, later = CountedBytes(BODIES), CountedBytes(BODIES)
        stage.target.deposit(other, known=None, files=once)
        try:
            first = stage.target.deposit(narrowed_of(request), known=None, files=FILES)
        except TargetRefused as refusal:
            if "by itself once" not in str(refusal):
                raise
            first = None

        done = stage.target.deposit(request, known=first, files=later)

        assert later.opened == once.opened
        assert done.state is DepositState.DEPOSITED
        assert stage.standing(request.key) == stage.made(request.key) == [done.outside_id]

    @pytest.mark.parametrize("error", SPOILED)
    def test_of_files_that_cannot_be_read_whole_nothing_is_to_be_seen(self, stage: Stage, error: Exception) -> None:
        """What was sent may not be what was archived; the same call again brings it whole."""
        request = deposit_request(stage.target.name)
        files = CountedBytes(BODIES, ends_with=error)
        try:
            stage.target.deposit(request, known=None, files=files)
        except (ChecksumMismatch, StoreUnavailable):
            assert stage.standing(request.key) == []
        else:
            assert not files.opened, "it was shown all the same"

        done = stage.target.deposit(request, known=None, files=FILES)

        assert stage.standing(request.key) == stage.made(request.key) == [done.outside_id]

    def test_several_versions_at_once_do_not_meet(self, stage: Stage) -> None:
        """Each thread has a key of its own."""
        requests = [deposit_request(stage.target.name, name=f"plate {number}") for number in range(4)]

        with ThreadPoolExecutor(len(requests)) as threads:
            done = list(threads.map(lambda one: stage.target.deposit(one, known=None, files=FILES), requests))

        assert len({one.outside_id for one in done}) == len(requests)
        for request, one in zip(requests, done, strict=True):
            assert stage.standing(request.key) == stage.made(request.key) == [one.outside_id]

    def test_what_a_deposit_left_that_broke_anywhere_goes_with_its_withdrawal(self, stage: Stage) -> None:
        """Nobody was told what stands there, and it may be files."""

        def deposit(request: DepositRequest) -> None:
            stage.target.deposit(request, known=None, files=FILES)

        requests = (deposit_request(stage.target.name, name=f"plate {number}") for number in range(MOST_REQUESTS))
        for request in _struck(stage, Fault.LOST, requests, deposit):
            done = stage.target.withdraw(tombstone_of(request), known=None, reason=REASON)
            assert done is None or done.state is DepositState.WITHDRAWN
            assert stage.standing(request.key) == [] or (done and done.remark)

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

    @pytest.mark.parametrize(("number", "revision"), [(2, 0), (1, 1)], ids=["version", "revision"])
    def test_a_second_version_stands_beside_the_first(self, stage: Stage, number: int, revision: int) -> None:
        """Each under its own key."""
        first = deposit_request(stage.target.name)
        before = stage.target.deposit(first, known=None, files=FILES)
        bodies = {**BODIES, "data/new.csv": b"1,2\n"}
        second = deposit_request(stage.target.name, number=number, revision=revision, bodies=bodies, earlier=(before,))

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

    @pytest.mark.parametrize("fault", LOOKED)
    def test_a_look_at_what_breaks_says_so_in_plain_words(self, stage: Stage, fault: Fault) -> None:
        """`cisterna target test` is what people ask first."""
        if fault not in stage.faults:
            pytest.skip(f"nothing is {fault.value} here; another stage of this target breaks it")
        struck = stage.strike(fault, skip=0)

        try:
            report = stage.target.test()
        except TargetUnavailable as refusal:
            _require_plain(refusal, fault, stage)
            return
        if not struck.fired:
            pytest.skip("a look asks nothing of what breaks here")
        assert fault not in PASSING, "waiting may help"
        assert not report.is_usable
        assert stage.secret not in str(report)


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
