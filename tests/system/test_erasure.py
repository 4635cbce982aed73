"""An administrator decides by the API of a running stack, and a worker carries it out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from cisterna.domain.account import Grant, Role
from cisterna.domain.fixity import Fixity
from cisterna.services.api_token import issue_token
from cisterna.testing.factory import make_account
from tests.system.running import RunningStack, until, write_run

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

ORDER = {
    "controller": "Example University",
    "basis": "GDPR Art. 17(1)(b)",
    "decision": "12/2026",
    "reason": "consent withdrawn",
}


@pytest.fixture
def root(stack: RunningStack) -> httpx.Client:
    """Call the running web process as an administrator's script does."""
    with stack.parts() as parts:
        account = make_account("erika").model_copy(update={"grants": (Grant(role=Role.ADMIN),)})
        with parts.catalogue.begin() as tx:
            if tx.accounts.find("erika") is None:
                tx.accounts.add(account)
        secret, _ = issue_token(
            "erika",
            label="test",
            by=account,
            catalogue=parts.catalogue,
            clock=parts.clock,
            passwords=parts.passwords,
        )
        url = parts.base_url
    return httpx.Client(base_url=f"{url}/api/v1", headers={"authorization": f"Bearer {secret}"}, timeout=60.0)


def said(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json()


def test_a_decision_by_the_api_is_carried_out_by_a_worker(
    stack: RunningStack, root: httpx.Client, tmp_path: Path
) -> None:
    kept = stack.ingest(write_run(tmp_path / "zone", seed=1201)).document["dataset_id"]
    doomed = stack.ingest(write_run(tmp_path / "zone-2", seed=1202)).document
    stack.await_idle()
    path = f"/datasets/{doomed['dataset_id']}/erasure"

    plan = said(root.get(f"{path}/plan"))
    assert plan["objections"] == []
    gone = {one["dataset_id"] for one in plan["objects"]}
    assert doomed["dataset_id"] in gone
    assert kept not in gone
    assert all(one["content"]["keys"] > 5 for one in plan["stores"])
    body = {**ORDER, "scope": plan["scope"], "confirm": doomed["dataset_id"]}
    decided = said(root.post(path, json=body))
    assert (decided["is_under_way"], decided["erasure"]["person"]) == (True, "erika")

    def ended() -> Any:
        found = said(root.get(f"/erasures/{decided['erasure']['erasure_id']}"))
        return None if found["is_under_way"] else found

    done = until(ended, seconds=120, what="the end of the erasure")

    assert (done["erasure"]["state"], done["problem"]) == ("done", None), done
    assert done["erasure"]["removed"] > 5
    assert stack.run("check", doomed["dataset_id"]).document["error"] == "erased"
    assert stack.check(kept).fixity is Fixity.OK
    told = said(root.post(path, json=body))
    assert (told["erasure"]["state"], told["is_under_way"]) == ("done", False)
    root.close()
