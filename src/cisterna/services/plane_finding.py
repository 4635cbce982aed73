"""What a dataset's findings say of planes and files: how many were looked at; that some were not is never a pass."""

from __future__ import annotations

from collections.abc import Sequence

from cisterna.domain.finding import Finding, Outcome
from cisterna.ports.quality import MetricTable
from cisterna.services.measurement import IN_FILE, UNMEASURED

CHECK, FILES_CHECK = "planes-measured", "files-measured"
_FILES_MAX = 20


def told_of_planes(findings: Sequence[Finding], table: MetricTable) -> tuple[Finding, ...]:
    """Say in each finding how many planes stand behind it where not all do, and put what was not looked at first."""
    told = tuple(findings)
    measured, in_files = _counts(table)
    if measured < in_files:
        share = f" Measured on {measured:,} of {in_files:,} planes."
        told = tuple(one.model_copy(update={"message": one.message + share}) for one in told)
    missed = _missed(table)
    return told if missed is None else (missed, *told)


def _missed(table: MetricTable) -> Finding | None:
    whys = table.columns.get(UNMEASURED, [])
    rows = [(str(path), str(why)) for path, why in zip(table.columns.get("path", []), whys, strict=False) if why]
    if not rows:
        return None
    path, why = rows[0]
    others = len({said for _, said in rows}) - 1
    what = "images and planes" if IN_FILE in table.columns else "files"
    message = (
        f"{len(rows):,} of {table.rows:,} {what} were not looked at, such as of {path}: {why}"
        f"{f' (and {others} other reasons)' if others else ''}. The data are in the archive all the same."
    )
    files = tuple(dict.fromkeys(path for path, _ in rows))[:_FILES_MAX]
    check = CHECK if IN_FILE in table.columns else FILES_CHECK
    return Finding(check=check, outcome=Outcome.NOT_ASSESSED, message=message, files=files, observed=len(rows))


def _counts(table: MetricTable) -> tuple[int, int]:
    """Count the planes of makers' files that were measured, and those that the files have."""
    columns = table.columns
    nothing: list[str | float | int | None] = [None] * table.rows
    counts, whys, problems = (columns.get(name, nothing) for name in (IN_FILE, UNMEASURED, "problem"))
    in_files: dict[str, int] = {}
    measured = 0
    for path, count, why, problem in zip(columns.get("path", []), counts, whys, problems, strict=True):
        if isinstance(count, int | float):
            in_files[str(path)] = int(count)
            measured += not why and not problem
    return measured, sum(in_files.values())
