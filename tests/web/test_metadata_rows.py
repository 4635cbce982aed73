"""What is known of a version is shown with who said it, of whatever schema version its record is."""

from __future__ import annotations

from typing import Any

from cisterna.web.metadata_rows import FieldRow, metadata_rows
from tests.metadata.described import CREDIT, a_full_record, a_version
from tests.metadata.test_record import of_version_1


def rows_of(document: dict[str, Any]) -> dict[str, FieldRow]:
    return {row.name: row for row in metadata_rows(a_version(metadata=document))}


def test_every_field_that_people_say_is_shown_with_who_said_it() -> None:
    rows = rows_of(a_full_record().model_dump(mode="json"))

    assert set(CREDIT) - set(rows) == {"references", "samples"}  # shown kind by kind
    assert rows["funding"].text.startswith("Brown University · 2026-01234 · Cells in time · https")
    assert rows["contributors"].text.startswith("DataCollector · Ek, Bo · 0000-0001-5109-3700 · The Imaging Farm")
    assert rows["subjects"].text == "fluorescence microscopy · FBbi:00000246, plate <7>"
    assert rows["embargo_until"].text == "2027-06-30"
    assert rows["instrument"].text == "squid-1 · Cephla · Squid+ · S-7 · 10.5281/zenodo.1"
    for name in set(CREDIT) - {"references", "samples"}:
        assert rows[name].origin == "metadata.yaml", name


def test_samples_and_references_are_shown_kind_by_kind() -> None:
    rows = rows_of(a_full_record().model_dump(mode="json"))

    assert rows["samples.organisms"] == FieldRow(
        "samples.organisms", "Organisms", "Homo sapiens · NCBITaxon:9606", "metadata.yaml"
    )
    assert rows["samples.wells"].text == "96"
    assert rows["references.paper"].text == "Cells in time · 10.5555/12345678"
    assert rows["references.ethics-approval"].label == "Ethics approval"


def test_a_record_of_version_1_is_shown() -> None:
    rows = rows_of(of_version_1())

    assert rows["title"].text == "Nuclei, plate 7"
    assert not {"funding", "samples.organisms", "references.paper"} & set(rows)
