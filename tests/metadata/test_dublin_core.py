"""Dublin Core is what harvesters of `oai_dc` take: the fifteen elements, in any order and number, with text alone."""

from defusedxml import ElementTree
from hypothesis import given, settings

from cisterna.metadata.described import Described
from cisterna.metadata.dublin_core import dublin_core_xml
from cisterna.metadata.record import MetadataRecord
from tests.metadata.described import NOW, a_derived_record, a_full_record, a_record, listed
from tests.metadata.strategies import records

BASE = "https://data.facility.example/ark:/99999/abc"
DC = "{http://purl.org/dc/elements/1.1/}"
OAI_DC = "{http://www.openarchives.org/OAI/2.0/oai_dc/}"
_ELEMENTS = """
    title creator subject description publisher contributor date type format identifier source language relation
    coverage rights
"""
ELEMENTS = _ELEMENTS.split()
LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"


def texts(described: Described) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in ElementTree.fromstring(dublin_core_xml(described)):
        found.setdefault(one.tag.removeprefix(DC), []).append(one.text or "")
    return found


@settings(max_examples=15, deadline=None)
@given(record=records())
def test_every_record_keeps_to_the_rule_of_the_schema(record: MetadataRecord) -> None:
    root = ElementTree.fromstring(dublin_core_xml(Described(record, base_url=BASE, published_at=NOW)))

    assert root.tag == f"{OAI_DC}dc"
    assert root.attrib[LOCATION].split()[0] == OAI_DC[1:-1]
    assert list(root)
    for one in root:
        assert one.tag in {f"{DC}{name}" for name in ELEMENTS}
        assert one.text
        assert (list(one), one.attrib) == ([], {})


def test_everything_that_has_an_element_is_told() -> None:
    said = texts(
        Described(a_full_record(), [listed("data/a.tiff")], base_url=BASE, published_at=NOW, doi="10.5555/abc")
    )

    assert said["identifier"] == [BASE, "https://doi.org/10.5555/abc", a_record().pid]
    assert said["date"] == ["2026-11-22", "info:eu-repo/date/embargoEnd/2027-06-30"]
    assert said["contributor"] == ["Ek, Bo", "Carberry, Josiah", "Brown University"]
    assert said["rights"] == ["info:eu-repo/semantics/embargoedAccess", "https://spdx.org/licenses/CC-BY-4.0"]
    assert said["format"] == ["image/tiff", "1234 bytes", "3 files"]
    assert "osteosarcoma" in said["subject"]
    assert "https://doi.org/10.5555/12345678" in said["relation"]
    assert "https://doi.org/10.5281/zenodo.1" in said["relation"]
    assert "ethics approval: Dnr 2026-01234" in said["relation"]
    assert (said["language"], said["coverage"], said["type"]) == (["en"], ["2026-11-22"], ["Dataset"])


def test_what_a_dataset_was_made_from_is_its_source() -> None:
    assert texts(Described(a_derived_record()))["source"] == [a_record().pid]
