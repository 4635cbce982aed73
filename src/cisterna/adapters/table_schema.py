"""Reads the schema that came with a table: Frictionless Data's Table Schema, in a Data Package or beside the table.

Of a schema counts what is checked here: names, types, `required`, `unique`, `minimum`, `maximum`, `enum`, `pattern`,
lengths, primary key and missing values. A pattern is matched by RE2, which takes time in proportion to the text
whatever the pattern is; one that RE2 does not know, such as one that looks back, makes the schema unusable instead of
being skipped.
"""

from __future__ import annotations

import math
from posixpath import dirname, join, normpath
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field as Described
from pydantic import ValidationError

from cisterna.adapters.file_fault import Fault
from cisterna.domain.base import Value
from cisterna.domain.errors import HostileInput, InvalidInput, NotFound
from cisterna.domain.untrusted import json_object, plain_text
from cisterna.ports.profile import Look

PACKAGE, SCHEMA = "datapackage.json", "schema.json"
_SCHEMA_BYTES = 1024 * 1024
_TEXT_MAX, _ENUM_MAX = 1000, 10_000
_KNOWN = {"string", "integer", "number", "boolean", "date", "datetime"}
_OF_ITS_OWN = {"trueValues", "falseValues", "decimalChar", "groupChar", "bareNumber"}
"""With these a value is written in a way of the schema's own, and is not held against its type."""
Kind = Literal["any", "string", "integer", "number", "boolean", "date", "datetime"]


class Field(Value):
    """What a schema says of one column; `any` is also every type that is not checked here."""

    name: str = Described(max_length=_TEXT_MAX)
    type: Kind = "any"
    required: bool = False
    unique: bool = False
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[str, ...] = Described(default=(), max_length=_ENUM_MAX)
    pattern: str | None = Described(default=None, max_length=_TEXT_MAX)
    min_length: int | None = Described(default=None, ge=0)
    max_length: int | None = Described(default=None, ge=0)


class TableSchema(Value):
    """What a schema says of a table.

    Attributes:
        missing: What stands for no value.
    """

    fields: tuple[Field, ...] = Described(default=(), max_length=20_000)
    primary_key: tuple[str, ...] = ()
    missing: tuple[str, ...] = ("",)


def find_schema(look: Look, path: str) -> TableSchema | None:
    """Find the schema of a table; None where none came along.

    A Data Package in the table's folder or above it that names the table comes first, then `schema.json` beside it.

    Raises:
        Fault: One came along and cannot be used.
    """
    folder = dirname(path)
    while True:
        package = join(folder, PACKAGE)
        if package in look.listing.paths:
            found = _in_package(look, package, path)
            if found is not None:
                return found
        if not folder:
            break
        folder = dirname(folder)
    beside = join(dirname(path), SCHEMA)
    if beside not in look.listing.paths:
        return None
    content = _object(look, beside)
    return schema_of(content, beside) if "fields" in content else None


def schema_of(content: dict[str, Any], what: str) -> TableSchema:
    """Take a schema from its JSON. Raises `Fault`."""
    fields, key = content.get("fields"), content.get("primaryKey", [])
    missing = content.get("missingValues", [""])
    if not isinstance(fields, list) or not all(isinstance(field, dict) for field in fields):
        raise Fault(f"the schema in {what} has no list of fields")
    try:
        schema = TableSchema.model_validate(
            {
                "fields": tuple(_field(field) for field in fields),
                "primary_key": (key,) if isinstance(key, str) else tuple(key),
                "missing": tuple(missing),
            }
        )
    except (ValidationError, TypeError, ValueError, OverflowError) as error:
        raise Fault(f"the schema in {what} cannot be used ({_said(error)})") from error
    unknown = set(schema.primary_key) - {field.name for field in schema.fields}
    if unknown:
        raise Fault(f"the schema in {what} has a primary key of a column that it does not describe")
    for field in schema.fields:
        _require_pattern(field, what)
    return schema


def whole_match(pattern: str) -> str:
    """Give a pattern that holds for a whole text."""
    return f"^(?:{pattern})$"


def _in_package(look: Look, package: str, path: str) -> TableSchema | None:
    resources = _object(look, package).get("resources", [])
    for resource in resources if isinstance(resources, list) else []:
        paths = resource.get("path") if isinstance(resource, dict) else None
        if path not in {
            normpath(join(dirname(package), str(one))) for one in (paths if isinstance(paths, list) else [paths])
        }:
            continue
        schema = resource.get("schema")
        if isinstance(schema, str):
            beside = normpath(join(dirname(package), schema))
            if beside not in look.listing.paths:
                raise Fault(f"{package} says that the schema is in {plain_text(schema)}, which did not come along")
            schema = _object(look, beside)
        if schema is None:
            return None
        if not isinstance(schema, dict):
            raise Fault(f"the schema in {package} is not what a schema must be")
        return schema_of(schema, package)
    return None


def _object(look: Look, path: str) -> dict[str, Any]:
    try:
        return json_object(look.read(path, limit_bytes=_SCHEMA_BYTES), path)
    except (NotFound, HostileInput, InvalidInput) as error:
        raise Fault(f"its schema cannot be read: {error}") from error


def _field(field: dict[str, Any]) -> dict[str, Any]:
    rules = field.get("constraints") or {}
    if not isinstance(rules, dict):
        msg = "constraints are an object"
        raise TypeError(msg)
    kind = field.get("type", "any")
    if _OF_ITS_OWN & field.keys() or field.get("format", "default") != "default":
        kind = "any"
    return {
        "name": field.get("name"),
        "type": kind if kind in _KNOWN else "any",
        "required": rules.get("required", False),
        "unique": rules.get("unique", False),
        "minimum": _bound(rules.get("minimum"), kind),
        "maximum": _bound(rules.get("maximum"), kind),
        "enum": tuple(_text(one) for one in rules.get("enum", ())),
        "pattern": rules.get("pattern"),
        "min_length": rules.get("minLength"),
        "max_length": rules.get("maxLength"),
    }


def _bound(value: Any, kind: str) -> float | None:
    if value is None or kind not in {"integer", "number"}:
        return None
    bound = float(value)
    if not math.isfinite(bound):
        msg = "a limit is a finite number"
        raise ValueError(msg)
    return bound


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _require_pattern(field: Field, what: str) -> None:
    if field.pattern is None:
        return
    try:
        pc.match_substring_regex(pa.array([""]), whole_match(field.pattern))
    except pa.ArrowInvalid as error:
        name = plain_text(field.name) or "a column"
        raise Fault(f"the schema in {what} has a pattern for {name} that is not known here (RE2)") from error


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)[:200]
