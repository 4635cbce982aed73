"""What F-UJI lets pass and we must not: a record is made public by force, and the fault in it is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cisterna.domain.errors import PublicationRefused
from cisterna.ports.publisher import PublicRecord
from tests.web.client import Browser
from tests.web.public_faults import faults_of, public_records
from tests.web.site import Site

Visit = Callable[..., Browser]
LD = "application/ld+json"


def sabotage(site: Site, change: Callable[[PublicRecord, dict[str, Any]], PublicRecord]) -> None:
    """Change the one public record behind the back of everything that would refuse it."""
    [record] = public_records(site)
    described = json.loads(record.documents[LD])
    changed = change(record, described)
    site.portal.publish(changed.model_copy(update={"documents": changed.documents | {LD: json.dumps(described)}}))


def test_a_record_that_was_published_as_it_should_be_has_no_fault(site: Site, visit: Visit) -> None:
    site.withdraw(site.lay_published("plate-3"))
    source = site.lay_published("plate-7")
    derived = site.lay_published("labels", source=source, model="m@1")

    assert faults_of(site, visit()) == []
    assert {one.dataset_id for one in public_records(site)} > {source.dataset_id, derived.dataset_id}


def test_a_made_up_licence_is_found_on_a_public_page(site: Site, visit: Visit) -> None:
    site.lay_published("plate-7")

    def made_up(record: PublicRecord, described: dict[str, Any]) -> PublicRecord:
        described["license"] = "https://spdx.org/licenses/CC-MADE-UP-9.0"
        return record.model_copy(update={"metadata": record.metadata | {"licence": "CC-MADE-UP-9.0"}})

    sabotage(site, made_up)

    assert [fault.partition(":")[0] for fault in faults_of(site, visit())] == ["licence"]


def test_a_made_up_licence_is_not_published(site: Site) -> None:
    version = site.decide(site.lay_version("plate-7"))
    with site.catalogue.begin() as tx:
        metadata = (version.metadata or {}) | {"licence": "CC-MADE-UP-9.0"}
        tx.datasets.save_version(version.model_copy(update={"metadata": metadata}))

    with pytest.raises(PublicationRefused, match=r"licence 'CC-MADE-UP-9\.0' was stored and is not taken any more"):
        site.publish(site.now(version))

    assert list(site.public.list("")) == []


def test_a_wrong_media_type_is_found_on_a_public_page(site: Site, visit: Visit) -> None:
    site.lay_published("plate-7")

    def mistyped(record: PublicRecord, _described: dict[str, Any]) -> PublicRecord:
        files = [
            one.model_copy(update={"media_type": "application/pdf"}) if one.path.endswith(".tiff") else one
            for one in record.files
        ]
        return record.model_copy(update={"files": tuple(files)})

    sabotage(site, mistyped)

    assert len(faults_of(site, visit())) == 2
    assert all("application/pdf" in fault for fault in faults_of(site, visit()))


def test_a_media_type_that_is_wrong_in_the_description_alone_is_found(site: Site, visit: Visit) -> None:
    site.lay_published("plate-7")

    def misdescribed(record: PublicRecord, described: dict[str, Any]) -> PublicRecord:
        described["distribution"][0]["encodingFormat"] = "image/png"
        return record

    sabotage(site, misdescribed)

    assert [fault.partition(":")[0] for fault in faults_of(site, visit())] == ["media type"]


def test_missing_provenance_is_found_on_a_public_page(site: Site, visit: Visit) -> None:
    site.lay_published("plate-7")

    def nameless(record: PublicRecord, described: dict[str, Any]) -> PublicRecord:
        described["variableMeasured"] = [one for one in described["variableMeasured"] if one["name"] != "instrument"]
        return record

    sabotage(site, nameless)

    assert [fault.partition(":")[0] for fault in faults_of(site, visit())] == ["provenance"]


def test_a_draft_among_what_is_public_is_found(site: Site, visit: Visit) -> None:
    site.lay_published("plate-7")
    draft = site.lay_version("plate-8")
    [record] = public_records(site)
    site.portal.publish(record.model_copy(update={"pid": site.dataset(draft).pid, "dataset_id": draft.dataset_id}))

    assert [fault.partition(":")[0] for fault in faults_of(site, visit())] == ["draft"]
