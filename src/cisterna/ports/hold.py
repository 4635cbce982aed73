"""Holds of systems beside ours, such as a viewer that reads images where the instrument left them.

This is the plug-in point `cisterna.holds`: an entry point names something that, called without arguments, gives a
`SourceHold`. `cisterna.testing.source_hold_contract` is the kit to test one with.
"""

from __future__ import annotations

from typing import Protocol

from cisterna.domain.hold import HoldQuestion


class SourceHold(Protocol):
    """Asks one system whether it still needs a folder at its source.

    Attributes:
        name: What answers and refusals call the system.
    """

    name: str

    def ask(self, question: HoldQuestion) -> str | None:
        """Say why the system needs the folder, or None when it does not. Any error counts as held, "could not ask".

        It may be called from any thread and several times. An answer that takes longer than the site's patience counts
        as none.
        """
        ...
