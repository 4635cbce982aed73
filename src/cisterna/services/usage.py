"""What each project uses of the facility, month by month, for planning and billing."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pydantic import Field

from cisterna.domain.account import Account, Role
from cisterna.domain.base import Value
from cisterna.domain.month import Month, months
from cisterna.domain.stored_copy import ARCHIVE
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.usage import ArchivedSum, DeliveredSum
from cisterna.services.account import require_role

UNCLAIMED = "(unclaimed)"
"""In place of a project's name, for what no project claims."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NOTHING = DeliveredSum(None, "", 0, 0, 0)


class StoreUsage(Value):
    """What one store holds of a project's data.

    Attributes:
        bytes_added: Of versions that it first proved to hold in the month.
        total_bytes: Of all that it proved to hold by the end of the month.
    """

    versions: int = 0
    bytes_added: int = 0
    total_bytes: int = 0


class ProjectMonth(Value):
    """What a project used in a month (UTC). Sizes are those of the data files as they were acquired or made.

    Attributes:
        project: None for what no project claims.
        datasets, versions, files, total_bytes: What stood in the archive at the end of the month.
        datasets_added, versions_added, files_added, bytes_added: What came in the month.
        derived_added: Of the versions that came, those that a model made.
        stores: By name of the store, the archive and every store of copies.
        deliveries: Made in the month.
        delivered_requests, delivered_bytes: What recipients took in the month.
    """

    project: str | None
    month: str
    datasets: int = 0
    datasets_added: int = 0
    versions: int = 0
    versions_added: int = 0
    derived_added: int = 0
    files: int = 0
    files_added: int = 0
    total_bytes: int = 0
    bytes_added: int = 0
    stores: dict[str, StoreUsage] = Field(default_factory=dict)
    deliveries: int = 0
    delivered_requests: int = 0
    delivered_bytes: int = 0


class Usage(Value):
    """Rows by project and month, and the stores that they tell of, the archive first."""

    stores: tuple[str, ...]
    rows: tuple[ProjectMonth, ...]


def usage_of(
    *,
    first: Month,
    last: Month,
    account: Account,
    project: str | None = None,
    catalogue: Catalogue,
) -> Usage:
    """Sum up what projects used from one month to another; a project without anything by then has no row.

    Args:
        first: Month.
        last: Month; at most ten years after the first.
        account: Who asks: an administrator, of all projects or of the one that is named.
        project: Only this one.
        catalogue: Where the sums come from.

    Raises:
        Forbidden: The person is no administrator there.
        InvalidInput: There are no such months, or too many.
        NotFound: There is no such project.
    """
    require_role(account, Role.ADMIN, project=project)
    wanted = list(months(first, last))
    with catalogue.begin() as tx:
        if project is not None:
            tx.projects.get(project)
        stores = tuple(tx.copies.stores()) or (ARCHIVE,)
        archived = tx.usage.archived(before=last.next.begin)
        delivered = tx.usage.delivered(since=first.begin, before=last.next.begin)
    kept: defaultdict[str | None, list[ArchivedSum]] = defaultdict(list)
    given: defaultdict[str | None, dict[str, DeliveredSum]] = defaultdict(dict)
    for had in archived:
        kept[had.project].append(had)
    for got in delivered:
        given[got.project][got.month] = got
    known = kept.keys() | given.keys()
    chosen = known if project is None else known & {project}
    told = _Told(stores, wanted)
    rows = [
        row
        for name in sorted(chosen, key=lambda name: (name is None, name or ""))
        for row in told.rows(name, kept[name], given[name])
    ]
    return Usage(stores=stores, rows=tuple(rows))


class _Told(NamedTuple):
    """How the rows of one project are made from sums."""

    stores: Sequence[str]
    wanted: Sequence[Month]

    def rows(
        self, project: str | None, archived: Sequence[ArchivedSum], delivered: dict[str, DeliveredSum]
    ) -> Iterator[ProjectMonth]:
        for month in map(str, self.wanted):
            by_now = [one for one in archived if one.month <= month]
            here = [one for one in by_now if one.store == ARCHIVE]
            new = [one for one in here if one.month == month]
            given = delivered.get(month, _NOTHING)
            if not by_now and given is _NOTHING:
                continue
            yield ProjectMonth(
                project=project,
                month=month,
                datasets=sum(one.datasets for one in here),
                datasets_added=sum(one.datasets for one in new),
                versions=sum(one.versions for one in here),
                versions_added=sum(one.versions for one in new),
                derived_added=sum(one.derived for one in new),
                files=sum(one.files for one in here),
                files_added=sum(one.files for one in new),
                total_bytes=sum(one.total_bytes for one in here),
                bytes_added=sum(one.total_bytes for one in new),
                stores={store: _of_store(store, by_now, month) for store in self.stores},
                deliveries=given.deliveries,
                delivered_requests=given.requests,
                delivered_bytes=given.bytes_sent,
            )


def usage_csv(usage: Usage) -> str:
    """Write the rows as CSV (RFC 4180), with a column of each store's; no cell is taken for a formula."""
    text = io.StringIO(newline="")
    plain = [name for name in ProjectMonth.model_fields if name != "stores"]
    of_stores = [(store, name) for store in usage.stores for name in StoreUsage.model_fields]
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*plain, *(_cell(f"{store}_{name}") for store, name in of_stores)])
    for row in usage.rows:
        said = row.model_dump() | {"project": row.project or UNCLAIMED}
        cells = [said[name] for name in plain]
        cells += [getattr(row.stores.get(store, StoreUsage()), name) for store, name in of_stores]
        writer.writerow([_cell(one) if isinstance(one, str) else one for one in cells])
    return text.getvalue()


def _of_store(store: str, by_now: Sequence[ArchivedSum], month: str) -> StoreUsage:
    held = [one for one in by_now if one.store == store]
    return StoreUsage(
        versions=sum(one.versions for one in held),
        bytes_added=sum(one.total_bytes for one in held if one.month == month),
        total_bytes=sum(one.total_bytes for one in held),
    )


def _cell(text: str) -> str:
    """Keep a table program from taking text for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
