"""A catalogue from before consents went on record, and before there was an index of what is public, is upgraded."""

from __future__ import annotations

import psycopg
import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.dataset import Stage
from cisterna.domain.errors import PublicationRefused
from cisterna.domain.project import Access
from cisterna.domain.review import POLICY_PREFIX
from cisterna.ports.public_index import Wanted
from cisterna.services.public_index import level_public_index
from cisterna.services.publish import request_publication
from cisterna.testing.clock import SettableClock
from tests.services.test_access_round import look, set_project
from tests.web.site import Site

_SINCE = (
    "public_versions",
    "public_datasets",
    "public_values",
    "public_words",
    "deposits",
    "data_deliveries",
    "delivery_keys",
    "delivery_uses",
    "access_marks",
    "access_looks",
)
_FUNCTIONS_SINCE = (
    "said_of_access",
    "mark_access_of_version",
    "mark_access_of_dataset",
    "mark_access_of_project",
    "mark_access_of_publication",
)


def as_of_0017(dsn: str) -> None:
    """Take away what the upgrades since made, and the consents that nobody wrote down then."""
    with psycopg.connect(dsn.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"DROP TABLE {', '.join(_SINCE)} CASCADE")
        connection.execute(f"DROP FUNCTION {', '.join(_FUNCTIONS_SINCE)} CASCADE")
        connection.execute("SET session_replication_role = replica")  # history refuses to be rewritten
        connection.execute("DELETE FROM decisions WHERE body->>'act' = 'consent'")
        connection.execute("UPDATE alembic_version SET version_num = '0017'")


def test_an_upgrade_hides_nothing_that_is_public_and_publishes_nothing_without_consent(
    catalogue: SqlCatalogue, clock: SettableClock, dsn: str
) -> None:
    site = Site(catalogue, clock)
    site.settle_people()
    published, accepted = site.lay_published("plate-7"), site.decide(site.lay_version("plate-8"))
    as_of_0017(dsn)

    catalogue.migrate()
    level_public_index(catalogue=catalogue, shelf=site.portal, clock=clock, base_url=site.base_url)
    levelled = look(site)

    with catalogue.begin() as tx:
        found = tx.public_index.search(Wanted(), limit=10)
        asked = [work for work in tx.inbox.list(subject=accepted.version_id) if work.kind.value == "publish"]
    assert [one.version for one in found.rows] == [published.label]
    assert (levelled.requested, levelled.changed, levelled.failed) == ((), (), ())
    assert site.now(published).stage is Stage.PUBLISHED
    assert len(asked) == 1  # what the policy asked for before the upgrade is on its way, and has nobody's word
    with pytest.raises(PublicationRefused, match=rf"ada has to agree.*`cisterna publish {accepted.version_id}`"):
        site.publish(accepted, consent=None)

    request_publication(accepted.version_id, person="ada", catalogue=catalogue, clock=clock)

    assert site.publish(accepted, consent=None).consent == "ada"
    assert not site.publish(published, consent=None).consent.startswith(POLICY_PREFIX)


def test_what_was_restricted_before_the_upgrade_goes_by_the_first_round_after_it(
    catalogue: SqlCatalogue, clock: SettableClock, dsn: str
) -> None:
    site = Site(catalogue, clock)
    site.settle_people()
    published, other = site.lay_published("plate-7"), site.lay_published("plate-8", project="atlas")
    with psycopg.connect(dsn.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("DROP TABLE access_marks, access_looks CASCADE")
        connection.execute(f"DROP FUNCTION {', '.join(_FUNCTIONS_SINCE)} CASCADE")
        connection.execute("UPDATE alembic_version SET version_num = '0020'")
    set_project(site, access=Access.RESTRICTED)

    catalogue.migrate()

    assert set(look(site, after="ds-zzz").changed) == {published.version_id, other.version_id}
