"""What may be public on a day, by everybody's word: the strictest counts, and an embargo ends on its day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.access import AccessWord, Extent, access_on, word_of_version, words_of
from cisterna.domain.project import Access, HumanData, Policy, Project
from cisterna.testing.factory import make_project, make_version

DAY = date(2027, 6, 30)
BEFORE, AFTER = DAY - timedelta(days=1), DAY + timedelta(days=1)

words = st.builds(
    AccessWord,
    access=st.sampled_from(Access),
    embargo_until=st.sampled_from([None, BEFORE, DAY, AFTER]),
    human_data=st.sampled_from(HumanData),
    shows_metadata=st.booleans(),
)


def project_of(access: Access, until: date | None = None, *, shows: bool = False) -> Project:
    project = make_project("cells", policy=Policy(show_metadata=shows))
    defaults = project.defaults.model_copy(update={"access": access, "embargo_until": until})
    return project.model_copy(update={"defaults": defaults})


@pytest.mark.parametrize(("day", "extent"), [(BEFORE, "nothing"), (DAY, "files"), (AFTER, "files")])
def test_an_embargo_ends_when_its_day_begins(day: date, extent: str) -> None:
    now = access_on(day, words_of([make_version()], project_of(Access.EMBARGOED, DAY)))

    assert now.extent == extent
    assert (now.embargo_until, now.ended) == ((DAY, None) if day < DAY else (None, DAY))


CASES = {
    Access.OPEN: (Extent.FILES, Extent.FILES),
    Access.EMBARGOED: (Extent.NOTHING, Extent.METADATA),
    Access.RESTRICTED: (Extent.NOTHING, Extent.METADATA),
    Access.CLOSED: (Extent.NOTHING, Extent.NOTHING),
}


@pytest.mark.parametrize("access", Access)
def test_the_description_is_public_without_the_files_only_where_the_policy_says_so(access: Access) -> None:
    hidden, shown = (
        access_on(BEFORE, words_of([], project_of(access, DAY if access is Access.EMBARGOED else None, shows=shows)))
        for shows in (False, True)
    )

    assert (hidden.extent, shown.extent) == CASES[access]


@pytest.mark.parametrize(
    "said",
    [
        {"access": "OPEN"},
        {"access": ["open"]},
        {"access": {"open": 1}},
        {"access": 1},
        {"access": "open", "human_data": True},
        {"access": "open", "human_data": []},
        {"access": "embargoed", "embargo_until": "0000-00-00"},
        {"access": "embargoed", "embargo_until": 20200101},
        {"access": "embargoed"},
    ],
    ids=str,
)
def test_what_cannot_be_understood_is_never_open(said: dict[str, Any]) -> None:
    version = make_version(metadata={"human_data": "no", **said})

    assert access_on(AFTER, words_of([version], project_of(Access.OPEN))).extent is Extent.NOTHING


def test_an_embargo_that_was_over_when_it_was_described_is_a_slip_and_opens_nothing() -> None:
    said = {"access": "embargoed", "human_data": "no", "dates": {"described": "2026-11-30T09:00:00Z"}}
    slip = make_version(metadata={**said, "embargo_until": "2016-12-31"})
    meant = make_version(metadata={**said, "embargo_until": "2026-12-31"})

    assert access_on(AFTER, words_of([slip], project_of(Access.OPEN))).extent is Extent.NOTHING
    assert access_on(AFTER, words_of([meant], project_of(Access.OPEN))).extent is Extent.FILES


def test_of_several_embargoes_the_last_counts_and_one_without_an_end_never_ends() -> None:
    first = AccessWord(access=Access.EMBARGOED, embargo_until=BEFORE, human_data=HumanData.NO)
    last = first.model_copy(update={"embargo_until": AFTER})
    endless = first.model_copy(update={"embargo_until": None})

    assert access_on(DAY, [first, last]).embargo_until == AFTER
    assert access_on(DAY, [last, endless]).embargo_until is None
    assert access_on(date(9999, 12, 31), [first, last, endless]).extent is Extent.NOTHING
    assert access_on(AFTER, [first, last]).ended == AFTER


def test_what_no_project_claims_is_nothing_to_anybody() -> None:
    assert access_on(DAY, words_of([make_version(metadata={"access": "open", "human_data": "no"})], None)).extent == (
        Extent.NOTHING
    )
    assert access_on(DAY, []).extent is Extent.NOTHING


def test_a_version_without_a_word_of_its_own_says_what_its_project_says() -> None:
    project = project_of(Access.EMBARGOED, DAY, shows=True)

    assert word_of_version(make_version(metadata={"title": "x"}), project).embargo_until == DAY
    assert word_of_version(make_version(metadata={"access": "restricted"}), project).embargo_until is None


@given(said=st.lists(words, min_size=1, max_size=5), more=words)
def test_another_word_never_opens_anything(said: list[AccessWord], more: AccessWord) -> None:
    before, after = access_on(DAY, said), access_on(DAY, [*said, more])

    assert after.extent.is_within(before.extent)


@given(said=st.lists(words, min_size=1, max_size=5))
def test_files_are_public_only_where_everybody_says_open_and_nobody(said: list[AccessWord]) -> None:
    now = access_on(DAY, said)

    is_open = all(
        one.access is Access.OPEN
        or (one.access is Access.EMBARGOED and one.embargo_until is not None and one.embargo_until <= DAY)
        for one in said
    )
    assert (now.extent is Extent.FILES) == (is_open and all(one.human_data is HumanData.NO for one in said))
