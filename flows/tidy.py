"""Sets Prefect's flow runs right that nobody is left to end: their worker is gone, and their work was done elsewhere.

Whoever takes work over sets what it finds of earlier attempts to Crashed. This is for the rest: work that was finished
or given up while Prefect's server was away.
"""

from __future__ import annotations

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Failed

from cisterna.domain.errors import NotFound, NotReady
from cisterna.domain.work import Work, WorkState
from cisterna.ports.catalogue import Catalogue
from flows import _policy
from flows.engine import ServerTrouble

LIMIT = 200


class Tidy:
    """Compares the flow runs that look as if somebody worked on them with the inbox.

    Args:
        api_url: Prefect's API.
        catalogue: The inbox.
    """

    def __init__(self, api_url: str, *, catalogue: Catalogue) -> None:
        self._api_url = api_url
        self._catalogue = catalogue

    def look(self) -> int:
        """End the runs of work that is done or failed, and tell how many; a second look finds none.

        Raises:
            NotReady: Prefect's server does not answer.
        """
        wanted = {"tags": {"all_": ["cisterna"]}, "state": {"type": {"any_": [StateType.RUNNING, StateType.PENDING]}}}
        ended = 0
        try:
            with temporary_settings(updates={PREFECT_API_URL: self._api_url}), get_client(sync_client=True) as client:
                for run in client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(wanted), limit=LIMIT):
                    work = self._work_of(run)
                    if work is None or work.state not in {WorkState.DONE, WorkState.FAILED}:
                        continue
                    say = Completed if work.state is WorkState.DONE else Failed
                    client.set_flow_run_state(run.id, say(message="told late: its worker is gone"), force=True)
                    ended += 1
        except ServerTrouble as error:
            msg = f"the Prefect server does not answer ({type(error).__name__}); flow runs are set right later"
            raise NotReady(msg, part="prefect") from error
        return ended

    def _work_of(self, run: FlowRun) -> Work | None:
        for tag in run.tags or ():
            if tag.startswith(_policy.work_tag("")):
                try:
                    with self._catalogue.begin() as tx:
                        return tx.inbox.get(tag.removeprefix(_policy.work_tag("")))
                except NotFound:
                    return None
        return None
