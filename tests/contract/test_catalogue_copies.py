"""What the catalogue keeps of stores and of each object in each of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.dataset import Version
from cisterna.domain.fixity import Fault, Fixity
from cisterna.domain.stored_copy import StoredCopy, worst_of
from cisterna.testing.clock import START
from cisterna.testing.factory import make_acquisition, make_dataset, make_instrument, make_receipt, make_version

NAMES = ("one", "two", "three")


def stored(dataset_id: str, store: str = "archive", **fields: object) -> StoredCopy:
    made = {"reason": "read", "since": START, "looked_at": START, "next_at": START, "checked_at": START}
    return StoredCopy.model_validate({"dataset_id": dataset_id, "store": store, **made, **fields})


@pytest.fixture
def versions(catalogue: SqlCatalogue) -> list[Version]:
    """Three datasets with a version and a receipt of the archive each."""
    made = []
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument())
        tx.copies.register(["archive", "mirror"])
        for name in NAMES:
            acquisition = tx.acquisitions.save(make_acquisition(name))
            dataset = tx.datasets.add(make_dataset(name, acquisition=acquisition))
            version = tx.datasets.add_version(make_version(dataset))
            tx.datasets.add_receipt(make_receipt(version))
            made.append(version)
    return made


def test_stores_are_kept_in_their_order_and_a_dropped_one_is_not_asked_for(catalogue: SqlCatalogue) -> None:
    with catalogue.begin() as tx:
        assert tx.copies.stores() == ["archive"]
        tx.copies.register(["archive", "mirror", "tape"])
        tx.copies.register(["archive", "tape"])
        assert tx.copies.stores() == ["archive", "tape"]


def test_what_is_known_is_given_back_whole_and_replaced(catalogue: SqlCatalogue, versions: list[Version]) -> None:
    fault = Fault(path="v1/content/t/x", reason="it is missing", files=("data/a",))
    first = stored(versions[0].dataset_id, fixity=Fixity.DAMAGED, faults=(fault,), failures=3)
    elsewhere = stored(versions[0].dataset_id, "mirror", fixity=Fixity.OK)
    with catalogue.begin() as tx:
        for copy in (stored(versions[0].dataset_id), first, elsewhere, stored(versions[0].dataset_id, "gone")):
            tx.copies.put(copy)

        assert tx.copies.get(versions[0].dataset_id, "archive") == first
        assert tx.copies.get(versions[0].dataset_id, "tape") is None
        assert tx.copies.of(versions[0].dataset_id) == [first, elsewhere]
        assert tx.copies.list() == [first, elsewhere]
        assert (tx.copies.count("archive"), tx.copies.count("mirror", checked_since=START)) == (1, 1)
        assert tx.copies.count("archive", checked_since=START + timedelta(seconds=1)) == 0


def test_a_version_lacks_a_store_until_it_has_its_receipt(catalogue: SqlCatalogue, versions: list[Version]) -> None:
    later = START + timedelta(hours=1)
    with catalogue.begin() as tx:
        tx.datasets.add_receipt(make_receipt(versions[0], "mirrored", store="mirror"))
        tx.copies.put(stored(versions[1].dataset_id, "mirror", next_at=later))

        now = tx.copies.lacking("mirror", first="archive", now=START, limit=9)
        then = tx.copies.lacking("mirror", first="archive", now=later, limit=9)

        assert {one.version_id for one in now} == {versions[2].version_id}
        assert {one.version_id for one in then} == {versions[1].version_id, versions[2].version_id}
        assert tx.copies.lacking("mirror", first="elsewhere", now=later, limit=9) == []
        proven = tx.copies.proven()
        assert proven[versions[0].version_id] == {"archive", "mirror"}
        assert proven[versions[2].version_id] == {"archive"}
        assert tx.copies.proven(versions[2].dataset_id) == {versions[2].version_id: {"archive"}}


def test_the_oldest_is_due_first_and_what_ended_badly_is_due_with_it(
    catalogue: SqlCatalogue, versions: list[Version]
) -> None:
    one, two, three = (version.dataset_id for version in versions)
    day = timedelta(days=1)
    with catalogue.begin() as tx:
        tx.copies.put(stored(one, fixity=Fixity.OK, checked_at=START + day))
        tx.copies.put(stored(two, fixity=Fixity.OK, checked_at=START))
        tx.copies.put(stored(three, fixity=Fixity.COULD_NOT_CHECK, checked_at=START + 9 * day, next_at=START + 9 * day))

        def due(before: int, now: int) -> list[str]:
            found = tx.copies.due("archive", checked_before=START + before * day, now=START + now * day, limit=9)
            return [copy.dataset_id for copy in found]

        assert due(5, 5) == [two, one]
        assert due(1, 5) == [two]
        assert due(0, 9) == [three]
        assert tx.copies.due("mirror", checked_before=START + 9 * day, now=START + 9 * day, limit=9) == []


def test_damage_anywhere_outweighs_all_else() -> None:
    ok, unread, bad = (stored("ds-" + "0" * 26, name, fixity=one) for name, one in zip("abc", Fixity, strict=True))

    assert worst_of([]) is None
    assert worst_of([stored("ds-" + "0" * 26)]) is None
    assert {worst_of([ok]), worst_of([ok, ok])} == {Fixity.OK}
    assert worst_of([ok, unread, bad]) == Fixity.DAMAGED
