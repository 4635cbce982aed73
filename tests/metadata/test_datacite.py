"""The DataCite form is valid against DataCite's own schema and vocabularies."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from defusedxml import ElementTree

from cisterna.metadata.datacite import UNAVAILABLE, datacite_document
from cisterna.metadata.described import Described
from cisterna.metadata.record import MetadataRecord
from tests.metadata.described import a_derived_record, a_record
from tests.metadata.rocrate import specs, validator

_CHECK = """
import json, sys
from datacite import schema45
json.dump([error.message for error in schema45.validator.iter_errors(json.load(sys.stdin))], sys.stdout)
"""
RECORDS: dict[str, Callable[[], MetadataRecord]] = {
    "raw": a_record,
    "derived": a_derived_record,
    "bare": lambda: a_record(project=None, instrument=None, described=None, findings=()),
}


def schema_errors(document: dict[str, Any]) -> list[str]:
    """Validate with the `datacite` package of the validators' environment."""
    python = validator() / "python"
    done = subprocess.run(
        [str(python), "-c", _CHECK], input=json.dumps(document), capture_output=True, text=True, check=False, timeout=60
    )
    if "No module named 'datacite'" in done.stderr:
        pytest.skip("the validators' environment has no `datacite`: nothing is checked against DataCite's schema here")
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def vocabulary(name: str) -> set[str]:
    file = specs() / "datacite" / "kernel-4.6" / "include" / f"datacite-{name}-v4.xsd"
    tree = ElementTree.parse(file)
    return {element.attrib["value"] for element in tree.iter("{http://www.w3.org/2001/XMLSchema}enumeration")}


@pytest.mark.parametrize("kind", RECORDS)
def test_the_document_is_valid_against_the_schema(kind: str) -> None:
    assert schema_errors(datacite_document(Described(RECORDS[kind]()))) == []


def test_the_schema_would_have_told() -> None:
    assert schema_errors({**datacite_document(Described(a_record())), "identifiers": []})


@pytest.mark.parametrize("kind", RECORDS)
def test_words_are_those_of_kernel_4_6(kind: str) -> None:
    document: Any = datacite_document(Described(RECORDS[kind]()))

    assert document["types"]["resourceTypeGeneral"] in vocabulary("resourceType")
    assert {one["dateType"] for one in document["dates"]} <= vocabulary("dateType")
    assert {one["descriptionType"] for one in document["descriptions"]} <= vocabulary("descriptionType")
    assert {one["contributorType"] for one in document.get("contributors", [])} <= vocabulary("contributorType")
    for related in document.get("relatedIdentifiers", []):
        assert related["relationType"] in vocabulary("relationType")
        assert related["relatedIdentifierType"] in vocabulary("relatedIdentifierType")


def test_what_is_unknown_is_said_in_datacites_own_word() -> None:
    document: Any = datacite_document(Described(RECORDS["bare"]()))

    assert document["creators"] == [{"name": UNAVAILABLE}]
    assert document["publisher"] == {"name": UNAVAILABLE}
    assert document["publicationYear"] == "2026"


def test_the_folder_of_specifications_holds_the_vocabularies() -> None:
    assert "IsDerivedFrom" in vocabulary("relationType")
    assert Path(specs()).name
