"""A publication whose last attempt was killed is told, carried on once, and taken back when that fails too."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.alert_message import MessageKind
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import ChecksumMismatch, PublicationRefused, StoreUnavailable
from cisterna.domain.project import Access
from cisterna.domain.work import WorkKind, WorkState
from cisterna.services.alert_message import alert_message
from cisterna.services.attempt import fail_attempt, start_attempt
from cisterna.services.health import Condition, look_at_publications
from cisterna.services.public_index import level_public_index
from cisterna.services.publish import request_publication
from cisterna.services.publish_left import Left, LeftEnd, end_left_publications
from cisterna.testing.clock import SettableClock
from tests.services.test_access_round import SECRET, in_bucket, set_project
from tests.services.world import PLACE
from tests.web.site import Site


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    made = Site(catalogue, clock)
    made.settle_people()
    return made


def killed(site: Site) -> Version:
    """Lay a version whose publication was killed between the page and its record."""
    version = site.decide(site.lay_version("plate-7", title=SECRET))
    request_publication(version.version_id, person="ada", catalogue=site.catalogue, clock=site.clock)
    site.public.fail_on("put", after=True)  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable):
        site.publish(version)
    return version


def wear_out(site: Site) -> None:
    """Let every attempt at what waits be the worker's last act, until it is given up."""
    options = {"lease": timedelta(seconds=60), "place": PLACE, "attempts_max": 2, "kinds": [WorkKind.PUBLISH]}
    while start_attempt(catalogue=site.catalogue, clock=site.clock, owner="x", **options):  # type: ignore[arg-type]
        site.clock.advance(3600)


def give_up(site: Site, version: Version, error: Exception) -> None:
    request_publication(version.version_id, person="ada", catalogue=site.catalogue, clock=site.clock)
    options = {"catalogue": site.catalogue, "clock": site.clock, "place": PLACE, "attempts_max": 2}
    begun = start_attempt(owner="x", lease=timedelta(seconds=60), kinds=[WorkKind.PUBLISH], **options)  # type: ignore[arg-type]
    assert begun is not None
    assert fail_attempt(begun, error, **options) is WorkState.FAILED  # type: ignore[arg-type]


def round_of(site: Site) -> list[Left]:
    options = {"catalogue": site.catalogue, "clock": site.clock}
    found = level_public_index(shelf=site.portal, base_url=site.base_url, **options)  # type: ignore[arg-type]
    return list(end_left_publications(found.unrecorded, publisher=site.portal, **options))  # type: ignore[arg-type]


def messages(site: Site, version: Version) -> list[tuple[MessageKind, bool]]:
    with site.catalogue.begin() as tx:
        events = [one for one in tx.outbox.history([version.version_id]) if one.name == "publication.failed"]
    told = [alert_message(one, catalogue=site.catalogue, base_url="https://example.org") for one in events]
    return [(one.kind, SECRET in one.body) for one in told if one is not None]


def test_stewards_and_doctor_are_told_and_the_next_round_carries_it_on(site: Site) -> None:
    version = killed(site)
    assert round_of(site) == [], "its work is under way"

    wear_out(site)

    assert SECRET in in_bucket(site)
    assert messages(site, version) == [(MessageKind.PUBLICATION_FAILED, True)]
    found = look_at_publications(site.catalogue)
    assert (found.condition, version.version_id in found.message) == (Condition.WARNING, True)

    assert round_of(site) == [(version.version_id, LeftEnd.CARRIED_ON)]
    assert round_of(site) == []
    assert messages(site, version) == [], "it goes on by itself"
    site.publish(version, consent=None)

    assert site.now(version).stage is Stage.PUBLISHED
    assert round_of(site) == []
    assert look_at_publications(site.catalogue).condition is Condition.OK


def test_what_fails_again_is_taken_back_and_is_public_no_longer(site: Site) -> None:
    version = killed(site)
    wear_out(site)
    round_of(site)
    wear_out(site)

    assert round_of(site) == [(version.version_id, LeftEnd.TAKEN_BACK)]

    assert SECRET not in in_bucket(site)
    assert site.now(version).stage is Stage.ACCEPTED
    assert round_of(site) == []
    assert look_at_publications(site.catalogue).condition is Condition.WARNING


def test_what_is_restricted_by_then_is_taken_back_when_it_is_carried_on(site: Site) -> None:
    version = killed(site)
    wear_out(site)
    set_project(site, access=Access.RESTRICTED)
    round_of(site)

    with pytest.raises(PublicationRefused):
        site.publish(version, consent=None)

    assert SECRET not in in_bucket(site)
    assert messages(site, version) == []


def test_what_may_not_be_public_is_told_to_who_asked_and_to_nobody_else(site: Site) -> None:
    refused, broken = (site.decide(site.lay_version(name)) for name in ("plate-1", "plate-2"))

    give_up(site, refused, PublicationRefused("it may not"))
    give_up(site, broken, ChecksumMismatch("it is not what was archived"))

    assert messages(site, refused) == []
    assert messages(site, broken) == [(MessageKind.PUBLICATION_FAILED, False)]
