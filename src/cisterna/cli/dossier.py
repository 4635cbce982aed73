"""What `cisterna show` prints for people: the row, then what stands behind it, a line or two each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cisterna.cli.answer import human_bytes, lines, pairs, reading_words, writing_words
from cisterna.cli.protected import protection_lines
from cisterna.domain.deposit import DepositWish
from cisterna.domain.event import Event
from cisterna.services.detail import Detail
from cisterna.services.overview import Overview

if TYPE_CHECKING:
    from rich.console import Console

_HISTORY_MOST = 20


def dossier(detail: Detail) -> Callable[[Console], None]:
    """Make a printer of everything that people read of one thing; `--json` has the rest."""

    def show(console: Console) -> None:
        pairs(_row(detail))(console)
        for heading, told in _sections(detail):
            if told:
                console.print(f"\n{heading}", style="bold", markup=False)
                lines(*(f"  {line}" for line in told))(console)

    return show


def _row(detail: Detail) -> dict[str, Any]:
    fields = {name: getattr(detail, name) for name in Overview.model_fields}
    del fields["total_bytes"], fields["held"], fields["ahead_files"], fields["ahead_bytes"]
    wanted = fields.pop("copies_wanted")
    fields["copies"] = f"{detail.copies} of {wanted}" if detail.copies or wanted > 1 else None
    fields["parts"] = detail.parts or None
    fields["in_shadow"] = "nothing of it is deleted at the source or published" if detail.in_shadow else None
    share = fields.pop("progress")
    shown = {name: _at(value) if isinstance(value, datetime) else value for name, value in fields.items()}
    shown["reading"], shown["writing"] = reading_words(detail.reading), writing_words(detail)
    progress = f"{share:.0%}" if share is not None and share < 1 else None
    return {**shown, "size": human_bytes(detail.total_bytes), "progress": progress}


def _sections(detail: Detail) -> Iterator[tuple[str, list[str]]]:
    yield "findings", [f"{one.outcome.value}  {one.check}: {one.message}" for one in detail.findings]
    yield (
        "versions",
        [
            f"{one.label}  {one.stage.value} since {_at(one.stage_at)}, {one.cause}, by {one.submitter}"
            for one in detail.versions
        ],
    )
    yield (
        "decisions",
        [f"{_at(one.decided_at)}  {one.person}: {one.act.value}, {one.reason}" for one in detail.decisions],
    )
    yield (
        "receipts",
        [
            f"{_at(one.verified_at)}  {one.store}: {one.files_read} files, {human_bytes(one.bytes_read)}, read back"
            for one in detail.receipts
        ],
    )
    yield (
        "parts",
        [
            f"{one.pid}  v{one.ocfl_version}: {one.file_count:,} files, {human_bytes(one.total_bytes)}, "
            f"from {one.first} to {one.last}"
            for one in (detail.shown.parts if detail.shown else ())
        ],
    )
    yield (
        "stores",
        [
            f"{one.store}  {one.fixity.value if one.fixity else 'not copied yet'}: {one.reason}"
            + (f", read to the end {_at(one.checked_at)}" if one.checked_at else "")
            for one in detail.stores
        ]
        + [f"{name}  not copied yet: it has not been tried" for name in detail.stores_missing],
    )
    if detail.retention is not None:
        yield "retention", [detail.retention.words, *(f"not due: {one.words}" for one in detail.retention.deferrals)]
    yield "kept by the stores", list(protection_lines(detail.protections))
    yield (
        "publications",
        [
            f"{_at(one.published_at)}  {one.url}"
            + (f", withdrawn {_at(one.withdrawn_at)}: {one.withdrawn_reason}" if one.withdrawn_at else "")
            + "".join(f", without {form}: {reason}" for form, reason in one.lacking.items())
            for one in detail.publications
        ],
    )
    yield "elsewhere", [_elsewhere(one) for one in detail.deposits]
    if detail.erasure is not None:
        yield "erasure", [detail.erasure.words, f"{detail.erasure.removed} keys, versions, marks and uploads removed"]
        yield (
            "not erased",
            [
                f"{one.what}, {one.where}{' (run it again)' if one.is_open else ''}: {one.reason}"
                for one in detail.erasure.remains
            ],
        )
    yield "related", [f"{one.identifier}  {one.title}" for one in detail.related]
    yield "work", [f"{one.kind.value}  {one.state.value}: {one.outcome or 'not done yet'}" for one in detail.work]
    latest = [_told(event) for event in detail.history[:_HISTORY_MOST]]
    left = len(detail.history) - len(latest)
    yield "history, newest first", latest + ([f"and {left} earlier: --json has them all"] if left > 0 else [])


def _elsewhere(one: DepositWish) -> str:
    stands = one.deposit
    where = " ".join(filter(None, (stands.doi, stands.address, stands.remark))) if stands else ""
    tried = f", tried again from {_at(one.next_at)}" if one.problem and one.next_at else ""
    return f"{one.target}  {one.version} {one.state.value} {where}".rstrip() + (
        f": {one.problem}{tried}" if one.problem else ""
    )


def _told(event: Event) -> str:
    data: Mapping[str, Any] = event.data
    became = next((str(data[name]) for name in ("stage", "state", "kind", "act") if data.get(name)), "")
    why = data.get("reason")
    return f"{_at(event.occurred_at)}  {event.name} {became}".rstrip() + (f": {why}" if why else "")


def _at(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
