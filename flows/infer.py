"""Flow `infer`: a model runs on an archived version, and its result becomes a dataset of its own."""

from __future__ import annotations

from prefect import flow

from cisterna.domain.dataset import Version
from cisterna.domain.errors import InvalidInput
from cisterna.services.infer import infer_version
from flows import held
from flows._policy import step
from flows.derive import derive
from flows.held import Held
from flows.parts import parts
from flows.steps import walk


@flow(name="infer", persist_result=False, log_prints=False)
def infer(work_id: str) -> str:
    """Run a model on a version and archive what comes out.

    Args:
        work_id: A piece of work of kind `infer`; its subject is the version, its parameter `model` names the model.
    """
    return held.carry_out(work_id, _infer, parts)


@step
def annotate(version_id: str, model: str) -> Version:
    """Run the model on every image. A second run finds the derived version, or makes the same."""
    return derive(infer_version, version_id, model, inference=parts().inference)


def _infer(mine: Held) -> str:
    model = mine.work.parameters.get("model")
    if not isinstance(model, str):
        msg = (
            f"work {mine.work.work_id} asks for inference on {mine.work.subject} and names no model; ask again with one"
        )
        raise InvalidInput(msg, work_id=mine.work.work_id)
    mine.require()
    return walk(annotate(mine.work.subject, model).version_id)
