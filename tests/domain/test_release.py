"""The judge of releases: nothing but a whole proof allows one, and each condition alone forbids it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState, SourceState
from cisterna.domain.dataset import ORDER, Stage
from cisterna.domain.finding import Verdict
from cisterna.domain.fixity import Fixity
from cisterna.domain.hold import Hold, HoldAnswer, HoldOutcome, HoldScope
from cisterna.domain.instrument import BucketIdentity, MassChange, ZoneIdentity
from cisterna.domain.release import (
    ArchiveFacts,
    CopyWord,
    Facts,
    Judgement,
    Release,
    ReleaseRules,
    ReleaseState,
    SourceFacts,
    Step,
    judge,
)
from cisterna.domain.review import Act
from cisterna.domain.shadow import USUAL, Shadow
from cisterna.domain.stored_copy import StoredCopy
from cisterna.testing.clock import START
from cisterna.testing.factory import (
    make_acquisition,
    make_dataset,
    make_decision,
    make_id,
    make_instrument,
    make_receipt,
    make_sha512,
    make_version,
)

NOW = START + timedelta(days=100)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
RULES = ReleaseRules(copies=2, receipt_days=30, rest_days=7, undo_hours=72)
INVENTORY, MANIFEST, PRINT = make_sha512("inventory"), make_sha512("manifest"), "f" * 64

ACQUISITION = make_acquisition(
    project="cells",
    state=AcquisitionState.COMPLETE,
    fingerprint=PRINT,
    ingested_fingerprint=PRINT,
    settled_since=NOW - 20 * DAY,
    completed_at=NOW - 20 * DAY,
)
DATASET = make_dataset(acquisition=ACQUISITION)
VERSION = make_version(
    DATASET,
    stage=Stage.ACCEPTED,
    manifest_digest=MANIFEST,
    evidence_digest=make_sha512("evidence"),
    ocfl_version=1,
    verdict=Verdict.PASSED,
)
FIRST = make_receipt(VERSION, "first", store="archive", verified_at=NOW - 10 * DAY)
SECOND_COPY = make_receipt(VERSION, "second", store="second", verified_at=NOW - 9 * DAY)
ANNOUNCED = Release(
    release_id=make_id("release"),
    acquisition_id=ACQUISITION.acquisition_id,
    dataset_id=DATASET.dataset_id,
    version_id=VERSION.version_id,
    manifest_digest=MANIFEST,
    file_count=24,
    total_bytes=1,
    person="sten",
    announced_at=NOW - 4 * DAY,
    due_at=NOW - DAY,
)
HOLD = Hold(
    hold_id=make_id("hold"),
    scope=HoldScope.PROJECT,
    target="cells",
    person="vera",
    reason="audit",
    placed_at=NOW - DAY,
)
COPY = StoredCopy(
    dataset_id=DATASET.dataset_id,
    store="archive",
    fixity=Fixity.OK,
    reason="every digest agrees",
    since=NOW - DAY,
    looked_at=NOW - DAY,
    next_at=NOW,
)
IN_BUCKET = BucketIdentity(bucket="runs", sentinel="s" * 32)
GUARD = MassChange(since=NOW, known=10, gone=4, changed=0, most=3, evidence="e")
SHADOW = Shadow(
    shadow_id=make_id("shadow"), person="olga", reason="trial", begun_at=NOW - 30 * DAY, days=30, rules=USUAL
)
OVER = SHADOW.model_copy(update={"ended_at": NOW, "ended_by": "olga", "ended_reason": "it did well"})

WHOLE = Facts(
    step=Step.DELETE,
    now=NOW,
    instrument=make_instrument(identity=ZoneIdentity(device=1, inode=2)),
    acquisition=ACQUISITION,
    version=VERSION,
    newest_version_id=VERSION.version_id,
    stores=("archive", "second"),
    copies=(COPY, COPY.model_copy(update={"store": "second"})),
    receipts=(FIRST, SECOND_COPY),
    decisions=(make_decision(VERSION),),
    holds=(),
    answers=(HoldAnswer(system="omero", outcome=HoldOutcome.FREE, asked_at=NOW),),
    open_work=(),
    source=SourceFacts(fingerprint=PRINT, are_digested=True),
    archive=ArchiveFacts(inventory_sha512=INVENTORY, holds_manifest=True),
    rules=RULES,
    announced=ANNOUNCED,
)
"""Everything that a release asks for, and nothing that speaks against it."""


def but(facts: Facts = WHOLE, **fields: Any) -> Facts:
    return facts.model_copy(update=fields)


def acquisition(**fields: Any) -> dict[str, Any]:
    return {"acquisition": ACQUISITION.model_copy(update=fields)}


def version(**fields: Any) -> dict[str, Any]:
    return {"version": VERSION.model_copy(update=fields)}


def receipts(**fields: Any) -> dict[str, Any]:
    return {"receipts": (FIRST, SECOND_COPY.model_copy(update=fields))}


def copies(*fixities: Fixity | None) -> dict[str, Any]:
    known = zip(("archive", "second"), fixities, strict=True)
    return {"copies": tuple(COPY.model_copy(update={"store": store, "fixity": fixity}) for store, fixity in known)}


def source(**fields: Any) -> dict[str, Any]:
    return {"source": WHOLE.source.model_copy(update=fields)}


def answer(outcome: HoldOutcome) -> dict[str, Any]:
    return {"answers": (*WHOLE.answers, HoldAnswer(system="viewer", outcome=outcome, reason="why", asked_at=NOW))}


def announced(**fields: Any) -> dict[str, Any]:
    return {"announced": ANNOUNCED.model_copy(update=fields)}


def decisions(*acts: Act, **fields: Any) -> dict[str, Any]:
    return {"decisions": tuple(make_decision(VERSION, act, **fields) for act in acts)}


def conditions(judgement: Judgement) -> set[str]:
    return {one.condition for one in judgement.objections}


def test_a_whole_proof_allows_the_deletion() -> None:
    judgement = judge(WHOLE)

    assert judgement.allows
    assert judgement.words == ""
    assert [one.store for one in judgement.receipts] == ["archive", "second"]


BROKEN: list[tuple[str, dict[str, Any]]] = [
    *(("verified", version(stage=stage)) for stage in ORDER[: ORDER.index(Stage.VERIFIED)]),
    ("verified", version(manifest_digest=None)),
    ("newest", {"newest_version_id": f"{DATASET.dataset_id}:v2"}),
    ("review", version(stage=Stage.IN_REVIEW)),
    ("review", {"decisions": ()}),
    ("review", decisions(Act.ACCEPT, Act.REQUEST_CHANGES)),
    ("review", decisions(Act.ASSIGN)),
    ("review", decisions(Act.ACCEPT, evidence_digest=make_sha512("older evidence"))),
    ("review", decisions(Act.ACCEPT, version_id=f"{DATASET.dataset_id}:v0")),
    *(
        ("review", {**version(verdict=verdict), **decisions(Act.ACCEPT, person="policy:cells")})
        for verdict in (Verdict.QUARANTINED, Verdict.REVIEW, Verdict.NOT_ASSESSED, None)
    ),
    ("copies", {"receipts": ()}),
    ("copies", {"receipts": (FIRST,)}),
    ("copies", {"receipts": (FIRST, FIRST)}),
    ("copies", {"receipts": (FIRST, FIRST.model_copy(update={"receipt_id": make_id("again")}))}),
    ("copies", receipts(store="nobody-uses-it")),
    ("copies", receipts(version_id=f"{DATASET.dataset_id}:v2")),
    ("copies", receipts(manifest_digest=make_sha512("other"))),
    ("copies", receipts(ocfl_version=2)),
    ("copies", receipts(inventory_sha512=make_sha512("other"))),
    ("copies", receipts(verified_at=NOW - 30 * DAY - SECOND)),
    ("copies", receipts(verified_at=NOW + SECOND)),
    ("copies", {"stores": ("archive",)}),
    ("copies", copies(Fixity.OK, Fixity.COULD_NOT_CHECK)),
    ("copies", copies(Fixity.DAMAGED, Fixity.OK)),
    ("damage", copies(Fixity.OK, Fixity.DAMAGED)),
    ("damage", {**copies(Fixity.OK, Fixity.DAMAGED), "rules": RULES.model_copy(update={"single_copy": "archive"})}),
    ("copies", {"rules": RULES.model_copy(update={"copies": 3})}),
    ("copies", {"receipts": (SECOND_COPY,), "rules": RULES.model_copy(update={"single_copy": "archive"})}),
    ("copies", {"receipts": (), "rules": RULES.model_copy(update={"single_copy": "archive"})}),
    ("rest", acquisition(settled_since=NOW - 7 * DAY + SECOND)),
    ("rest", acquisition(completed_at=NOW - 7 * DAY + SECOND)),
    ("rest", acquisition(completed_at=None)),
    ("rest", acquisition(settled_since=NOW + DAY)),
    (
        "rest",
        {
            "receipts": tuple(
                one.model_copy(update={"verified_at": NOW - 7 * DAY + SECOND}) for one in (FIRST, SECOND_COPY)
            )
        },
    ),
    ("hold", {"holds": (HOLD,)}),
    ("outside-hold", answer(HoldOutcome.HELD)),
    ("outside-hold", answer(HoldOutcome.COULD_NOT_ASK)),
    *(("complete", acquisition(state=state)) for state in AcquisitionState if state is not AcquisitionState.COMPLETE),
    ("not-held", acquisition(held="no project")),
    *(
        ("source-state", acquisition(source_state=state))
        for state in (SourceState.CHANGED, SourceState.MISSING, SourceState.RELEASED)
    ),
    ("ingested", acquisition(ingested_fingerprint=None)),
    ("ingested", acquisition(ingested_fingerprint="a" * 64)),
    ("ingested", {**acquisition(fingerprint="", ingested_fingerprint=""), **source(fingerprint="")}),
    ("no-work", {"open_work": ("reprocess",)}),
    ("instrument", {"instrument": WHOLE.instrument.model_copy(update={"watched": False})}),
    ("instrument", {"instrument": WHOLE.instrument.model_copy(update={"name": "squid-2"})}),
    ("bucket", {"instrument": WHOLE.instrument.model_copy(update={"identity": IN_BUCKET})}),
    ("not-guarded", {"instrument": WHOLE.instrument.model_copy(update={"guard": GUARD})}),
    ("no-shadow", {"instrument": WHOLE.instrument.model_copy(update={"shadow": SHADOW})}),
    ("zone-identity", {"instrument": WHOLE.instrument.model_copy(update={"identity": None})}),
    ("source", source(problem="the share is away")),
    ("unchanged", source(fingerprint="b" * 64)),
    ("same-files", source(obstacles=("a link",))),
    ("same-files", source(unknown=("late.tiff",))),
    ("same-files", source(missing=("0/A1.tiff",))),
    ("same-files", source(different=("0/A1.tiff",))),
    ("digested", source(are_digested=False)),
    ("archive", {"archive": ArchiveFacts(problem="no answer", inventory_sha512=INVENTORY, holds_manifest=True)}),
    ("archive", {"archive": ArchiveFacts(inventory_sha512=INVENTORY)}),
    ("archive", {"archive": ArchiveFacts(holds_manifest=True)}),
    ("announced", {"announced": None}),
    *(("announced", announced(state=state)) for state in ReleaseState if state is not ReleaseState.ANNOUNCED),
    ("announced", announced(acquisition_id=make_acquisition("run-2").acquisition_id)),
    ("announced", announced(version_id=f"{DATASET.dataset_id}:v2")),
    ("announced", announced(manifest_digest=make_sha512("other"))),
    ("undo-window", announced(due_at=NOW + SECOND)),
    ("undo-window", announced(announced_at=NOW - 3 * DAY + SECOND)),
]
"""One thing wrong each, and the condition that it breaks."""


@pytest.mark.parametrize(("condition", "fields"), BROKEN, ids=[f"{n}-{one[0]}" for n, one in enumerate(BROKEN)])
def test_one_thing_that_is_wrong_forbids_it_whatever_else_is_right(condition: str, fields: dict[str, Any]) -> None:
    judgement = judge(but(**fields))

    assert not judgement.allows
    assert condition in conditions(judgement)
    assert all(one.words for one in judgement.objections)


FINE: list[tuple[str, dict[str, Any]]] = [
    *(
        (f"stage {stage.value}", version(stage=stage))
        for stage in ORDER[ORDER.index(Stage.VERIFIED) :]
        if stage is not Stage.IN_REVIEW
    ),
    ("a steward accepted what is quarantined", version(verdict=Verdict.QUARANTINED)),
    ("a steward rejected it", decisions(Act.REJECT)),
    ("a steward discarded it", decisions(Act.DISCARD)),
    ("assigned after the decision", decisions(Act.ACCEPT, Act.ASSIGN)),
    ("policy accepted what passed", decisions(Act.ACCEPT, person="policy:cells")),
    ("the receipt is just fresh enough", receipts(verified_at=NOW - 30 * DAY)),
    ("the receipt is of now", receipts(verified_at=NOW)),
    ("it rested just long enough", acquisition(settled_since=NOW - 7 * DAY, completed_at=NOW - 7 * DAY)),
    ("the hold was lifted", {"holds": (HOLD.model_copy(update={"lifted_at": NOW}),)}),
    ("nobody has looked at the copies since their receipts", copies(None, None)),
    ("nothing but the receipts is known of the copies", {"copies": ()}),
    ("nobody else is asked", {"answers": ()}),
    ("its shadow mode is over", {"instrument": WHOLE.instrument.model_copy(update={"shadow": OVER})}),
    ("releasable already", acquisition(source_state=SourceState.RELEASABLE)),
    ("due this moment", announced(due_at=NOW, announced_at=NOW - 3 * DAY)),
    ("one copy by policy", {"receipts": (FIRST,), "rules": RULES.model_copy(update={"single_copy": "archive"})}),
    (
        "an old receipt beside fresh ones",
        {"receipts": (FIRST, SECOND_COPY, make_receipt(VERSION, "old", verified_at=NOW - 90 * DAY))},
    ),
]


@pytest.mark.parametrize("fields", [one[1] for one in FINE], ids=[one[0] for one in FINE])
def test_what_is_enough_is_enough(fields: dict[str, Any]) -> None:
    assert judge(but(**fields)).words == ""


def test_to_announce_no_digests_and_no_earlier_announcement_are_asked_for() -> None:
    facts = but(step=Step.ANNOUNCE, announced=None, **source(are_digested=False))

    assert judge(facts).words == ""


def test_to_go_on_only_what_is_gone_already_is_forgiven() -> None:
    begun = announced(state=ReleaseState.BEGUN)
    half = but(step=Step.RESUME, **begun, **source(missing=("0/A1.tiff",), fingerprint="c" * 64, are_digested=False))

    assert judge(half).words == ""
    for fields in (
        source(unknown=("late.tiff",)),
        source(different=("0/A1.tiff",)),
        source(obstacles=("a link",)),
        source(problem="away"),
        {"holds": (HOLD,)},
        {"receipts": (FIRST,)},
        {"archive": ArchiveFacts()},
        announced(state=ReleaseState.ANNOUNCED),
    ):
        assert not judge(half.model_copy(update=fields)).allows


UNKNOWN = [
    source(problem="away"),
    {"source": SourceFacts(problem="away")},
    answer(HoldOutcome.COULD_NOT_ASK),
    source(are_digested=False),
]


@pytest.mark.parametrize("fields", UNKNOWN)
def test_what_could_not_be_found_out_is_an_objection_that_says_so(fields: dict[str, Any]) -> None:
    judgement = judge(but(**fields))

    assert [one.is_unknown for one in judgement.objections] == [True]


def test_what_an_archive_that_is_away_could_not_confirm_is_unknown_too() -> None:
    """Without its inventory no receipt counts, and without its manifest every file is one too many."""
    away = {"archive": ArchiveFacts(problem="away"), **source(unknown=("0/A1.tiff",), are_digested=False)}

    judgement = judge(but(**away))

    assert {one.condition for one in judgement.objections} == {"copies", "same-files", "digested", "archive"}
    assert all(one.is_unknown for one in judgement.objections)


@pytest.mark.parametrize(
    ("fields", "condition"),
    [
        ({"holds": (HOLD,)}, "hold"),
        ({"open_work": ("publish",)}, "no-work"),
        (source(fingerprint="other"), "unchanged"),
    ],
)
def test_what_is_known_to_be_wrong_stays_so_while_the_archive_is_away(fields: dict[str, Any], condition: str) -> None:
    judgement = judge(but(archive=ArchiveFacts(problem="away"), **fields))

    assert [one.condition for one in judgement.objections if not one.is_unknown] == [condition]


def test_copies_that_an_archive_that_answers_does_not_confirm_are_known_to_be_wrong() -> None:
    judgement = judge(but(receipts=(FIRST,)))

    assert [(one.condition, one.is_unknown) for one in judgement.objections] == [("copies", False)]


def test_a_system_that_said_no_was_asked() -> None:
    judgement = judge(but(**answer(HoldOutcome.HELD)))

    assert [(one.condition, one.is_unknown) for one in judgement.objections] == [("outside-hold", False)]


@pytest.mark.parametrize(("single", "wanted"), [(None, "copies at 2 stores must"), ("third", "the copy at third must")])
def test_which_copies_are_missing_is_said_in_words(single: str | None, wanted: str) -> None:
    rules = RULES.model_copy(update={"single_copy": single})

    assert wanted in judge(but(rules=rules, receipts=())).words
    assert judge(but(rules=rules, receipts=(FIRST,))).words.count("a receipt of: archive;") == 1
    assert judge(but(rules=rules, receipts=())).words.count("a receipt of: none;") == 1


def test_whose_word_it_is_is_said_with_the_copies_that_are_missing() -> None:
    by = CopyWord(source="instrument squid-1", person="ada", reason="made again", said_at=NOW)
    rules = RULES.model_copy(update={"single_copy": "third", "copies_by": by})

    assert "the copy at third (said of instrument squid-1) must" in judge(but(rules=rules, receipts=())).words


def test_only_what_is_announced_or_begun_is_still_to_be_carried_out() -> None:
    assert {one for one in ReleaseState if one.is_open} == {ReleaseState.ANNOUNCED, ReleaseState.BEGUN}


@pytest.mark.parametrize(("verdict", "said"), [(None, "missing"), (Verdict.QUARANTINED, "quarantined")])
def test_which_verdict_a_steward_has_to_decide_on_is_said(verdict: Verdict | None, said: str) -> None:
    fields = {**version(verdict=verdict), **decisions(Act.ACCEPT, person="policy:cells")}

    assert f"its verdict is {said};" in judge(but(**fields)).words


def test_three_names_are_shown_and_more_are_counted() -> None:
    names = tuple(f"{number}.tiff" for number in range(4))

    assert judge(but(**source(unknown=names[:3]))).words.endswith(": 0.tiff, 1.tiff, 2.tiff")
    assert judge(but(**source(unknown=names))).words.endswith(": 0.tiff, 1.tiff, 2.tiff and 1 more")


def test_without_a_time_to_rest_what_came_to_rest_this_moment_may_go() -> None:
    now = {"settled_since": NOW, "completed_at": NOW}
    rules = RULES.model_copy(update={"rest_days": 0})

    assert judge(but(rules=rules, acquisition=ACQUISITION.model_copy(update=now))).allows
    ahead = ACQUISITION.model_copy(update={"settled_since": NOW + SECOND})
    assert conditions(judge(but(rules=rules, acquisition=ahead))) == {"rest"}


def test_the_newest_receipt_of_a_store_is_the_one_that_counts() -> None:
    newer = FIRST.model_copy(update={"receipt_id": make_id("newer"), "verified_at": NOW - DAY})

    judgement = judge(but(receipts=(newer, SECOND_COPY, FIRST)))

    assert judgement.receipts == (newer, SECOND_COPY)


def test_the_receipts_are_named_by_store_whichever_was_read_first() -> None:
    earlier = SECOND_COPY.model_copy(update={"verified_at": FIRST.verified_at - DAY})

    assert judge(but(receipts=(earlier, FIRST))).receipts == (FIRST, earlier)


def test_a_release_is_open_until_it_is_done_refused_or_cancelled() -> None:
    assert {state for state in ReleaseState if state.is_open} == {ReleaseState.ANNOUNCED, ReleaseState.BEGUN}


def every_fact_is_right(facts: Facts) -> bool:
    """Say anew, in other words than the judge's, what a deletion stands on."""
    release, run, kept = facts.announced, facts.acquisition, facts.version
    good = {
        one.store
        for one in facts.receipts
        if one.store in facts.stores
        and not any(copy.store == one.store and copy.fixity not in {None, Fixity.OK} for copy in facts.copies)
        and (one.version_id, one.manifest_digest, one.ocfl_version, one.inventory_sha512)
        == (kept.version_id, kept.manifest_digest, kept.ocfl_version, facts.archive.inventory_sha512)
        and facts.now - timedelta(days=facts.rules.receipt_days) <= one.verified_at <= facts.now
    }
    words = [one for one in facts.decisions if one.act is not Act.ASSIGN]
    rest = timedelta(days=facts.rules.rest_days)
    checks: list[Callable[[], bool]] = [
        lambda: kept.stage in {Stage.VERIFIED, Stage.ACCEPTED, Stage.REJECTED, Stage.PUBLISHED, Stage.WITHDRAWN},
        lambda: kept.manifest_digest is not None and kept.version_id == facts.newest_version_id,
        lambda: len(good) >= facts.rules.copies or facts.rules.single_copy in good,
        lambda: all(copy.fixity is not Fixity.DAMAGED for copy in facts.copies),
        lambda: bool(words) and words[-1].act in {Act.ACCEPT, Act.REJECT, Act.DISCARD},
        lambda: (words[-1].version_id, words[-1].evidence_digest) == (kept.version_id, kept.evidence_digest),
        lambda: kept.verdict is Verdict.PASSED or not words[-1].person.startswith("policy:"),
        lambda: run.completed_at is not None and max(run.settled_since, run.completed_at) + rest <= facts.now,
        lambda: bool(facts.receipts) and min(one.verified_at for one in facts.receipts) + rest <= facts.now,
        lambda: all(one.lifted_at for one in facts.holds),
        lambda: {one.outcome for one in facts.answers} <= {HoldOutcome.FREE},
        lambda: run.state is AcquisitionState.COMPLETE and run.held is None and not facts.open_work,
        lambda: run.source_state in {SourceState.PRESENT, SourceState.RELEASABLE},
        lambda: bool(run.fingerprint) and run.fingerprint == run.ingested_fingerprint == facts.source.fingerprint,
        lambda: facts.instrument.watched and facts.instrument.identity is not None,
        lambda: facts.instrument.name == run.instrument,
        lambda: facts.instrument.guard is None and isinstance(facts.instrument.identity, ZoneIdentity),
        lambda: facts.instrument.shadow is None or facts.instrument.shadow.ended_at is not None,
        lambda: facts.source == SourceFacts(fingerprint=run.fingerprint, are_digested=True),
        lambda: facts.archive.problem is None and facts.archive.holds_manifest,
        lambda: facts.archive.inventory_sha512 is not None,
        lambda: release is not None and release.state is ReleaseState.ANNOUNCED,
        lambda: release is not None and release.acquisition_id == run.acquisition_id,
        lambda: release is not None and release.version_id == kept.version_id,
        lambda: release is not None and release.manifest_digest == kept.manifest_digest,
        lambda: release is not None and release.due_at <= facts.now,
        lambda: release is not None and release.announced_at + timedelta(hours=facts.rules.undo_hours) <= facts.now,
    ]
    return all(check() for check in checks)


