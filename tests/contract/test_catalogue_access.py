"""What decides about access is read as it is kept, and whatever changes it leaves a mark."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.access import Extent
from cisterna.domain.dataset import Relation, Stage
from cisterna.domain.project import Access
from cisterna.domain.publication import Publication
from cisterna.ports.access import AccessLook
from cisterna.ports.catalogue import Transaction
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.factory import make_acquisition, make_dataset, make_instrument, make_project, make_version

OPEN: dict[str, Any] = {"access": "open", "human_data": "no", "title": "Plate"}


@pytest.fixture
def version_id(catalogue: SqlCatalogue) -> str:
    """Of a version that is public, and no mark is left of it."""
    with catalogue.begin() as tx:
        tx.projects.add(make_project("atlas"))
        tx.projects.add(make_project("other"))
        tx.instruments.add(make_instrument())
        tx.acquisitions.save(make_acquisition())
        dataset = tx.datasets.add(make_dataset().model_copy(update={"project": "atlas"}))
        version = tx.datasets.add_version(
            make_version(metadata=OPEN).model_copy(update={"dataset_id": dataset.dataset_id})
        )
        tx.datasets.put_publication(
            Publication(
                publication_id=f"{version.version_id}@portal",
                version_id=version.version_id,
                target="portal",
                pid=dataset.pid,
                url="https://example.org",
                consent="ada",
                published_at=START,
            )
        )
        spread(tx)
        tx.access.settle([(one, None) for one in tx.access.due(now=START, limit=10)])
    return version.version_id


def spread(tx: Transaction) -> list[str]:
    while tx.access.spread(now=START):
        pass
    return [one.version_id for one in tx.access.due(now=START, limit=10)]


def of_project(tx: Transaction, _version_id: str) -> None:
    project = tx.projects.get("atlas")
    tx.projects.save(
        project.model_copy(update={"defaults": project.defaults.model_copy(update={"access": Access.CLOSED})})
    )


def of_policy(tx: Transaction, _version_id: str) -> None:
    project = tx.projects.get("atlas")
    shows = not project.policy.show_metadata
    tx.projects.save(project.model_copy(update={"policy": project.policy.model_copy(update={"show_metadata": shows})}))


def of_claim(tx: Transaction, version_id: str) -> None:
    dataset = tx.datasets.get(version_id.partition(":")[0])
    tx.datasets.save(dataset.model_copy(update={"project": "other"}))


def of_origin(tx: Transaction, version_id: str) -> None:
    dataset = tx.datasets.get(version_id.partition(":")[0])
    relation = Relation(kind="IsDerivedFrom", dataset_id=dataset.dataset_id, version="v1")
    tx.datasets.save(dataset.model_copy(update={"relations": (relation,)}))


def of_description(tx: Transaction, version_id: str) -> None:
    version = tx.datasets.get_version(version_id)
    tx.datasets.save_version(version.model_copy(update={"metadata": {**OPEN, "human_data": "yes"}}))


def of_rejection(tx: Transaction, version_id: str) -> None:
    tx.datasets.save_version(tx.datasets.get_version(version_id).model_copy(update={"stage": Stage.REJECTED}))


def of_revision(tx: Transaction, version_id: str) -> None:
    newer = {"version_id": f"{version_id}.1", "revision": 1, "record": 0}
    tx.datasets.add_version(tx.datasets.get_version(version_id).model_copy(update=newer))


def of_publication(tx: Transaction, version_id: str) -> None:
    one = tx.datasets.publications(version_id)[0]
    tx.datasets.put_publication(one.model_copy(update={"extent": Extent.METADATA}))


@pytest.mark.parametrize(
    "change",
    [of_project, of_policy, of_claim, of_origin, of_description, of_rejection, of_revision, of_publication],
    ids=lambda one: one.__name__,
)
def test_whatever_access_hangs_on_leaves_a_mark_when_it_changes(
    catalogue: SqlCatalogue, version_id: str, change: Callable[[Transaction, str], None]
) -> None:
    with catalogue.begin() as tx:
        change(tx, version_id)

    with catalogue.begin() as tx:
        assert spread(tx) == [version_id]


def test_what_has_nothing_to_do_with_access_leaves_none(catalogue: SqlCatalogue, version_id: str) -> None:
    with catalogue.begin() as tx:
        version = tx.datasets.get_version(version_id)
        tx.datasets.save_version(version.model_copy(update={"metadata": {**OPEN, "title": "Other"}, "reason": "x"}))
        tx.projects.save(tx.projects.get("atlas").model_copy(update={"title": "Other"}))

    with catalogue.begin() as tx:
        assert spread(tx) == []


def test_a_look_that_was_asked_for_anew_is_not_settled_by_who_did_the_one_before(
    catalogue: SqlCatalogue, clock: SettableClock, version_id: str
) -> None:
    with catalogue.begin() as tx:
        of_project(tx, version_id)
        spread(tx)
        begun = tx.access.due(now=clock.now(), limit=10)
        of_policy(tx, version_id)
        tx.access.spread(now=START + timedelta(seconds=5))

        tx.access.settle([(one, None) for one in begun])

        assert [one.version_id for one in tx.access.due(now=START + timedelta(seconds=5), limit=10)] == [version_id]


def test_what_may_wait_comes_last_and_what_changed_last_comes_first(catalogue: SqlCatalogue, version_id: str) -> None:
    with catalogue.begin() as tx:
        of_project(tx, version_id)
        spread(tx)
        (look,) = tx.access.due(now=START, limit=10)
        later = AccessLook(version_id, START + timedelta(days=1), waits=True)
        tx.access.settle([(look, later)])

        assert tx.access.due(now=START, limit=10) == []
        assert tx.access.due(now=START + timedelta(days=1), limit=10) == [later]


@pytest.mark.parametrize("said", [None, {}, {"access": ["open"], "human_data": 1, "dates": "x"}, OPEN], ids=str)
def test_what_a_description_says_is_read_as_it_was_written(
    catalogue: SqlCatalogue, version_id: str, said: dict[str, Any] | None
) -> None:
    dataset_id = version_id.partition(":")[0]
    with catalogue.begin() as tx:
        tx.datasets.save_version(tx.datasets.get_version(version_id).model_copy(update={"metadata": said}))
        (found,) = tx.access.said([dataset_id])[dataset_id]

    (version,) = found.versions
    kept = version.said
    assert (kept is None) == (said is None)
    assert {key: value for key, value in (kept or {}).items() if value is not None} == {
        key: value for key, value in (said or {}).items() if key != "title"
    }
    assert found.project is not None
    assert found.project.slug == "atlas"


def test_what_a_dataset_was_made_from_and_cannot_be_found_is_told(catalogue: SqlCatalogue, version_id: str) -> None:
    dataset_id, away = version_id.partition(":")[0], f"ds-{'2' * 26}"
    with catalogue.begin() as tx:
        dataset = tx.datasets.get(dataset_id)
        relation = Relation(kind="IsDerivedFrom", dataset_id=away, version="v1")
        tx.datasets.save(dataset.model_copy(update={"relations": (relation,)}))
        own, source = tx.access.said([dataset_id])[dataset_id]

    assert (own.is_found, source.dataset_id, source.is_found) == (True, away, False)
