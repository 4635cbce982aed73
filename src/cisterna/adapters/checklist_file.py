"""Reads the review checklist: a site's own, or the one that travels with us."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from cisterna.domain.checklist import MOST_BYTES, Checklist, parse_checklist
from cisterna.domain.errors import SettingsInvalid


def read_checklist(*, own: Path, shipped: Path, judgements: Collection[str]) -> Checklist:
    """Read the list that holds here.

    Args:
        own: File of the site's own list, which need not be there.
        shipped: File of the one that we give.
        judgements: Names of the judgements that there are.

    Raises:
        SettingsInvalid: The list cannot be read, or is none; a bad list of the site's is never passed over for ours.
    """
    path = own if own.exists() or own.is_symlink() else shipped
    try:
        with path.open("rb") as file:
            body = file.read(MOST_BYTES + 1)
    except OSError as error:
        msg = f"the review checklist {path} cannot be read: {error.strerror}; mend it, or take it away"
        raise SettingsInvalid(msg, file=str(path)) from error
    return parse_checklist(body, name=str(path), judgements=judgements)
