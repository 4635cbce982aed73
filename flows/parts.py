"""What flows need of the composition root, and the one copy of it that a process keeps."""

from __future__ import annotations

import atexit
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.settings import Settings, load_settings

if TYPE_CHECKING:
    from cisterna.bootstrap import Parts


class CoreParts(Protocol):
    """The few parts that it takes to hold work."""

    @property
    def settings(self) -> Settings:
        """As read once."""
        ...

    @property
    def catalogue(self) -> Catalogue:
        """What is true now."""
        ...

    @property
    def clock(self) -> Clock:
        """Time and identity."""
        ...


_opened: Parts | None = None
_lock = threading.Lock()


def use_parts(parts: Parts) -> None:
    """Give this process the parts that its flows use; a worker does so once, before it says that it is ready."""
    global _opened  # noqa: PLW0603 - one process, one copy: that is the point
    with _lock:
        _opened = parts


def parts() -> Parts:
    """Return this process's parts, opened from its settings at the first call (flows that a work pool runs)."""
    global _opened  # noqa: PLW0603 - see use_parts
    with _lock:
        if _opened is None:
            from cisterna.bootstrap import open_parts

            stack = ExitStack()
            _opened = stack.enter_context(open_parts(load_settings()))
            atexit.register(stack.close)
        return _opened
