"""DataCite's own description of its REST interface, and what an exchange has to keep of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from cisterna.testing.datacite_stand_in import Exchange
from tests.metadata.rocrate import specs


@cache
def interface() -> Any:
    """Load the description, or skip loudly."""
    file = specs() / "datacite" / "rest-openapi.yaml"
    return yaml.load(file.read_text("utf-8"), Loader=yaml.CSafeLoader)


@cache
def attribute_schemas() -> dict[str, dict[str, Any]]:
    """Give the schema of everything that the interface calls an attribute of a DOI, by its name."""
    schemas = interface()["components"]["schemas"]
    parts = schemas["DoiDetailItem"]["properties"]["data"]["properties"]["attributes"]["allOf"]
    resolved = [schemas[part["$ref"].rpartition("/")[2]] if "$ref" in part else part for part in parts]
    return {name: said for part in resolved for name, said in part.get("properties", {}).items()}


def interface_errors(document: object, schema: dict[str, Any]) -> list[str]:
    """Hold a document against a schema of the description."""
    return [f"{error.json_path}: {error.message}" for error in _validator(json.dumps(schema)).iter_errors(document)]


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({**interface(), "allOf": [json.loads(schema)]})


def breaches(exchange: Exchange) -> list[str]:
    """Say what of an exchange the description does not allow; of an answer that is an error it says nothing."""
    asked = exchange.asked
    place = next((one for one in interface()["paths"] if _matches(one, asked.path)), None)
    operation = interface()["paths"].get(place, {}).get(asked.method.lower())
    if operation is None:
        return [f"{asked.method} {asked.path} is not described"]
    found = [*_of_query(operation, dict(asked.query)), *_of_request(operation, exchange), *_of_answer(exchange)]
    if exchange.status >= 400:
        return [f"{asked.method} {asked.path}: {one}" for one in found]
    described = operation["responses"].get(str(exchange.status))
    if described is None:
        return [*found, f"{asked.method} {asked.path} is not described to answer {exchange.status}"]
    schema = described["content"]["application/vnd.api+json"]["schema"]
    found += interface_errors(json.loads(exchange.answer), schema)
    return [f"{asked.method} {asked.path}: {one}" for one in found]


def _matches(described: str, path: str) -> bool:
    parts = re.split(r"(\{\w+\})", described)
    pattern = "".join(".+" if part.startswith("{") else re.escape(part) for part in parts)
    return re.fullmatch(pattern, path) is not None


def _of_query(operation: dict[str, Any], query: dict[str, str]) -> Iterator[str]:
    parameters = interface()["components"]["parameters"]
    named = {
        one["name"]
        for parameter in operation.get("parameters", ())
        for one in [parameters[parameter["$ref"].rpartition("/")[2]] if "$ref" in parameter else parameter]
        if one["in"] == "query"
    }
    yield from (f"the query {name} is not described" for name in query if name not in named)


def _of_request(operation: dict[str, Any], exchange: Exchange) -> Iterator[str]:
    described = operation.get("requestBody")
    if described is None:
        if exchange.asked.body:
            yield "a body is not described"
        return
    content = described["content"].get(exchange.asked.headers.get("content-type", ""))
    if content is None:
        yield f"a body of {exchange.asked.headers.get('content-type')} is not described"
        return
    yield from interface_errors(exchange.asked.json, content["schema"])
    for name in exchange.asked.json["data"]["attributes"]:
        if name not in attribute_schemas():
            yield f"the attribute {name} is not described"
        elif attribute_schemas()[name].get("readOnly"):
            yield f"the attribute {name} is not for writing"


def _of_answer(exchange: Exchange) -> Iterator[str]:
    document = json.loads(exchange.answer)
    if exchange.status >= 400:
        if not all(one.get("title") for one in document["errors"]):
            yield "an error has no title"
        return
    found = document["data"] if isinstance(document["data"], dict) else {}
    for name in found.get("attributes", {}):
        if name not in attribute_schemas() or attribute_schemas()[name].get("writeOnly"):
            yield f"the attribute {name} is not described for answers"
