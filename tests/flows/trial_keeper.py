"""A keeper process with trial workers, on the real catalogue: `python trial_keeper.py DSN API FOLDER LEASE`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.system_clock import SystemClock
from cisterna.domain.errors import CisternaError, NotReady, StoreUnavailable
from cisterna.services import attempt as attempts
from cisterna.services.detect import SweepMemory, SweepResult
from cisterna.services.lineage import Place
from cisterna.services.send_events import send_due
from flows.keeper import Command, Duties, Keeper
from flows.once import Once

if TYPE_CHECKING:
    from cisterna.domain.event import Event
    from cisterna.domain.instrument import Instrument

PLACE = Place(host="trial", bucket="trial")


class FileSink:
    """Writes the names of events to a file; refuses while a file `refuse` is there."""

    name = "trial"
    inside = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, event: Event) -> None:
        if (self._folder / "refuse").exists():
            (self._folder / "refused").touch()
            raise NotReady("the sink is told to refuse", part="trial")
        with (self._folder / "sent").open("a") as file:
            file.write(f"{event.event_id} {event.name}\n")


def main() -> None:
    dsn, api_url, place, lease = sys.argv[1:]
    folder = Path(place)
    catalogue, clock = SqlCatalogue(dsn), SystemClock()

    def sweep(instrument: Instrument, _memory: SweepMemory) -> SweepResult:
        with (folder / f"swept-{instrument.name}").open("a") as file:
            file.write(".")
        return SweepResult(instrument=instrument.name)

    def note(what: str) -> None:
        with (folder / what).open("a") as file:
            file.write(".")
        raise StoreUnavailable("the archive is told to be away")

    flag = folder / "worker-1.ready"
    trial = Path(__file__).with_name("trial.py")
    trial_argv = [sys.executable, str(trial), dsn, api_url, place, str(flag), lease, "8"]
    patient_argv = ["sh", "-c", f"ls {folder} > {folder}/seen.new; mv {folder}/seen.new {folder}/seen; exec sleep 1000"]
    keeper = Keeper(
        catalogue,
        duties=Duties(
            sweep=sweep,
            expire=lambda: attempts.abort_expired(place=PLACE, catalogue=catalogue, clock=clock),
            end_leases=lambda owner: attempts.abort_owned_by(owner, place=PLACE, catalogue=catalogue, clock=clock),
            deliver=lambda sink: send_due(sink, catalogue=catalogue, clock=clock),
            recover=lambda: note("recovered"),
            survey=lambda: note("surveyed"),
        ),
        commands=[Command("patient", patient_argv, is_patient=True), Command("worker-1", trial_argv, flag)],
        sinks=[FileSink(folder)],
        logs=folder,
        environ=os.environ,
        sweep_seconds=0.2,
        lease_seconds=float(lease),
        recovery_seconds=0.2,
    )
    signal.signal(signal.SIGTERM, lambda *_: keeper.stop())
    signal.signal(signal.SIGCHLD, lambda *_: keeper.nudge())
    with Once(folder / "keeper.lock"):
        keeper.run(ready=(folder / "keeper.ready").touch)


if __name__ == "__main__":
    try:
        main()
    except CisternaError as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        sys.exit(5)
