"""DOIs by DataCite: one for a version whatever breaks, findable only while it is public, and there for ever."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from cisterna.adapters.datacite_service import DataCiteService, DoiEvent, DoiState
from cisterna.adapters.target_datacite import DataCiteTarget
from cisterna.domain.deposit import Deposit, DepositState
from cisterna.domain.doi import doi_of
from cisterna.domain.errors import InvalidInput, TargetRefused, TargetUnavailable
from cisterna.domain.identifier import ark, dataset_id
from cisterna.ports.target import DepositRequest
from cisterna.testing.clock import SettableClock
from cisterna.testing.datacite_stand_in import DataCiteStandIn, KeptDoi
from cisterna.testing.fault_proxy import Effect, FaultProxy, Rule
from cisterna.testing.outside_server import Fault, OutsideServer, said, strike
from cisterna.testing.target_contract import Stage, TargetContract
from cisterna.testing.target_request import (
    FILES,
    REASON,
    SITE,
    deposit_request,
    erased_of,
    narrowed_of,
    reserve_request,
    tombstone_of,
)
from tests.metadata.datacite_interface import attribute_schemas, breaches, interface
from tests.metadata.rocrate import specs

NAME = "datacite"
PREFIX = "10.5555"
PASSWORD = "correct horse"


def a_stand_in() -> DataCiteStandIn:
    """The service; what passes is held against its own description where that is to be had."""
    has_specs = Path(os.environ.get("CISTERNA_SPECS", "no folder")).is_dir()
    return DataCiteStandIn(password=PASSWORD, prefix=PREFIX, check=breaches if has_specs else None)


class DataCiteStage:
    """Implements `testing.target_contract.Stage`."""

    def __init__(self) -> None:
        self.service, self.elsewhere = a_stand_in(), OutsideServer()
        self.proxy = FaultProxy("")
        self.secret = PASSWORD
        self.faults = frozenset(Fault)

    def __enter__(self) -> Self:
        self.service.__enter__()
        self.elsewhere.__enter__()
        self.proxy.upstream = self.service.url
        self.proxy.__enter__()
        self.target = a_target(self.proxy.url)
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self.proxy, self.elsewhere, self.service):
            one.__exit__(None, None, None)

    def clear(self) -> None:
        """Be as if new; servers and client cost more to start than what is tested with them."""
        self.proxy.heal()
        self.proxy.tamper, self.service.domains = None, ()
        for kept in (self.service.dois, self.service.seen, self.service.breaches, self.elsewhere.seen):
            kept.clear()

    def strike(self, fault: Fault, *, skip: int) -> Rule:
        return strike(self.proxy, fault, skip=skip, elsewhere=self.elsewhere.url)

    def heal(self) -> None:
        self.proxy.heal()

    def standing(self, key: str) -> Sequence[str]:
        return [one.doi for one in self._under(key) if one.state == "findable"]

    def made(self, key: str) -> Sequence[str]:
        return [one.doi for one in self._under(key)]

    def told(self, key: str) -> str:
        return json.dumps([one.attributes for one in self._under(key)], ensure_ascii=False)

    def writes(self) -> int:
        return sum(one.method != "GET" for one in self.service.seen)

    def strayed(self) -> Sequence[object]:
        return self.elsewhere.seen

    def _under(self, key: str) -> Iterator[KeptDoi]:
        version = key.removeprefix("ds-").removesuffix(f"@{NAME}").replace(":", ".")
        return (one for one in self.service.dois.values() if one.doi.endswith(version))


def a_target(
    url: str, *, prefix: str = PREFIX, repository: str = "ABCD.EFGH", password: str = PASSWORD
) -> DataCiteTarget:
    clock = SettableClock()
    service = DataCiteService(url, repository=repository, password=SecretStr(password), clock=clock)
    return DataCiteTarget(service, prefix=prefix, clock=clock)


@pytest.fixture(scope="module")
def shared() -> Iterator[DataCiteStage]:
    with DataCiteStage() as made:
        yield made


@pytest.fixture
def stage(shared: DataCiteStage) -> Iterator[DataCiteStage]:
    shared.clear()
    yield shared
    assert shared.service.breaches == []


class TestDataCite(TargetContract):
    """The kit of the port."""

    def test_an_erasure_that_is_cut_off_anywhere_leaves_no_description_once_it_is_asked_for_again(
        self, stage: Stage
    ) -> None:
        """It costs little here, so it is no torture."""
        super().test_an_erasure_that_is_cut_off_anywhere_leaves_no_description_once_it_is_asked_for_again(stage)


def doi(name: str = "plate", version: str = "v1") -> str:
    return doi_of(ark(dataset_id(origin=name), naan="12345"), version, prefix=PREFIX)


def related(kept: KeptDoi) -> dict[str, str]:
    return {one["relationType"]: one["relatedIdentifier"] for one in kept.attributes["relatedIdentifiers"]}


def test_what_passes_is_held_against_the_services_own_description(stage: DataCiteStage) -> None:
    specs()  # or skip: without it nothing was compared in the other tests either
    request = deposit_request(NAME)

    stage.target.test()
    stage.target.reserve(request)
    stage.target.deposit(request, known=None, files=FILES)
    stage.target.withdraw(tombstone_of(request), known=None, reason=REASON)

    assert stage.service.breaches == []
    seen = [(one.method, one.path) for one in stage.service.seen]
    assert ("POST", "/dois") in seen
    assert ("PUT", f"/dois/{doi()}") in seen
    [asked] = [one for one in stage.service.seen if one.method == "POST"]
    odd = asked._replace(body=asked.body.replace(b'"url"', b'"adress"'))
    stage.service.take(odd)
    assert any("adress is not described" in one for one in stage.service.breaches)
    stage.service.breaches.clear()


def test_a_doi_is_made_of_the_ark_and_the_version() -> None:
    pid = ark(dataset_id(origin="plate"), naan="12345")
    name = pid.rpartition("/")[2]

    assert doi_of(pid, "v1", prefix="10.1234") == f"10.1234/{name}.v1"
    assert doi_of(pid, "v2.1", prefix="10.1234") == f"10.1234/{name}.v2.1"
    with pytest.raises(InvalidInput, match="not the ARK of a dataset"):
        doi_of(f"{pid}/part-0001", "v1", prefix="10.1234")


def test_a_draft_tells_nothing_but_where_it_will_lead(stage: DataCiteStage) -> None:
    request = reserve_request(NAME)

    reserved = stage.target.reserve(request)

    assert stage.service.dois[doi()].attributes == {"url": f"{SITE}/{request.pid}/v1"}
    assert reserved.state is DepositState.RESERVED
    assert (reserved.doi, reserved.address) == (doi(), None)


def test_a_findable_doi_says_what_is_public_and_leads_to_the_versions_own_page(stage: DataCiteStage) -> None:
    request = deposit_request(NAME, doi=doi())
    stage.target.reserve(request)

    done = stage.target.deposit(request, known=None, files=FILES)

    kept = stage.service.dois[doi()]
    assert kept.states == ["draft", "findable"]
    assert done.address == f"https://doi.org/{doi()}"
    assert kept.attributes["url"] == f"{SITE}/{request.pid}/v1"
    assert kept.attributes["titles"] == [{"title": "Nuclei of plate"}]
    assert kept.attributes["identifiers"] == [{"identifier": f"{request.pid}/v1", "identifierType": "ARK"}]
    assert related(kept) == {"IsVersionOf": request.pid}


def test_a_version_that_was_public_without_a_doi_gets_one_that_names_its_ark(stage: DataCiteStage) -> None:
    request = deposit_request(NAME)
    assert "doi" not in request.record.documents["application/vnd.datacite.datacite+json"]

    done = stage.target.deposit(request, known=None, files=FILES)

    kept = stage.service.dois[doi()]
    assert (done.doi, kept.states) == (doi(), ["draft", "findable"])
    assert kept.attributes["identifiers"] == [{"identifier": f"{request.pid}/v1", "identifierType": "ARK"}]


def test_a_version_names_the_one_that_was_public_before_it(stage: DataCiteStage) -> None:
    before = stage.target.deposit(deposit_request(NAME), known=None, files=FILES)
    draft = stage.target.reserve(reserve_request(NAME, number=2))
    request = deposit_request(NAME, number=3, earlier=(draft, before))

    stage.target.deposit(request, known=None, files=FILES)

    kept = stage.service.dois[doi(version="v3")]
    assert related(kept) == {"IsVersionOf": request.pid, "IsNewVersionOf": doi()}


def test_a_doi_that_an_older_version_gets_afterwards_does_not_make_it_the_newer_one(stage: DataCiteStage) -> None:
    """Version 1 was public without a DOI when version 2 got one."""
    newer = [stage.target.deposit(deposit_request(NAME, number=number), known=None, files=FILES) for number in (10, 2)]
    request = deposit_request(NAME, number=3, earlier=tuple(newer))

    stage.target.deposit(request, known=None, files=FILES)

    kept = stage.service.dois[doi(version="v3")]
    assert related(kept) == {"IsVersionOf": request.pid, "IsNewVersionOf": doi(version="v2")}


def test_a_hidden_doi_is_not_found_and_still_leads_to_the_tombstone(stage: DataCiteStage) -> None:
    request = deposit_request(NAME)
    known = stage.target.deposit(request, known=None, files=FILES)

    hidden = stage.target.withdraw(tombstone_of(request), known=known, reason=REASON)

    kept = stage.service.dois[doi()]
    assert kept.states[-2:] == ["findable", "registered"]
    assert kept.attributes["url"] == f"{SITE}/{request.pid}/v1"
    assert hidden is not None
    assert hidden.address is None
    assert "DELETE" not in {one.method for one in stage.service.seen}


def changes(stage: DataCiteStage) -> list[dict[str, Any]]:
    return [one.json["data"]["attributes"] for one in stage.service.seen if one.method == "PUT"]


@pytest.mark.parametrize("before", ["findable", "hidden", "narrowed", "draft"])
def test_an_erased_version_is_told_as_its_tombstone_tells_it_in_one_change_and_no_second_one(
    stage: DataCiteStage, before: str
) -> None:
    request = deposit_request(NAME, doi=doi())
    known: Deposit | None = stage.target.reserve(request)
    if before != "draft":
        known = stage.target.deposit(request, known=known, files=FILES)
    if before == "narrowed":
        known = stage.target.deposit(narrowed_of(request), known=known, files=FILES)
    if before == "hidden":
        known = stage.target.withdraw(tombstone_of(request), known=known, reason=REASON)
    stage.service.seen.clear()

    erased = [stage.target.withdraw(erased_of(request), known=one, reason=REASON) for one in (known, None)]

    kept = stage.service.dois[doi()]
    assert [one and one.state for one in erased] == [DepositState.WITHDRAWN] * 2
    assert kept.state == "registered"
    assert len(changes(stage)) == 1
    said = {name: value for name, value in kept.attributes.items() if value}
    assert said.pop("url") == f"{SITE}/{request.pid}/v1"
    assert said.pop("schemaVersion", None) in {None, "http://datacite.org/schema/kernel-4"}
    assert said == {
        "creators": [{"name": ":unav"}],
        "titles": [{"title": request.pid}],
        "publisher": {"name": ":unav"},
        "publicationYear": 2026,
        "types": {"resourceTypeGeneral": "Dataset"},
        "version": "v1",
        "identifiers": [{"identifier": f"{request.pid}/v1", "identifierType": "ARK"}],
    }


def test_whoever_erases_is_told_that_the_service_keeps_a_record_of_what_it_told(stage: DataCiteStage) -> None:
    request = deposit_request(NAME)
    known = stage.target.deposit(request, known=None, files=FILES)

    hidden = stage.target.withdraw(tombstone_of(request), known=known, reason=REASON)
    erased = stage.target.withdraw(erased_of(request), known=hidden, reason=REASON)

    assert hidden is not None
    assert hidden.remark is None
    assert erased is not None
    assert "ask its support to remove that" in str(erased.remark)


def test_an_ordinary_withdrawal_leaves_the_description_where_nobody_else_sees_it(stage: DataCiteStage) -> None:
    request = deposit_request(NAME)
    known = stage.target.deposit(request, known=None, files=FILES)
    said = dict(stage.service.dois[doi()].attributes)
    stage.service.seen.clear()

    for one in (known, None):
        stage.target.withdraw(tombstone_of(request), known=one, reason=REASON)

    assert changes(stage) == [{"event": "hide"}]
    assert stage.service.dois[doi()].attributes == said


@pytest.mark.parametrize("before", [(), ("withdrawn",)], ids=["findable", "hidden"])
def test_an_account_that_is_not_shown_what_stands_does_not_take_it_for_gone(
    stage: DataCiteStage, before: tuple[str, ...]
) -> None:
    """The settings name another repository by now: what is hidden is shown to its own alone."""
    request = deposit_request(NAME)
    known: Deposit | None = stage.target.deposit(request, known=None, files=FILES)
    if before:
        known = stage.target.withdraw(tombstone_of(request), known=known, reason=REASON)
    stage.service.dois.clear()

    with pytest.raises(TargetRefused, match="see that the repository in the settings"):
        stage.target.withdraw(erased_of(request), known=known, reason=REASON)


def test_what_goes_on_being_told_after_an_erasure_is_not_taken_for_gone(stage: DataCiteStage) -> None:
    request = deposit_request(NAME)
    stage.target.deposit(request, known=None, files=FILES)
    stage.proxy.tamper = lambda _, said: (said[0], said[1], said[2].replace(b'"subjects": []', b'"subjects":[1]'))

    with pytest.raises(TargetRefused, match="goes on telling subjects") as refusal:
        stage.target.withdraw(erased_of(request), known=None, reason=REASON)

    assert refusal.value.facts["fields"] == ["subjects"]


def test_what_stood_hidden_is_described_as_a_whole_again_when_it_is_public_again(stage: DataCiteStage) -> None:
    """Nothing of it was public for a while: its tombstone was bare."""
    request = deposit_request(NAME)
    known: Deposit | None = stage.target.deposit(request, known=None, files=FILES)
    said = dict(stage.service.dois[doi()].attributes)
    known = stage.target.withdraw(erased_of(request), known=known, reason=REASON)

    stage.target.deposit(request, known=known, files=FILES)

    kept = stage.service.dois[doi()]
    assert (kept.attributes, kept.state) == (said, "findable")


def test_a_description_that_became_narrower_leaves_nothing_of_the_files(stage: DataCiteStage) -> None:
    """The service keeps what a change does not name."""
    request = deposit_request(NAME)
    known = stage.target.deposit(request, known=None, files=FILES)
    assert stage.service.dois[doi()].attributes["formats"]

    stage.target.deposit(narrowed_of(request), known=known, files=FILES)

    assert stage.service.dois[doi()].attributes["formats"] == []


def test_every_attribute_that_the_interface_takes_is_named_in_every_description(stage: DataCiteStage) -> None:
    request = deposit_request(NAME)
    metadata = interface()["components"]["schemas"]["DoiPropertiesMetadata"]["properties"]
    all_of_it = {name for name, said in metadata.items() if not said.get("readOnly")}

    stage.target.deposit(request, known=None, files=FILES)
    stage.target.withdraw(erased_of(request), known=None, reason=REASON)

    sent = [set(one.json["data"]["attributes"]) for one in stage.service.seen if one.method in {"POST", "PUT"}]
    assert [all_of_it - one for one in sent] == [set(), set()]


def test_a_draft_that_stood_on_a_page_leads_to_the_tombstone_after_all(stage: DataCiteStage) -> None:
    request = deposit_request(NAME, doi=doi())
    known = stage.target.reserve(request)

    withdrawn = stage.target.withdraw(tombstone_of(request), known=known, reason=REASON)

    kept = stage.service.dois[doi()]
    assert withdrawn is not None
    assert (withdrawn.state, kept.states) == (DepositState.WITHDRAWN, ["draft", "registered"])
    assert kept.attributes["creators"] == [{"name": "Holm, Ada"}, {"name": "Björn Ek"}]
    assert kept.attributes["titles"] == [{"title": "Nuclei of plate"}]
    assert "descriptions" not in kept.attributes


def test_what_was_registered_and_not_yet_found_becomes_findable(stage: DataCiteStage) -> None:
    """A target that died between both, or a person who registered it at the service."""
    request = deposit_request(NAME)
    url = f"{SITE}/{request.pid}/v1"
    kept = stage.service.keep(doi(), "registered", repository="ABCD.EFGH", url=url)

    assert stage.target.reserve(request).state is DepositState.RESERVED
    assert stage.target.deposit(request, known=None, files=FILES).state is DepositState.DEPOSITED
    assert kept.states == ["registered", "findable"]


def test_the_same_again_after_the_site_has_moved_leads_to_its_new_address(stage: DataCiteStage) -> None:
    request = deposit_request(NAME)
    was = {"url": f"https://old.example.org/data/{request.pid}/v1"}
    kept = stage.service.keep(doi(), "findable", repository="ABCD.EFGH", **was)

    stage.target.deposit(request, known=None, files=FILES)

    assert kept.attributes["url"] == f"{SITE}/{request.pid}/v1"


@pytest.mark.parametrize(
    ("state", "repository", "url", "words"),
    [
        ("findable", "OTHER.ONE", None, "belongs to the repository other.one"),
        ("draft", "OTHER.ONE", None, "is a draft of another repository's"),
        ("findable", "ABCD.EFGH", "https://other.example.org/42", "leads to https://other.example.org/42"),
        ("draft", "ABCD.EFGH", "https://data.example.org/ark:/12345/other/v1", "which is no page of"),
        ("draft", "ABCD.EFGH", "https://[/<b>\u202e", r"leads to https://\[/ b>, which is no page of"),
        ("findable", "<B>\u202e", None, "belongs to the repository b>;"),
    ],
    ids=["another's", "another's draft", "another address", "another dataset", "no address", "no name"],
)
def test_a_doi_that_is_not_ours_is_left_as_it_is(
    stage: DataCiteStage, state: str, repository: str, url: str | None, words: str
) -> None:
    request = deposit_request(NAME)
    address = url or f"{SITE}/{request.pid}/v1"
    kept = stage.service.keep(doi(), state, repository=repository, url=address)

    calls: tuple[Callable[[], object], ...] = (
        lambda: stage.target.reserve(request),
        lambda: stage.target.deposit(request, known=None, files=FILES),
    )
    for call in calls:
        with pytest.raises(TargetRefused, match=words):
            call()

    assert (kept.attributes, kept.states) == ({"url": address}, [state])


def test_a_version_with_a_doi_from_elsewhere_gets_no_second_one(stage: DataCiteStage) -> None:
    request = deposit_request(NAME, doi="10.5281/zenodo.42")

    with pytest.raises(TargetRefused, match="it gets no second one"):
        stage.target.deposit(request, known=None, files=FILES)
    assert stage.target.withdraw(tombstone_of(request), known=None, reason=REASON) is None
    assert stage.service.dois == {}

    drafted = stage.target.reserve(request)
    with pytest.raises(TargetRefused, match="it gets no second one"):
        stage.target.deposit(request, known=drafted, files=FILES)
    assert stage.target.withdraw(tombstone_of(request), known=drafted, reason=REASON) is None
    assert stage.service.dois[doi()].states == ["draft"], "it was never seen"


def test_a_doi_stays_when_the_prefix_of_new_ones_is_another(stage: DataCiteStage) -> None:
    request = deposit_request(NAME, doi=doi())
    known = stage.target.deposit(request, known=None, files=FILES)
    later = a_target(stage.service.url, prefix="10.7777")

    assert later.deposit(request, known=known, files=FILES).doi == doi()
    hidden = later.withdraw(tombstone_of(request), known=known, reason=REASON)
    assert hidden is not None
    assert [one.state for one in stage.service.dois.values()] == ["registered"]


def test_a_refusal_names_the_fields_that_the_service_does_not_take(stage: DataCiteStage) -> None:
    stage.service.domains = ("elsewhere.example.org",)
    request = deposit_request(NAME)
    stage.target.reserve(request)

    with pytest.raises(TargetRefused, match=r"url: URL .* is not allowed by repository") as refusal:
        stage.target.deposit(request, known=None, files=FILES)

    assert refusal.value.facts["fields"] == ["url"]
    assert stage.service.dois[doi()].state == "draft"


def test_wrong_credentials_and_a_prefix_of_another_are_told_apart(stage: DataCiteStage) -> None:
    wrong = a_target(stage.service.url, password="battery staple")
    foreign = a_target(stage.service.url, prefix="10.7777")

    assert "401" in wrong.test().words
    assert "has not assigned the prefix 10.7777 to abcd.efgh" in foreign.test().words
    assert not wrong.test().is_usable
    assert not foreign.test().is_usable
    for target in (wrong, foreign):
        with pytest.raises(TargetRefused, match="does not accept the credential") as refusal:
            target.reserve(reserve_request(NAME))
        assert "staple" not in f"{refusal.value}{refusal.value.facts}"
    assert stage.service.dois == {}


@pytest.mark.parametrize(
    ("status", "content", "words"),
    [
        (200, {"data": {"type": "dois", "attributes": {"doi": "10.5555/other", "state": "findable"}}}, "10.5555/other"),
        (200, {"data": {"type": "dois", "attributes": {"doi": "SAME", "state": "sold"}}}, "data.attributes.state"),
        (200, {"data": []}, "data"),
        (200, {"data": {"type": "dois", "attributes": {"doi": "SAME", "state": "draft"}}, "errors": [1]}, "errors"),
        (404, {"message": "no such bucket"}, "errors"),
        (404, {"errors": []}, "errors"),
        (418, {"errors": [{"title": "<b>\u202e no"}]}, "418"),
    ],
    ids=["another DOI", "another state", "a list", "with errors", "another's 404", "an empty 404", "a joke"],
)
def test_an_answer_that_cannot_be_believed_is_refused(status: int, content: Any, words: str) -> None:
    class Odd(OutsideServer):
        def answer(self, asked: object) -> Any:
            del asked
            status_line, headers, body = said(status, content)
            return status_line, headers, body.replace(b"SAME", doi().encode())

    with Odd() as service, pytest.raises(TargetRefused, match=words) as refusal:
        a_target(service.url).reserve(reserve_request(NAME))
    assert "\u202e" not in str(refusal.value)
    assert "<" not in str(refusal.value)


def test_a_gateway_that_answers_with_a_page_is_asked_again_and_not_repeated(stage: DataCiteStage) -> None:
    page = 502, [("Content-Type", "text/html")], b"<html><h1>Bad gateway</h1></html>"
    stage.proxy.add(Rule(Effect.ANSWER, answer=lambda _: page))

    with pytest.raises(TargetUnavailable, match="502") as refusal:
        stage.target.reserve(reserve_request(NAME))

    assert "<" not in str(refusal.value)


def test_a_state_that_the_service_did_not_change_is_not_taken_for_done(stage: DataCiteStage) -> None:
    """It passes over an event that does not fit, with 200."""
    request = deposit_request(NAME)
    stage.proxy.tamper = lambda _, answer: (answer[0], answer[1], answer[2].replace(b'"findable"', b'"draft"   '))

    with pytest.raises(TargetRefused, match=r"make .* findable and left it draft"):
        stage.target.deposit(request, known=None, files=FILES)


STEPS = ("reserve", "deposit", "withdraw")
MAY_BE = ({None, "draft"}, {"draft", "findable"}, {"findable", "registered"}, {"registered"})
"""States after so many steps are known to be done; the next one may have been done and not be known."""
PARTED = (Fault.UNREACHED, Fault.LOST, Fault.CUT, Fault.THROTTLED, Fault.ERROR_BODY)
"""Faults that leave in doubt what was done; the kit strikes with all of them."""
faults = st.tuples(st.sampled_from([None, *PARTED]), st.integers(0, 1))


@settings(max_examples=10, deadline=None)  # the kit breaks each request of each step
@given(calls=st.lists(st.tuples(st.integers(1, 2), faults), min_size=1, max_size=12), tells=st.booleans())
def test_one_doi_for_a_version_whatever_breaks_and_findable_only_while_it_is_public(
    shared: DataCiteStage, calls: list[tuple[int, tuple[Fault | None, int]]], tells: bool
) -> None:
    """Each version goes from step to step when a call succeeds; a call that broke is made again, or never."""
    shared.clear()
    done = {1: 0, 2: 0}
    known: dict[int, Deposit | None] = {1: None, 2: None}

    for number, (fault, skip) in calls:
        if done[number] == len(STEPS):
            continue
        if fault:
            shared.strike(fault, skip=skip)
        try:
            said_back = call(shared.target, STEPS[done[number]], number, known[number])
            known[number] = said_back if tells else None  # or the caller died before it wrote it down
            done[number] += 1
        except (TargetUnavailable, TargetRefused):
            pass
        finally:
            shared.heal()
        kept = shared.service.dois.get(doi(version=f"v{number}"))
        assert (kept.state if kept else None) in MAY_BE[done[number]]

    for number, count in done.items():
        for step in STEPS[count:]:
            call(shared.target, step, number, None)

    assert sorted(shared.service.dois) == [doi(version="v1"), doi(version="v2")]
    for kept in shared.service.dois.values():
        assert kept.states == ["draft", "findable", "registered"]
    assert {one.method for one in shared.service.seen} <= {"GET", "POST", "PUT"}
    assert shared.service.breaches == []


@cache
def asked_for(number: int) -> DepositRequest:
    return deposit_request(NAME, number=number, doi=doi(version=f"v{number}"))


def call(target: DataCiteTarget, step: str, number: int, known: Deposit | None) -> Deposit | None:
    request = asked_for(number)
    match step:
        case "reserve":
            return target.reserve(request)
        case "deposit":
            return target.deposit(request, known=known, files=FILES)
        case _:
            return target.withdraw(tombstone_of(request), known=known, reason=REASON)


def test_events_and_states_are_those_that_the_service_has() -> None:
    assert set(attribute_schemas()["event"]["enum"]) == {one.value for one in DoiEvent}
    assert set(interface()["components"]["schemas"]["state"]["enum"]) == {one.value for one in DoiState}
