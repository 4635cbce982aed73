"""Ports of this machine, on 127.0.0.1, that nobody listens on."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress

from cisterna.domain.errors import NotReady, SettingsInvalid

HOST = "127.0.0.1"
_NEXT = 100
_HIGHEST = 65_535


def are_free(ports: Iterable[int]) -> bool:
    """Tell whether nobody listens on any of them now."""
    with ExitStack() as held:
        return all(_hold(held, port) is not None for port in ports)


def first_free(preferred: int, *, is_fixed: bool, setting: str) -> int:
    """Choose the preferred port, or the next one that is free.

    Args:
        preferred: Tried first.
        is_fixed: Refuse to give way.
        setting: Name of the setting, for the message.

    Raises:
        SettingsInvalid: It is fixed and taken.
        NotReady: The next hundred are taken too.
    """
    if is_fixed and not are_free([preferred]):
        msg = f"port {preferred} on {HOST} is taken; set {setting} to another, or stop what listens there"
        raise SettingsInvalid(msg, port=preferred)
    for port in range(preferred, min(preferred + _NEXT, _HIGHEST)):
        if are_free([port]):
            return port
    raise NotReady(f"no port from {preferred} to {preferred + _NEXT - 1} on {HOST} is free", port=preferred)


def spare_ports(count: int, *, besides: Sequence[int] = (), pair_offset: int = 0) -> list[int]:
    """Choose free ports that are all different.

    Args:
        count: How many.
        besides: Ports not to choose.
        pair_offset: If not 0, the last one chosen has a free partner that much above it.

    Raises:
        NotReady: There are not as many.
    """
    with ExitStack() as held:
        chosen: list[int] = []
        for _ in range(20 * count):
            port = _hold(held, 0)
            if port is None or port in besides:
                continue
            if pair_offset and len(chosen) == count - 1:
                port = port - pair_offset if port + pair_offset > _HIGHEST else port
                partners = {port, port + pair_offset}
                if partners & {*chosen, *besides} or _hold(held, port + pair_offset) is None:
                    continue
            chosen.append(port)
            if len(chosen) == count:
                return chosen
    raise NotReady(f"there are no {count} free ports on {HOST}")


def _hold(held: ExitStack, port: int) -> int | None:
    listener = held.enter_context(socket.socket())
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port of a killed server is free at once
    with suppress(OSError):
        listener.bind((HOST, port))
        return int(listener.getsockname()[1])
    return None
