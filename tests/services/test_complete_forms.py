"""A form that cannot be written costs that form and nothing else, is told, and is written as soon as it can be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import PublicationRefused, StoreUnavailable
from cisterna.domain.publication import Publication
from cisterna.metadata.described import Described
from cisterna.metadata.forms import FORMS
from cisterna.ports.publisher import PublicRecord
from cisterna.services import public_record
from cisterna.services.complete_forms import complete_public_forms
from cisterna.services.publish import publish_version
from cisterna.testing.clock import SettableClock
from tests.web.site import Site

NEEDED = {"json-ld", "datacite", "datacite-xml", "crate", "dublin-core"}
TYPES = {form.name: form.media_type for form in FORMS}


@pytest.fixture
def site(catalogue: SqlCatalogue, clock: SettableClock) -> Site:
    made = Site(catalogue, clock)
    made.settle_people()
    return made


@pytest.fixture
def break_forms(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let no form of these names be written; of none, all are again."""

    def fail(_described: Described) -> bytes:
        raise ValueError("pixels\x00 of \u202eplate 7")

    def broken(*names: str) -> None:
        forms = tuple(form._replace(write=fail) if form.name in names else form for form in FORMS)
        monkeypatch.setattr(public_record, "FORMS", forms)

    return broken


def publish(site: Site, version: Version) -> Publication:
    return publish_version(
        version.version_id,
        lease=None,
        catalogue=site.catalogue,
        store=site.store,
        publisher=site.portal,
        tables=site.tables,
        clock=site.clock,
        base_url=site.base_url,
    )


def complete(site: Site) -> list[Publication]:
    return list(
        complete_public_forms(
            catalogue=site.catalogue,
            store=site.store,
            publisher=site.portal,
            tables=site.tables,
            clock=site.clock,
            base_url=site.base_url,
        )
    )


def record_of(site: Site, version: Version) -> PublicRecord | None:
    return site.portal.find(site.dataset(version).pid, version=version.label)


def documents(site: Site, version: Version) -> set[str]:
    record = record_of(site, version)
    assert record is not None
    return {form.name for form in FORMS if form.media_type in record.documents}


def test_the_forms_that_the_public_goes_by_are_needed_and_the_others_are_not() -> None:
    assert {form.name for form in FORMS if form.is_needed} == NEEDED


@pytest.mark.parametrize("name", sorted(NEEDED - {"crate"}))
def test_without_a_form_that_is_needed_nothing_is_public_and_the_refusal_names_it(
    site: Site, break_forms: Callable[..., None], name: str
) -> None:
    version = site.decide(site.lay_version("plate-7"))
    break_forms(name)

    with pytest.raises(PublicationRefused, match="could not be written") as refusal:
        publish(site, version)

    assert refusal.value.facts["form"] == name
    assert site.now(version).stage is Stage.ACCEPTED
    assert record_of(site, version) is None

    break_forms()
    assert publish(site, version).lacking == {}


def test_a_form_that_is_not_needed_is_left_out_told_and_written_later(
    site: Site, break_forms: Callable[..., None]
) -> None:
    version, other = (site.decide(site.lay_version(name)) for name in ("plate-7", "plate-8"))
    publish(site, other)
    break_forms("croissant", "ris")

    published = publish(site, version)

    assert documents(site, version) == set(TYPES) - {"croissant", "ris"}
    assert published.lacking == dict.fromkeys(("croissant", "ris"), "ValueError: pixels of plate 7")
    break_forms("ris")
    (tried,) = complete(site)
    assert set(tried.lacking) == {"ris"}
    assert documents(site, version) == set(TYPES) - {"ris"}

    break_forms()
    (whole,) = complete(site)

    assert whole.lacking == {}
    assert documents(site, version) == set(TYPES)
    assert complete(site) == []
    record = record_of(site, version)
    assert record is not None
    assert record.published_at == published.published_at
    assert "ris" in documents(site, other)


def test_what_is_withdrawn_is_not_completed_and_stays_withdrawn(site: Site, break_forms: Callable[..., None]) -> None:
    version = site.decide(site.lay_version("plate-7"))
    break_forms("ris")
    publish(site, version)
    break_forms()
    site.withdraw(site.now(version))

    assert complete(site) == []
    record = record_of(site, version)
    assert record is not None
    assert record.documents == {}


def test_what_cannot_be_completed_keeps_nothing_else_from_being_so(
    site: Site, break_forms: Callable[..., None]
) -> None:
    first, second = (site.decide(site.lay_version(name)) for name in ("plate-7", "plate-8"))
    break_forms("ris")
    publish(site, first)
    publish(site, second)
    break_forms()
    staged = first.staged["ro-crate-metadata.json"]
    site.store.put(f"{site.dataset(first).object_root}/{staged.content_path}", b"other bytes")

    told = {one.version_id: one.lacking for one in complete(site)}

    assert told[second.version_id] == {}
    assert "not what was archived" in told[first.version_id]["ris"]
    site.store.fail_on("get")  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable):
        complete(site)
