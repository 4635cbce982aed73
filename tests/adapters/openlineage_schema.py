"""Holds OpenLineage events against the public JSON Schemas, every facet by the schema of its place."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.metadata.rocrate import specs

_CORE = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
_BASE = re.compile(r"OpenLineage\.json#/\$defs/(\w+Facet)\b")
PLACES = ("RunFacet", "JobFacet", "DatasetFacet", "InputDatasetFacet", "OutputDatasetFacet")


def faults(event: dict[str, Any]) -> list[str]:
    """Return what the schemas find wrong with a run event, in words."""
    found = _errors({"$ref": f"{_CORE}#/$defs/RunEvent"}, event)
    for place, key, facet in _facets_of(event):
        schema = _facet_schemas().get((place, key))
        found += [f"{place} {key} is not in the specification"] if schema is None else []
        found += [f"{place} {key}: {one}" for one in _errors(schema or {}, {key: facet})]
    return found


def _facets_of(event: dict[str, Any]) -> list[tuple[str, str, Any]]:
    facets = [("RunFacet", *one) for one in event["run"].get("facets", {}).items()]
    facets += [("JobFacet", *one) for one in event["job"].get("facets", {}).items()]
    for side, place in (("inputs", "InputDatasetFacet"), ("outputs", "OutputDatasetFacet")):
        for dataset in event.get(side, []):
            facets += [("DatasetFacet", *one) for one in dataset.get("facets", {}).items()]
            facets += [(place, *one) for one in dataset.get(place[0].lower() + place[1:-12] + "Facets", {}).items()]
    return facets


def _errors(schema: dict[str, Any], instance: Any) -> list[str]:
    validator = Draft202012Validator(schema, registry=_registry(), format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(instance)]


@cache
def _documents() -> list[dict[str, Any]]:
    folder = specs() / "openlineage"
    files = [folder / "OpenLineage.json", *sorted((folder / "facets").glob("*.json"))]
    return [json.loads(Path(file).read_text("utf-8")) for file in files]


@cache
def _registry() -> Registry[Any]:
    resources = [(one["$id"], DRAFT202012.create_resource(one)) for one in _documents()]
    return Registry().with_resources(resources)


@cache
def _facet_schemas() -> dict[tuple[str, str], dict[str, Any]]:
    """Map place and key to a schema, by the base facet that each schema's facet extends."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for document in _documents():
        bases = {base for base in _BASE.findall(json.dumps(document)) if base in PLACES}
        for key in document.get("properties", {}):
            for base in bases:
                found[base, key] = {"$ref": document["$id"]}
    return found
