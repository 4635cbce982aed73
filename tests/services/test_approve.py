"""Accepting by the review checklist: what is asked, what is kept of it, and what is published on which word."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.sink_archive_log import ArchiveLogSink
from cisterna.domain.checklist import Answer, Checklist
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import (
    DecisionRefused,
    Forbidden,
    InvalidInput,
    NotFound,
    PublicationRefused,
    StoreUnavailable,
)
from cisterna.domain.finding import Verdict
from cisterna.domain.project import Access, HumanData, PublishPolicy
from cisterna.domain.review import CONSENTING, Act, Decision
from cisterna.domain.work import WorkKind
from cisterna.metadata.record import Origin
from cisterna.services.approve import UNANSWERED, Answers, decide_by_checklist, shown_checklist
from cisterna.services.checklist_judge import ReviewDesk
from cisterna.services.object_log import log_key
from cisterna.services.review import settle_version
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_checklist, make_point
from cisterna.testing.memory_store import MemoryStore
from tests.services.test_quarantine import lease
from tests.web.reviewing import answers_to
from tests.web.site import Site

SAID = {"origins": {"access": Origin.PROJECT.value}}
REMARK = "the-remark-of-a-steward"


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    made = Site(catalogue, clock)
    made.settle_people()
    return made


def accept(
    site: Site, version: Version, answers: Answers = UNANSWERED, *, desk: ReviewDesk | None = None, **how: Any
) -> Version:
    fields = {"person": "sten", "reason": "Looked at it.", "evidence_digest": version.evidence_digest, **how}
    act = fields.pop("act", Act.ACCEPT)
    return decide_by_checklist(
        version.version_id,
        act,
        **fields,
        answers=answers,
        desk=desk or site.desk,
        catalogue=site.catalogue,
        clock=site.clock,
    )


def with_list(site: Site, checklist: Checklist) -> ReviewDesk:
    return replace(site.desk, checklist=checklist)


def decisions(site: Site, version: Version) -> Sequence[Decision]:
    with site.catalogue.begin() as tx:
        return [one for one in tx.datasets.decisions(version.version_id) if one.act not in CONSENTING]


def asked_for(site: Site, version: Version) -> list[WorkKind]:
    with site.catalogue.begin() as tx:
        return [work.kind for work in tx.inbox.list(subject=version.version_id)]


def settle(site: Site, version: Version, desk: ReviewDesk) -> Version:
    return settle_version(
        version.version_id, lease=lease(site, version), desk=desk, catalogue=site.catalogue, clock=site.clock
    )


def set_policy(site: Site, **fields: Any) -> None:
    with site.catalogue.begin() as tx:
        project = tx.projects.get("atlas")
        policy = project.policy.model_copy(update={"model": None, **fields})
        tx.projects.save(project.model_copy(update={"policy": policy}))


def standing(site: Site, version: Version) -> dict[str, bool | None]:
    return {one.point.id: one.met for one in site.desk.judge(version).points}


# --- what is judged ---------------------------------------------------------------------------------------------------


def test_what_can_be_told_is_judged_and_the_rest_is_asked(site: Site) -> None:
    version = site.lay_version("plate-7", title="Plate 7", said=SAID)

    found = standing(site, version)

    asked = {name for name, met in found.items() if met is None}
    assert {"title", "description", "human-data-looked", "submitter-may", "submission-type"} <= asked
    for name in ("access", "embargo", "asking", "human-data-answer", "readme", "readme-identifier", "manifest"):
        assert found[name] is True, name
    for name in ("quality", "complete", "authors", "licence", "publisher"):
        assert found[name] is True, name
    for name in ("author-identifiers", "categories", "related-materials", "funding", "contact"):
        assert found[name] is False, name


def test_judgements_are_those_of_the_fair_score(site: Site) -> None:
    version = site.lay_version("plate-7", title="Plate 7")
    score = {one.key: one for one in site.parts.score_of(version).criteria}

    judged = [one for one in site.desk.judge(version).points if one.point.judge in score]

    assert len(judged) >= 10
    for one in judged:
        criterion = score[one.point.judge or ""]
        assert (one.met, one.why) == (criterion.standing.value == "met", criterion.why), one.point.id


@pytest.mark.parametrize(
    ("fields", "said", "open_points"),
    [
        ({"verdict": Verdict.QUARANTINED}, SAID, {"quality"}),
        ({"verdict": None}, SAID, {"quality"}),
        ({"missing": ("licence",)}, SAID, {"complete", "licence"}),
        ({"human": HumanData.UNANSWERED}, SAID, {"human-data-answer"}),
        ({}, {}, {"access"}),
        ({"access": Access.RESTRICTED}, SAID, {"asking"}),
        ({"access": Access.EMBARGOED}, SAID, {"access", "embargo"}),
    ],
)
def test_each_lack_is_a_point_of_its_own(
    site: Site, fields: dict[str, Any], said: dict[str, Any], open_points: set[str]
) -> None:
    version = site.lay_version("plate-7", title="Plate 7", said=said, **fields)

    required = {one.id for one in site.parts.checklist.points if one.required}
    assert {name for name, met in standing(site, version).items() if met is False and name in required} == open_points


def test_an_embargo_with_a_day_asks_a_person_for_its_reason(site: Site) -> None:
    said = {**SAID, "embargo_until": "2027-06-30"}
    version = site.lay_version("plate-7", access=Access.EMBARGOED, said=said)

    (point,) = [one for one in site.desk.judge(version).points if one.point.id == "embargo"]

    assert (point.met, point.why) == (None, "kept back until 2027-06-30")


@pytest.mark.parametrize("harm", ["gone", "other bytes", "empty", "no identifier"])
def test_a_readme_that_is_not_what_it_should_be_is_no_readme(site: Site, harm: str) -> None:
    version = site.lay_version("plate-7", said=SAID)
    root, staged = site.dataset(version).object_root, version.staged["README.md"]
    body = {"other bytes": b"harm", "empty": b" \n", "no identifier": b"# A dataset\n"}.get(harm)
    assert isinstance(site.store, MemoryStore)
    if body is None:
        version = version.model_copy(update={"staged": {}})
    else:
        site.store.put(f"{root}/{staged.content_path}", body)
        known = staged if harm == "other bytes" else staged.model_copy(update={"sha512": sha512_of(body)})
        version = version.model_copy(update={"staged": {**version.staged, "README.md": known}})

    found = standing(site, version)

    assert (found["readme"], found["readme-identifier"]) == (harm == "no identifier", False)
    assert found["manifest"] is (harm != "gone")


def test_what_is_not_described_is_judged_and_never_an_error(site: Site) -> None:
    version = site.lay_version("plate-7").model_copy(update={"metadata": None})
    strange = version.model_copy(update={"metadata": {"schema_version": 99}})

    for one in (version, strange):
        assert {name for name, met in standing(site, one).items() if met} == {"readme", "manifest", "quality"}


@pytest.mark.parametrize(("least", "met"), [(1, True), (100, False)])
def test_the_fair_score_is_held_against_the_percent_that_the_list_asks(site: Site, least: int, met: bool) -> None:
    version = site.lay_version("plate-7", title="Plate 7")
    wanted = make_checklist(make_point("score", judge="fair-score", least=least))

    (point,) = with_list(site, wanted).judge(version).points

    assert point.met is met
    assert f"{site.parts.score_of(version).percent:g} %" in (point.why or "")


# --- accepting --------------------------------------------------------------------------------------------------------


def test_a_required_point_that_is_open_refuses_the_acceptance_and_is_named(site: Site) -> None:
    version = site.lay_version("plate-7", said=SAID, missing=("licence",))

    with pytest.raises(DecisionRefused) as refused:
        accept(site, version)

    assert "The title can be understood by itself (title): not answered" in str(refused.value)
    assert "The licence is one of the SPDX list (licence): there is none" in str(refused.value)
    assert {"title", "licence", "complete"} <= set(refused.value.facts["points"])
    assert "funding" not in refused.value.facts["points"]
    assert (site.now(version).stage, decisions(site, version)) == (Stage.IN_REVIEW, [])


def test_what_is_judged_not_to_be_met_is_overruled_only_with_a_reason(site: Site) -> None:
    version = site.lay_version("plate-7", verdict=Verdict.QUARANTINED, said=SAID)
    answers = answers_to(site, version)
    bare = [one.model_copy(update={"remark": None}) for one in answers.given]

    with pytest.raises(DecisionRefused, match=r"\(quality\): overruled without a reason"):
        accept(site, version, Answers(bare))

    accepted = accept(site, version, answers)
    (decision,) = decisions(site, version)
    assert accepted.stage is Stage.ACCEPTED
    assert decision.checklist is not None
    (quality,) = [one for one in decision.checklist.points if one.id == "quality"]
    assert (quality.judged, quality.is_overruled, quality.remark) == (False, True, "Known, and no matter.")


def test_points_that_advise_refuse_nothing(site: Site) -> None:
    version = site.lay_version("plate-7", missing=("licence",))
    advice = make_checklist(make_point("licence", judge="licence", required=False), make_point(required=False))

    assert accept(site, version, desk=with_list(site, advice)).stage is Stage.ACCEPTED


def test_a_decision_keeps_list_answers_and_remarks_and_the_event_none_of_them(site: Site) -> None:
    version = site.lay_version("plate-7", said=SAID)
    answers = answers_to(site, version)
    said = [one.model_copy(update={"remark": REMARK}) if one.point == "title" else one for one in answers.given]

    accept(site, version, Answers(said, answers.seen))

    (decision,) = decisions(site, version)
    kept, ours = decision.checklist, site.parts.checklist
    assert kept is not None
    assert (kept.id, kept.version, kept.digest) == (ours.id, ours.version, ours.digest)
    assert [(one.id, one.text) for one in kept.points] == [(one.id, one.text) for one in ours.points]
    assert {one.id: (one.ticked, one.remark) for one in kept.points}["title"] == (True, REMARK)
    assert decision.inside_only is False
    with site.catalogue.begin() as tx:
        history = tx.outbox.history([version.version_id])
    made = [one.data for one in history if one.name == "decision.made"]
    assert made[0]["checklist"] == {"id": ours.id, "version": ours.version, "digest": ours.digest}
    assert REMARK not in json.dumps([one.model_dump(mode="json") for one in history])


def test_the_archive_alone_tells_the_list_and_the_answers(site: Site) -> None:
    version = site.lay_version("plate-7", said=SAID)
    accept(site, version, answers_to(site, version))
    with site.catalogue.begin() as tx:
        (event,) = [one for one in tx.outbox.history([version.version_id]) if one.name == "decision.made"][:1]

    ArchiveLogSink(store=site.store, catalogue=site.catalogue).send(event)

    body, _ = site.store.get(log_key(site.dataset(version), event))
    kept = [Decision.model_validate(one) for one in json.loads(body)["decisions"]]
    assert kept == list(decisions(site, version))
    assert kept[0].checklist is not None


def test_nothing_that_is_public_holds_a_remark(site: Site) -> None:
    version = site.lay_version("plate-7", said=SAID)
    answers = answers_to(site, version)
    said = [one.model_copy(update={"remark": REMARK}) for one in answers.given]
    accepted = accept(site, version, Answers(said, answers.seen))

    site.publish(accepted)

    assert isinstance(site.public, MemoryStore)
    objects = {one.key: site.public.get(one.key)[0] for one in site.public.list("")}
    assert objects
    assert [key for key, body in objects.items() if REMARK.encode() in body] == []


@pytest.mark.parametrize("act", [Act.REQUEST_CHANGES, Act.REJECT, Act.ASSIGN])
def test_what_was_ticked_is_kept_with_any_decision_and_the_same_person_finds_it_again(site: Site, act: Act) -> None:
    version = site.lay_version("plate-7", said=SAID)
    said = (Answer(point="title", ticked=True), Answer(point="funding", remark="ask them"))

    accept(site, version, Answers(said), act=act, assignee="stina" if act is Act.ASSIGN else None)

    mine = shown_checklist(version.version_id, person="sten", desk=site.desk, catalogue=site.catalogue)
    others = shown_checklist(version.version_id, person="stina", desk=site.desk, catalogue=site.catalogue)
    assert sorted(mine.before, key=lambda one: one.point, reverse=True) == list(said)
    assert list(others.before) == []


def test_a_decision_without_an_answer_keeps_no_list(site: Site) -> None:
    version = site.lay_version("plate-7")

    accept(site, version, act=Act.REJECT)

    assert decisions(site, version)[0].checklist is None


def test_answers_on_other_evidence_or_another_list_are_not_found_again(site: Site) -> None:
    version = site.lay_version("plate-7", said=SAID)
    accept(site, version, Answers([Answer(point="title", ticked=True)]), act=Act.REQUEST_CHANGES)
    changed = site.parts.checklist.model_copy(update={"version": "2"})

    shown = shown_checklist(version.version_id, person="sten", desk=with_list(site, changed), catalogue=site.catalogue)

    assert list(shown.before) == []


# --- what was seen ----------------------------------------------------------------------------------------------------


def test_a_list_that_changed_since_it_was_shown_is_not_accepted_by(site: Site) -> None:
    version = site.lay_version("plate-7", said=SAID)
    answers = answers_to(site, version)
    changed = site.parts.checklist.model_copy(update={"version": "2"})

    with pytest.raises(DecisionRefused, match="not what was shown to you"):
        accept(site, version, answers, desk=with_list(site, changed))

    assert site.now(version).stage is Stage.IN_REVIEW


def test_evidence_that_changed_since_it_was_shown_is_told_before_any_point(site: Site) -> None:
    version = site.lay_version("plate-7", said=SAID)

    with pytest.raises(DecisionRefused, match="evidence"):
        accept(site, version, answers_to(site, version), evidence_digest="0" * 128)


def test_of_two_stewards_at_once_one_is_told_who_was_first_and_one_list_is_kept(site: Site) -> None:
    version = site.lay_version("plate-7", said=SAID)
    answers, start = answers_to(site, version), Barrier(2)

    def act(person: str) -> str:
        start.wait(10)
        try:
            accept(site, version, answers, person=person)
        except DecisionRefused as refused:
            return str(refused)
        return "accepted"

    with ThreadPoolExecutor(2) as pool:
        ends = sorted(pool.map(act, ("sten", "stina")))

    assert ends[0] == "accepted"
    assert "decided on" in ends[1]
    assert len(decisions(site, version)) == 1


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"person": "vera"}, Forbidden),
        ({"person": "otto"}, NotFound),
        ({"person": "sten", "reason": "  "}, InvalidInput),
    ],
)
def test_who_may_not_decide_is_told_that_and_nothing_of_the_list(
    site: Site, how: dict[str, Any], error: type[Exception]
) -> None:
    version = site.lay_version("plate-7")

    with pytest.raises(error) as refused:
        accept(site, version, **how)

    assert "checklist" not in str(refused.value)


# --- for use inside alone ---------------------------------------------------------------------------------------------


def test_what_is_accepted_for_use_inside_alone_is_asked_nothing_and_never_published_on_that_word(site: Site) -> None:
    version = site.lay_version("plate-7", said=SAID)

    accepted = accept(site, version, inside_only=True)

    assert accepted.stage is Stage.ACCEPTED
    assert WorkKind.PUBLISH not in asked_for(site, version)
    with pytest.raises(PublicationRefused, match="sten accepted it for use inside alone"):
        site.publish(accepted)


def test_after_the_review_was_opened_again_the_checklist_lets_it_be_published(site: Site) -> None:
    version = site.lay_version("plate-7", said=SAID)
    accept(site, version, inside_only=True)
    accept(site, version, act=Act.REQUEST_CHANGES)

    accepted = accept(site, version, answers_to(site, version))

    site.publish(accepted)
    assert site.now(version).stage is Stage.PUBLISHED


@pytest.mark.parametrize("act", [Act.REJECT, Act.REQUEST_CHANGES])
def test_for_use_inside_alone_says_nothing_of_any_other_decision(site: Site, act: Act) -> None:
    version = site.lay_version("plate-7")

    accept(site, version, act=act, inside_only=True)

    assert decisions(site, version)[0].inside_only is False


def test_decisions_from_before_there_was_a_list_are_read_and_their_word_stands(site: Site) -> None:
    version = site.lay_version("plate-7", said=SAID)
    accepted = site.decide(version)
    (decision,) = decisions(site, version)
    old = json.loads(decision.model_dump_json(exclude={"checklist", "inside_only"}))

    assert Decision.model_validate(old) == decision
    site.publish(accepted)
    assert site.now(version).stage is Stage.PUBLISHED


# --- by a project's policy --------------------------------------------------------------------------------------------


def test_a_policy_accepts_what_the_list_judges_and_answers_for_the_person(site: Site) -> None:
    set_policy(site, accept_passed=True, publish=PublishPolicy.PASSED)
    version = site.lay_version("plate-7", stage=Stage.VERIFIED, said=SAID)

    settled = settle(site, version, site.desk)

    (decision,) = decisions(site, version)
    assert settled.stage is Stage.ACCEPTED
    assert WorkKind.PUBLISH in asked_for(site, version)
    assert decision.checklist is not None
    assert (decision.person, decision.inside_only, list(decision.checklist.open)) == ("policy:atlas", False, [])
    (title,) = [one for one in decision.checklist.points if one.id == "title"]
    assert (title.ticked, title.remark) == (True, "no person looked: the policy of project atlas answers for it")


def test_what_a_policy_would_publish_and_the_list_judges_lacking_goes_to_a_steward(site: Site) -> None:
    set_policy(site, accept_passed=True, publish=PublishPolicy.PASSED)
    version = site.lay_version("plate-7", stage=Stage.VERIFIED, said=SAID)
    strict = make_checklist(make_point("funding", judge="funding", text="Who paid is named"))

    settled = settle(site, version, with_list(site, strict))

    assert (settled.stage, decisions(site, version)) == (Stage.IN_REVIEW, [])
    with site.catalogue.begin() as tx:
        told = [one.data.get("review") for one in tx.outbox.history([version.version_id])]
    assert "the review checklist: Who paid is named (funding): no funder is named" in told


@pytest.mark.parametrize("publish", [PublishPolicy.NEVER, PublishPolicy.CONSENT])
def test_what_no_policy_publishes_is_accepted_for_use_inside_alone_where_the_list_judges_it_lacking(
    site: Site, publish: PublishPolicy
) -> None:
    set_policy(site, accept_passed=True, publish=publish)
    version = site.lay_version("plate-7", stage=Stage.VERIFIED, said=SAID)
    strict = make_checklist(make_point("funding", judge="funding", text="Who paid is named"))

    settled = settle(site, version, with_list(site, strict))

    assert settled.stage is Stage.ACCEPTED
    assert decisions(site, version)[0].inside_only is True
    set_policy(site, publish=PublishPolicy.CONSENT)
    with pytest.raises(PublicationRefused, match="open: Who paid is named"):
        site.publish(settled)


def test_a_store_that_does_not_answer_leaves_the_version_unsettled(site: Site) -> None:
    set_policy(site, accept_passed=True)
    version = site.lay_version("plate-7", stage=Stage.VERIFIED, said=SAID)
    assert isinstance(site.store, MemoryStore)
    site.store.fail_on("get")

    with pytest.raises(StoreUnavailable):
        settle(site, version, site.desk)

    assert site.now(version).stage is Stage.VERIFIED
