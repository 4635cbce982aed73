"""The stock Prefect way, as its docs advise: a served flow that an event triggers. Started by dispatch.py."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from prefect import flow
from prefect.events import DeploymentEventTrigger

EVENT = "bench.rung"


@flow(name="bench-stock")
def stock(folder: str, token: str) -> None:
    """Say when this code began."""
    now = time.time_ns()
    unfinished = Path(folder) / f".{token}"
    unfinished.write_text(str(now))
    unfinished.replace(Path(folder) / token)


if __name__ == "__main__":
    rung = {"folder": sys.argv[1], "token": "{{ event.payload.token }}"}
    (Path(sys.argv[1]) / "stock").touch()
    stock.serve(
        name="bench", triggers=[DeploymentEventTrigger(expect={EVENT}, parameters=rung)], print_starting_message=False
    )
