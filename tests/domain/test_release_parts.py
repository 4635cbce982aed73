"""The judge of releases, of a version whose files lie in parts: each part is asked what the whole is asked."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from cisterna.domain.dataset import ORDER, Relation, Stage
from cisterna.domain.fixity import Fixity
from cisterna.domain.part import Part, part_pid
from cisterna.domain.release import ArchiveFacts, Facts, Objection, PartFacts, judge
from cisterna.testing.factory import make_dataset, make_receipt, make_sha512, make_version
from tests.domain.test_release import COPY, DATASET, DAY, NOW, RULES, SECOND, VERSION, WHOLE


def part_facts(number: int) -> PartFacts:
    dataset = make_dataset(f"part-{number}").model_copy(
        update={
            "pid": part_pid(DATASET.pid, number),
            "relations": (Relation(kind="IsPartOf", dataset_id=DATASET.dataset_id, version="v1"),),
        }
    )
    version = make_version(dataset, stage=Stage.VERIFIED, manifest_digest=make_sha512(f"part {number}"), ocfl_version=1)
    return PartFacts(
        version=version,
        copies=tuple(
            COPY.model_copy(update={"dataset_id": dataset.dataset_id, "store": store}) for store in WHOLE.stores
        ),
        receipts=tuple(
            make_receipt(version, f"{number} {store}", store=store, verified_at=NOW - 10 * DAY)
            for store in WHOLE.stores
        ),
        archive=WHOLE.archive,
    )


PARTS = tuple(map(part_facts, (1, 2, 3)))
NAMED = tuple(
    Part(
        number=number,
        dataset_id=one.version.dataset_id,
        version_id=one.version.version_id,
        pid=part_pid(DATASET.pid, number),
        ocfl_version=1,
        algorithm="sha512",
        manifest_digest=one.version.manifest_digest or "",
        file_count=1,
        total_bytes=1,
        first=str(number),
        last=str(number),
    )
    for number, one in enumerate(PARTS, start=1)
)
IN_PARTS = WHOLE.model_copy(update={"version": VERSION.model_copy(update={"parts": NAMED}), "parts": PARTS})
"""Everything that a release asks for, of the whole and of three parts."""


def with_part(place: int, **fields: Any) -> Facts:
    changed = PARTS[place].model_copy(update=fields)
    return IN_PARTS.model_copy(update={"parts": (*PARTS[:place], changed, *PARTS[place + 1 :])})


def of_version(place: int, **fields: Any) -> Facts:
    return with_part(place, version=PARTS[place].version.model_copy(update=fields))


def second_receipt(place: int, **fields: Any) -> Facts:
    first, second = PARTS[place].receipts
    return with_part(place, receipts=(first, second.model_copy(update=fields)))


def found(place: int, fixity: Fixity) -> Facts:
    first, second = PARTS[place].copies
    return with_part(place, copies=(first, second.model_copy(update={"fixity": fixity})))


def test_proof_of_the_whole_and_of_each_part_allows_the_deletion_and_is_all_named() -> None:
    judgement = judge(IN_PARTS)

    assert judgement.words == ""
    named = {(one.version_id, one.store) for one in judgement.receipts}
    versions = [VERSION.version_id, *(one.version.version_id for one in PARTS)]
    assert named == set(product(versions, WHOLE.stores))
    assert len(judgement.receipts) == len(named)


BROKEN = {
    **{
        f"{stage.value} only": ("parts", lambda place, stage=stage: of_version(place, stage=stage))
        for stage in ORDER[: ORDER.index(Stage.VERIFIED)]
    },
    "other files": ("parts", lambda place: of_version(place, manifest_digest=make_sha512("other"))),
    "other OCFL version": ("parts", lambda place: of_version(place, ocfl_version=2)),
    "other version": ("parts", lambda place: of_version(place, version_id="ds-other:v1")),
    "no receipt": ("copies", lambda place: with_part(place, receipts=())),
    "one receipt": ("copies", lambda place: with_part(place, receipts=PARTS[place].receipts[:1])),
    "the other receipt": ("copies", lambda place: with_part(place, receipts=PARTS[place].receipts[1:])),
    "receipts of another part": (
        "copies",
        lambda place: with_part(place, receipts=PARTS[(place + 1) % len(PARTS)].receipts),
    ),
    "a receipt of no store in use": ("copies", lambda place: second_receipt(place, store="nobody-uses-it")),
    "a receipt of other files": ("copies", lambda place: second_receipt(place, manifest_digest=make_sha512("other"))),
    "a receipt of another inventory": (
        "copies",
        lambda place: second_receipt(place, inventory_sha512=make_sha512("other")),
    ),
    "an old receipt": ("copies", lambda place: second_receipt(place, verified_at=NOW - 30 * DAY - SECOND)),
    "a receipt of tomorrow": ("copies", lambda place: second_receipt(place, verified_at=NOW + SECOND)),
    "damage since": ("damage", lambda place: found(place, Fixity.DAMAGED)),
    "doubt since": ("copies", lambda place: found(place, Fixity.COULD_NOT_CHECK)),
    "not in the archive": ("archive", lambda place: with_part(place, archive=ArchiveFacts())),
    "not whole": (
        "archive",
        lambda place: with_part(place, archive=IN_PARTS.archive.model_copy(update={"holds_manifest": False})),
    ),
    "archive away": (
        "archive",
        lambda place: with_part(place, archive=IN_PARTS.archive.model_copy(update={"problem": "no answer"})),
    ),
    "verified too lately": (
        "rest",
        lambda place: with_part(
            place,
            receipts=tuple(
                one.model_copy(update={"verified_at": NOW - 7 * DAY + SECOND}) for one in PARTS[place].receipts
            ),
        ),
    ),
    "unknown": (
        "parts",
        lambda place: IN_PARTS.model_copy(update={"parts": (*PARTS[:place], *PARTS[place + 1 :])}),
    ),
    "not named": (
        "parts",
        lambda place: IN_PARTS.model_copy(
            update={"version": VERSION.model_copy(update={"parts": (*NAMED[:place], *NAMED[place + 1 :])})}
        ),
    ),
}
"""One thing wrong with one part, and the condition that it breaks."""


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("what", BROKEN)
def test_one_thing_that_is_wrong_with_any_part_forbids_it(what: str, place: int) -> None:
    condition, spoil = BROKEN[what]

    judgement = judge(spoil(place))

    assert condition in {one.condition for one in judgement.objections}


@pytest.mark.parametrize("place", [0, 1, 2])
def test_whose_part_is_not_whole_is_said(place: int) -> None:
    judgement = judge(with_part(place, archive=ArchiveFacts(problem="no answer", inventory_sha512="0" * 128)))

    about: list[Objection] = [one for one in judgement.objections if one.condition == "archive"]
    assert [(PARTS[place].version.version_id in one.words, one.is_unknown) for one in about] == [(True, True)]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_the_archive_of_one_part_could_not_confirm_is_unknown(place: int) -> None:
    judgement = judge(with_part(place, archive=ArchiveFacts(problem="no answer")))

    assert {(one.condition, one.is_unknown) for one in judgement.objections} == {("copies", True), ("archive", True)}


def test_two_stores_count_only_if_both_have_every_part() -> None:
    """Two copies of each object are not two copies of the whole when they lie in different stores."""
    three = {"stores": ("archive", "second", "third")}
    elsewhere = second_receipt(1, store="third").model_copy(update=three)

    assert {one.condition for one in judge(elsewhere).objections} == {"copies"}
    single = elsewhere.model_copy(update={"rules": RULES.model_copy(update={"single_copy": "archive"})})
    assert judge(single).words == ""
    other = elsewhere.model_copy(update={"rules": RULES.model_copy(update={"single_copy": "second"})})
    assert {one.condition for one in judge(other).objections} == {"copies"}


def test_a_part_that_rested_just_long_enough_is_enough() -> None:
    rested = tuple(one.model_copy(update={"verified_at": NOW - 7 * DAY}) for one in PARTS[0].receipts)

    assert judge(with_part(0, receipts=rested)).words == ""
    assert judge(with_part(0, receipts=(*rested, rested[0].model_copy(update={"verified_at": NOW})))).words == ""


def test_an_old_receipt_beside_a_fresh_one_of_a_part_is_forgiven() -> None:
    old = PARTS[2].receipts[0].model_copy(update={"verified_at": NOW - timedelta(days=90)})

    assert judge(with_part(2, receipts=(old, *PARTS[2].receipts))).words == ""
