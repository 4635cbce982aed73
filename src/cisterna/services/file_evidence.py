"""Evidence on a folder of files without a marker: its checksum files, if there are some, and the files' own ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from cisterna.domain.acquisition import Evidence
from cisterna.domain.delivered import DeliveredDigests
from cisterna.domain.errors import HostileInput, NotFound
from cisterna.domain.listing import SeenFile
from cisterna.ports.profile import Look, Plane
from cisterna.services.closing_list import closing_lists, held_against_lists, listed_digests, sidecars

Judge = Callable[[Look, SeenFile], str | None]
"""Says why a file cannot be whole, or None; it looks at the file's ends only."""

_MOST_LOOKS, _MOST_TOLD = 2_000, 100


class KeptAsTheyAre:
    """The part of a profile that is the same wherever files are kept as they are: none of them is an image."""

    def delivered(self, look: Look) -> DeliveredDigests:
        """Give every digest of the checksum files."""
        return file_digests(look)

    def is_image(self, path: str) -> bool:
        """Call nothing an image: what else there is to measure, the meter of the data type knows."""
        del path
        return False

    def plane(self, path: str) -> Plane | None:
        """Place nothing."""
        del path
        return None


def file_faults(look: Look, files: Iterable[SeenFile], judge: Judge) -> tuple[str, ...]:
    """Ask of each file whether it can be whole, the smallest first; 2,000 are looked at, and 100 told, at most.

    Raises:
        SourceUnavailable: The share stopped answering, which says nothing about any file.
    """
    return tuple(islice(_faults(look, sorted(files, key=lambda one: (one.size_bytes, one.path)), judge), _MOST_TOLD))


def file_evidence(
    look: Look, files: Sequence[SeenFile], judge: Judge, *, missing: Sequence[str] = (), notes: Sequence[str] = ()
) -> Evidence:
    """Put together what speaks for and against such a folder.

    Args:
        look: At the folder.
        files: Those of the profile's kind.
        judge: Of each.
        missing: Files that the names or contents of others ask for and that are not there.
        notes: What else belongs into the reason.
    """
    has_lists = bool(closing_lists(look) or sidecars(look))
    held = held_against_lists(look) if has_lists else Evidence()
    lacking = sorted({*held.missing, *missing})
    return held.model_copy(
        update={
            "missing": tuple(lacking[:20]),
            "missing_files": held.missing_files + len(set(missing) - set(held.missing)),
            "expected_files": held.expected_files if not missing else None,
            "faults": file_faults(look, files, judge) if not lacking else (),
            "notes": (*held.notes, *notes),
        }
    )


def file_digests(look: Look) -> DeliveredDigests:
    """Give the digests of the checksum files; empty when there are none. Raises as `listed_digests`."""
    return listed_digests(look) if closing_lists(look) or sidecars(look) else {}


def _faults(look: Look, files: Sequence[SeenFile], judge: Judge) -> Iterator[str]:
    for file in files[:_MOST_LOOKS]:
        try:
            fault = judge(look, file)
        except NotFound:
            continue  # it went away since the listing, and the next look knows
        except HostileInput as refusal:
            fault = f"cannot be looked at: {refusal}"[:500]
        if fault:
            yield f"{file.path} {fault}"
