"""Values of the domain as rows of their tables, in JSON, for those that were read in the archive."""

from __future__ import annotations

import json
import re
from typing import Any

from sqlalchemy import Table

from cisterna.adapters.catalogue_connection import body_of
from cisterna.adapters.catalogue_tables import metadata
from cisterna.domain.base import Value
from cisterna.domain.errors import InvalidInput
from cisterna.domain.rebuild import Gathered
from cisterna.domain.record import KINDS

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")

_LONGEST_KEY_BYTES = 2400
"""An index of PostgreSQL holds entries of up to 2,704 bytes."""
_LARGEST_SEQUENCE = 2**62


def gathered_row(one: Gathered) -> dict[str, Any]:
    """Write what the archive tells as what is gathered. Raises `InvalidInput` for what no table can hold."""
    kind = KINDS[one.kind]
    table = metadata.tables[one.kind]
    content, key = None, one.key
    if one.value is not None:
        value = kind.settle(one.value) if kind.settle else one.value
        content, found = row_of(table, value)
        if key is not None and found != key:
            msg = f"its content is of {found[:200]}"
            raise InvalidInput(msg)
        key = found
    if key is None or len(key.encode()) > _LONGEST_KEY_BYTES or abs(one.sequence) > _LARGEST_SEQUENCE:
        raise InvalidInput("its key is longer, or its count higher, than any of ours")
    return {
        "source": int(one.source),
        "kind": one.kind,
        "key": key,
        "sequence": one.sequence,
        "content": content,
        "origin": one.origin,
        "is_final": kind.is_final,
        "is_counted": one.is_counted,
    }


def row_of(table: Table, value: Value) -> tuple[str, str]:
    """Write a value as its table's row, in JSON, and the row's key. Raises `InvalidInput`."""
    kind, fields = KINDS[table.name], value.model_dump(mode="json")
    columns: dict[str, str] = {}
    for column in table.columns:
        if column.name in kind.columns:
            columns[column.name] = json.dumps(kind.columns[column.name](value), ensure_ascii=False)
        elif column.name in fields:
            columns[column.name] = json.dumps(fields[column.name], ensure_ascii=False, allow_nan=False)
        elif column.name == "body":
            columns[column.name] = body_of(value)  # as it was written: no digest over it may break
        else:
            msg = f"nothing says what {table.name}.{column.name} is; name it in its Kind"
            raise InvalidInput(msg)
    text = "{" + ", ".join(f'"{name}": {content}' for name, content in columns.items()) + "}"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput("it holds text that is no Unicode, which no catalogue keeps") from error
    if _NUL.search(text):
        raise InvalidInput("it holds the character NUL, which no catalogue keeps")
    key = "[" + ", ".join(columns[column.name] for column in table.primary_key) + "]"
    return text, key
