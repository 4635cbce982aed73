"""What we send to SciCat, judged by SciCat's own models of what its backend takes: made from its OpenAPI document."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, cast

import pytest
from pydantic import BaseModel

from cisterna.metadata.record import ImagingFacts, InstrumentFacts, MetadataRecord, Related, SoftwareFacts
from cisterna.ports.target import DepositRequest
from cisterna.testing import scicat_stand_in
from cisterna.testing.outside_server import Asked
from cisterna.testing.target_request import FILES, REASON, deposit_request, tombstone_of
from tests.targets.test_scicat import ScicatStage, described_as

MODELS: Mapping[tuple[str, str], str] = {
    ("POST", "datasets"): "CreateDatasetDto",
    ("PATCH", "datasets"): "PartialUpdateDatasetDto",
    ("POST", "origdatablocks"): "CreateOrigDatablockDto",
    ("PATCH", "origdatablocks"): "PartialUpdateOrigDatablockDto",
}


def model_of(name: str) -> type[BaseModel]:
    """Load the package when a test asks: it takes seconds, in every process that collects this file."""
    return cast("type[BaseModel]", getattr(importlib.import_module("scicat_sdk_py.models"), name))


def names(model: str) -> set[str]:
    return {field.alias or name for name, field in model_of(model).model_fields.items()}


def judge(asked: Asked) -> None:
    """Hold a request against the model of its body; the backend refuses what that does not name."""
    model = MODELS[asked.method, asked.path.split("/")[3]]
    model_of(model).model_validate(asked.json)
    assert asked.json.keys() <= names(model)
    assert asked.json.get("datasetlifecycle", {}).keys() <= names("LifecycleClass")
    for file in asked.json.get("dataFileList", ()):
        assert file.keys() <= names("DataFile")


def as_it_is(request: DepositRequest) -> DepositRequest:
    return request


def with_images(request: DepositRequest) -> DepositRequest:
    instrument = InstrumentFacts(name="Squid 3", profile="squid", pid="10.1234/squid")
    return described_as(request, instrument=instrument, imaging=ImagingFacts(pixel_size_um=0.5, channels=("BF",)))


def derived(request: DepositRequest) -> DepositRequest:
    source = Related(kind="IsDerivedFrom", pid="ark:/12345/abc", version="v2")
    return described_as(request, derived=True, relations=[source], software=SoftwareFacts(name="a", version="1"))


def with_little(request: DepositRequest) -> DepositRequest:
    bare = MetadataRecord.model_validate(request.record.metadata).model_dump(mode="json")
    empty = {"title": None, "description": None, "creators": [], "licence": None, "keywords": [], "publisher": None}
    return request.model_copy(update={"record": request.record.model_copy(update={"metadata": bare | empty})})


@pytest.mark.parametrize("made", [as_it_is, with_images, derived, with_little])
@pytest.mark.parametrize("may_delete", [True, False])
def test_everything_that_is_sent_is_what_scicat_takes(made: Any, may_delete: bool) -> None:
    request = made(deposit_request("scicat"))
    with ExitStack() as stack:
        stage = ScicatStage(stack, may_delete=may_delete)

        done = stage.target.deposit(request, known=None, files=FILES)
        stage.target.withdraw(tombstone_of(request), known=done, reason=REASON)
        stage.target.deposit(request, known=done, files=FILES)
        stage.target.test()

    sent = [one for one in stage.server.seen if "/v4/" in one.path and one.method in {"POST", "PATCH"}]
    assert {one.method for one in sent} == {"POST", "PATCH"}
    for one in sent:
        judge(one)


def test_the_stand_in_knows_no_field_that_scicat_does_not() -> None:
    kept = {
        "CreateDatasetDto": scicat_stand_in.DATASET,
        "PartialUpdateDatasetDto": scicat_stand_in.CHANGEABLE,
        "CreateOrigDatablockDto": scicat_stand_in.BLOCK,
        "PartialUpdateOrigDatablockDto": scicat_stand_in.BLOCK_CHANGEABLE,
        "DataFile": scicat_stand_in.FILE,
    }

    for model, known in kept.items():
        assert known.keys() <= names(model)
    needed = {
        field.alias or name for name, field in model_of("CreateDatasetDto").model_fields.items() if field.is_required()
    }
    assert needed <= set(scicat_stand_in.NEEDED)
