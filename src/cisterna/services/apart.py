"""Reads many things at once, so that one that cannot be read keeps no other waiting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from cisterna.domain.errors import CatalogueUnavailable
from cisterna.services.attempt import error_words

T = TypeVar("T")


def read_apart(
    names: Sequence[str], read: Callable[[Sequence[str]], Mapping[str, T]], failed: dict[str, str]
) -> dict[str, T]:
    """Read all at once; where that fails one half after the other, down to those that fail alone.

    Args:
        names: Of what is to be read.
        read: Gives what it read by name.
        failed: Gets those that cannot be read, each with why.

    Raises:
        CatalogueUnavailable: It did not answer; that is the fault of none of them.
    """
    try:
        return dict(read(names))
    except CatalogueUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a row holds that no program of ours wrote
        if len(names) <= 1:
            failed.update(dict.fromkeys(names, error_words(error)))
            return {}
    middle = len(names) // 2
    return read_apart(names[:middle], read, failed) | read_apart(names[middle:], read, failed)
