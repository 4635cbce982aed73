"""What we send to Figshare and what its stand-in answers, held against Figshare's own description of its interface.

The description is `figshare/swagger_v2.0.json` below `CISTERNA_SPECS`, as Figshare publishes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cisterna.domain.errors import TargetUnavailable
from cisterna.testing.fault_proxy import Answer
from cisterna.testing.figshare_stand_in import FigshareStandIn
from cisterna.testing.outside_server import Asked, said
from cisterna.testing.target_request import FILES, REASON, deposit_request, tombstone_of
from tests.metadata.rocrate import specs
from tests.targets.figshare_stage import FigshareStage


@cache
def interface() -> Any:
    """Load the description, or skip loudly."""
    file = specs() / "figshare" / "swagger_v2.0.json"
    if not file.is_file():
        pytest.skip("CISTERNA_SPECS has no figshare/swagger_v2.0.json: Figshare's stand-in is NOT held against it here")
    return json.loads(file.read_text("utf-8"))


class Recording(FigshareStandIn):
    """The stand-in, and all that was said to it and by it."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.exchanges: list[tuple[Asked, Answer]] = []

    def answer(self, asked: Asked) -> Answer:
        answer = super().answer(asked)
        self.exchanges.append((asked, answer))
        return answer


@pytest.mark.parametrize("reviews", [False, True], ids=["at once", "after a review"])
def test_every_request_and_answer_is_as_the_interface_is_described(stack: ExitStack, reviews: bool) -> None:
    interface()
    stage = FigshareStage(stack, stand_in=Recording, reviews=reviews)
    server = stage.server
    assert isinstance(server, Recording)
    assert stage.target.test().is_usable
    first = stage.deposited(deposit_request("figshare"))
    second = deposit_request("figshare", number=2, earlier=(first,))
    stage.deposited(second)
    stage.target.withdraw(tombstone_of(second), known=None, reason=REASON)
    stage.break_at("/publish")
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(deposit_request("figshare", name="other"), known=None, files=FILES)
    stage.target.withdraw(tombstone_of(deposit_request("figshare", name="other")), known=None, reason=REASON)

    assert [one for asked, answer in server.exchanges for one in breaches(asked, answer)] == []
    assert {asked.method for asked, _ in server.exchanges} == {"GET", "POST", "PUT", "DELETE"}


@pytest.mark.parametrize(
    "fields", [{"curation_status": 7}, {"funding": None}, {"license": 1}, {"related_materials": {}}]
)
def test_what_the_interface_does_not_describe_is_noticed(fields: dict[str, object]) -> None:
    article = {"id": 1, **fields}
    asked = Asked("GET", "/v2/account/articles/1", {}, {}, b"")

    found = breaches(asked, said(200, article))

    assert any(name in one for name in fields for one in found)


def breaches(asked: Asked, answer: Answer) -> list[str]:
    """Say what of an exchange the description does not allow; of an answer that is an error it says its status."""
    if asked.path.startswith("/upload/"):  # of the service for uploads it describes the values alone
        described = _of(json.loads(answer[2]), {"$ref": "#/components/schemas/UploadInfo"}) if answer[2] else []
        return [f"{asked.method} {asked.path}: {one}" for one in described]
    path = asked.path.removeprefix("/v2")
    place = next((one for one in interface()["paths"] if _matches(one, path)), None)
    operation = interface()["paths"].get(place, {}).get(asked.method.lower())
    if operation is None:
        return [f"{asked.method} {path} is not described"]
    found = [*_of_query(operation, asked), *_of_request(operation, asked), *_of_answer(operation, answer)]
    return [f"{asked.method} {path}: {one}" for one in found]


def _matches(described: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{\w+\}", "[0-9]+", described), path) is not None


def _of_query(operation: dict[str, Any], asked: Asked) -> Iterator[str]:
    named = {one["name"]: one["schema"] for one in operation.get("parameters", ()) if one["in"] == "query"}
    for name, value in asked.query.items():
        if name in named:
            yield from _of(int(value), named[name])
        else:
            yield f"the query {name} is not described"


def _of_request(operation: dict[str, Any], asked: Asked) -> Iterator[str]:
    if not asked.body:
        return
    if "requestBody" not in operation:
        yield "a body is not described"
        return
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    yield from _of(asked.json, schema)
    unknown = set(asked.json) - _properties(schema)
    yield from (f"{name} is not described" for name in sorted(unknown))


def _of_answer(operation: dict[str, Any], answer: Answer) -> Iterator[str]:
    status, _, body = answer
    described = operation["responses"].get(f"{status}")
    if described is None:
        yield f"it is not described to answer {status}"
    elif body and status < 400:
        yield from _of(json.loads(body), described["content"]["application/json"]["schema"])


def _of(document: object, schema: dict[str, Any]) -> list[str]:
    found = Draft202012Validator({**interface(), "allOf": [schema]}).iter_errors(_told(document))
    return [f"{error.json_path}: {error.message[:200]}" for error in found]


def _told(document: object) -> object:
    """Leave out what is null: of dates that are not yet, the description says so in words alone."""
    match document:
        case dict():
            return {name: _told(one) for name, one in document.items() if one is not None or "date" not in name}
        case list():
            return [_told(one) for one in document]
        case _:
            return document


def _properties(schema: dict[str, Any]) -> set[str]:
    if "$ref" in schema:
        return _properties(interface()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    return {*schema.get("properties", {}), *(name for part in schema.get("allOf", ()) for name in _properties(part))}
