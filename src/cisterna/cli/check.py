"""`cisterna check`: archived objects are read back from every store, and repaired when that is asked for."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from cisterna.bootstrap import Parts
from cisterna.cli.answer import AsJson, DryRun, ExitCode, answer, table
from cisterna.cli.config import HomeOption
from cisterna.cli.dataset import archived_row
from cisterna.cli.opened import opened
from cisterna.domain.errors import InvalidInput, NotFound, StoreUnavailable
from cisterna.domain.fixity import Fault, Fixity, Subset, parse_subset
from cisterna.ports.object_store import ObjectStore
from cisterna.services.check import archived_datasets, check_object, objects_of
from cisterna.services.crew import work_through
from cisterna.services.distinct_store import require_distinct
from cisterna.services.keep_object import Kept, keep_object
from cisterna.services.suspicion import Suspicion

AT_ONCE = 16
"""Objects that are read at a time; most are small, and of a large one the readers are the limit."""
READERS = 2


def check(
    identifier: Annotated[str | None, typer.Argument(metavar="[ID]", help="One dataset; without it, all.")] = None,
    *,
    store: Annotated[str | None, typer.Option("--store", help="Only the copies in this store; else in all.")] = None,
    read_data_subset: Annotated[
        str | None, typer.Option("--read-data-subset", metavar="n/t", help="Read the n-th of t parts of the objects.")
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Replace what is damaged by what another store's copy has.")
    ] = False,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Read archived objects back from every store and compare every digest; never by HEAD or ETag."""
    subset = parse_subset(read_data_subset) if read_data_subset else None
    with opened(home) as parts:
        chosen = _chosen(parts, store)
        datasets = archived_datasets(parts.catalogue)
        if identifier is not None:
            datasets = objects_of(archived_row(identifier, parts).dataset_id or "", catalogue=parts.catalogue)
        results = _check(datasets, chosen, parts, subset=subset, repair=repair, dry_run=dry_run)
    code, reason = _sum_up(results)
    rows = [_row(one) for one in results]
    columns = {"pid": "dataset", "store": "store", "fixity": "fixity", "files_read": "files", "bytes_read": "bytes"}
    told = {"reason": "", "files_repaired": "repaired", "files_lost": "not repaired"}
    shown = [
        {**row, "files_repaired": one.repaired, "files_lost": _named(one.lost)}
        for row, one in zip(rows, results, strict=True)
    ]
    answer(
        {"fixity": _FIXITY[code].value, "reason": reason, "objects": rows},
        as_json=as_json,
        show=table(shown, columns, told=told, empty="There is nothing in the archive to check."),
        code=code,
    )


def _chosen(parts: Parts, name: str | None) -> Mapping[str, ObjectStore]:
    if name is None:
        return parts.keeping_stores
    if name not in parts.keeping_stores:
        msg = f"there is no store '{name}'; there are: {', '.join(parts.keeping_stores)}"
        raise NotFound(msg, store=name)
    return {name: parts.keeping_stores[name]}


def _check(
    datasets: Sequence[str],
    chosen: Mapping[str, ObjectStore],
    parts: Parts,
    *,
    subset: Subset | None,
    repair: bool,
    dry_run: bool,
) -> list[Kept]:
    """Check several objects at a time: a store may take long to say that it cannot give a file."""
    if repair and subset is not None:
        msg = "--repair reads whole objects; leave --read-data-subset out"
        raise InvalidInput(msg)
    for name, store in chosen.items():
        if name in parts.copy_stores:
            _require_distinct(parts, store)
    found: dict[tuple[str, str], Kept] = {}

    def check_one(item: tuple[str, str]) -> None:
        name, dataset_id = item
        is_copy = name in parts.copy_stores
        if dry_run:
            seen = check_object(
                dataset_id,
                catalogue=parts.catalogue,
                store=chosen[name],
                is_copy=is_copy,
                subset=subset,
                suspicion=Suspicion(),
            )
            found[item] = Kept(first=seen, check=seen)
            return
        found[item] = keep_object(
            dataset_id,
            store=chosen[name],
            others=[other for one, other in parts.keeping_stores.items() if one != name],
            is_copy=is_copy,
            repair=repair,
            lease=None,
            catalogue=parts.catalogue,
            clock=parts.clock,
            subset=subset,
            readers=READERS,
        )

    items = [(name, dataset_id) for name in chosen for dataset_id in datasets]
    work_through(items, lambda: check_one, workers=AT_ONCE, stop=threading.Event())
    return [found[item] for item in items]


def _require_distinct(parts: Parts, store: ObjectStore) -> None:
    """Refuse a copy that is the archive itself; when one of them does not answer, the check tells."""
    try:
        require_distinct(parts.archive_store, store, clock=parts.clock)
    except StoreUnavailable:
        return


def _row(kept: Kept) -> dict[str, object]:
    """Say how an object is now, and what was done about it."""
    lost = [fault.model_dump(mode="json") for fault in kept.lost]
    found = [fault.model_dump(mode="json") for fault in kept.first.damaged]
    return kept.check.model_dump(mode="json") | {"found": found, "repaired": list(kept.repaired), "lost": lost}


def _named(faults: Sequence[Fault]) -> list[str]:
    return [", ".join(fault.files) or fault.path for fault in faults]


_FIXITY = {
    ExitCode.DONE: Fixity.OK,
    ExitCode.FAILED: Fixity.DAMAGED,
    ExitCode.COULD_NOT_CHECK: Fixity.COULD_NOT_CHECK,
}


def _sum_up(results: Sequence[Kept]) -> tuple[ExitCode, str]:
    """Damage outweighs what could not be checked, and nothing checked is not the same as nothing wrong."""
    checks = [one.check for one in results]
    found = {one.fixity for one in checks}
    if Fixity.DAMAGED in found:
        return ExitCode.FAILED, next(one.reason for one in checks if one.fixity is Fixity.DAMAGED)
    if Fixity.COULD_NOT_CHECK in found:
        return ExitCode.COULD_NOT_CHECK, next(one.reason for one in checks if one.fixity is Fixity.COULD_NOT_CHECK)
    if not results:
        return ExitCode.COULD_NOT_CHECK, "there is nothing in the archive, so nothing was checked"
    repaired = sum(len(one.repaired) for one in results)
    done = f"; {repaired} files were repaired" if repaired else ""
    return ExitCode.DONE, f"{len(results)} objects: every byte that was read has the digest on record{done}"
