"""What the gate keeps back is as safe as anything, and goes nowhere before a steward has said so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.cli.rehearsal import Rehearsal
from cisterna.domain.dataset import Relation, Stage, Version
from cisterna.domain.errors import (
    DecisionRefused,
    Forbidden,
    InvalidInput,
    NotFound,
    ObjectNotFound,
    PublicationRefused,
    Quarantined,
)
from cisterna.domain.finding import Verdict
from cisterna.domain.project import ViewFormat
from cisterna.domain.review import Act
from cisterna.domain.work import Attempt, WorkKind
from cisterna.ports.publisher import PublicRecord
from cisterna.services.check import check_object, require_ok
from cisterna.services.discard import discard_version
from cisterna.services.infer import infer_version
from cisterna.services.publish import publish_version, request_publication
from cisterna.services.reprocess import request_reprocess
from cisterna.services.review import open_acts, settle_version
from cisterna.testing.bright_runner import BrightRunner, make_card
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_checklist, make_receipt, make_sha512, make_work
from tests.archive.facility import RUN, Facility
from tests.web.site import Site

KEPT_BACK = pytest.mark.parametrize("verdict", [Verdict.QUARANTINED, Verdict.NOT_ASSESSED])
WORDS = "The camera was covered: no cell is in it."


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    made = Site(catalogue, clock)
    made.settle_people()
    return made


def discard(site: Site, version: Version, **how: Any) -> Version:
    fields = {"person": "sten", "reason": WORDS, "evidence_digest": version.evidence_digest, "publisher": site.portal}
    return discard_version(version.version_id, catalogue=site.catalogue, clock=site.clock, **{**fields, **how})


def run_model(site: Site, version: Version, *, person: str = "rita") -> None:
    request_reprocess(
        version.version_id, model="bright", person=person, reason="Count.", catalogue=site.catalogue, clock=site.clock
    )


def judge_again(site: Site, version: Version, *, person: str = "rita") -> Version:
    return request_reprocess(
        version.version_id,
        from_stage=Stage.GATED,
        person=person,
        reason="The limit was wrong.",
        catalogue=site.catalogue,
        clock=site.clock,
    ).version


def lease(site: Site, version: Version) -> Attempt:
    with site.catalogue.begin() as tx:
        work = tx.inbox.request(make_work(f"work-{site.clock.new_id()}", subject=version.version_id))
        claim = tx.inbox.claim(
            owner="me",
            run_id=site.clock.new_id(),
            now=site.clock.now(),
            lease=timedelta(minutes=5),
            work_id=work.work_id,
        )
    assert claim is not None
    return claim.attempt


def settle(site: Site, version: Version) -> Version:
    desk = replace(site.desk, checklist=make_checklist())
    return settle_version(
        version.version_id, lease=lease(site, version), desk=desk, catalogue=site.catalogue, clock=site.clock
    )


def infer(site: Site, version: Version, runner: BrightRunner) -> Version:
    return infer_version(
        version.version_id,
        "bright",
        lease=lease(site, version),
        catalogue=site.catalogue,
        store=site.store,
        inference=runner,
        tables=site.tables,
        clock=site.clock,
    )


def publish(site: Site, version: Version, publisher: Any, consent: str | None) -> None:
    if consent is not None:
        site.agree(version, person=consent)
    publish_version(
        version.version_id,
        lease=None,
        catalogue=site.catalogue,
        store=site.store,
        publisher=publisher,
        tables=site.tables,
        clock=site.clock,
        base_url=site.base_url,
    )


def asked_for(site: Site, version: Version) -> list[WorkKind]:
    with site.catalogue.begin() as tx:
        return [one.kind for one in tx.inbox.list(subject=version.version_id) if one.kind is not WorkKind.INGEST]


class AnyTarget:
    """Stands for whatever target there may be, and remembers what it was given."""

    name = "somewhere"

    def __init__(self) -> None:
        self.given: list[PublicRecord] = []

    def find(self, pid: str, *, version: str) -> PublicRecord | None:
        return next((one for one in self.given if one.pid == pid and one.version == version), None)

    def publish(self, record: PublicRecord) -> str:
        self.given.append(record)
        return f"http://somewhere/{record.pid}"

    def withdraw(self, record: PublicRecord) -> None:
        self.given.remove(record)


@KEPT_BACK
def test_the_bytes_of_what_the_gate_keeps_back_are_archived_and_read_back_like_any(
    catalogue: SqlCatalogue, clock: SettableClock, tmp_path: Path, verdict: Verdict
) -> None:
    facility = Facility(catalogue, clock, tmp_path, verdict=verdict)
    facility.write("run", RUN)
    version = facility.detect("run")

    receipt = facility.ingest(version.version_id)

    kept = facility.version(version.version_id)
    assert (kept.stage, kept.verdict) == (Stage.VERIFIED, verdict)
    assert receipt is not None
    assert receipt.manifest_digest == kept.manifest_digest
    assert set(RUN.values()) <= set(facility.keys(version.version_id).values())
    require_ok(check_object(version.dataset_id, catalogue=catalogue, store=facility.store))


@KEPT_BACK
def test_nothing_that_the_gate_keeps_back_is_published_by_policy_command_or_person_at_any_target(
    site: Site, verdict: Verdict
) -> None:
    version = site.lay_version("plate-7", verdict=verdict, stage=Stage.VERIFIED)
    target = AnyTarget()

    settled = settle(site, version)

    assert settled.stage is Stage.IN_REVIEW
    assert asked_for(site, version) == []
    for person in ("ada", "root", "sten", "olga", "policy:atlas", None):
        with pytest.raises(PublicationRefused, match="accept"):
            publish(site, version, target, person)
    for person in ("ada", "root", "sten"):
        with pytest.raises(PublicationRefused, match="accept"):
            request_publication(version.version_id, person=person, catalogue=site.catalogue, clock=site.clock)
    assert target.given == []
    assert not list(site.public.list(""))


@KEPT_BACK
def test_a_word_of_the_policy_does_not_let_out_what_the_gate_keeps_back(site: Site, verdict: Verdict) -> None:
    version = site.decide(site.lay_version("plate-7"))
    with site.catalogue.begin() as tx:  # as if a rule had accepted it before it was judged so
        now = tx.datasets.get_version(version.version_id)
        kept = tx.datasets.save_version(
            now.model_copy(update={"verdict": verdict, "evidence_digest": make_sha512("new")})
        )
    target = AnyTarget()

    with pytest.raises(PublicationRefused, match="as it is"):
        publish(site, kept, target, "ada")
    with pytest.raises(Quarantined):
        run_model(site, kept)

    assert target.given == []


@KEPT_BACK
def test_no_model_runs_on_what_the_gate_keeps_back_by_policy_or_request_until_a_steward_accepts_it(
    site: Site, verdict: Verdict
) -> None:
    version = settle(site, site.lay_version("plate-7", verdict=verdict, stage=Stage.VERIFIED))
    runner = BrightRunner([make_card()])
    for person in ("rita", "sten", "root", "ada"):
        with pytest.raises(Quarantined, match="no steward has accepted it"):
            run_model(site, version, person=person)
    with pytest.raises(Quarantined):
        infer(site, version, runner)
    assert (asked_for(site, version), runner.segmented) == ([], [])

    site.decide(version, reason="The dark wells are the controls.")

    assert asked_for(site, version) == [WorkKind.INFER]
    run_model(site, version)
    assert asked_for(site, version) == [WorkKind.INFER, WorkKind.INFER]
    with pytest.raises(ObjectNotFound, match=r"metrics\.parquet"):  # let through to the images, of which there are none
        infer(site, version, runner)


def test_a_model_that_was_asked_for_does_not_run_once_the_review_is_open_again(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7", verdict=Verdict.QUARANTINED))
    run_model(site, version)
    site.decide(version, Act.REQUEST_CHANGES)

    with pytest.raises(Quarantined):
        infer(site, version, BrightRunner([make_card()]))


def test_what_a_steward_accepts_nevertheless_is_public_only_when_the_owner_agrees(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7", verdict=Verdict.QUARANTINED))
    target = AnyTarget()
    with pytest.raises(PublicationRefused, match="nobody has agreed"):
        publish(site, version, target, None)

    publish(site, version, target, "ada")

    assert [one.dataset_id for one in target.given] == [version.dataset_id]


def test_nothing_derived_from_what_is_kept_back_becomes_public(site: Site) -> None:
    site.lay_published("plate-7")
    with site.catalogue.begin() as tx:
        first = next(one for one in tx.datasets.list_versions() if one.stage is Stage.PUBLISHED)
        second = tx.datasets.add_version(
            first.model_copy(
                update={
                    "version_id": f"{first.dataset_id}:v2",
                    "number": 2,
                    "stage": Stage.IN_REVIEW,
                    "verdict": Verdict.QUARANTINED,
                    "record": 0,
                }
            )
        )
    derived = site.lay_version("labels", source=second, model="bright@1")
    with site.catalogue.begin() as tx:
        dataset = tx.datasets.get(derived.dataset_id)
        relation = Relation(kind="IsDerivedFrom", dataset_id=second.dataset_id, version="v2")
        tx.datasets.save(dataset.model_copy(update={"relations": (relation,)}))
    site.decide(derived)
    target = AnyTarget()

    with pytest.raises(PublicationRefused, match=r":v2, which is in quarantine"):
        publish(site, derived, target, "ada")

    site.decide(second)
    publish(site, derived, target, "ada")
    assert len(target.given) == 1


def test_what_passes_when_it_is_judged_again_is_annotated_as_if_it_had_passed_at_once(site: Site) -> None:
    version = site.lay_version("plate-7", verdict=Verdict.QUARANTINED)
    opened = judge_again(site, version)
    with site.catalogue.begin() as tx:
        now = tx.datasets.get_version(opened.version_id)
        facts = {"stage": Stage.VERIFIED, "verdict": Verdict.PASSED, "evidence_digest": make_sha512("better")}
        passed = tx.datasets.save_version(
            now.model_copy(update={**facts, "metadata": version.metadata, "ocfl_version": 2})
        )

    settled = settle(site, passed)

    assert settled.stage is Stage.ACCEPTED
    assert WorkKind.INFER in asked_for(site, passed)


def test_the_same_bytes_are_not_annotated_twice_when_they_are_judged_again(site: Site) -> None:
    version = site.lay_version("plate-7", verdict=Verdict.REVIEW)
    site.decide(version)
    opened = judge_again(site, version)
    with site.catalogue.begin() as tx:
        now = tx.datasets.get_version(opened.version_id)
        facts = {"stage": Stage.VERIFIED, "verdict": Verdict.PASSED, "evidence_digest": make_sha512("better")}
        passed = tx.datasets.save_version(
            now.model_copy(update={**facts, "metadata": version.metadata, "ocfl_version": 2})
        )

    settle(site, passed)

    assert WorkKind.INFER not in asked_for(site, passed)


def test_who_had_it_judged_again_does_not_accept_it(site: Site) -> None:
    opened = judge_again(site, site.lay_version("plate-7", verdict=Verdict.QUARANTINED), person="sten")
    with site.catalogue.begin() as tx:
        now = tx.datasets.get_version(opened.version_id)
        facts = {"stage": Stage.IN_REVIEW, "verdict": Verdict.QUARANTINED, "evidence_digest": make_sha512("again")}
        again = tx.datasets.save_version(now.model_copy(update=facts))

    with pytest.raises(DecisionRefused, match="submitted"):
        site.decide(again, person="sten")

    assert site.decide(again, person="stina").stage is Stage.ACCEPTED


@pytest.mark.parametrize("act", [None, Act.ACCEPT, Act.REJECT])
def test_discarding_is_a_decision_with_a_reason_and_deletes_nothing(site: Site, act: Act | None) -> None:
    version = site.lay_version("plate-7", verdict=Verdict.QUARANTINED)
    if act is not None:
        version = site.decide(version, act)
    before = {one.key for one in site.store.list("")}

    discarded = discard(site, version)

    assert discarded.stage is Stage.REJECTED
    assert {one.key for one in site.store.list("")} == before
    with site.catalogue.begin() as tx:
        last = tx.datasets.decisions(version.version_id)[-1]
        told = [one.data.get("act") for one in tx.outbox.history([version.version_id]) if one.name == "decision.made"]
    assert (last.act, last.person, last.reason) == (Act.DISCARD, "sten", WORDS)
    assert last.evidence_digest == version.evidence_digest
    assert told[-1] == "discard"


def test_what_was_public_is_withdrawn_when_it_is_discarded_and_its_tombstone_stays(site: Site) -> None:
    version = site.lay_published("plate-7")

    discarded = discard(site, version)

    record = site.portal.find(site.dataset(version).pid, version="v1")
    assert discarded.stage is Stage.WITHDRAWN
    assert record is not None
    assert record.tombstone == WORDS
    with site.catalogue.begin() as tx:
        assert tx.datasets.decisions(version.version_id)[-1].act is Act.DISCARD
        assert tx.datasets.publications(version.version_id)[0].withdrawn_reason == WORDS


def test_the_same_data_in_a_public_revision_are_discarded_there(site: Site) -> None:
    version = site.lay_published("plate-7")
    opened = judge_again(site, version)
    with site.catalogue.begin() as tx:
        now = tx.datasets.get_version(opened.version_id)
        facts = {"stage": Stage.IN_REVIEW, "verdict": Verdict.REVIEW, "evidence_digest": make_sha512("again")}
        again = tx.datasets.save_version(now.model_copy(update=facts))

    with pytest.raises(DecisionRefused, match=r":v1 holds the same data .* is public"):
        discard(site, again)


def test_nothing_follows_a_discarded_version(site: Site) -> None:
    version = site.lay_version("plate-7", verdict=Verdict.REVIEW)
    discard(site, version)
    now = site.now(version)

    for act in (Act.ACCEPT, Act.REJECT, Act.REQUEST_CHANGES, Act.ASSIGN):
        with pytest.raises(DecisionRefused, match=f"sten decided .*discard: {WORDS}"):
            site.decide(now, act)
    with pytest.raises(DecisionRefused, match="sten decided"):
        discard(site, now)
    for asked in ({"model": "bright"}, {"convert": ViewFormat.OME_ZARR}, {"from_stage": Stage.GATED}):
        with pytest.raises(Quarantined, match="discarded"):
            request_reprocess(
                version.version_id, person="rita", reason="Try.", catalogue=site.catalogue, clock=site.clock, **asked
            )
    with site.catalogue.begin() as tx:
        assert open_acts(now.stage, tx.datasets.decisions(version.version_id)) == frozenset()


def accept_revision(site: Site, version: Version) -> Version:
    opened = judge_again(site, version)
    with site.catalogue.begin() as tx:
        now = tx.datasets.get_version(opened.version_id)
        facts = {
            "stage": Stage.IN_REVIEW,
            "verdict": Verdict.PASSED,
            "evidence_digest": make_sha512("better"),
            "metadata": version.metadata,
            "staging": version.staging,
            "ocfl_version": 1,
            "staged": version.staged,
        }
        again = tx.datasets.save_version(now.model_copy(update=facts))
        tx.datasets.add_receipt(make_receipt(again, "again", verified_at=site.clock.now()))
    return site.decide(again)


def test_another_revision_of_discarded_data_is_not_published_either(site: Site) -> None:
    version = site.lay_version("plate-7", verdict=Verdict.REVIEW)
    again = accept_revision(site, version)
    discard(site, version)
    target = AnyTarget()

    with pytest.raises(PublicationRefused, match="its data were discarded"):
        publish(site, again, target, "ada")

    assert target.given == []


def test_of_data_that_are_discarded_and_published_in_one_moment_only_one_comes_true(site: Site) -> None:
    version = site.lay_version("plate-7", verdict=Verdict.REVIEW)
    again = accept_revision(site, version)

    class Interrupted(AnyTarget):
        def publish(self, record: PublicRecord) -> str:
            self.discarding = pool.submit(discard, site, version)
            wait([self.discarding], timeout=0.5)  # it either does so now, or waits for the publication to be on record
            return super().publish(record)

    target = Interrupted()
    with ThreadPoolExecutor(1) as pool:
        publish(site, again, target, "ada")
        with pytest.raises(DecisionRefused, match=r":v1.1 holds the same data .* is public"):
            target.discarding.result()

    assert site.now(again).stage is Stage.PUBLISHED


def test_new_data_of_a_discarded_run_are_another_version_and_wait_for_a_person(site: Site) -> None:
    version = site.lay_version("plate-7", verdict=Verdict.QUARANTINED)
    discard(site, version)
    with site.catalogue.begin() as tx:
        second = tx.datasets.add_version(
            version.model_copy(
                update={
                    "version_id": f"{version.dataset_id}:v2",
                    "number": 2,
                    "stage": Stage.VERIFIED,
                    "verdict": Verdict.PASSED,
                    "record": 0,
                }
            )
        )

    settled = settle(site, second)

    assert settled.stage is Stage.IN_REVIEW
    assert Act.ACCEPT in open_acts(settled.stage, [])


REFUSED = {
    "researcher": ({"person": "rita"}, Forbidden),
    "owner without the role": ({"person": "ada"}, Forbidden),
    "steward of another project": ({"person": "otto"}, NotFound),
    "nobody": ({"person": "nobody"}, Forbidden),
    "no reason": ({"reason": " \n\t"}, InvalidInput),
    "a hundred thousand characters": ({"reason": "x" * 100_000}, InvalidInput),
    "nul": ({"reason": "a\0b"}, InvalidInput),
    "half a character": ({"reason": "a\ud800b"}, InvalidInput),
    "other evidence": ({"evidence_digest": make_sha512("older")}, DecisionRefused),
    "no evidence": ({"evidence_digest": ""}, DecisionRefused),
}


@pytest.mark.parametrize(("how", "refusal"), REFUSED.values(), ids=REFUSED)
def test_a_discard_by_the_wrong_person_or_on_the_wrong_evidence_leaves_no_trace(
    site: Site, how: dict[str, Any], refusal: type[Exception]
) -> None:
    version = site.lay_published("plate-7")

    with pytest.raises(refusal):
        discard(site, version, **how)

    record = site.portal.find(site.dataset(version).pid, version="v1")
    assert record is not None
    assert record.tombstone is None
    assert site.now(version).stage is Stage.PUBLISHED


def test_hostile_words_are_kept_as_they_were_said(site: Site) -> None:
    words = "<script>alert(1)</script> \u202eesrever \x1b[31m \x07 \N{ZERO WIDTH SPACE} {{ 7*7 }}"
    version = site.lay_version("plate-7", verdict=Verdict.QUARANTINED)

    discard(site, version, reason=words)

    with site.catalogue.begin() as tx:
        assert tx.datasets.decisions(version.version_id)[-1].reason == words


def test_a_rehearsal_of_a_discard_touches_nothing_public(site: Site) -> None:
    version = site.lay_published("plate-7")
    record = site.portal.find(site.dataset(version).pid, version="v1")

    discard_version(
        version.version_id,
        person="sten",
        reason=WORDS,
        evidence_digest=version.evidence_digest or "",
        catalogue=Rehearsal(site.catalogue),
        publisher=None,
        clock=site.clock,
    )

    assert site.portal.find(site.dataset(version).pid, version="v1") == record
    assert site.now(version).stage is Stage.PUBLISHED


def test_of_one_who_discards_and_one_who_accepts_at_once_one_is_told(site: Site) -> None:
    for round_ in range(5):
        version = site.lay_version(f"plate-{round_}", verdict=Verdict.QUARANTINED)
        barrier = Barrier(2)

        def first(version: Version = version, barrier: Barrier = barrier) -> Version | DecisionRefused:
            barrier.wait()
            try:
                return discard(site, version)
            except DecisionRefused as refusal:
                return refusal

        def second(version: Version = version, barrier: Barrier = barrier) -> Version | DecisionRefused:
            barrier.wait()
            try:
                return site.decide(version, person="stina")
            except DecisionRefused as refusal:
                return refusal

        with ThreadPoolExecutor(2) as pool:
            ends = [one.result() for one in [pool.submit(first), pool.submit(second)]]

        with site.catalogue.begin() as tx:
            made = tx.datasets.decisions(version.version_id)
        lost = [one for one in ends if isinstance(one, DecisionRefused)]
        # Accepted first and discarded after it is no race: the discard saw evidence that still stands.
        assert len(made) + len(lost) == 2
        assert made
        if Act.DISCARD in {one.act for one in made}:
            assert site.now(version).stage is Stage.REJECTED
