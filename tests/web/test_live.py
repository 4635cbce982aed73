"""The doorbell for open pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.errors import CatalogueUnavailable
from cisterna.testing.clock import SettableClock
from cisterna.web import live
from cisterna.web.live import LiveFeed
from tests.web.site import Site

_PATIENCE_SECONDS = 30


async def next_look(stream: AsyncIterator[str]) -> str:
    while True:
        message = await asyncio.wait_for(anext(stream), _PATIENCE_SECONDS)
        if message.startswith("event:"):
            return message


def test_a_commit_rings_every_open_page_and_tells_nothing_of_what_it_was(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    site = Site(catalogue, clock)
    site.settle_people()

    async def run() -> list[str]:
        feed = LiveFeed(catalogue)
        feed.start()
        streams = [feed.stream(lambda: True) for _ in range(3)]
        try:
            for stream in streams:
                assert (await anext(stream)).startswith("retry:")
            looks = [asyncio.create_task(next_look(stream)) for stream in streams]
            while not all(look.done() for look in looks):  # a listener may begin after the first commit
                clock.advance(timedelta(seconds=1))
                await asyncio.to_thread(site.lay_version, f"secret-{clock.new_id()}")
            return [look.result() for look in looks]
        finally:
            await asyncio.to_thread(feed.stop)

    assert asyncio.run(run()) == ["event: look\ndata: again\n\n"] * 3


def test_a_run_that_goes_on_rings_open_pages_and_nobody_else(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    site = Site(catalogue, clock)
    site.settle_people()
    run_ = site.lay_acquisition("plate-9", state=AcquisitionState.WRITING)
    heard: list[str] = []
    for topic in catalogue.listen(timeout=timedelta(seconds=_PATIENCE_SECONDS)):
        if topic:
            heard.append(topic)
            break
        site.lay_writing(run_, files=1, expected_files=None)  # the listener has begun

    assert heard == ["pages"]


def test_streams_end_when_the_feed_stops(catalogue: SqlCatalogue) -> None:
    async def run() -> list[str]:
        feed = LiveFeed(catalogue)
        feed.start()
        stream = feed.stream(lambda: True)
        first = await anext(stream)
        rest = asyncio.create_task(collect(stream))
        await asyncio.to_thread(feed.stop)
        return [first, *await asyncio.wait_for(rest, _PATIENCE_SECONDS)]

    assert not [one for one in asyncio.run(run()) if one.startswith("event:")]


async def collect(stream: AsyncIterator[str]) -> list[str]:
    return [message async for message in stream]


def test_a_stream_ends_when_the_person_is_signed_out(catalogue: SqlCatalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_KEEPALIVE_SECONDS", 0.01)
    answers = iter([True, True, False])

    async def run() -> list[str]:
        return await asyncio.wait_for(collect(LiveFeed(catalogue).stream(lambda: next(answers))), _PATIENCE_SECONDS)

    assert asyncio.run(run()) == ["retry: 2000\n\n", ": still here\n\n", ": still here\n\n"]


def test_after_the_catalogue_was_away_pages_look_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_RETRY_SECONDS", 0.01)

    class Away:
        def listen(self, *, timeout: timedelta) -> object:
            raise CatalogueUnavailable(f"PostgreSQL did not answer within {timeout}")

    async def run() -> str:
        feed = LiveFeed(Away())
        feed.start()
        try:
            return await next_look(feed.stream(lambda: True))
        finally:
            await asyncio.to_thread(feed.stop)

    assert asyncio.run(run()).startswith("event: look")
