"""Lists of the catalogue: every entry is in the groups that it belongs to, and a page reads only what is on it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.account import Account
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import ORDER, Relation, Stage, Version
from cisterna.domain.errors import InvalidInput
from cisterna.domain.finding import Verdict
from cisterna.domain.fixity import Fixity
from cisterna.domain.stored_copy import StoredCopy
from cisterna.ports.roster import Group
from cisterna.services.overview import Choice, Overview, count_overviews, list_overviews, tally_instruments
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.factory import make_dataset, make_version
from tests.web.site import Site

_UNTIL_VERIFIED = ORDER[: ORDER.index(Stage.VERIFIED) + 1]
_ENDED_BADLY = (
    AcquisitionState.ABORTED,
    AcquisitionState.PARTIAL,
    AcquisitionState.STALLED,
    AcquisitionState.UNAVAILABLE,
)


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    made = Site(catalogue, clock)
    made.settle_people()
    return made


def listed(site: Site, choice: Choice, account: Account | None = None, **page: int) -> list[Overview]:
    return list(list_overviews(choice, catalogue=site.catalogue, bucket="b", account=account, **page))


def lay(site: Site, name: str, *, stage: Stage = Stage.ACCEPTED, project: str = "atlas") -> Version:
    """Lay a version at any stage; the site's own way ends at the review."""
    version = site.lay_version(name, stage=min(stage, Stage.IN_REVIEW, key=ORDER.index), project=project)
    with site.catalogue.begin() as tx:
        return tx.datasets.save_version(version.model_copy(update={"stage": stage}))


def groups_of(site: Site, title: str) -> set[Group]:
    return {group for group in Group if title in {row.title for row in listed(site, Choice(group=group))}}


def person(site: Site, name: str) -> Account:
    with site.catalogue.begin() as tx:
        account = tx.accounts.find(name)
    assert account is not None
    return account


@pytest.mark.parametrize("stage", ORDER)
def test_a_version_is_on_its_way_in_review_or_settled_by_its_stage(site: Site, stage: Stage) -> None:
    lay(site, "plate-7", stage=stage)

    expected = Group.ACTIVE if stage in _UNTIL_VERIFIED else Group.SETTLED
    assert groups_of(site, "plate-7") == {Group.REVIEW if stage is Stage.IN_REVIEW else expected}


@pytest.mark.parametrize("state", AcquisitionState)
def test_a_run_outside_the_archive_is_on_its_way_or_held_by_its_state(site: Site, state: AcquisitionState) -> None:
    site.lay_acquisition("plate-9", state=state)

    assert groups_of(site, "plate-9") == {Group.HELD if state in _ENDED_BADLY else Group.ACTIVE}


def test_a_held_run_is_held_however_complete_it_is(site: Site) -> None:
    site.lay_acquisition("plate-9", state=AcquisitionState.COMPLETE, held="a symlink")

    assert groups_of(site, "plate-9") == {Group.HELD}


def test_only_the_newest_version_counts(site: Site) -> None:
    version = site.lay_version("plate-7", stage=Stage.IN_REVIEW)
    with site.catalogue.begin() as tx:
        tx.datasets.add_version(make_version(site.dataset(version), number=2, stage=Stage.MEASURED))

    assert groups_of(site, "plate-7") == {Group.ACTIVE}
    assert count_overviews(catalogue=site.catalogue) == 1


def test_a_part_is_no_entry_and_what_is_found_of_it_is_found_of_its_whole(site: Site) -> None:
    whole = lay(site, "plate-7")
    relation = Relation(kind="IsPartOf", dataset_id=whole.dataset_id, version="v1")
    part = make_dataset("part-1", relations=(relation,))
    with site.catalogue.begin() as tx:
        tx.datasets.add(part)
        tx.datasets.add_version(make_version(part, stage=Stage.VERIFIED))

    assert [row.title for row in listed(site, Choice())] == ["plate-7"]


def damage(site: Site, version: Version, fixity: Fixity) -> None:
    with site.catalogue.begin() as tx:
        tx.copies.register(["archive"])
        tx.copies.put(
            StoredCopy(
                dataset_id=version.dataset_id,
                store="archive",
                fixity=fixity,
                reason=fixity.value,
                since=START,
                looked_at=START,
                next_at=START,
            )
        )


