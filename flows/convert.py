"""Flow `convert`: an archived version is written once more in a form for viewing, as a dataset of its own."""

from __future__ import annotations

from prefect import flow

from cisterna.domain.dataset import Version
from cisterna.domain.errors import InvalidInput
from cisterna.domain.project import ViewFormat
from cisterna.services.convert import convert_version
from flows import held
from flows._policy import step
from flows.derive import derive
from flows.held import Held
from flows.parts import parts
from flows.steps import walk


@flow(name="convert", persist_result=False, log_prints=False)
def convert(work_id: str) -> str:
    """Write a version as OME-Zarr and archive what comes out.

    Args:
        work_id: A piece of work of kind `convert`; its subject is the version, its parameter `format` is `ome-zarr`.
    """
    return held.carry_out(work_id, _convert, parts)


@step
def write_view(version_id: str) -> Version:
    """Write every field of view and compare it. A second run finds the derived version, or makes the same."""
    return derive(convert_version, version_id, views=parts().views)


def _convert(mine: Held) -> str:
    work = mine.work
    if work.parameters.get("format") != ViewFormat.OME_ZARR:
        msg = f"work {work.work_id} asks for {work.subject} in a form that is not known here; ask for ome-zarr"
        raise InvalidInput(msg, work_id=work.work_id)
    mine.require()
    return walk(write_view(work.subject).version_id)
