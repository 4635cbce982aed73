"""PROV is valid by the schema of PROV-JSON, and tells how a version came to be."""

import json
from functools import cache
from importlib import resources
from typing import Any

from hypothesis import given, settings
from jsonschema import Draft4Validator
from prov.model import (
    ProvActivity,
    ProvAssociation,
    ProvAttribution,
    ProvDelegation,
    ProvDerivation,
    ProvDocument,
    ProvGeneration,
    ProvRecord,
    ProvUsage,
)

from cisterna.metadata.described import Described
from cisterna.metadata.prov import prov_document
from cisterna.metadata.record import MetadataRecord
from tests.metadata.described import NOW, a_derived_record, a_full_record, a_record
from tests.metadata.strategies import records

BASE = "https://data.facility.example/ark:/99999/abc"


@cache
def validator() -> Draft4Validator:
    schema = resources.files("prov").joinpath("tests", "schemas", "prov-json.schema.json")
    return Draft4Validator(json.loads(schema.read_text(encoding="utf-8")))


def written(record: MetadataRecord, base_url: str | None = BASE) -> Any:
    return prov_document(Described(record, base_url=base_url, published_at=NOW))


def read(record: MetadataRecord) -> ProvDocument:
    return ProvDocument.deserialize(content=json.dumps(written(record)), format="json")


def ends(document: ProvDocument, kind: type[ProvRecord]) -> list[tuple[str, ...]]:
    """Give the ends of each relation of a kind, as names; what is not said is left out."""
    return sorted(tuple(str(one) for one in record.args if one is not None) for record in document.get_records(kind))


@settings(max_examples=20, deadline=None)
@given(record=records())
def test_every_record_is_valid_by_the_schema_and_read_by_the_library_without_loss(record: MetadataRecord) -> None:
    for base_url in (BASE, None):
        document = written(record, base_url)
        known = ProvDocument.deserialize(content=json.dumps(document), format="json")

        assert [error.message for error in validator().iter_errors(document)] == []
        assert ProvDocument.deserialize(content=known.serialize(format="json"), format="json") == known
        assert len(known.get_records()) == sum(len(group) for name, group in document.items() if name != "prefix")


def test_the_schema_would_have_told() -> None:
    document = written(a_record())
    document["wasGeneratedBy"]["_:made"] = {"prov:activity": 7}
    document["colour"] = {}

    assert len(list(validator().iter_errors(document))) >= 2


def test_a_run_is_an_activity_of_its_instrument() -> None:
    document = read(a_full_record())
    run = next(one for one in document.get_records(ProvActivity) if "acquisition" in str(one.identifier))
    [device] = document.get_record("here:instrument")

    assert run.get_startTime() == NOW
    assert ends(document, ProvGeneration) == [("pid:99999/abc/v1", "here:acquisition")]
    assert ("here:acquisition", "here:instrument") in ends(document, ProvAssociation)
    assert device.get_attribute("schema:serialNumber") == {"S-7"}
    assert ends(document, ProvDerivation) == []


def test_what_a_model_made_is_derived_from_its_source_by_the_model() -> None:
    record = a_derived_record()
    document = read(record)
    [source] = record.relations
    name = f"pid:{source.pid.removeprefix('ark:/')}/v1"

    assert ends(document, ProvDerivation) == [("pid:99999/abc/v1", name, "here:derivation")]
    assert ("here:derivation", name) in ends(document, ProvUsage)
    assert ("here:derivation", "here:model") in ends(document, ProvAssociation)
    [entity] = document.get_record(name)
    assert entity.identifier.uri == f"https://data.facility.example/{source.pid}/v1"


def test_people_software_and_the_publisher_are_told() -> None:
    document = read(a_full_record())
    roles = {next(iter(one.get_attribute("prov:type"))) for one in document.get_records(ProvAttribution)}

    assert roles == {"creator", "DataCollector", "ProjectLeader", "HostingInstitution"}
    assert ("here:credited-0", "here:credited-0-affiliation") in ends(document, ProvDelegation)
    assert ("here:publication", "here:publisher") in ends(document, ProvAssociation)
    assert {one for one in ends(document, ProvUsage) if "used" in one[1]} == {
        ("here:acquisition", "here:used-0"),
        ("here:acquisition", "here:used-1"),
    }


def test_a_run_never_ends_before_it_begins() -> None:
    record = a_record()
    dates = record.dates.model_copy(update={"acquired_to": NOW.replace(year=2020)})

    activity = written(record.model_copy(update={"dates": dates}))["activity"]["here:acquisition"]

    assert activity["prov:startTime"] == NOW.isoformat()
    assert "prov:endTime" not in activity