def test_what_is_not_whole_comes_damage_first_and_is_no_longer_told_of_a_store_that_is_dropped(site: Site) -> None:
    for name, fixity in (("a", Fixity.OK), ("b", Fixity.DAMAGED), ("c", Fixity.COULD_NOT_CHECK)):
        site.clock.advance(timedelta(seconds=1))
        damage(site, lay(site, name), fixity)

    found = listed(site, Choice(group=Group.UNSOUND))

    assert [row.title for row in found] == ["b", "c"]
    assert count_overviews(Choice(group=Group.UNSOUND), catalogue=site.catalogue) == 2
    with site.catalogue.begin() as tx:
        tx.copies.register(["other"])
    assert listed(site, Choice(group=Group.UNSOUND)) == []


def test_the_gravest_verdict_comes_first_then_the_longest_wait(site: Site) -> None:
    for name, verdict in (
        ("late passed", Verdict.PASSED),
        ("early review", Verdict.REVIEW),
        ("late review", Verdict.REVIEW),
        ("quarantined", Verdict.QUARANTINED),
        ("not assessed", Verdict.NOT_ASSESSED),
    ):
        site.clock.advance(timedelta(seconds=1))
        site.lay_version(name, verdict=verdict)

    order = [row.title for row in listed(site, Choice(group=Group.REVIEW))]

    assert order == ["quarantined", "not assessed", "early review", "late review", "late passed"]


def test_pages_put_together_are_the_whole_list(site: Site) -> None:
    for number in range(7):
        site.clock.advance(timedelta(seconds=1))
        lay(site, f"plate-{number}")
        site.lay_acquisition(f"run-{number}")

    whole = [row.title for row in listed(site, Choice())]
    pages = [[row.title for row in listed(site, Choice(), limit=4, offset=start)] for start in range(0, 20, 4)]

    assert [title for page in pages for title in page] == whole
    assert len(whole) == count_overviews(catalogue=site.catalogue) == 14


def test_a_person_is_told_of_and_counts_only_what_they_may_see(site: Site) -> None:
    lay(site, "open", project="atlas")
    lay(site, "secret", project="other")
    site.lay_acquisition("unclaimed", project=None)

    stina = person(site, "stina")

    assert {row.title for row in listed(site, Choice(), stina)} == {"open"}
    assert listed(site, Choice(project="other"), stina) == []
    assert count_overviews(catalogue=site.catalogue, account=stina) == 1
    assert sum(one.acquisitions for one in tally_instruments(catalogue=site.catalogue, account=stina).values()) == 1
    assert {row.title for row in listed(site, Choice(project="other"))} == {"secret"}
    assert "unclaimed" not in {row.title for row in listed(site, Choice(project="atlas"))}


@pytest.mark.parametrize("words", ["PLATE-7", "late-", " plate-7 ", "100%"])
def test_words_are_found_in_the_title_in_whatever_case_and_mean_only_themselves(site: Site, words: str) -> None:
    lay(site, "plate-7 at 100% power")
    site.lay_acquisition("run_1")

    assert [row.title for row in listed(site, Choice(words=words))] == ["plate-7 at 100% power"]
    assert listed(site, Choice(words="plate_7")) == []


def test_a_dataset_is_found_by_its_pid(site: Site) -> None:
    version = lay(site, "plate-7")

    assert [row.title for row in listed(site, Choice(words=site.dataset(version).pid))] == ["plate-7"]


@pytest.mark.parametrize("words", ["a\0b", "x" * 201, "two\nlines"])
def test_words_that_are_no_plain_text_are_refused(site: Site, words: str) -> None:
    with pytest.raises(InvalidInput):
        listed(site, Choice(words=words))


def test_a_census_counts_what_lists_show(site: Site) -> None:
    site.lay_version("a", stage=Stage.IN_REVIEW, verdict=Verdict.REVIEW)
    site.lay_published("b")
    site.lay_acquisition("c", state=AcquisitionState.ABORTED, held="aborted")

    with site.catalogue.begin() as tx:
        census = tx.roster.census()
        sizes = sum(one.total_bytes for one in tx.datasets.list_versions() if one.ocfl_version is not None)

    assert census.stages == {Stage.IN_REVIEW: 1, Stage.PUBLISHED: 1}
    assert (census.acquisitions[AcquisitionState.ABORTED], census.held) == (1, 1)
    assert census.archived_bytes == sizes
    assert census.verdicts[Verdict.REVIEW] == 1
