"""A version from its draft DOI to its tombstone: publication, its page and a stand-in for DataCite together."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr

from cisterna.adapters.datacite_service import DataCiteService
from cisterna.adapters.target_datacite import DataCiteTarget
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.deposit import DepositState
from cisterna.domain.errors import IdentifierPending, StoreUnavailable
from cisterna.services.deposit import carry_next
from cisterna.services.publish import publish_version
from cisterna.testing.datacite_stand_in import DataCiteStandIn
from cisterna.testing.fault_proxy import Effect, FaultProxy, Rule
from cisterna.web.wording import say
from tests.targets.test_deposit import deposits_on, opt_in
from tests.web.client import Browser
from tests.web.site import BASE_URL, Site

Visit = Callable[..., Browser]


@pytest.fixture
def service() -> Iterator[DataCiteStandIn]:
    with DataCiteStandIn() as made:
        yield made


@pytest.fixture
def proxy(service: DataCiteStandIn) -> Iterator[FaultProxy]:
    with FaultProxy(service.url) as made:
        yield made


@pytest.fixture
def target(service: DataCiteStandIn, proxy: FaultProxy, site: Site) -> DataCiteTarget:
    password = SecretStr(service.password)
    speaker = DataCiteService(proxy.url, repository=service.repository, password=password, clock=site.clock)
    return DataCiteTarget(speaker, prefix=service.prefix, clock=site.clock, name="doi")


def publish(site: Site, version: Version, target: DataCiteTarget) -> None:
    site.agree(version)
    publish_version(
        version.version_id,
        lease=None,
        catalogue=site.catalogue,
        store=site.store,
        publisher=site.portal,
        tables=site.tables,
        clock=site.clock,
        base_url=site.base_url,
        targets={target.name: target},
    )


def test_a_draft_of_what_was_never_public_is_registered_by_no_erasure(
    site: Site, service: DataCiteStandIn, target: DataCiteTarget
) -> None:
    """A DOI that is registered is there for ever, and no page of this one ever was."""
    opt_in(site, "doi")
    version = site.decide(site.lay_version("plate-7", title="Plate 7"))
    site.public.fail_on("put")  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable):
        publish(site, version, target)
    (kept,) = service.dois.values()
    site.lay_erasure(version)

    done = carry_next(target, site=deposits_on(site))

    assert done is not None
    assert done.deposit is not None
    assert (done.state, kept.states) == (DepositState.WITHDRAWN, ["draft"])
    assert "may be deleted there" in str(done.deposit.remark)


def test_a_doi_is_a_draft_before_its_page_is_public_findable_while_it_is_and_hidden_afterwards(
    site: Site, visit: Visit, service: DataCiteStandIn, proxy: FaultProxy, target: DataCiteTarget
) -> None:
    opt_in(site, "doi")
    version = site.decide(site.lay_version("plate-7", title="Plate 7"))
    pid = site.dataset(version).pid
    doi = f"10.5555/{pid.rpartition('/')[2]}.v1"
    browser = visit()

    proxy.add(Rule(Effect.LOSE, when=lambda asked: asked.method == "POST"))
    with pytest.raises(IdentifierPending):
        publish(site, version, target)
    assert (service.dois[doi].states, browser.get(f"/{pid}").status_code) == (["draft"], 404)
    assert site.now(version).stage is Stage.ACCEPTED

    publish(site, version, target)
    waiting = browser.get(f"/{pid}/v1")
    assert (service.dois[doi].states, waiting.status_code) == (["draft"], 200)
    assert say("landing.doi.waits") in waiting.text
    assert browser.get(f"/{pid}/v1?format=datacite").json()["doi"] == doi

    carry_next(target, site=deposits_on(site))
    kept = service.dois[doi]
    assert kept.states == ["draft", "findable"]
    assert kept.attributes["url"] == f"{BASE_URL}/{pid}/v1"
    assert browser.get(kept.attributes["url"].removeprefix(BASE_URL)).status_code == 200
    public = browser.get(f"/{pid}/v1?format=datacite").json()
    for name in ("titles", "creators", "dates", "rightsList", "relatedIdentifiers", "descriptions"):
        assert kept.attributes[name] == public[name], name
    assert f"https://doi.org/{doi}</textarea>" in browser.get(f"/{pid}/v1").text

    site.withdraw(version)
    done = carry_next(target, site=deposits_on(site))
    assert done is not None
    assert done.state is DepositState.WITHDRAWN
    assert list(service.dois) == [doi]
    assert kept.states == ["draft", "findable", "registered"]
    assert browser.get(kept.attributes["url"].removeprefix(BASE_URL)).status_code == 410
    assert f"https://doi.org/{doi}</textarea>" in browser.get(f"/{pid}/v1").text
