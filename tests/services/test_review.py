"""What the policy settles and what stewards decide, on the real catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.account import Grant, Role
from cisterna.domain.dataset import Relation, Stage, Version
from cisterna.domain.errors import DecisionRefused, Forbidden, InvalidInput, LeaseLost, NotFound
from cisterna.domain.finding import Verdict
from cisterna.domain.project import HumanData, Policy, PublishPolicy, ViewFormat
from cisterna.domain.review import CONSENTING, Act, Decision
from cisterna.domain.work import Attempt, WorkKind
from cisterna.services.checklist_judge import ReviewDesk
from cisterna.services.review import decide, settle_version
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import (
    make_account,
    make_acquisition,
    make_checklist,
    make_dataset,
    make_instrument,
    make_point,
    make_project,
    make_sha512,
    make_version,
    make_work,
)
from cisterna.testing.memory_store import MemoryStore

EVIDENCE = make_sha512("evidence")
FROM_SOURCE = Relation(kind="IsDerivedFrom", dataset_id=make_dataset("source").dataset_id, version="v1")
AUTOMATIC = Policy(accept_passed=True, publish=PublishPolicy.PASSED, model="nuclei")


class Site:
    """A catalogue with one project, its people, and a version to be judged."""

    def __init__(self, catalogue: SqlCatalogue, clock: SettableClock) -> None:
        self.catalogue, self.clock = catalogue, clock
        self.desk = ReviewDesk(
            checklist=make_checklist(make_point()),
            catalogue=catalogue,
            store=MemoryStore(name="archive", bucket="cisterna-archive"),
            tables=ParquetTables(),
            base_url="http://testserver",
        )

    def lay(
        self,
        *,
        policy: Policy = AUTOMATIC,
        stage: Stage = Stage.VERIFIED,
        relations: tuple[Relation, ...] = (),
        project: str | None = "cells",
        restricted: bool = False,
        **fields: Any,
    ) -> Version:
        acquisition = None if relations else make_acquisition("run-1", project=project)
        dataset = make_dataset("run-1", acquisition=acquisition, relations=relations)
        dataset = dataset.model_copy(update={"project": project})
        made = {"verdict": Verdict.PASSED, "evidence_digest": EVIDENCE, "metadata": {"title": "Cells"}}
        version = make_version(dataset, stage=stage, **{**made, **fields})
        with self.catalogue.begin() as tx:
            tx.instruments.add(make_instrument("squid-1"))
            if project:
                base = make_project(project, owner="ada", policy=policy)
                if restricted:
                    closed = base.defaults.model_copy(update={"human_data": HumanData.UNANSWERED})
                    base = base.model_copy(update={"defaults": closed})
                tx.projects.add(base)
            for name, grants in {
                "ada": (),
                "sten": (Grant(role=Role.STEWARD, project="cells"),),
                "stina": (Grant(role=Role.STEWARD),),
                "otto": (Grant(role=Role.STEWARD, project="other"),),
                "rita": (Grant(role=Role.RESEARCHER, project="cells"),),
            }.items():
                tx.accounts.add(make_account(name, grants=grants))
            if acquisition is not None:
                tx.acquisitions.save(acquisition)
            tx.datasets.add(dataset)
            return tx.datasets.add_version(version)

    def lease(self, version: Version) -> Attempt:
        with self.catalogue.begin() as tx:
            tx.inbox.request(make_work(f"work-{self.clock.new_id()}", subject=version.version_id))
            claim = tx.inbox.claim(owner="me", run_id=self.clock.new_id(), now=self.clock.now(), lease=timedelta(60))
        return claim.attempt

    def settle(self, version: Version) -> Version:
        lease = self.lease(version)
        return settle_version(
            version.version_id, lease=lease, desk=self.desk, catalogue=self.catalogue, clock=self.clock
        )

    def decide(
        self,
        version: Version,
        act: Act = Act.ACCEPT,
        *,
        person: str = "sten",
        reason: str = "looked at it",
        digest: str = EVIDENCE,
        **rest: Any,
    ) -> Version:
        return decide(
            version.version_id,
            act,
            person=person,
            reason=reason,
            evidence_digest=digest,
            catalogue=self.catalogue,
            clock=self.clock,
            **rest,
        )

    def wanted(self, version: Version) -> list[str]:
        with self.catalogue.begin() as tx:
            works = tx.inbox.list(subject=version.version_id)
        return sorted(work.kind.value for work in works if work.kind is not WorkKind.INGEST)

    def decisions(self, version: Version) -> Sequence[Decision]:
        with self.catalogue.begin() as tx:
            return [one for one in tx.datasets.decisions(version.version_id) if one.act not in CONSENTING]

    def events(self, version: Version) -> list[str]:
        with self.catalogue.begin() as tx:
            return [event.name for event in tx.outbox.history([version.version_id])]


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    return Site(catalogue, clock)


def test_what_passed_is_accepted_by_policy_and_asked_to_be_published_and_annotated(site: Site) -> None:
    version = site.lay()

    settled = site.settle(version)

    assert settled.stage is Stage.ACCEPTED
    assert [one.person for one in site.decisions(version)] == ["policy:cells"]
    assert site.decisions(version)[0].evidence_digest == EVIDENCE
    assert site.wanted(version) == ["infer", "publish"]


def test_settling_twice_changes_nothing(site: Site) -> None:
    version = site.lay()
    first = site.settle(version)

    again = site.settle(version)

    assert again == first
    assert len(site.decisions(version)) == 1
    assert site.wanted(version) == ["infer", "publish"]


WAITS = {
    "review": {"verdict": Verdict.REVIEW},
    "quarantined": {"verdict": Verdict.QUARANTINED},
    "not assessed": {"verdict": Verdict.NOT_ASSESSED},
    "no verdict": {"verdict": None},
    "metadata missing": {"metadata_missing": ("licence",)},
    "not described": {"metadata": None},
    "no evidence": {"evidence_digest": None},
    "unclaimed": {"project": None},
    "policy accepts nothing": {"policy": Policy()},
    "derived": {"relations": (FROM_SOURCE,)},
}


@pytest.mark.parametrize("fields", WAITS.values(), ids=WAITS)
def test_everything_else_waits_for_a_steward(site: Site, fields: dict[str, Any]) -> None:
    version = site.lay(**fields)

    settled = site.settle(version)

    assert settled.stage is Stage.IN_REVIEW
    assert site.decisions(version) == []
    assert "publish" not in site.wanted(version)


def test_restricted_data_are_not_asked_to_be_published(site: Site) -> None:
    version = site.lay(restricted=True)

    site.settle(version)

    assert "publish" not in site.wanted(version)


def test_a_model_runs_only_on_what_passed(site: Site) -> None:
    version = site.lay(verdict=Verdict.QUARANTINED)

    site.settle(version)

    assert site.wanted(version) == []


@pytest.mark.parametrize("relations", [(), (FROM_SOURCE,)], ids=["acquired", "derived"])
@pytest.mark.parametrize("verdict", [Verdict.PASSED, Verdict.QUARANTINED])
@pytest.mark.parametrize("convert", [ViewFormat.OME_ZARR, None])
def test_what_passed_is_converted_where_the_project_says_so(
    site: Site, convert: ViewFormat | None, verdict: Verdict, relations: tuple[Relation, ...]
) -> None:
    version = site.lay(policy=Policy(convert=convert), verdict=verdict, relations=relations)

    site.settle(version)

    is_wanted = convert is not None and verdict is Verdict.PASSED and not relations
    assert site.wanted(version) == (["convert"] if is_wanted else [])


@pytest.mark.parametrize(
    ("source", "data_type", "stage"),
    [
        (Stage.ACCEPTED, "ome-zarr", Stage.ACCEPTED),
        (Stage.PUBLISHED, "ome-zarr", Stage.ACCEPTED),
        (Stage.IN_REVIEW, "ome-zarr", Stage.IN_REVIEW),
        (Stage.REJECTED, "ome-zarr", Stage.IN_REVIEW),
        (Stage.WITHDRAWN, "ome-zarr", Stage.IN_REVIEW),
        (Stage.ACCEPTED, "labels", Stage.IN_REVIEW),
    ],
)
def test_another_form_of_what_was_accepted_needs_no_second_look(
    site: Site, source: Stage, data_type: str, stage: Stage
) -> None:
    version = site.lay(relations=(FROM_SOURCE,))
    with site.catalogue.begin() as tx:
        origin = tx.datasets.add(make_dataset("origin"))
        tx.datasets.add_version(make_version(origin, stage=source))
        dataset = tx.datasets.get(version.dataset_id)
        relation = FROM_SOURCE.model_copy(update={"dataset_id": origin.dataset_id})
        tx.datasets.save(dataset.model_copy(update={"data_type": data_type, "relations": (relation,)}))

    assert site.settle(version).stage is stage


def test_without_the_lease_nothing_is_settled(site: Site) -> None:
    version = site.lay()
    lease = site.lease(version)
    with site.catalogue.begin() as tx:
        tx.inbox.finish(lease, outcome="done by somebody else")

    with pytest.raises(LeaseLost):
        settle_version(version.version_id, lease=lease, desk=site.desk, catalogue=site.catalogue, clock=site.clock)

    with site.catalogue.begin() as tx:
        assert tx.datasets.get_version(version.version_id).stage is Stage.VERIFIED


def test_a_rule_does_not_overrule_a_steward_who_objected_to_an_earlier_version(site: Site) -> None:
    first = site.lay(stage=Stage.IN_REVIEW)
    site.decide(first, Act.REJECT)
    with site.catalogue.begin() as tx:
        dataset = tx.datasets.get(first.dataset_id)
        second = tx.datasets.add_version(
            make_version(
                dataset,
                revision=1,
                stage=Stage.VERIFIED,
                verdict=Verdict.PASSED,
                evidence_digest=EVIDENCE,
                metadata={"title": "Cells"},
            )
        )

    assert site.settle(second).stage is Stage.IN_REVIEW


@pytest.mark.parametrize(
    ("act", "becomes"),
    [(Act.ACCEPT, Stage.ACCEPTED), (Act.REJECT, Stage.REJECTED), (Act.REQUEST_CHANGES, Stage.IN_REVIEW)],
)
def test_a_steward_decides_and_the_decision_is_kept_with_its_reason(site: Site, act: Act, becomes: Stage) -> None:
    version = site.lay(stage=Stage.IN_REVIEW)

    decided = site.decide(version, act, reason="  the third well is empty  ")

    kept = site.decisions(version)
    assert decided.stage is becomes
    assert [(one.act, one.person, one.reason) for one in kept] == [(act, "sten", "the third well is empty")]
    assert "decision.made" in site.events(version)


def test_accepting_what_passed_asks_for_publication_and_rejecting_does_not(site: Site) -> None:
    version = site.lay(stage=Stage.IN_REVIEW)

    site.decide(version, Act.REJECT)
    assert site.wanted(version) == []
    site.decide(version, Act.REQUEST_CHANGES, reason="look again")
    site.decide(version, Act.ACCEPT)

    assert site.wanted(version) == ["publish"]


@pytest.mark.parametrize("verdict", [Verdict.REVIEW, Verdict.QUARANTINED, Verdict.NOT_ASSESSED])
def test_what_a_steward_accepts_although_it_did_not_pass_is_annotated_and_not_published_by_itself(
    site: Site, verdict: Verdict
) -> None:
    version = site.lay(stage=Stage.IN_REVIEW, verdict=verdict)

    site.decide(version, Act.ACCEPT)

    assert site.wanted(version) == ["infer"]


REFUSED = {
    "other evidence": ({"digest": make_sha512("older")}, DecisionRefused),
    "no reason": ({"reason": " \n "}, InvalidInput),
    "endless reason": ({"reason": "x" * 10_001}, InvalidInput),
    "researcher": ({"person": "rita"}, Forbidden),
    "owner without the role": ({"person": "ada"}, Forbidden),
    "steward of another project": ({"person": "otto"}, NotFound),
    "nobody": ({"person": "nobody"}, Forbidden),
}


@pytest.mark.parametrize(("how", "refusal"), REFUSED.values(), ids=REFUSED)
def test_a_decision_by_the_wrong_person_or_on_the_wrong_evidence_is_refused_and_leaves_no_trace(
    site: Site, how: dict[str, Any], refusal: type[Exception]
) -> None:
    version = site.lay(stage=Stage.IN_REVIEW)

    with pytest.raises(refusal):
        site.decide(version, **how)

    assert site.decisions(version) == []
    assert "decision.made" not in site.events(version)


def test_nobody_approves_what_they_submitted_themselves(site: Site) -> None:
    version = site.lay(stage=Stage.IN_REVIEW, submitter="sten")

    with pytest.raises(DecisionRefused, match="submitted"):
        site.decide(version, Act.ACCEPT, person="sten")

    assert site.decide(version, Act.ACCEPT, person="stina").stage is Stage.ACCEPTED


def test_a_second_decision_is_told_who_was_first(site: Site) -> None:
    version = site.lay(stage=Stage.IN_REVIEW)
    site.decide(version, Act.REJECT, person="sten", reason="out of focus")

    with pytest.raises(DecisionRefused, match=r"sten decided .* first .*out of focus"):
        site.decide(version, Act.ACCEPT, person="stina")


def test_assigning_names_a_steward_of_the_project(site: Site) -> None:
    version = site.lay(stage=Stage.IN_REVIEW)

    assert site.decide(version, Act.ASSIGN, assignee="stina").assignee == "stina"
    for nobody in ("rita", "otto", None):
        with pytest.raises(InvalidInput, match="no steward"):
            site.decide(version, Act.ASSIGN, assignee=nobody)


@pytest.mark.parametrize(
    "acts", [(Act.ACCEPT, Act.REJECT), (Act.ACCEPT, Act.ACCEPT), (Act.REJECT, Act.REQUEST_CHANGES)]
)
def test_of_two_stewards_who_decide_at_once_one_is_told(site: Site, acts: tuple[Act, Act]) -> None:
    laid = site.lay(stage=Stage.IN_REVIEW)
    for _round in range(5):
        version = reopened(site, laid)
        before = len(site.decisions(version))
        barrier = Barrier(2)

        def at_once(
            act: Act, person: str, version: Version = version, barrier: Barrier = barrier
        ) -> Version | DecisionRefused:
            barrier.wait()
            try:
                return site.decide(version, act, person=person)
            except DecisionRefused as refusal:
                return refusal

        with ThreadPoolExecutor(2) as pool:
            ends = list(pool.map(at_once, acts, ("sten", "stina")))

        won = [end for end in ends if not isinstance(end, DecisionRefused)]
        made = site.decisions(version)[before:]
        with site.catalogue.begin() as tx:
            final = tx.datasets.get_version(version.version_id)
        assert len(made) == len(won)
        assert len(won) >= 1
        assert final.record == max(one.record for one in won)
        if Act.REQUEST_CHANGES not in acts:
            assert len(won) == 1


def reopened(site: Site, version: Version) -> Version:
    with site.catalogue.begin() as tx:
        now = tx.datasets.get_version(version.version_id)
    return now if now.stage is Stage.IN_REVIEW else site.decide(now, Act.REQUEST_CHANGES, reason="again")


def test_access_is_told_by_events_so_that_sinks_outside_get_nothing_restricted(site: Site) -> None:
    version = site.lay(stage=Stage.IN_REVIEW, restricted=True)

    site.decide(version, Act.REJECT)

    with site.catalogue.begin() as tx:
        assert all(event.restricted for event in tx.outbox.history([version.version_id]))


def test_the_policy_agrees_on_record_when_it_accepts_and_to_nothing_that_it_may_not_show(site: Site) -> None:
    version = site.lay()

    site.settle(version)

    with site.catalogue.begin() as tx:
        given = [one for one in tx.datasets.decisions(version.version_id) if one.act is Act.CONSENT]
    assert [(one.person, one.evidence_digest) for one in given] == [("policy:cells", EVIDENCE)]
