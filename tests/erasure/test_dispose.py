"""What has come to its end of life goes by a named person's decision, and leaves a tombstone that names the rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cisterna.domain.dataset import Stage, Version
from cisterna.domain.erasure import ErasureState, Order, RemovalKind
from cisterna.domain.errors import Erased, ErasureRefused, Forbidden, InvalidInput
from cisterna.domain.retention import RetentionRule
from cisterna.services.dispose import disposal_order
from cisterna.services.erase import erase_dataset
from cisterna.services.erase_plan import plan_erasure
from cisterna.services.hold import lift_hold, place_hold
from cisterna.services.retention import CatalogueEndOfLife
from cisterna.services.transition import advance
from tests.erasure.yard import Yard


@pytest.fixture
def doomed(yard: Yard) -> Version:
    """Give a version at rest whose project is kept for a year."""
    version = yard.archived()
    with yard.catalogue.begin() as tx:
        advance(tx, tx.datasets.get_version(version.version_id), Stage.IN_REVIEW, clock=yard.facility.clock)
    with yard.catalogue.begin() as tx:
        advance(tx, tx.datasets.get_version(version.version_id), Stage.ACCEPTED, clock=yard.facility.clock)
        tx.retention_rules.add(
            RetentionRule(
                rule_id="rule-1",
                project="cells",
                keep_years=1,
                person="anna",
                reason="policy 7",
                set_at=yard.facility.clock.now(),
            )
        )
    return version


def end_of_life(yard: Yard) -> CatalogueEndOfLife:
    return CatalogueEndOfLife(catalogue=yard.catalogue, clock=yard.facility.clock)


def order(yard: Yard, version: Version, *, person: str = "anna", reason: str = "its time is over") -> Order | None:
    return disposal_order(
        version.dataset_id, person=person, reason=reason, catalogue=yard.catalogue, end_of_life=end_of_life(yard)
    )


def dispose(yard: Yard, version: Version) -> ErasureState:
    site = replace(yard.site, end_of_life=end_of_life(yard))
    return erase_dataset(version.dataset_id, person="anna", order=order(yard, version), site=site).state


def test_nothing_goes_before_its_time_and_a_hold_defers_it(yard: Yard, doomed: Version) -> None:
    with pytest.raises(ErasureRefused, match="its time ends"):
        dispose(yard, doomed)
    yard.facility.clock.advance(timedelta(days=366))
    hold = place_hold(
        doomed.dataset_id, person="anna", reason="a lawsuit", catalogue=yard.catalogue, clock=yard.facility.clock
    )

    with pytest.raises(ErasureRefused, match="a lawsuit"):
        dispose(yard, doomed)

    lift_hold(hold.hold_id, person="anna", reason="settled", catalogue=yard.catalogue, clock=yard.facility.clock)
    assert dispose(yard, doomed) is ErasureState.DONE


def test_a_disposal_is_on_record_with_its_rule_and_a_second_run_changes_nothing(yard: Yard, doomed: Version) -> None:
    yard.facility.clock.advance(timedelta(days=366))
    site = replace(yard.site, end_of_life=end_of_life(yard))
    plan = plan_erasure(doomed.dataset_id, person="anna", site=site, kind=RemovalKind.RETENTION)
    assert plan.objections == ()
    root = yard.root(doomed.dataset_id)

    assert dispose(yard, doomed) is ErasureState.DONE

    assert not yard.below(yard.archive, root)
    assert not yard.below(yard.copy, root)
    with yard.catalogue.begin() as tx:
        erasure = tx.erasures.of(doomed.dataset_id)
    assert erasure is not None
    assert (erasure.order.kind, erasure.order.decision) == (RemovalKind.RETENTION, "rule rule-1")
    assert erasure.person == "anna"
    assert "1 year" in erasure.order.basis
    assert order(yard, doomed) is None
    assert dispose(yard, doomed) is ErasureState.DONE
    with pytest.raises(Erased, match="disposed of"), yard.catalogue.begin() as tx:
        tx.datasets.get_version(doomed.version_id)


def test_only_an_administrator_with_a_reason_disposes(yard: Yard, doomed: Version) -> None:
    yard.facility.clock.advance(timedelta(days=366))

    with pytest.raises(Forbidden):
        order(yard, doomed, person="sten")
    with pytest.raises(InvalidInput, match="reason"):
        order(yard, doomed, reason=" \n")
    assert yard.below(yard.archive, yard.root(doomed.dataset_id))
