"""What a crate says of the table of samples: what each of its columns holds, in the words of CSVW.

The rows stay in the table: a plate has up to 1,536 wells, and a crate that named each would say the same thing twice
and be read by nobody. What they are together stands on the crate's root, term by term.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from cisterna.metadata.crate_entity import Entity
from cisterna.metadata.record import MetadataRecord, SheetFacts
from cisterna.metadata.samples_table import SAMPLES_PATH, column_words

TERMS: Mapping[str, JsonValue] = {
    f"csvw:{name}": f"http://www.w3.org/ns/csvw#{name}" for name in ("Schema", "Column", "tableSchema", "column")
}
"""For the crate's own context: RO-Crate has no terms for the columns of a table."""
_SCHEMA = "#samples-schema"
_OF_TABLE = "Wells or samples, one a row, as the sample sheet says; read by any reader of Parquet."
_OF_SHEET = "The plate map or sample sheet as it was given."


def described_tables(record: MetadataRecord) -> Mapping[str, Entity]:
    """Give what is said of single files of a crate beside what is said of all: of the table, and of the sheet."""
    sheet = record.sample_sheet
    if sheet is None:
        return {}
    table: Entity = {"description": _OF_TABLE, "csvw:tableSchema": {"@id": _SCHEMA}}
    return {SAMPLES_PATH: table, sheet.path: {"description": _OF_SHEET}}


def column_entities(record: MetadataRecord) -> Sequence[Entity]:
    """Name the columns of the table."""
    return _columns(record.sample_sheet) if record.sample_sheet else ()


def _columns(sheet: SheetFacts) -> Sequence[Entity]:
    ids = [f"#samples-column-{number}" for number in range(1, len(sheet.columns) + 1)]
    listed: list[JsonValue] = [{"@id": one} for one in ids]
    schema: Entity = {
        "@id": _SCHEMA,
        "@type": "csvw:Schema",
        "name": f"Columns of {SAMPLES_PATH}",
        "csvw:column": listed,
    }
    named: list[Entity] = [
        {"@id": one, "@type": "csvw:Column", "name": name, "description": column_words(name)}
        for one, name in zip(ids, sheet.columns, strict=True)
    ]
    return [schema, *named]
