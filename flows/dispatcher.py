"""The light process that keeps everything going: `python -m flows.dispatcher`.

It supervises the warm workers and their companions (quality and model processes), sweeps the landing zones, ends leases
whose owners are gone, drains the outbox and asks work pools. It holds nothing that is not in the catalogue, so it may
be killed at any moment: its children die with it, and the next one carries on.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import NoReturn

from cisterna.adapters.loading import begin_loading, end_loading
from cisterna.bootstrap import Parts, open_parts
from cisterna.domain.errors import CisternaError
from cisterna.domain.instrument import Instrument
from cisterna.domain.stored_copy import ARCHIVE
from cisterna.domain.work import WorkKind
from cisterna.ports.object_store import ObjectStore
from cisterna.services import attempt as attempts
from cisterna.services.delivery_use import fold_uses
from cisterna.services.detect import SweepMemory, SweepResult, sweep_instrument
from cisterna.services.distinct_store import require_all_distinct
from cisterna.services.record import copy_record, record_all
from cisterna.services.release_plan import plan_releases
from cisterna.services.send_events import send_due
from cisterna.services.upkeep import request_upkeep
from cisterna.settings import INLINE, Settings, load_settings
from flows import _settings
from flows.depositing import carry_due
from flows.held import place_of
from flows.keeper import Command, Duties, Keeper
from flows.once import Once
from flows.rounds import Rounds


def serve(settings: Settings) -> None:
    """Be the dispatcher of a home until a signal comes.

    Raises:
        NotReady: Another dispatcher runs on the home.
        StoreUnfit, StoreUnavailable: A store cannot be relied on; nothing was begun.
        StoreNotDistinct: Two stores that are to keep copies are one bucket.
    """
    with ExitStack() as stack:
        parts = stack.enter_context(open_parts(settings))
        run_folder = parts.home.run
        run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stack.enter_context(Once(run_folder / "dispatcher.lock"))
        ready = run_folder / "dispatcher.ready"
        ready.unlink(missing_ok=True)
        parts.prove_stores()
        stack.callback(ready.unlink, missing_ok=True)
        _settings.prepare(os.environ, api_url=parts.prefect_api_url)
        from flows.doorbell import PrefectEvents

        doorbell = PrefectEvents(parts.prefect_api_url)
        stack.callback(doorbell.close)
        require_all_distinct(list(parts.keeping_stores.values()), clock=parts.clock)
        with parts.catalogue.begin() as tx:
            tx.copies.register(list(parts.keeping_stores))
            tx.deposits.let_go(parts.home.name(), now=parts.clock.now())  # its dispatcher before this one is gone
        keeper = Keeper(
            parts.catalogue,
            duties=duties_of(parts),
            commands=commands_of(parts),
            sinks=[*parts.sinks(), doorbell],
            logs=parts.home.logs,
            environ=dict(os.environ),
            sweep_seconds=settings.dispatch.sweep_seconds,
            lease_seconds=settings.dispatch.lease_seconds,
            recovery_seconds=settings.archive.recovery_seconds,
            plan_seconds=settings.release.plan_seconds,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: keeper.stop())
        signal.signal(signal.SIGCHLD, lambda *_: keeper.nudge())
        end_loading()
        keeper.run(ready=ready.touch)


def commands_of(parts: Parts) -> Sequence[Command]:
    """Say how companions and workers are started, and where each says that it is ready and lives."""
    companions = [Command(name, argv, sign=socket) for name, argv, socket in parts.companions()]
    workers = []
    for number in range(1, parts.settings.dispatch.workers + 1):
        flag = parts.home.run / f"worker-{number}.ready"
        argv = [sys.executable, "-m", "flows.worker", "--ready", str(flag)]
        argv += ["--intake"] if number == 1 < parts.settings.dispatch.workers else []
        workers.append(Command(f"worker-{number}", argv, flag, sign=flag))
    if parts.settings.dispatch.keep == INLINE:
        flag = parts.home.run / "worker-keeping.ready"
        argv = [sys.executable, "-m", "flows.worker", "--keeping", "--ready", str(flag)]
        workers.append(Command("worker-keeping", argv, flag, sign=flag, is_patient=True))
    return [*companions, *workers]


def duties_of(parts: Parts) -> Duties:
    """Tie each duty to the service that does it."""
    from flows.adopter import Adopter
    from flows.pool import Pools
    from flows.tidy import Tidy

    catalogue, clock, place = parts.catalogue, parts.clock, place_of(parts)
    pools, rounds = executors(parts.settings), Rounds(parts)
    return Duties(
        sweep=lambda instrument, memory: _sweep(parts, instrument, memory),
        listen=parts.zones.listen,
        expire=lambda: attempts.abort_expired(place=place, catalogue=catalogue, clock=clock),
        end_leases=lambda owner: attempts.abort_owned_by(owner, place=place, catalogue=catalogue, clock=clock),
        deliver=lambda sink: send_due(sink, catalogue=catalogue, clock=clock),
        ask_pools=Pools(pools, api_url=parts.prefect_api_url, catalogue=catalogue, clock=clock).ask if pools else None,
        upkeep={name: partial(_look_after, parts, store) for name, store in parts.keeping_stores.items()},
        tidy=Tidy(parts.prefect_api_url, catalogue=catalogue).look,
        record=lambda: record_all(catalogue=catalogue, store=parts.archive_store, clock=clock),
        copy_record=(lambda: _copy_record(parts)) if parts.copy_stores else None,
        recover=rounds.recover,
        survey=rounds.survey,
        collect_probes=rounds.collect_probes,
        protect=rounds.protect,
        level_access=rounds.level_access,
        level_index=rounds.level_index,
        complete_forms=rounds.complete_forms,
        deposits={name: partial(carry_due, target, parts.deposit_site) for name, target in parts.targets.items()},
        plan=lambda: plan_releases(site=parts.release_site),
        fold_uses=lambda: fold_uses(catalogue=catalogue, clock=clock),
        adopter=Adopter(parts),
    )


def _look_after(parts: Parts, store: ObjectStore) -> int:
    return request_upkeep(
        store,
        first=ARCHIVE,
        cycle=timedelta(days=parts.settings.archive.check_cycle_days),
        catalogue=parts.catalogue,
        clock=parts.clock,
    )


def executors(settings: Settings) -> dict[WorkKind, str]:
    """Name the pool of each kind of work that does not run inline."""
    chosen = {kind: settings.dispatch.executor_of(kind) for kind in WorkKind}
    return {kind: executor.removeprefix("pool:") for kind, executor in chosen.items() if executor != INLINE}


def _copy_record(parts: Parts) -> None:
    """Bring the record to every further store; one that is away keeps no other one waiting."""
    refusals = []
    for to in parts.copy_stores.values():
        try:
            copy_record(store=parts.archive_store, to=to, catalogue=parts.catalogue)
        except CisternaError as refusal:
            refusals.append(refusal)
    if refusals:
        raise refusals[0]


def _sweep(parts: Parts, instrument: Instrument, memory: SweepMemory) -> SweepResult:
    return sweep_instrument(
        instrument,
        zone=parts.zone_of(instrument),
        profiles=parts.profiles,
        catalogue=parts.catalogue,
        clock=parts.clock,
        resolve_project=parts.find_project(instrument.path),
        outside=parts.outside,
        memory=memory,
    )


def main() -> NoReturn:
    """Run the dispatcher of the home that the environment names."""
    begin_loading()
    code = 0
    try:
        serve(load_settings())
    except CisternaError as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        code = 5 if error.retryable else 1
    sys.stderr.flush()
    os._exit(code)  # a sweep that hangs in a dead share must not hold the process


if __name__ == "__main__":
    main()
