"""Ports of this machine that nobody listens on, and whose they are from the choice on."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from cisterna.adapters.child import Child
from cisterna.domain.errors import CisternaError, NotReady, SettingsInvalid

HOST = "127.0.0.1"
_NEXT = 100
_HIGHEST = 65_535
_LISTENING = "0A"
"""TCP_LISTEN, as /proc/net/tcp shows it."""


def are_free(ports: Iterable[int], *, host: str = HOST) -> bool:
    """Tell whether nobody listens on any of them now."""
    with ExitStack() as held:
        return all(_hold(held, port, host=host) is not None for port in ports)


class PortLost(NotReady):
    """Another program took a port of our choice before our server listened on it; a new choice helps."""


class PortClaim:
    """A port that no other home on this machine chooses while this one has it, from the choice to the end of its use.

    A free port says nothing about who else is about to listen on it: two homes that start in the same second see the
    same ones. So each choice is announced under an abstract socket's name, which only one process can have and which
    the kernel takes back when that process dies. Programs that are not ours do not look there; see `await_listening`.

    Attributes:
        port: The port.
    """

    def __init__(self, port: int, name: socket.socket, *, host: str, is_fixed: bool, setting: str) -> None:
        self.port = port
        self._name = name
        self._host = host
        self._is_fixed = is_fixed
        self._setting = setting

    @property
    def is_held(self) -> bool:
        """Whether no other home may choose it."""
        return self._name.fileno() != -1

    def release(self) -> None:
        """Let others choose it; harmless when done before."""
        self._name.close()

    def is_free(self) -> bool:
        """Tell whether nobody listens on it now."""
        return are_free([self.port], host=self._host)

    def loss(self) -> CisternaError:
        """Say that another program has it: final when the user named the port, else a reason to choose again."""
        if self._is_fixed:
            return _taken(self.port, host=self._host, setting=self._setting)
        msg = f"another program took port {self.port} on {self._host} before our server listened on it; start again"
        return PortLost(msg, port=self.port)


def claim_again(claim: PortClaim | None) -> PortClaim | None:
    """Give the claim of a server that is started again at the address that its clients know; None when it has none.

    Raises:
        PortLost: Another program took the port meanwhile. The claim is given up: the next start chooses anew, and the
            clients have to be told.
        SettingsInvalid: The same, and it is the port that the user named: it stays claimed, and is waited for.
    """
    if claim is None or not claim.is_held:
        return None
    if claim.is_free():
        return claim
    loss = claim.loss()
    if isinstance(loss, PortLost):
        claim.release()
    raise loss


def claim_port(preferred: int, *, is_fixed: bool, setting: str, host: str = HOST) -> PortClaim:
    """Choose the preferred port, or the next one that is free and that no other home has chosen.

    Args:
        preferred: Tried first.
        is_fixed: Refuse to give way.
        setting: Name of the setting, for the message.
        host: Address to listen on.

    Raises:
        SettingsInvalid: It is fixed and taken.
        NotReady: The next hundred are taken too.
    """
    for port in range(preferred, min(preferred + (1 if is_fixed else _NEXT), _HIGHEST + 1)):
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind(f"\0cisterna-port-{port}")
        except OSError:
            name.close()
            continue
        if are_free([port], host=host):
            return PortClaim(port, name, host=host, is_fixed=is_fixed, setting=setting)
        name.close()
    if is_fixed:
        raise _taken(preferred, host=host, setting=setting)
    raise NotReady(f"no port from {preferred} to {preferred + _NEXT - 1} on {host} is free", port=preferred)


def await_listening(
    child: Child,
    claim: PortClaim,
    is_ready: Callable[[], bool],
    *,
    timeout_seconds: float,
    besides: Sequence[int] = (),
) -> None:
    """Wait until it is the child itself that listens on the port, and answers; the caller stops a child that failed.

    Args:
        child: The server, which listens in its own process.
        claim: Its port.
        is_ready: Asks whoever listens there.
        timeout_seconds: How long to wait.
        besides: Further ports of the server's, all chosen by us.

    Raises:
        PortLost: It ended, and another program listens on a port that we had chosen.
        SettingsInvalid: It ended, and another program listens on the port that the user named.
        NotReady: It ended for another reason, or the time passed.
    """
    try:
        child.await_ready(lambda: is_listening(child.pid, claim.port) and is_ready(), timeout_seconds=timeout_seconds)
    except NotReady as failure:
        if child.exit_code is None:
            raise
        if not claim.is_free():
            raise claim.loss() from failure
        if not are_free(besides):
            msg = f"another program took a port of {child.name} before it listened there; start again"
            raise PortLost(msg, part=child.name) from failure
        raise


def is_listening(pid: int | None, port: int) -> bool:
    """Tell whether this very process, of our own user, listens on a TCP port, by what the kernel shows of both."""
    sockets = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):  # IPv6 may be off
            for line in Path("/proc/net", table).read_text("ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{fields[9]}]")
    try:
        return any(_target(file) in sockets for file in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # it has ended
        return False


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


def _hold(held: ExitStack, port: int, *, host: str = HOST) -> int | None:
    listener = held.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port of a killed server is free at once
    with suppress(OSError):
        listener.bind((host, port))
        return int(listener.getsockname()[1])
    return None


def _taken(port: int, *, host: str, setting: str) -> SettingsInvalid:
    msg = f"port {port} on {host} is taken; set {setting} to another, or stop what listens there"
    return SettingsInvalid(msg, port=port)


def _target(file: Path) -> str:
    with suppress(OSError):  # closed meanwhile
        return str(file.readlink())
    return ""
