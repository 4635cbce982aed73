"""How far an attempt has come with the bytes it has to read."""

from __future__ import annotations

from pydantic import Field

from cisterna.domain.base import Moment, Value


class Progress(Value):
    """What was true at one moment.

    Attributes:
        bytes_per_second: Over the last seconds, not since the beginning; 0 while nothing moves.
        instrument: Whose bandwidth is taken; None once nothing more is read from it.
        allowed_bytes_per_second: What the attempt has taken of the instrument's limit; None while there is no limit.
    """

    at: Moment
    done_bytes: int = Field(ge=0)
    total_bytes: int = Field(ge=0)
    bytes_per_second: float = Field(ge=0, allow_inf_nan=False)
    instrument: str | None = None
    allowed_bytes_per_second: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @property
    def share(self) -> float:
        """Share of the bytes that were read, 0 to 1."""
        return min(1.0, self.done_bytes / self.total_bytes) if self.total_bytes else 1.0

    @property
    def seconds_left(self) -> float | None:
        """Time the rest takes at that rate; None while nothing moves."""
        left = max(0, self.total_bytes - self.done_bytes)
        return left / self.bytes_per_second if self.bytes_per_second else None
