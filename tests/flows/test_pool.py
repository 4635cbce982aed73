"""The executor `pool:NAME`: the same work through a deployment and a real work pool of processes."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings

from cisterna.adapters.child import Child
from cisterna.domain.errors import NotReady
from cisterna.domain.work import WorkKind
from cisterna.services.attempt import abort_expired
from cisterna.services.lineage import Place
from flows.pool import Pools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Bench

pytestmark = pytest.mark.timeout(300)

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
POOL = "trial-process"


async def deploy(environment: dict[str, str]) -> None:
    """Make the pool and the deployment `ingest/trial-process`, as `prefect deploy` would."""
    async with get_client() as client:
        await client.create_work_pool(
            WorkPoolCreate(
                name=POOL,
                type="process",
                base_job_template={
                    "job_configuration": {"command": "{{ command }}", "env": "{{ env }}", "working_dir": None},
                    "variables": {"type": "object", "properties": {"env": {"type": "object"}, "command": {}}},
                },
            ),
            overwrite=True,
        )
        flow_id = await client.create_flow_from_name("ingest")
        await client.create_deployment(
            flow_id,
            POOL,
            entrypoint="trial_pool.ingest",
            work_pool_name=POOL,
            pull_steps=[],
            job_variables={"env": environment},
            parameter_openapi_schema={"type": "object", "properties": {"work_id": {"type": "string"}}},
        )


@pytest.fixture
def pools(bench: Bench) -> Iterator[Pools]:
    """Pools that ask the trial pool, and a Prefect worker that serves it."""
    environment = {
        "TRIAL_DSN": bench.dsn,
        "TRIAL_FOLDER": str(bench.folder),
        "PYTHONPATH": f"{ROOT}/src:{ROOT}:{HERE}",
        "PREFECT_API_URL": bench.prefect.url,
        "PREFECT_HOME": str(bench.folder / "prefect-home"),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    with temporary_settings(updates={PREFECT_API_URL: bench.prefect.url}):
        asyncio.run(deploy(environment))
        argv = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"]
        worker = Child("pool-worker", argv, log=bench.folder / "pool-worker.log", env={**os.environ, **environment})
        worker.start()
        try:
            yield Pools(
                {WorkKind.INGEST: POOL}, api_url=bench.prefect.url, catalogue=bench.catalogue, clock=bench.clock
            )
        finally:
            worker.stop(timeout_seconds=10)


def runs_of(bench: Bench, work_id: str) -> list[dict[str, Any]]:
    return bench.prefect.flow_runs(work_id)


def test_a_pool_does_the_work_once_however_often_it_is_asked(bench: Bench, pools: Pools) -> None:
    work = bench.request("pool-subject")

    assert pools.ask() == 1
    pools.ask()
    pools.ask()
    bench.await_done(work, seconds=120)

    assert len(runs_of(bench, work.work_id)) == 1
    assert bench.begun() == ["pool"]
    assert pools.ask() == 0


def test_work_whose_process_died_in_the_pool_is_asked_for_again(bench: Bench, pools: Pools) -> None:
    work = bench.request("pool-crash")

    def tended() -> bool:
        abort_expired(place=Place(host="trial", bucket="trial"), catalogue=bench.catalogue, clock=bench.clock)
        pools.ask()
        return bench.begun() == ["pool"]

    bench.wait_for(tended, seconds=180, what="the second attempt")
    bench.await_done(work, seconds=60)

    names = sorted(event.name for event in bench.events(work))
    assert names == ["attempt.aborted", "attempt.completed", "attempt.started", "attempt.started"]
    assert len(runs_of(bench, work.work_id)) == 2


def test_a_deployment_that_is_missing_is_named_with_the_remedy(bench: Bench) -> None:
    bench.request("pool-subject")
    lacking = Pools(
        {WorkKind.INGEST: "no-such-pool"}, api_url=bench.prefect.url, catalogue=bench.catalogue, clock=bench.clock
    )

    with pytest.raises(NotReady, match="no deployment 'ingest/no-such-pool'"):
        lacking.ask()
