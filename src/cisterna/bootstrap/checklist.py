"""Composes where versions are held against the review checklist."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cisterna.bootstrap.parts import Parts
    from cisterna.domain.checklist import Checklist
    from cisterna.services.checklist_judge import ReviewDesk
    from cisterna.settings import Settings

OWN_CHECKLIST = "review-checklist.toml"
"""In the home, beside `cisterna.toml`."""


def own_checklist(settings: Settings) -> Path:
    """Say which file is the site's own list; it need not be there."""
    return settings.home / OWN_CHECKLIST


def shipped_checklist() -> Path:
    """Say which file is the list that we give."""
    from cisterna.adapters.shared_data import shared_folder

    return shared_folder("checklists") / "review.toml"


def checklist_of(settings: Settings) -> Checklist:
    """Read the review checklist of a home. Raises `SettingsInvalid`."""
    from cisterna.adapters.checklist_file import read_checklist
    from cisterna.services.checklist_judge import JUDGEMENTS

    return read_checklist(own=own_checklist(settings), shipped=shipped_checklist(), judgements=JUDGEMENTS)


def review_desk(parts: Parts) -> ReviewDesk:
    """Hold versions of a home against its list, as it is now. Raises `SettingsInvalid`."""
    from cisterna.services.checklist_judge import ReviewDesk

    return ReviewDesk(
        checklist=checklist_of(parts.settings),
        catalogue=parts.catalogue,
        store=parts.archive_store,
        tables=parts.tables,
        base_url=parts.base_url,
    )
