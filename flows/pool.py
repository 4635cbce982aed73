"""The executor `pool:NAME`: the same flows through their deployments and a Prefect work pool.

Nothing is leased here. The flow claims its work when it begins, wherever that is, so this may ask as often as it likes:
the idempotency key makes the same request the same run, and a run that ended without taking the work is followed by
another round.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from cisterna.domain.errors import NotReady
from cisterna.domain.work import Work, WorkKind, WorkState
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from flows import _policy
from flows.engine import ServerTrouble

ROUNDS = 20
"""How often a pool is asked for the same attempt, at most: a pool whose runs all die needs a person."""

_log = structlog.get_logger("cisterna.pool")


class Pools:
    """Asks work pools for what is ready.

    Args:
        executors: Name of the pool for each kind of work that goes to one.
        api_url: Prefect's API.
        catalogue: The inbox.
        clock: Tells what is due.
    """

    def __init__(self, executors: Mapping[WorkKind, str], *, api_url: str, catalogue: Catalogue, clock: Clock) -> None:
        self._executors = dict(executors)
        self._api_url = api_url
        self._catalogue = catalogue
        self._clock = clock

    def ask(self) -> int:
        """Ask for a run of everything that is ready, and tell how much that was; asking again changes nothing.

        Raises:
            CatalogueUnavailable: The inbox cannot be read.
            NotReady: The Prefect server does not answer, or lacks the deployment `<flow>/<pool>`.
        """
        with self._catalogue.begin() as tx:
            ready = tx.inbox.list(state=WorkState.READY)
        now = self._clock.now()
        due = [work for work in ready if work.kind in self._executors and work.not_before <= now]
        if not due:
            return 0
        try:
            with temporary_settings(updates={PREFECT_API_URL: self._api_url}), get_client(sync_client=True) as client:
                for work in due:
                    self._ask_for(work, client)
        except ServerTrouble as error:
            msg = f"the pools cannot be asked ({type(error).__name__}: {error}); work waits"
            raise NotReady(msg, part="prefect") from error
        return len(due)

    def _ask_for(self, work: Work, client: SyncPrefectClient) -> None:
        pool = self._executors[work.kind]
        name = f"{work.kind.value}/{pool}"
        try:
            deployment = client.read_deployment_by_name(name)
            for round_ in range(ROUNDS):
                run = client.create_flow_run_from_deployment(
                    deployment.id,
                    parameters={"work_id": work.work_id},
                    tags=_policy.flow_run_tags(work),
                    idempotency_key=_policy.pool_key(work, round_=round_),
                )
                if run.state is None or not run.state.is_final() or not self._still_waits(work):
                    return
        except ObjectNotFound as error:
            msg = f"Prefect has no deployment '{name}'; make it with `prefect deploy` from deployments/"
            raise NotReady(msg, part="prefect", pool=pool) from error
        _log.error("pool.gave-up", pool=pool, work_id=work.work_id, rounds=ROUNDS)

    def _still_waits(self, work: Work) -> bool:
        """Tell whether nobody has begun the work since it was read: then the run ended without taking it."""
        with self._catalogue.begin() as tx:
            now = tx.inbox.get(work.work_id)
        is_same = (now.attempts, now.not_before) == (work.attempts, work.not_before)
        return now.state is WorkState.READY and is_same
