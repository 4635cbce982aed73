"""Which DOI is a version's own: the one that was reserved for it, whatever else it got wherever else it stands."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.dataset import Version
from cisterna.domain.deposit import Deposit, DepositState
from cisterna.domain.errors import StoreUnavailable
from cisterna.metadata.forms import FORMS
from cisterna.services.deposit import carry_next
from cisterna.services.deposit_wish import new_wish, reserved_doi
from cisterna.services.fair import doi_of, score_version
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_target import MemoryTarget
from tests.targets.test_deposit import deposits_on, opt_in, public_record, publish, wishes
from tests.web.application import app_on
from tests.web.client import Browser
from tests.web.site import Site

OWN, OTHER = "10.5072/minter-1", "10.5072/repository-1"


class Repeating(MemoryTarget):
    """As Zenodo does, which gives a DOI of its own where there is none, and repeats the one that it is told."""

    def deposit(self, request: Any, *, known: Any, files: Any) -> Any:
        done = super().deposit(request, known=known, files=files)
        return done.model_copy(update={"doi": request.doi}) if request.doi else done


def outside(clock: SettableClock, *names: str, repeats: bool = False) -> list[MemoryTarget]:
    repository = Repeating if repeats else MemoryTarget
    made = {
        "minter": MemoryTarget(clock, name="minter", reserves=True),
        "repository": repository(clock, name="repository"),
    }
    return [made[name] for name in names]


def everywhere(site: Site, *targets: MemoryTarget) -> Version:
    """Publish a version, and carry it to all of these."""
    opt_in(site, *(one.name for one in targets))
    version = site.decide(site.lay_version("plate-7"))
    publish(site, version, *targets)
    for one in targets:
        carry_next(one, site=deposits_on(site))
    return version


ORDERS = [
    (("minter",), OWN, []),
    (("repository",), None, [OTHER]),
    (("minter", "repository"), OWN, [OTHER]),
    (("repository", "minter"), OWN, [OTHER]),
    ((), None, []),
]


@pytest.mark.parametrize(("names", "own", "others"), ORDERS, ids=["-".join(one[0]) or "none" for one in ORDERS])
def test_forms_page_citation_and_score_name_the_reserved_doi_alone_in_whatever_order_targets_are_named(
    site: Site, clock: SettableClock, names: tuple[str, ...], own: str | None, others: list[str]
) -> None:
    version = everywhere(site, *outside(clock, *names))

    record = public_record(site, version)
    assert (record.doi, record.doi_leads_here) == (own, own is not None)
    assert [one.doi for one in record.elsewhere] == others
    for form in FORMS:
        text = record.documents[form.media_type].replace("\\/", "/")
        assert (OWN in text, OTHER in text) == (own is not None, False), form.name
    assert doi_of(version, catalogue=site.catalogue) == own
    page = Browser(TestClient(app_on(site.parts), base_url=site.base_url)).get(f"/{record.pid}/v1")
    cited = f"https://doi.org/{own}" if own else f"{site.base_url}/{record.pid}/v1"
    assert f"{cited}</textarea>" in page.text
    assert f'<{cited}>; rel="cite-as"' in page.headers["link"]
    assert all(one in page.text for one in others), "where else it stands is told"


def test_a_repository_that_repeats_the_doi_has_none_of_its_own_to_tell(site: Site, clock: SettableClock) -> None:
    version = everywhere(site, *outside(clock, "repository", "minter", repeats=True))

    record = public_record(site, version)
    assert (record.doi, [one.doi for one in record.elsewhere]) == (OWN, [None])
    assert doi_of(version, catalogue=site.catalogue) == OWN


def test_a_doi_that_is_known_from_elsewhere_does_not_become_the_version_s_own_when_it_is_published(
    site: Site, clock: SettableClock
) -> None:
    repository, minter = outside(clock, "repository", "minter")
    opt_in(site, "repository", "minter")
    version = site.decide(site.lay_version("plate-7"))
    with site.catalogue.begin() as tx:
        kept = new_wish(version, site.dataset(version), "repository", person="ada", next_at=None, now=clock.now())
        shelved = repository._told(repository._shelve(kept.key))
        tx.deposits.put(kept.model_copy(update={"state": DepositState.WITHDRAWN, "deposit": shelved}))

    record = publish(site, version, repository, minter)

    assert record.doi == OWN
    assert json.loads(record.documents["application/vnd.datacite.datacite+json"])["doi"] == OWN


def test_a_draft_at_a_target_that_is_named_no_longer_stands_in_nothing(site: Site, clock: SettableClock) -> None:
    (minter,) = outside(clock, "minter")
    opt_in(site, "minter")
    version = site.decide(site.lay_version("plate-7"))
    site.public.fail_on("put")  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable):
        publish(site, version, minter)
    opt_in(site)

    record = publish(site, version, minter)

    assert record.doi is None
    assert doi_of(version, catalogue=site.catalogue) is None


def test_a_doi_that_came_after_the_publication_is_told_beside_and_is_not_scored(
    site: Site, clock: SettableClock
) -> None:
    """The forms were written without it."""
    (minter,) = outside(clock, "minter")
    version = site.lay_published("plate-7")
    with site.catalogue.begin() as tx:
        now = clock.now()
        tx.deposits.put(new_wish(version, site.dataset(version), "minter", person="ada", next_at=now, now=now))
    opt_in(site, "minter")

    carry_next(minter, site=deposits_on(site))

    record = public_record(site, version)
    assert (record.doi, [one.doi for one in record.elsewhere]) == (None, [OWN])
    assert doi_of(version, catalogue=site.catalogue) is None


def test_the_score_names_the_doi_that_is_reserved_also_before_anything_is_public(
    site: Site, clock: SettableClock
) -> None:
    (minter,) = outside(clock, "minter")
    opt_in(site, "minter")
    version = site.decide(site.lay_version("plate-7"))
    site.public.fail_on("put")  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable):
        publish(site, version, minter)
    assert [one.state for one in wishes(site, version)] == [DepositState.RESERVED]

    score = score_version(
        version, catalogue=site.catalogue, store=site.store, tables=site.tables, base_url=site.base_url
    )

    (judged,) = [one for one in score.criteria if one.key == "identifier"]
    assert judged.why == f"the DOI {OWN}"


def test_a_doi_that_was_reserved_before_the_upgrade_is_still_the_versions_own(
    site: Site, clock: SettableClock, catalogue: SqlCatalogue, dsn: str
) -> None:
    version = site.decide(site.lay_version("plate-7"))
    dataset, now = site.dataset(version), clock.now()
    with catalogue.begin() as tx:
        for target, name, doi in (("repository", "71234", "10.5072/fig.71234"), ("minter", OWN, OWN)):
            wish = new_wish(version, dataset, target, person="ada", next_at=None, now=now)
            stands = Deposit(target=target, outside_id=name, doi=doi, state=DepositState.RESERVED, told_at=now)
            tx.deposits.put(wish.model_copy(update={"state": DepositState.RESERVED, "deposit": stands}))
    with psycopg.connect(dsn.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("UPDATE deposits SET body = (body::jsonb - 'is_own')::json")
        connection.execute("UPDATE alembic_version SET version_num = '0022'")

    catalogue.migrate()

    with catalogue.begin() as tx:
        assert reserved_doi(tx, version, ["repository", "minter"]) == OWN
        assert reserved_doi(tx, version, ["repository"]) is None
