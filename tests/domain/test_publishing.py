"""What stands between a version and its publication."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.finding import Verdict
from cisterna.domain.project import Access, HumanData, MetadataDefaults, Policy, Project, PublishPolicy
from cisterna.domain.publishing import Bar, consent_given, publication_bars
from cisterna.domain.receipt import CopyReceipt
from cisterna.domain.review import Act, Decision
from cisterna.testing.factory import make_decision, make_project, make_receipt, make_sha512, make_version

MANIFEST, EVIDENCE = make_sha512("manifest"), make_sha512("evidence")


def ready_version(**fields: Any) -> Version:
    made = {
        "stage": Stage.ACCEPTED,
        "verdict": Verdict.PASSED,
        "manifest_digest": MANIFEST,
        "evidence_digest": EVIDENCE,
        "ocfl_version": 1,
        "metadata": {"title": "Cells", "access": "open", "human_data": "no"},
    }
    return make_version(**{**made, **fields})


def project_with(
    *, publish: PublishPolicy = PublishPolicy.PASSED, access: Access = Access.OPEN, human: HumanData = HumanData.NO
) -> Project:
    base = make_project("cells")
    defaults = base.defaults.model_copy(update={"access": access, "human_data": human})
    return base.model_copy(update={"defaults": defaults, "policy": Policy(publish=publish)})


def bars(
    version: Version | None = None,
    project: Project | Literal["default"] | None = "default",
    *,
    decisions: list[Decision] | None = None,
    receipts: list[CopyReceipt] | None = None,
    sources: Sequence[tuple[Version, Project | None]] = (),
    are_sources_public: bool = True,
    shadows: Sequence[str] = (),
    consent: str | None = "policy:cells",
    day: date = date(2027, 1, 1),
) -> tuple[Bar, ...]:
    version = version or ready_version()
    return publication_bars(
        version,
        project_with() if project == "default" else project,
        day=day,
        decisions=[make_decision(version)] if decisions is None else decisions,
        receipts=[make_receipt(version)] if receipts is None else receipts,
        sources=sources,
        are_sources_public=are_sources_public,
        shadows=shadows,
        consent=consent,
    )


def test_an_accepted_verified_open_version_may_be_published() -> None:
    assert bars() == ()


CASES = {
    "not accepted": ({"version": ready_version(stage=Stage.IN_REVIEW)}, "in-review"),
    "rejected": ({"version": ready_version(stage=Stage.REJECTED)}, "rejected"),
    "withdrawn": ({"version": ready_version(stage=Stage.WITHDRAWN)}, "withdrawn"),
    "no receipt": ({"receipts": []}, "receipt"),
    "in shadow mode": ({"shadows": ["squid-1"]}, "squid-1 is in shadow mode"),
    "receipt of other bytes": (
        {"receipts": [make_receipt(ready_version(), manifest_digest=make_sha512("other"))]},
        "receipt",
    ),
    "receipt of another OCFL version": ({"receipts": [make_receipt(ready_version(), ocfl_version=2)]}, "receipt"),
    "no decision": ({"decisions": []}, "accepted it"),
    "accepted with other evidence": (
        {"decisions": [make_decision(ready_version(evidence_digest=make_sha512("old")))]},
        "accepted it",
    ),
    "objected to afterwards": (
        {"decisions": [make_decision(ready_version()), make_decision(ready_version(), Act.REQUEST_CHANGES)]},
        "accepted it",
    ),
    "metadata missing": ({"version": ready_version(metadata_missing=("licence",))}, "licence"),
    "stopped by hand": ({"version": ready_version(incomplete=AcquisitionState.ABORTED)}, "aborted"),
    "not whole, whoever agrees": (
        {"version": ready_version(incomplete=AcquisitionState.PARTIAL), "consent": "ada"},
        "partial",
    ),
    "not described": ({"version": ready_version(metadata=None)}, "metadata"),
    "unclaimed": ({"project": None}, "no project"),
    "project restricted": ({"project": project_with(access=Access.RESTRICTED)}, "access"),
    "project embargoed": ({"project": project_with(access=Access.EMBARGOED)}, "access"),
    "human data unanswered": ({"project": project_with(human=HumanData.UNANSWERED)}, "human-data"),
    "human data": ({"project": project_with(human=HumanData.YES)}, "human-data"),
    "the dataset says restricted": (
        {"version": ready_version(metadata={"access": "restricted", "human_data": "no"})},
        "access",
    ),
    "the dataset says human": ({"version": ready_version(metadata={"access": "open", "human_data": "yes"})}, "human"),
    "policy is never": ({"project": project_with(publish=PublishPolicy.NEVER), "consent": "ada"}, "agreed"),
    "policy waits for consent": ({"project": project_with(publish=PublishPolicy.CONSENT)}, "agreed"),
    "derived from human data": (
        {"sources": [(ready_version(), project_with(human=HumanData.YES))]},
        "derived from restricted",
    ),
    "derived from what is not public": ({"are_sources_public": False}, "not public"),
    "derived from what nobody claims": ({"sources": [(ready_version(), None)]}, "derived from restricted"),
}


@pytest.mark.parametrize(("given_facts", "words"), CASES.values(), ids=CASES)
def test_a_condition_that_is_not_met_is_named_with_its_remedy(given_facts: dict[str, Any], words: str) -> None:
    found = bars(**given_facts)

    assert any(words in bar.condition for bar in found), found
    assert all(bar.remedy for bar in found)


@pytest.mark.parametrize("verdict", [Verdict.QUARANTINED, Verdict.REVIEW, Verdict.NOT_ASSESSED])
def test_what_did_not_pass_needs_the_word_of_a_person(verdict: Verdict) -> None:
    version = ready_version(verdict=verdict)
    by_rule = make_decision(version, person="policy:cells")

    assert bars(version, decisions=[by_rule], consent="ada") != ()
    assert bars(version, decisions=[make_decision(version, person="sten")], consent="ada") == ()


@given(
    access=st.sampled_from(Access),
    human=st.sampled_from(HumanData),
    own_access=st.sampled_from([None, *Access]),
    own_human=st.sampled_from([None, *HumanData]),
    publish=st.sampled_from(PublishPolicy),
    stage=st.sampled_from(Stage),
    verdict=st.sampled_from(Verdict),
    consent=st.sampled_from([None, "ada", "policy:cells", "policy:other"]),
)
def test_nothing_restricted_or_of_unanswered_human_data_status_is_ever_let_through(
    *,
    access: Access,
    human: HumanData,
    own_access: Access | None,
    own_human: HumanData | None,
    publish: PublishPolicy,
    stage: Stage,
    verdict: Verdict,
    consent: str | None,
) -> None:
    metadata = {"title": "Cells", "access": own_access, "human_data": own_human}
    version = ready_version(stage=stage, verdict=verdict, metadata=metadata)
    project = project_with(publish=publish, access=access, human=human)

    found = bars(version, project, consent=consent)

    restricted = {access, own_access or access} != {Access.OPEN} or {human, own_human or human} != {HumanData.NO}
    assert not (restricted and not found)
    if not found:
        assert stage in {Stage.ACCEPTED, Stage.PUBLISHED}
        assert consent_given(version, project, consent=consent) is not None
        assert publish is not PublishPolicy.NEVER


def test_the_defaults_of_a_project_publish_nothing() -> None:
    project = make_project("cells", defaults=MetadataDefaults())

    assert bars(project=project, consent="ada") != ()
