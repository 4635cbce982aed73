"""Routes by which the public comes in, each through a door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any

from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from cisterna.web.parts import WebParts
from cisterna.web.public_door import Door, TakenTooSlowly


class _DoorRoute(APIRoute):
    """A route whose requests come through a door; an `async` endpoint waits for nothing and needs no thread."""

    @staticmethod
    def door_of(parts: WebParts) -> Door:
        """Say which."""
        raise NotImplementedError

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        by_thread = endpoint if iscoroutinefunction(endpoint) else _answered(endpoint, self.door_of)
        super().__init__(path, by_thread, **given)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, once there is room; what is broken off ends without its end, so that it is taken for no whole."""
        door = self.door_of(scope["app"].state.parts)
        with door.let_in(), suppress(TakenTooSlowly):
            await super().handle(scope, receive, door.in_time(send))


class IndexRoute(_DoorRoute):
    """What is answered from the index of what is public, by the few connections that are there for it."""

    @staticmethod
    def door_of(parts: WebParts) -> Door:
        """As many threads as connections."""
        return parts.index_door


class ShelfRoute(_DoorRoute):
    """What is answered from the buckets."""

    @staticmethod
    def door_of(parts: WebParts) -> Door:
        """Of landing pages and their files."""
        return parts.shelf_door


class DeliveredRoute(_DoorRoute):
    """What is answered to who holds the secret of a delivery, by the connections of those who are signed in."""

    @staticmethod
    def door_of(parts: WebParts) -> Door:
        """Of deliveries."""
        return parts.delivered_door


class WatchRoute(_DoorRoute):
    """What operators' programs ask, which do not sign in."""

    @staticmethod
    def door_of(parts: WebParts) -> Door:
        """Of what they watch."""
        return parts.watch_door


class SignInRoute(_DoorRoute):
    """How people come in: a password is judged for a while, two at once, and others wait for that."""

    @staticmethod
    def door_of(parts: WebParts) -> Door:
        """Of signing in."""
        return parts.sign_in_door


def _answered(endpoint: Callable[..., Any], door: Callable[[WebParts], Door]) -> Callable[..., Awaitable[Any]]:
    @wraps(endpoint)
    async def answered(*, parts: WebParts, **given: Any) -> Any:
        return await door(parts).answer(partial(endpoint, parts=parts, **given))

    return answered
