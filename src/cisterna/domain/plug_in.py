"""A plug-in of somebody else's that cannot be used."""

from __future__ import annotations

from cisterna.domain.base import Value


class PlugInFault(Value):
    """What is wrong with a plug-in, and what to do.

    Attributes:
        name: Of its entry point.
        package: That brought it.
        place: File and line, as far as anything tells them.
    """

    name: str
    package: str
    place: str
    reason: str
    fix: str

    @property
    def words(self) -> str:
        """Say it in one sentence."""
        return f"the profile '{self.name}' of the package {self.package} cannot be used: {self.reason} ({self.place})"
