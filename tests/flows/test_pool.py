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

    from .conftest import Bench, PrefectServer

pytestmark = pytest.mark.timeout(300)

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
POOL = "trial-process"


async def make_pool() -> None:
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
        )


async def deploy(environment: dict[str, str]) -> None:
    """Make the deployment `ingest/trial-process`, as `prefect deploy` would."""
    async with get_client() as client:
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


@pytest.fixture(scope="module")
def served(prefect: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Serve the trial pool by one Prefect worker, and give what its processes are given."""
    folder = tmp_path_factory.mktemp("pool")
    environment = {
        "PYTHONPATH": f"{ROOT}/src:{ROOT}:{HERE}",
        "PREFECT_API_URL": prefect.url,
        "PREFECT_HOME": str(folder / "prefect-home"),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }
    with temporary_settings(updates={PREFECT_API_URL: prefect.url}):
        asyncio.run(make_pool())
        argv = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"]
        worker = Child("pool-worker", argv, log=folder / "pool-worker.log", env={**os.environ, **environment})
        worker.start()
        yield environment
        worker.stop(timeout_seconds=10)


@pytest.fixture
def pools(bench: Bench, served: dict[str, str]) -> Pools:
    """Pools that ask the trial pool."""
    asyncio.run(deploy({**served, "TRIAL_DSN": bench.dsn, "TRIAL_FOLDER": str(bench.folder)}))
    return Pools({WorkKind.INGEST: POOL}, api_url=bench.prefect.url, catalogue=bench.catalogue, clock=bench.clock)


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
