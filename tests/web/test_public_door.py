"""However much the public asks at once, who works here is answered, and the public is told to come back."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import psycopg
import pytest
import sqlalchemy.exc
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy.engine import make_url
from starlette.types import Message

from cisterna.adapters.catalogue_connection import PUBLIC_USAGE
from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.passwords import Argon2Passwords
from cisterna.domain.delivery import DeliveryRules
from cisterna.ports.publisher import PublicRecord
from cisterna.services.delivery import deliver_version
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_store import MemoryStore
from cisterna.testing.public_index_contract import entry, put
from cisterna.web import app as web_app
from cisterna.web import landing, signed
from cisterna.web.app import create_app
from cisterna.web.public_door import SLOWEST_BYTES_PER_SECOND, Door, TakenTooSlowly
from cisterna.web.public_route import DeliveredRoute, IndexRoute, ShelfRoute, SignInRoute, WatchRoute
from tests.web.client import Browser
from tests.web.site import Site

FLOOD = 60
"""More than the threads that answer who is signed in."""


class Stalled(Site):
    """A site whose buckets can be made to answer nothing."""

    def __post_init__(self) -> None:
        self.goes = threading.Event()
        self.goes.set()
        super().__post_init__()


@pytest.fixture
def public_catalogue(dsn: str) -> Iterator[SqlCatalogue]:
    made = SqlCatalogue(dsn, usage=PUBLIC_USAGE._replace(connections=2, wait_seconds=0.2, lock_seconds=0.4))
    yield made
    made.close()


@pytest.fixture
def site(catalogue: SqlCatalogue, public_catalogue: SqlCatalogue, clock: SettableClock) -> Stalled:
    made = Stalled(catalogue, clock, public_catalogue=public_catalogue)
    made.settle_people()
    return made


@contextmanager
def held(dsn: str, table: str) -> Iterator[None]:
    """Let nobody read a table."""
    address = make_url(dsn).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield
        connection.rollback()


def ask_at_once(
    app: FastAPI,
    paths: list[str],
    meanwhile: Callable[[httpx.AsyncClient], Awaitable[None]],
    *,
    forms: list[dict[str, str]] | None = None,
) -> list[httpx.Response]:
    """Ask for all at once, and do something while nobody is answered."""
    browser = Browser(TestClient(app, base_url="http://testserver", follow_redirects=False))
    browser.sign_in("sten")
    answers: list[httpx.Response] = []

    async def asked() -> None:
        transport, cookies = httpx.ASGITransport(app, raise_app_exceptions=False), dict(browser.client.cookies)
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://testserver", timeout=30) as public,
            httpx.AsyncClient(transport=transport, base_url="http://testserver", cookies=cookies) as staff,
            anyio.create_task_group() as group,
        ):

            async def ask(path: str, form: dict[str, str] | None) -> None:
                answers.append(await (public.get(path) if form is None else public.post(path, data=form)))

            public.cookies.set(signed.FORM_COOKIE, "mine")
            for path, form in zip(paths, forms or [None] * len(paths), strict=True):
                group.start_soon(ask, path, form)
            with anyio.fail_after(10):
                await meanwhile(staff)

    anyio.run(asked)
    return answers


async def work(staff: httpx.AsyncClient) -> None:
    """Do what a steward does."""
    for path in ("/datasets", "/"):
        assert (await staff.get(path)).status_code == 200, path


def statuses(answers: list[httpx.Response]) -> dict[int, int]:
    return {one: sum(answer.status_code == one for answer in answers) for one in {a.status_code for a in answers}}


def test_who_works_here_is_answered_while_landing_pages_wait_for_their_bucket(
    site: Stalled, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = site.dataset(site.lay_published("plate-7")).pid
    find = site.portal.find

    def stalled(pid: str, *, version: str | None = None) -> PublicRecord | None:
        assert site.goes.wait(20)
        return find(pid, version=version)

    monkeypatch.setattr(site.portal, "find", stalled)
    door = Door("landing pages", threads=3, inside=40, wait_seconds=0.2)
    app = create_app(dataclasses.replace(site.parts, shelf_door=door))
    site.goes.clear()

    async def meanwhile(staff: httpx.AsyncClient) -> None:
        await work(staff)
        await anyio.sleep(0.3)  # until those that wait have been turned away
        site.goes.set()

    answers = ask_at_once(app, [f"/{pid}"] * FLOOD, meanwhile)

    assert statuses(answers) == {200: 3, 503: FLOOD - 3}
    refused = next(one for one in answers if one.status_code == 503)
    assert refused.headers["retry-after"] == "5"
    assert "Wait some seconds" in refused.text


def give_slowly(site: Stalled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the archive give the rest of a file only when the site goes on."""
    store = site.store
    assert isinstance(store, MemoryStore)
    stream = store.stream

    def stalled(key: str, **span: Any) -> Iterator[bytes]:
        whole = b"".join(stream(key, **span))
        yield whole[:100]
        assert site.goes.wait(20)
        yield whole[100:]

    monkeypatch.setattr(store, "stream", stalled)


