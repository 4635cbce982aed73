"""A system that a plug-in asks; one whose plug-in is broken cannot be asked, and is never left out."""

from __future__ import annotations

from collections.abc import Callable

from cisterna.domain.errors import CouldNotCheck
from cisterna.domain.hold import HoldQuestion
from cisterna.ports.hold import SourceHold


class PluggedHold:
    """Implements `ports.hold.SourceHold` by a plug-in that is loaded when it is first asked.

    Args:
        name: Of the entry point.
        load: Gives what, called without arguments, makes the `SourceHold`.
    """

    def __init__(self, name: str, load: Callable[[], Callable[[], SourceHold]]) -> None:
        self.name = name
        self._load = load
        self._loaded: SourceHold | None = None

    def ask(self, question: HoldQuestion) -> str | None:
        """Ask the plug-in. Raises `CouldNotCheck` when it cannot be loaded, and whatever it raises itself."""
        if self._loaded is None:
            try:
                self._loaded = self._load()()
            except Exception as error:
                msg = f"the plug-in '{self.name}' cannot be loaded: {type(error).__name__}: {error}; mend or remove it"
                raise CouldNotCheck(msg, plug_in=self.name) from error
        return self._loaded.ask(question)
