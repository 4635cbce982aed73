"""Holds: somebody, or a system beside ours, still needs data to stay where and as they are."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from cisterna.domain.base import Moment, Value


class HoldScope(StrEnum):
    """What a hold is placed on; one on a project is a hold on all of its data."""

    ACQUISITION = "acquisition"
    DATASET = "dataset"
    PROJECT = "project"


class Hold(Value):
    """A person's word that data must not be deleted, until somebody who may lifts it.

    Attributes:
        target: Id of the acquisition or dataset, or slug of the project.
        person: Account name of who placed it.
        legal: Whether the stores themselves are asked to keep every object of it as well (S3 legal hold).
        lifted_at, lifted_by, lifted_reason: Of its end; None while it stands.
    """

    hold_id: str
    scope: HoldScope
    target: str
    person: str
    reason: str = Field(min_length=1, max_length=10_000)
    placed_at: Moment
    legal: bool = False
    lifted_at: Moment | None = None
    lifted_by: str | None = None
    lifted_reason: str | None = Field(None, min_length=1, max_length=10_000)

    @property
    def stands(self) -> bool:
        """Whether nobody has lifted it."""
        return self.lifted_at is None


class HoldQuestion(Value):
    """What another system is asked about: one acquisition's folder at its source.

    Attributes:
        path: Absolute path of the folder, as this machine sees it.
        folder: Its name in the landing zone.
    """

    acquisition_id: str
    instrument: str
    path: str
    folder: str
    dataset_id: str | None = None
    project: str | None = None


class HoldOutcome(StrEnum):
    """What asking another system gave."""

    FREE = "free"
    HELD = "held"
    COULD_NOT_ASK = "could-not-ask"


class HoldAnswer(Value):
    """What one system said. Only `free` lets anything be deleted: no answer counts as held.

    Attributes:
        system: Name of the plug-in that asked.
        reason: Why it is held or could not be asked; empty when it is free.
    """

    system: str
    outcome: HoldOutcome
    reason: str = ""
    asked_at: Moment