def test_who_works_here_is_answered_while_files_for_the_public_come_slowly(
    site: Stalled, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = site.lay_published("plate-7", files=("notes.txt",))
    path = f"/{site.dataset(version).pid}/files/data/notes.txt"
    give_slowly(site, monkeypatch)
    door = Door("landing pages", threads=3, inside=40, wait_seconds=5)
    app = create_app(dataclasses.replace(site.parts, shelf_door=door))
    site.goes.clear()

    async def meanwhile(staff: httpx.AsyncClient) -> None:
        await work(staff)
        site.goes.set()

    answers = ask_at_once(app, [path] * FLOOD, meanwhile)

    assert statuses(answers) == {200: 40, 503: FLOOD - 40}
    whole = {len(one.content) for one in answers if one.status_code == 200}
    assert whole == {len(f"bytes of notes.txt in {site.dataset(version).title}\n") * 50}


@pytest.mark.parametrize("rest", ["/files/data/notes.txt", "/all.tar"])
def test_who_works_here_is_answered_while_what_was_delivered_comes_slowly(
    site: Stalled, monkeypatch: pytest.MonkeyPatch, rest: str
) -> None:
    version = site.decide(site.lay_version("plate-7", files=("notes.txt",)))
    _, path = deliver_version(
        version.version_id,
        to="guest@example.org",
        person="ada",
        rules=DeliveryRules(),
        with_link=True,
        catalogue=site.catalogue,
        clock=site.clock,
        passwords=site.passwords,
    )
    give_slowly(site, monkeypatch)
    door = Door("deliveries", threads=3, inside=FLOOD, wait_seconds=5)
    app = create_app(dataclasses.replace(site.parts, delivered_door=door))
    site.goes.clear()

    async def meanwhile(staff: httpx.AsyncClient) -> None:
        await anyio.sleep(0.5)  # until all that find a thread wait in it
        await work(staff)
        site.goes.set()

    answers = ask_at_once(app, [f"{path}{rest}"] * FLOOD, meanwhile)

    assert statuses(answers) == {200: FLOOD}


def test_who_works_here_is_answered_while_many_try_to_sign_in(site: Stalled) -> None:
    class Busy(Argon2Passwords):
        def verify(self, password: str, *, password_hash: str | None) -> bool:
            assert site.goes.wait(20)
            return super().verify(password, password_hash=password_hash)

    busy = Busy(time_cost=1, memory_kib=8, lanes=1)
    app = create_app(dataclasses.replace(site.parts, passwords=busy))

    async def meanwhile(staff: httpx.AsyncClient) -> None:
        site.goes.clear()
        await anyio.sleep(0.5)  # until all that find a thread wait in it
        await work(staff)
        site.goes.set()

    forms = [{"name": f"nobody-{number}", "password": "wrong password!", "csrf": "mine"} for number in range(FLOOD)]
    answers = ask_at_once(app, ["/sign-in"] * FLOOD, meanwhile, forms=forms)

    assert set(statuses(answers)) <= {401, 429, 503}
    assert len(answers) == FLOOD


def test_who_works_here_is_answered_while_searches_take_long_and_the_public_is_told_to_come_back(
    site: Stalled, dsn: str
) -> None:
    put(site.catalogue, site.clock, entry("a"))
    door = Door("the index", threads=2, inside=50, wait_seconds=0.5)
    app = create_app(dataclasses.replace(site.parts, index_door=door))
    paths = ["/browse?words=a", "/api/v1/public/datasets", "/sitemap.xml", "/browse/newest.atom"]

    with held(dsn, "public_datasets"):
        answers = ask_at_once(app, paths * (FLOOD // len(paths)), work)

    assert statuses(answers) == {503: FLOOD}
    assert {one.headers["retry-after"] for one in answers} == {"5"}
    codes = {one.json()["code"] for one in answers if one.headers["content-type"] == "application/problem+json"}
    assert codes <= {"overloaded", "catalogue-unavailable"}
    assert statuses(ask_at_once(app, paths, work)) == {200: len(paths)}


def test_who_finds_a_turn_free_is_answered_however_slow_the_machine_is() -> None:
    late = Door("the index", threads=1, inside=2, wait_seconds=0)  # time is up before anybody can ask

    assert anyio.run(late.answer, lambda: "answered") == "answered"


def test_who_waits_is_answered_when_a_turn_came_free_while_the_machine_stood_still() -> None:
    door, goes, answers = Door("the index", threads=1, inside=2, wait_seconds=0.05), threading.Event(), list[object]()

    async def asked(work: Callable[[], object]) -> None:
        answers.append(await door.answer(work))

    async def both() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(asked, lambda: goes.wait(20))
            await anyio.wait_all_tasks_blocked()
            group.start_soon(asked, lambda: "answered")
            await anyio.wait_all_tasks_blocked()
            goes.set()
            time.sleep(0.2)  # noqa: ASYNC251 - the loop stands still until time is up and the turn is free

    anyio.run(both)

    assert answers == [True, "answered"]


def test_who_takes_an_answer_hardly_at_all_does_not_keep_its_place(
    served: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = f"{served.base_url}/{served.dataset(served.lay_published('plate-7')).pid}"
    monkeypatch.setattr(landing, "_runs", lambda *_: range(20_000))
    monkeypatch.setattr(landing, "_digest_lines", lambda _run: bytes(8_000))
    door = served.parts.shelf_door
    door._most, door._grace_seconds = 1, 0.2
    address = urlsplit(page)
    place = (address.hostname or "", address.port or 0)

    with socket.create_connection(place) as idle:
        asked = f"GET {address.path}/v1/manifest-sha512.txt HTTP/1.1"
        idle.sendall(f"{asked}\r\nhost: {address.netloc}\r\n\r\n".encode())
        assert idle.recv(12) == b"HTTP/1.1 200"
        others, deadline = [httpx.get(page).status_code], time.monotonic() + 40
        while others[-1] != 200 and time.monotonic() < deadline:
            others.append(httpx.get(page).status_code)

    assert others[0] == 503  # the place is taken
    assert others[-1] == 200


def test_an_answer_that_is_large_may_take_as_long_as_its_size_needs() -> None:
    door, taken = Door("files", threads=1, inside=1, grace_seconds=0), list[int]()

    async def slow(message: Message) -> None:
        await anyio.sleep(0.05)
        taken.append(len(message["body"]))

    async def sent() -> None:
        await door.in_time(slow)({"type": "http.response.body", "body": bytes(20 * SLOWEST_BYTES_PER_SECOND)})
        with pytest.raises(TakenTooSlowly):
            await door.in_time(slow)({"type": "http.response.body", "body": b"x"})

    anyio.run(sent)

    assert taken == [20 * SLOWEST_BYTES_PER_SECOND]


def test_an_answer_that_is_large_is_given_away_in_pieces_as_they_are_taken() -> None:
    door, taken = Door("pages", threads=1, inside=1), list[Message]()
    body = bytes(range(256)) * 5000

    async def take(message: Message) -> None:
        taken.append(message)

    async def sent() -> None:
        send = door.in_time(take)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": body})

    anyio.run(sent)

    start, *pieces = taken
    assert start == {"type": "http.response.start", "status": 200}
    assert b"".join(one["body"] for one in pieces) == body + body
    assert max(len(one["body"]) for one in pieces) == 256 * 1024
    assert [one["more_body"] for one in pieces] == [True] * (len(pieces) - 1) + [False]


def test_a_harvester_is_told_to_come_back_as_its_protocol_says(site: Stalled, dsn: str) -> None:
    put(site.catalogue, site.clock, entry("a"))
    path = "/oai?verb=ListIdentifiers&metadataPrefix=oai_dc"

    with held(dsn, "public_versions"):
        (busy,) = ask_at_once(create_app(site.parts), [path], work)
    (answer,) = ask_at_once(create_app(site.parts), [path], work)

    assert (busy.status_code, busy.headers["retry-after"]) == (503, "5")
    assert answer.status_code == 200


def test_when_the_public_holds_all_its_connections_the_next_is_turned_away_and_staff_is_not(
    site: Stalled, public_catalogue: SqlCatalogue
) -> None:
    with public_catalogue.begin(), public_catalogue.begin():
        (answer,) = ask_at_once(create_app(site.parts), ["/browse"], work)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_by_the_connections_of_the_public_nothing_can_be_written(site: Stalled, public_catalogue: SqlCatalogue) -> None:
    with pytest.raises(sqlalchemy.exc.InternalError, match="read-only"):
        put(public_catalogue, site.clock, entry("a"))


def test_whoever_is_not_signed_in_comes_by_a_door(site: Stalled) -> None:
    modules = [one for one in vars(web_app).values() if isinstance(getattr(one, "router", None), APIRouter)]
    routes = [route for module in modules for route in module.router.routes if isinstance(route, APIRoute)]
    known = {signed.signed_in, signed.signed_or_token, signed.signed_form}

    outside = {
        route.path
        for route in routes
        if not isinstance(route, IndexRoute | ShelfRoute | DeliveredRoute | WatchRoute | SignInRoute)
        and not known & set(_needed(route.dependant))
    }

    # What comes in by a secret of its own.
    assert outside == {"/static/report.css", "/api/v1/events", "/hooks/s3"}


def _needed(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for one in dependant.dependencies:
        yield from _needed(one)
