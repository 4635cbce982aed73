"""`cisterna doctor`: check every part; each failure names its fix."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial

import httpx

from cisterna.bootstrap import Home, Parts, open_parts
from cisterna.bootstrap.checklist import checklist_of
from cisterna.bootstrap.meter import missing_readers
from cisterna.cli.answer import AsJson, ExitCode, answer, table
from cisterna.cli.config import HomeOption
from cisterna.domain.errors import NotReady
from cisterna.ports.object_store import ObjectStore
from cisterna.services import health
from cisterna.services.distinct_store import require_distinct
from cisterna.services.health import Condition, Diagnosis, diagnose
from cisterna.settings import Settings, load_settings

LOW_DISK_BYTES = 5_000_000_000


def doctor(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """Check every part and name the fix for what fails.

    Creates nothing but what it tries the stores with and removes again; warnings leave the exit code 0.
    """
    settings = load_settings(home=home)
    found = list(_look(settings))
    failed = [one for one in found if one.condition is Condition.FAILED]
    unchecked = [one for one in found if one.condition is Condition.COULD_NOT_CHECK]
    rows = [one.model_dump(mode="json") for one in found]
    first = next(iter([*failed, *unchecked]), None)
    reason = f"{first.part}: {first.message}" if first else "every part answers"
    columns = {"part": "part", "condition": "condition"}
    answer(
        {"home": str(settings.home), "reason": reason, "parts": rows},
        as_json=as_json,
        show=table(rows, columns, told={"message": "", "fix": "what to do"}, empty=""),
        code=ExitCode.NOT_READY if failed else ExitCode.COULD_NOT_CHECK if unchecked else ExitCode.DONE,
    )


def _look(settings: Settings) -> Iterator[Diagnosis]:
    yield Diagnosis(part="settings", condition=Condition.OK, message=f"home {settings.home}")
    yield _disk(settings)
    with open_parts(settings) as parts:
        yield from health.look_at_profiles(parts.installed_profiles.faults)
        yield diagnose(
            "review checklist", partial(_checklist, settings), fix="mend that file, or take it away for ours to hold"
        )
        stack = diagnose("stack", lambda: _running(parts), fix=f"start it: `cisterna up --home {settings.home}`")
        yield stack
        if stack.condition is Condition.FAILED:
            return
        yield from _look_at_parts(parts)


def _look_at_parts(parts: Parts) -> Iterator[Diagnosis]:
    log = parts.home.logs
    catalogue = diagnose(
        "catalogue", lambda: health.look_at_catalogue(parts.catalogue), fix=f"see {log}/dispatcher.log and PostgreSQL's"
    )
    yield catalogue
    yield diagnose("archive", lambda: health.look_at_store(parts.archive_store), fix=f"see {log}/store.log")
    yield diagnose("public bucket", lambda: health.look_at_store(parts.public_store), fix=f"see {log}/store.log")
    yield from _look_at_stores(parts)
    yield diagnose("prefect", lambda: _answers(f"{parts.prefect_api_url}/health"), fix=f"see {log}/prefect.log")
    yield diagnose("web", lambda: _answers(f"{parts.base_url}/readyz"), fix=f"see {log}/web.log")
    yield _dispatcher(parts.home)
    if catalogue.condition is Condition.OK:
        yield from health.look_at_instruments(parts.catalogue, parts.profiles)
        yield from health.look_at_readers(parts.catalogue, missing_readers())
        yield from health.look_at_zones(parts.catalogue, parts.zone_at)
        yield from health.look_at_server_copies(parts.catalogue, parts.archive_store, parts.zone_at)
        yield health.look_at_work(parts.catalogue)
        yield health.look_at_publications(parts.catalogue)
        yield health.look_at_pages(parts.catalogue, parts.publisher)
        yield health.look_at_deliveries(parts.catalogue, clock=parts.clock)
        yield health.look_at_outbox(parts.catalogue)
        yield from health.look_at_sinks(parts.catalogue)
        yield health.look_at_record(parts.catalogue, clock=parts.clock)
        yield health.look_at_recoveries(parts.catalogue)
        yield health.look_at_erasures(parts.catalogue)
        yield health.look_at_deposits(parts.catalogue, parts.settings.targets.names)
    yield diagnose("uploads", lambda: health.look_at_uploads(parts.archive_store), fix=f"see {log}/store.log")


def _look_at_stores(parts: Parts) -> Iterator[Diagnosis]:
    opened = {"archive": parts.archive_store, "public": parts.public_store, **parts.copy_stores}
    for name, store in opened.items():
        if name in parts.copy_stores:
            fix = f"see that the store of the copy '{name}' answers and is fit, or take it out of store.copies"
            yield diagnose(f"copy {name}", partial(_look_at_copy, parts, store), fix=fix)
        admin = parts.stores.admin(name)
        is_embedded = parts.stores.is_embedded and name not in parts.copy_stores
        yield health.look_at_bucket(admin, parts.stores.kept_plan(name), is_embedded=is_embedded)
        yield health.look_at_doors(
            store, parts.stores.strangers(name), token=parts.clock.new_id(), is_public=name == "public"
        )
        yield health.look_at_clock(admin, parts.clock)
    yield health.look_at_keys(parts.stores.with_public_keys())


def _look_at_copy(parts: Parts, store: ObjectStore) -> str:
    told = health.look_at_store(store)
    require_distinct(parts.archive_store, store, clock=parts.clock)
    return f"{told}, and is another one than the archive"


def _checklist(settings: Settings) -> str:
    held = checklist_of(settings)
    return f"{held.id} {held.version}, {len(held.points)} points"


def _running(parts: Parts) -> str:
    endpoints = parts.endpoints
    if endpoints is not None:
        parts.home.require_ready()
    return f"process {endpoints.supervisor_pid}" if endpoints else "every part is set to a server of yours"


def _answers(url: str) -> str:
    try:
        answered = httpx.get(url, timeout=5.0)
    except httpx.HTTPError as error:
        msg = f"{url} does not answer: {error}"
        raise NotReady(msg) from error
    if answered.is_error:
        msg = f"{url} answers {answered.status_code}"
        raise NotReady(msg)
    return f"{url} answers"


def _dispatcher(home: Home) -> Diagnosis:
    if (home.run / "dispatcher.ready").exists():
        return Diagnosis(part="dispatcher", condition=Condition.OK, message="has its workers")
    return Diagnosis(
        part="dispatcher",
        condition=Condition.FAILED,
        message="is not ready",
        fix=f"give it some seconds, then see {home.logs}/dispatcher.log",
    )


def _disk(settings: Settings) -> Diagnosis:
    home = settings.home
    place = next(folder for folder in (home / "store", home, *home.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    message = f"{free / 1e9:.1f} GB free at {place}"
    reserve_bytes = settings.store.reserve_mib * 1024 * 1024
    if settings.store.endpoint is None and free < reserve_bytes:
        message += f", and {reserve_bytes / 1e9:.1f} GB have to stay free (store.reserve_mib): new runs wait"
        fix = "make room; they go on by themselves"
        return Diagnosis(part="disk", condition=Condition.WARNING, message=message, fix=fix)
    if free < LOW_DISK_BYTES:
        return Diagnosis(part="disk", condition=Condition.WARNING, message=message, fix="make room, or move the home")
    return Diagnosis(part="disk", condition=Condition.OK, message=message)