moments = st.integers(-60 * 24, 2).map(lambda hours: NOW + timedelta(hours=hours))
half = st.booleans()
some = st.sampled_from([(), ("a.tiff",)])


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    """Draw facts of which most are right and any may be wrong."""
    fields: dict[str, Any] = {}
    for _ in range(draw(st.integers(0, 4))):
        fields |= draw(st.sampled_from([one[1] for one in BROKEN] + [one[1] for one in FINE]))
    made = but(**fields)
    if draw(half):
        drawn = {"settled_since": draw(moments), "completed_at": draw(moments)}
        made = but(made, acquisition=made.acquisition.model_copy(update=drawn))
    if draw(half):
        changed = [
            one.model_copy(update={"verified_at": draw(moments), "store": draw(st.sampled_from(["archive", "second"]))})
            for one in made.receipts
        ]
        made = but(made, receipts=tuple(changed))
    if draw(half):
        rules = {
            "copies": draw(st.integers(2, 3)),
            "single_copy": draw(st.sampled_from([None, "archive", "second", "third"])),
            "receipt_days": float(draw(st.integers(1, 60))),
            "rest_days": float(draw(st.integers(0, 30))),
        }
        made = but(made, rules=made.rules.model_copy(update=rules))
    return made


@given(facts())
def test_it_allows_exactly_what_is_right_in_every_respect(drawn: Facts) -> None:
    assert judge(drawn).allows == every_fact_is_right(drawn)
