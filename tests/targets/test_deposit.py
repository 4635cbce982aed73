"""Carrying versions to places outside: when, how often, and what becomes of kills, failures and withdrawals."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cisterna.bootstrap.home import Home
from cisterna.domain.alert_message import MessageKind
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.deposit import TARGET_ATTEMPTS, DepositState, DepositWish, after_failure, to_withdraw
from cisterna.domain.errors import (
    Forbidden,
    IdentifierPending,
    NotFound,
    PublicationRefused,
    ReviewPending,
    SettingsInvalid,
    TargetRefused,
    TargetUnavailable,
)
from cisterna.domain.event import Event
from cisterna.domain.identifier import ark, dataset_id
from cisterna.domain.project import Access
from cisterna.metadata.forms import FORMS
from cisterna.ports.publisher import PublicRecord
from cisterna.services.alert_message import alert_message
from cisterna.services.deposit import DepositSite, carry_next
from cisterna.services.deposit_wish import request_deposit
from cisterna.services.publish import bars_to_publication, publish_version
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.memory_target import MemoryTarget
from cisterna.testing.outside_server import Fault
from tests.web.site import Site

DAY = timedelta(days=1)


@pytest.fixture
def target(clock: SettableClock) -> MemoryTarget:
    return MemoryTarget(clock)


@pytest.fixture
def minter(clock: SettableClock) -> MemoryTarget:
    return MemoryTarget(clock, name="minter", reserves=True)


def deposits_on(site: Site, *, home: str = "here") -> DepositSite:
    return DepositSite(
        catalogue=site.catalogue,
        store=site.store,
        tables=site.tables,
        publisher=site.portal,
        clock=site.clock,
        base_url=site.base_url,
        home=home,
    )


def opt_in(site: Site, *names: str) -> None:
    with site.catalogue.begin() as tx:
        project = tx.projects.get("atlas")
        tx.projects.save(project.model_copy(update={"policy": project.policy.model_copy(update={"targets": names})}))


def publish(site: Site, version: Version, *targets: MemoryTarget) -> PublicRecord:
    site.agree(version)
    publish_version(
        version.version_id,
        lease=None,
        catalogue=site.catalogue,
        store=site.store,
        publisher=site.portal,
        tables=site.tables,
        clock=site.clock,
        base_url=site.base_url,
        targets={one.name: one for one in targets} if targets else None,
    )
    return public_record(site, version)


def public_record(site: Site, version: Version) -> PublicRecord:
    record = site.portal.find(site.dataset(version).pid, version=version.label)
    assert record is not None
    return record


def wishes(site: Site, version: Version) -> Sequence[DepositWish]:
    with site.catalogue.begin() as tx:
        return tx.deposits.of(version.dataset_id)


def wish(site: Site, version: Version) -> DepositWish:
    (found,) = wishes(site, version)
    return found


def told(site: Site, version: Version) -> list[str]:
    with site.catalogue.begin() as tx:
        return [one.name for one in tx.outbox.history([version.version_id]) if one.name.startswith("deposit.")]


def last_event(site: Site, version: Version) -> Event:
    with site.catalogue.begin() as tx:
        return next(one for one in tx.outbox.history([version.version_id]) if one.name == "deposit.failed")


def make_wish() -> DepositWish:
    dataset = dataset_id(origin="plate")
    return DepositWish(
        key=f"{dataset}:v1@memory",
        dataset_id=dataset,
        pid=ark(dataset, naan="12345"),
        version_id=f"{dataset}:v1",
        version="v1",
        target="memory",
        asked_by="ada",
        next_at=START,
        created_at=START,
        changed_at=START,
    )


def ask(site: Site, version: Version, target: str = "memory", person: str = "sten") -> DepositWish:
    return request_deposit(
        version.version_id, target, targets={"memory"}, person=person, catalogue=site.catalogue, clock=site.clock
    )


def test_a_project_s_targets_get_each_version_once_it_is_public(site: Site, target: MemoryTarget) -> None:
    opt_in(site, "memory")
    version = site.decide(site.lay_version("plate-7"))
    assert carry_next(target, site=deposits_on(site)) is None

    record = publish(site, version)
    done = carry_next(target, site=deposits_on(site))

    assert done is not None
    assert (done.state, done.asked_by) == (DepositState.DEPOSITED, "ada")
    shelved = target.shelf[done.key]
    assert shelved.record == record
    assert shelved.bodies.keys() == {one.path for one in record.files}
    assert carry_next(target, site=deposits_on(site)) is None
    assert told(site, version) == ["deposit.made"]


def test_the_public_record_tells_where_else_it_stands_only_once_it_does(site: Site, target: MemoryTarget) -> None:
    opt_in(site, "memory")
    version = site.decide(site.lay_version("plate-7"))
    assert publish(site, version).elsewhere == ()

    carry_next(target, site=deposits_on(site))

    (place,) = public_record(site, version).elsewhere
    assert (place.target, place.title, place.doi) == ("memory", "Memory", "10.5072/memory-1")
    site.withdraw(version)
    assert public_record(site, version).elsewhere == ()


def test_what_is_restricted_or_not_public_goes_nowhere(site: Site, target: MemoryTarget) -> None:
    version = site.decide(site.lay_version("plate-7"))
    with pytest.raises(PublicationRefused, match="not public"):
        ask(site, version)
    publish(site, version)
    ask(site, version)
    site.withdraw(version)

    carry_next(target, site=deposits_on(site))

    assert target.shelf == {}
    assert wish(site, version).state is DepositState.WITHDRAWN


@pytest.mark.parametrize(("person", "refusal"), [("rita", Forbidden), ("otto", NotFound), ("nobody", Forbidden)])
def test_only_the_owner_or_a_steward_may_ask(site: Site, person: str, refusal: type[Exception]) -> None:
    version = site.lay_published("plate-7")

    with pytest.raises(refusal):
        ask(site, version, person=person)
    with pytest.raises(NotFound, match="there are: memory"):
        ask(site, version, target="elsewhere")

    assert wishes(site, version) == []


@pytest.mark.parametrize("skip", [0, 1])
def test_a_kill_anywhere_is_made_good_by_the_next_claim_and_makes_no_second(
    site: Site, target: MemoryTarget, skip: int
) -> None:
    version = site.lay_published("plate-7")
    ask(site, version)
    target.strike(Fault.LOST, skip=skip, error=KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        carry_next(target, site=deposits_on(site))
    assert carry_next(target, site=deposits_on(site)) is None, "the claim of the dead still holds"

    site.clock.advance(timedelta(minutes=30))
    done = carry_next(target, site=deposits_on(site))

    assert done is not None
    assert done.state is DepositState.DEPOSITED
    assert len(target.shelf) == 1


def test_what_people_review_is_looked_at_again_and_never_given_up(site: Site, target: MemoryTarget) -> None:
    version = site.lay_published("plate-7")
    ask(site, version)
    for _ in range(TARGET_ATTEMPTS + 1):
        target.strike(Fault.THROTTLED, error=ReviewPending("in review", retry_after_seconds=3600, target="memory"))
        waiting = carry_next(target, site=deposits_on(site))
        assert waiting is not None
        assert (waiting.state, waiting.attempts, waiting.problem) == (DepositState.WANTED, 0, "in review")
        site.clock.advance(timedelta(hours=1))

    done = carry_next(target, site=deposits_on(site))

    assert done is not None
    assert (done.state, done.problem) == (DepositState.DEPOSITED, None)


def test_what_throttles_is_left_alone_for_as_long_as_it_asked(site: Site, target: MemoryTarget) -> None:
    version = site.lay_published("plate-7")
    ask(site, version)
    target.strike(
        Fault.THROTTLED,
        error=TargetUnavailable("too many; token=abcdef0123", retry_after_seconds=7200, target="memory"),
    )

    failed = carry_next(target, site=deposits_on(site))

    assert failed is not None
    assert (failed.state, failed.attempts) == (DepositState.WANTED, 1)
    assert failed.problem == "too many; token=***"
    assert failed.next_at == site.clock.now() + timedelta(hours=2)
    site.clock.advance(timedelta(hours=2) - timedelta(seconds=1))
    assert carry_next(target, site=deposits_on(site)) is None
    site.clock.advance(1.0)
    done = carry_next(target, site=deposits_on(site))
    assert done is not None
    assert (done.state, done.attempts, done.problem) == (DepositState.DEPOSITED, 0, None)


def test_what_is_refused_waits_for_a_person_and_goes_on_when_asked(site: Site, target: MemoryTarget) -> None:
    version = site.lay_published("plate-7")
    ask(site, version)
    target.strike(Fault.BROKEN, error=TargetRefused("the licence is not known there", target="memory"))

    failed = carry_next(target, site=deposits_on(site))
    site.clock.advance(DAY)

    assert failed is not None
    assert (failed.state, failed.problem) == (DepositState.FAILED, "the licence is not known there")
    assert carry_next(target, site=deposits_on(site)) is None
    assert told(site, version) == ["deposit.failed"]
    message = alert_message(last_event(site, version), catalogue=site.catalogue, base_url=site.base_url)
    assert message is not None
    assert (message.kind, message.subject) == (MessageKind.DEPOSIT_FAILED, "A version was given up at memory")
    assert "the licence is not known there" in message.lines
    ask(site, version)
    assert alert_message(last_event(site, version), catalogue=site.catalogue, base_url=site.base_url) is None
    done = carry_next(target, site=deposits_on(site))
    assert done is not None
    assert done.state is DepositState.DEPOSITED


def test_what_never_answers_is_given_up_after_a_bounded_number_of_tries_and_a_withdrawal_never() -> None:
    wanted = [make_wish(), to_withdraw(make_wish(), "The plate was mixed up.", keeps_description=False, now=START)]
    states: list[list[DepositState]] = [[], []]
    for _ in range(TARGET_ATTEMPTS):
        wanted = [after_failure(one, "no answer", may_help=True, now=START) for one in wanted]
        for told, one in zip(states, wanted, strict=True):
            told.append(one.state)

    assert states[0] == [*[DepositState.WANTED] * (TARGET_ATTEMPTS - 1), DepositState.FAILED]
    assert set(states[1]) == {DepositState.WITHDRAWING}
    assert [one.next_at for one in wanted] == [None, START + timedelta(hours=6)]


def test_a_defect_of_a_target_keeps_back_nothing_behind_it(site: Site, target: MemoryTarget) -> None:
    first, second = site.lay_published("plate-7"), site.lay_published("plate-8")
    ask(site, first)
    site.clock.advance(1.0)
    ask(site, second)
    target.strike(Fault.BROKEN, error=ZeroDivisionError("password=hunter2"))

    states = [one.state for _ in range(2) if (one := carry_next(target, site=deposits_on(site)))]

    assert states == [DepositState.WANTED, DepositState.DEPOSITED]
    assert wish(site, first).problem == "ZeroDivisionError: password=***"


def test_a_withdrawal_is_carried_everywhere_and_never_given_up(site: Site, target: MemoryTarget) -> None:
    version = site.lay_published("plate-7")
    ask(site, version)
    carry_next(target, site=deposits_on(site))
    site.withdraw(version, reason="The plate was mixed up.")

    for _ in range(2):
        target.strike(Fault.BROKEN, error=TargetRefused("not now, not ever", target="memory"))
        tried = carry_next(target, site=deposits_on(site))
        target.heal()
        assert tried is not None
        assert (tried.state, tried.problem) == (DepositState.WITHDRAWING, "not now, not ever")
        site.clock.advance(timedelta(hours=6))
    done = carry_next(target, site=deposits_on(site))

    assert done is not None
    assert done.state is DepositState.WITHDRAWN
    shelved = target.shelf[done.key]
    assert (shelved.state, shelved.reason, shelved.bodies) == (DepositState.WITHDRAWN, "The plate was mixed up.", {})
    assert shelved.record is not None
    assert (shelved.record.tombstone, shelved.record.files, shelved.record.documents) == (
        "The plate was mixed up.",
        (),
        {},
    )
    assert told(site, version) == ["deposit.made", "deposit.withdrawn"]


def test_what_is_withdrawn_while_it_is_being_deposited_is_hidden_there_too(site: Site, target: MemoryTarget) -> None:
    version = site.lay_published("plate-7")
    ask(site, version)
    target.during = lambda: site.withdraw(version)

    during = carry_next(target, site=deposits_on(site))
    shown_for_a_moment = target.standing(during.key if during else "")
    done = carry_next(target, site=deposits_on(site))

    assert during is not None
    assert during.state is DepositState.WITHDRAWING
    assert len(shown_for_a_moment) == 1
    assert done is not None
    assert done.state is DepositState.WITHDRAWN
    assert target.standing(done.key) == []
    assert public_record(site, version).elsewhere == ()


def test_what_fails_while_it_is_withdrawn_is_withdrawn_all_the_same(site: Site, target: MemoryTarget) -> None:
    version = site.lay_published("plate-7")
    ask(site, version)

    def withdrawn_then_broken() -> None:
        site.withdraw(version)
        raise TargetUnavailable("it hung up", target="memory")

    target.during = withdrawn_then_broken
    carry_next(target, site=deposits_on(site))
    target.during = lambda: None
    done = carry_next(target, site=deposits_on(site))

    assert done is not None
    assert done.state is DepositState.WITHDRAWN
    assert target.standing(done.key) == []


def test_publication_waits_for_its_doi_and_nothing_is_half_public(site: Site, minter: MemoryTarget) -> None:
    opt_in(site, "minter")
    version = site.decide(site.lay_version("plate-7"))
    minter.strike(Fault.UNREACHED)

    with pytest.raises(IdentifierPending, match="waits for its DOI") as pending:
        publish(site, version, minter)

    assert pending.value.retryable
    assert site.now(version).stage is Stage.ACCEPTED
    assert list(site.public.list("")) == []
    bars = bars_to_publication(version.version_id, person="ada", catalogue=site.catalogue, clock=site.clock)
    assert [one.condition for one in bars] == ["its DOI is not reserved yet at minter: minter is unreached"]
    assert carry_next(minter, site=deposits_on(site)) is None, "nothing is deposited of what is not public"


def test_a_refused_doi_refuses_the_publication_until_somebody_has_acted(site: Site, minter: MemoryTarget) -> None:
    opt_in(site, "minter")
    version = site.decide(site.lay_version("plate-7"))
    minter.strike(Fault.BROKEN, error=TargetRefused("the prefix is not yours", target="minter"))

    with pytest.raises(TargetRefused):
        publish(site, version, minter)
    assert list(site.public.list("")) == []
    minter.heal()
    record = publish(site, version, minter)

    assert record.doi == "10.5072/minter-1"


def test_the_reserved_doi_stands_in_every_form(site: Site, minter: MemoryTarget) -> None:
    opt_in(site, "minter")
    version = site.decide(site.lay_version("plate-7"))

    record = publish(site, version, minter)

    assert record.doi == "10.5072/minter-1"
    for form in FORMS:
        assert "10.5072/minter-1" in record.documents[form.media_type].replace("\\/", "/"), form.name
    assert told(site, version) == ["deposit.reserved"]


def test_a_kill_at_any_step_of_a_reservation_makes_no_second_doi(site: Site, minter: MemoryTarget) -> None:
    opt_in(site, "minter")
    version = site.decide(site.lay_version("plate-7"))
    minter.strike(Fault.LOST, error=KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        publish(site, version, minter)

    record = publish(site, version, minter)
    done = carry_next(minter, site=deposits_on(site))

    assert done is not None
    assert (done.state, done.doi, record.doi) == (DepositState.DEPOSITED, "10.5072/minter-1", "10.5072/minter-1")
    assert len(minter.shelf) == 1
    assert not record.doi_leads_here
    assert public_record(site, version).doi_leads_here
    assert public_record(site, version).elsewhere == (), "its own DOI is no other place"


def test_nothing_is_reserved_for_what_may_not_be_public(site: Site, minter: MemoryTarget) -> None:
    opt_in(site, "minter")
    version = site.lay_version("plate-7")

    with pytest.raises(PublicationRefused):
        publish(site, version, minter)

    assert minter.shelf == {}
    assert wishes(site, version) == []


def test_a_second_version_is_told_what_stands_of_the_first(site: Site, clock: SettableClock) -> None:
    seen: list[Any] = []

    class Watching(MemoryTarget):
        def deposit(self, request: Any, *, known: Any, files: Any) -> Any:
            seen.append([one.outside_id for one in request.earlier])
            return super().deposit(request, known=known, files=files)

    watching = Watching(clock)
    opt_in(site, "memory")
    first = site.decide(site.lay_version("plate-7"))
    publish(site, first)
    carry_next(watching, site=deposits_on(site))
    with site.catalogue.begin() as tx:
        kept = tx.deposits.of(first.dataset_id)[0]
        later = kept.model_copy(
            update={
                "key": f"{first.dataset_id}:v2@memory",
                "state": DepositState.WANTED,
                "deposit": None,
                "next_at": clock.now(),
                "created_at": clock.advance(1.0),
            }
        )
        tx.deposits.put(later)

    carry_next(watching, site=deposits_on(site))

    assert seen == [[], ["memory-1"]]


def test_a_withdrawal_is_told_what_became_of_later_versions(site: Site, clock: SettableClock) -> None:
    """A place that hides all versions together or none has to know which of them are to be seen no more."""
    seen: list[Any] = []

    class Watching(MemoryTarget):
        def withdraw(self, request: Any, *, known: Any, reason: str) -> Any:
            seen.append([(one.outside_id, one.state) for one in request.later])
            return super().withdraw(request, known=known, reason=reason)

    watching = Watching(clock)
    opt_in(site, "memory")
    first = site.decide(site.lay_version("plate-7"))
    publish(site, first)
    carry_next(watching, site=deposits_on(site))
    with site.catalogue.begin() as tx:
        kept = tx.deposits.of(first.dataset_id)[0]
        assert kept.deposit is not None
        gone = kept.deposit.model_copy(update={"outside_id": "memory-2", "state": DepositState.WITHDRAWN})
        later = {"key": f"{first.dataset_id}:v2@memory", "deposit": gone, "created_at": clock.advance(1.0)}
        elsewhere = {"key": f"{first.dataset_id}:v2@other", "target": "other", "created_at": clock.advance(1.0)}
        tx.deposits.put(kept.model_copy(update={**later, "state": DepositState.WITHDRAWN}))
        tx.deposits.put(kept.model_copy(update=elsewhere))
        tx.deposits.put(to_withdraw(kept, "It was mixed up.", keeps_description=False, now=clock.now()))

    carry_next(watching, site=deposits_on(site))

    assert seen == [[("memory-2", DepositState.WITHDRAWN)]]


def test_what_the_settings_do_not_name_is_not_taken_for_a_target_without_a_doi(
    site: Site, target: MemoryTarget
) -> None:
    opt_in(site, "memory", "datacite")
    version = site.decide(site.lay_version("plate-7"))

    with pytest.raises(PublicationRefused, match="names the target 'datacite' and the settings do not"):
        publish(site, version, target)

    assert list(site.public.list("")) == []


def test_what_was_closed_since_it_was_published_goes_out_no_more(site: Site, target: MemoryTarget) -> None:
    version = site.lay_published("plate-7")
    ask(site, version)
    with site.catalogue.begin() as tx:
        project = tx.projects.get("atlas")
        closed = project.defaults.model_copy(update={"access": Access.CLOSED})
        tx.projects.save(project.model_copy(update={"defaults": closed}))

    failed = carry_next(target, site=deposits_on(site))

    assert failed is not None
    assert (failed.state, target.shelf) == (DepositState.FAILED, {})


def test_a_target_that_says_something_else_than_it_was_asked_is_not_believed(site: Site, clock: SettableClock) -> None:
    class Odd(MemoryTarget):
        def deposit(self, request: Any, *, known: Any, files: Any) -> Any:
            done = super().deposit(request, known=known, files=files)
            return done.model_copy(update={"state": DepositState.RESERVED})

    version = site.lay_published("plate-7")
    ask(site, version)

    failed = carry_next(Odd(clock), site=deposits_on(site))

    assert failed is not None
    assert failed.state is DepositState.FAILED
    assert "says that it is reserved" in str(failed.problem)


def test_a_new_dispatcher_takes_what_the_killed_one_had_claimed_at_once(site: Site, target: MemoryTarget) -> None:
    version = site.lay_published("plate-7")
    ask(site, version)
    target.strike(Fault.LOST, error=KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        carry_next(target, site=deposits_on(site))

    with site.catalogue.begin() as tx:
        assert tx.deposits.let_go("here", now=site.clock.now()) == 1

    done = carry_next(target, site=deposits_on(site))
    assert done is not None
    assert done.state is DepositState.DEPOSITED


@pytest.mark.parametrize("other", ["the%e", "her", "here/", "there", "here too"])
def test_a_dispatcher_that_starts_leaves_alone_what_another_home_is_at(
    site: Site, target: MemoryTarget, other: str
) -> None:
    ask(site, site.lay_published("plate-7"))
    with site.catalogue.begin() as tx:
        now = site.clock.now()
        mine = tx.deposits.claim(target.name, now=now, until=now + DAY, claim="here/1")
    assert mine is not None

    with site.catalogue.begin() as tx:
        assert tx.deposits.let_go(other, now=now) == 0
        tx.deposits.renew(mine.key, claim="here/1", until=now + DAY)


def test_a_home_keeps_its_name_however_many_ask_at_first_and_no_other_has_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: Home(tmp_path / "one").name(), range(8)))

    assert names == {Home(tmp_path / "one").name()}
    assert Home(tmp_path / "other").name() not in names
    assert [one.name for one in (tmp_path / "one").iterdir()] == ["name"]


def test_a_home_that_cannot_be_used_has_no_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(SettingsInvalid, match="cannot be used"):
        Home(tmp_path / "file").name()
