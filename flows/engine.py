"""Runs flows in this process against a Prefect server, at the least cost that leaves runs, tasks and states visible.

Measured per run of seven tasks (see bench/dispatch.py): as Prefect comes 1,160 ms; like this 90-140 ms, most of it the
server's. What it takes: no flow heartbeat (its thread is waited for a second at the end; leases are ours), one client
for the life of the process, no result storage (it is asked for by HTTP each time), the flow's id remembered, and on the
server's side the batches that `cisterna.adapters.embedded_prefect` sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import FlowRunCreate
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, FlowRunPolicy, State, StateType
from prefect.context import SyncClientContext
from prefect.exceptions import PrefectHTTPStatusError
from prefect.filesystems import WritableFileSystem
from prefect.flow_engine import run_flow
from prefect.flows import Flow
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)
from prefect.states import Crashed, Pending, to_state_create

from cisterna.domain.errors import NotReady

ServerTrouble = (httpx.TransportError, PrefectHTTPStatusError)
"""What the client raises when the server is away, unwell, or refuses."""

_LATER = frozenset({httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS})


def is_away(error: BaseException) -> bool:
    """Tell a server that does not answer, or cannot now, from one that refuses what it was asked."""
    if isinstance(error, PrefectHTTPStatusError):
        return error.response.is_server_error or error.response.status_code in _LATER
    return isinstance(error, httpx.TransportError)


class _Nowhere(WritableFileSystem):
    """Result storage that keeps nothing: results and failures live in the catalogue.

    Naming it spares a question to the server in each run, and a failed run its pickled exception on disk.
    """

    _block_type_name = "Nowhere"
    _block_type_slug = "cisterna-nowhere"

    async def write_path(self, path: str, content: bytes) -> None:
        """Keep nothing."""

    async def read_path(self, path: str) -> bytes:
        """Refuse: nothing was kept."""
        raise FileNotFoundError(path)


class _LeanClient(SyncPrefectClient):
    """Leaves out what this process knows already: two of the five things that the engine asks the server in a run."""

    fresh: FlowRun | None = None
    """A flow run that was made here and that nobody else has touched yet."""

    def read_flow_run(self, flow_run_id: UUID) -> FlowRun:
        """Return the run that was just made, once; ask for any other."""
        fresh, self.fresh = self.fresh, None
        if fresh is not None and fresh.id == flow_run_id:
            return fresh
        return super().read_flow_run(flow_run_id)

    def update_flow_run(self, flow_run_id: UUID, *arguments: Any, **named: Any) -> httpx.Response:
        """Say nothing when it would repeat what the run was made with."""
        is_fresh = self.fresh is not None and self.fresh.id == flow_run_id
        if is_fresh and not arguments and set(named) <= {"flow_version", "empirical_policy"}:
            return httpx.Response(httpx.codes.NO_CONTENT)
        return super().update_flow_run(flow_run_id, *arguments, **named)


class _LeanContext(SyncClientContext):
    """Makes the lean client the one that the engine finds."""

    def __init__(self, api_url: str) -> None:
        super().__init__()
        object.__setattr__(self, "client", _LeanClient(api_url))


class Engine:
    """One connection to a Prefect server; use it in one thread, inside `opened`."""

    def __init__(self, client: _LeanClient) -> None:
        self._client = client
        self._flow_ids: dict[str, UUID] = {}

    def is_ready(self) -> bool:
        """Tell whether the server answers."""
        return self._client.api_healthcheck() is None

    def begin(
        self, flow: Flow[..., Any], *, name: str, parameters: Mapping[str, Any], tags: list[str], key: str
    ) -> FlowRun:
        """Create a flow run; the same key again gives the same run.

        Raises:
            NotReady: The server does not answer.
        """
        with _translated():
            if flow.name not in self._flow_ids:
                flow.result_storage = _Nowhere()
                self._flow_ids[flow.name] = self._client.create_flow(flow)
            wanted = FlowRunCreate(
                flow_id=self._flow_ids[flow.name],
                flow_version=flow.version,
                name=name,
                parameters=dict(parameters),
                tags=tags,
                idempotency_key=key,
                empirical_policy=FlowRunPolicy(retries=flow.retries, retry_delay=0),
                state=to_state_create(Pending()),
            )
            try:
                answer = self._client.request(
                    "POST", "/flow_runs/", json=wanted.model_dump(mode="json", exclude_unset=True)
                )
            except PrefectHTTPStatusError:
                self._flow_ids.clear()  # another server, or an emptied one, stands at the address
                raise
            flow_run = FlowRun.model_validate(answer.json())
            self._client.fresh = flow_run if answer.status_code == httpx.codes.CREATED else None
            return flow_run

    def run(self, flow: Flow[..., Any], flow_run: FlowRun) -> None:
        """Run the flow's code here and now, with the parameters of its run. Raises what the code raises."""
        run_flow(flow, flow_run=flow_run, parameters=flow_run.parameters)

    def tell(self, flow_run_id: UUID, state: State[Any]) -> None:
        """Set a flow run's state whatever it was. Raises `NotReady`."""
        with _translated():
            self._client.set_flow_run_state(flow_run_id, state, force=True)

    def crash_leftovers(self, tag: str, *, reason: str, but: UUID | None = None) -> int:
        """Set to Crashed what a killed worker left as running under a tag, and tell how many those were.

        Raises:
            NotReady: The server does not answer.
        """
        with _translated():
            runs = self._client.read_flow_runs(flow_run_filter=unfinished(tag))
            leftovers = [run for run in runs if run.id != but]
            for run in leftovers:
                self._client.set_flow_run_state(run.id, Crashed(message=reason), force=True)
            return len(leftovers)


def unfinished(tag: str) -> FlowRunFilter:
    """Select the flow runs with a tag that look as if somebody worked on them."""
    return FlowRunFilter.model_validate(
        {
            "tags": {"all_": [tag]},
            "state": {"type": {"any_": [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]}},
        }
    )


@contextmanager
def opened(api_url: str) -> Iterator[Engine]:
    """Connect, and hold the connection for as long as the block lasts; the server need not be there yet."""
    settings: Mapping[Any, Any] = {
        PREFECT_API_URL: api_url,
        PREFECT_CLIENT_MAX_RETRIES: 0,  # it would hold finished work back for a minute; the worker waits by itself
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,  # has no value in the environment
    }
    with temporary_settings(updates=settings), _LeanContext(api_url) as context:
        client = context.client
        assert isinstance(client, _LeanClient)  # noqa: S101 - narrows the type of a field
        yield Engine(client)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ServerTrouble as error:
        if not is_away(error):
            raise
        msg = f"the Prefect server does not answer ({type(error).__name__}: {error}); work waits until it does"
        raise NotReady(msg, part="prefect") from error
