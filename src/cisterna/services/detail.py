"""Everything that is known of one acquisition or dataset, for its page, `show --json` and the API."""

from __future__ import annotations

from collections.abc import Sequence

from cisterna.domain.account import Account
from cisterna.domain.dataset import Version
from cisterna.domain.deposit import DepositWish
from cisterna.domain.erasure import Erasure
from cisterna.domain.errors import NotFound
from cisterna.domain.event import Event
from cisterna.domain.finding import Finding, Outcome
from cisterna.domain.protection import Protection
from cisterna.domain.publication import Publication
from cisterna.domain.receipt import CopyReceipt
from cisterna.domain.retention import Retention
from cisterna.domain.review import Decision
from cisterna.domain.stored_copy import ARCHIVE, StoredCopy
from cisterna.domain.work import SPARE, Work
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.services.deposit_wish import deposits_of
from cisterna.services.overview import Overview, find_overview
from cisterna.services.retention import judge_dataset

_GRAVITY = (Outcome.FAILED, Outcome.NOT_ASSESSED, Outcome.WARNING, Outcome.LEFT_OUT, Outcome.PASSED)
_GRAVEST_FIRST = {outcome: place for place, outcome in enumerate(_GRAVITY)}


class Detail(Overview):
    """A row and all that stands behind it.

    Attributes:
        shown: The version that findings, decisions, receipts and publications belong to.
        findings: Gravest first.
        versions: Newest first.
        decisions, receipts, publications: Oldest first.
        deposits: Places outside to which the version shown goes or went, oldest first; of what was erased every
            version's.
        history: Every event about it, newest first, but the rounds of reading ahead, of which there are very many.
        related: Rows of what it was derived from and of what was derived from it, as far as the person may see them.
        work: What is to be done or was done about it, newest first, but those rounds.
        stores: What is known of the object in each store, the first store first.
        stores_missing: Those that are to keep a copy of what is archived and were never tried.
        retention: How long it is kept and why, where the moment of asking is known.
        protections: What stores were asked to keep by themselves, and how that stands.
        erasure: The decision by which its data were erased, and what could not be erased.
    """

    shown: Version | None = None
    findings: tuple[Finding, ...] = ()
    versions: tuple[Version, ...] = ()
    decisions: tuple[Decision, ...] = ()
    receipts: tuple[CopyReceipt, ...] = ()
    publications: tuple[Publication, ...] = ()
    deposits: tuple[DepositWish, ...] = ()
    history: tuple[Event, ...] = ()
    related: tuple[Overview, ...] = ()
    work: tuple[Work, ...] = ()
    stores: tuple[StoredCopy, ...] = ()
    stores_missing: tuple[str, ...] = ()
    retention: Retention | None = None
    protections: tuple[Protection, ...] = ()
    erasure: Erasure | None = None


def detail_of(
    identifier: str,
    *,
    catalogue: Catalogue,
    bucket: str,
    account: Account | None = None,
    clock: Clock | None = None,
) -> Detail:
    """Gather what is known, by the id of an acquisition, dataset or version, or by its ARK.

    Args:
        identifier: With a version's id, that version; otherwise the newest.
        catalogue: What is true now.
        bucket: Of the archive.
        account: Who asks; None may see everything (the command line at home).
        clock: Tells what has come to its end of life; None does not ask.

    Raises:
        NotFound: There is no such thing, or the person may not know of it.
    """
    with catalogue.begin() as tx:
        row = find_overview(tx, identifier, bucket=bucket, account=account)
        versions = tx.datasets.versions(row.dataset_id) if row.dataset_id else []
        subjects = [one for one in (row.acquisition_id, row.dataset_id) if one]
        subjects += [version.version_id for version in versions]
        facts = dict(row)
        facts |= {
            "versions": tuple(reversed(versions)),
            "history": tuple(one for one in reversed(tx.outbox.history(subjects)) if not _is_spare(one)),
            "related": _related(tx, row, bucket=bucket, account=account),
            "work": tuple(
                one
                for subject in reversed(subjects)
                for one in reversed(tx.inbox.list(subject=subject))
                if one.kind not in SPARE
            ),
        }
        if row.dataset_id is not None:
            facts["stores"] = tuple(tx.copies.of(row.dataset_id))
            facts["protections"] = tuple(tx.protections.of(row.dataset_id))
            if clock is not None:
                dataset = tx.datasets.get(row.dataset_id)
                facts["retention"] = judge_dataset(tx, dataset, rules=None, now=clock.now())
            facts["erasure"] = tx.erasures.of(row.dataset_id)
        if row.version_id is not None:
            facts |= _of_version(tx, row.version_id)
        elif row.dataset_id is not None:  # erased: what stands outside may be there still
            facts["deposits"] = tuple(tx.deposits.of(row.dataset_id))
        detail = Detail.model_validate(facts)
        return detail.model_copy(update={"stores_missing": _without_copy(tx, detail)})


def _is_spare(event: Event) -> bool:
    return event.name.startswith("attempt.") and event.data.get("kind") in SPARE


def gravest_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Order findings as a steward reads them; equals keep their order."""
    return tuple(sorted(findings, key=lambda finding: _GRAVEST_FIRST[finding.outcome]))


def _without_copy(tx: Transaction, detail: Detail) -> tuple[str, ...]:
    if not detail.copies_wanted:
        return ()
    known = {ARCHIVE, *(one.store for one in detail.stores), *(one.store for one in detail.receipts)}
    return tuple(name for name in tx.copies.stores() if name not in known)


def _of_version(tx: Transaction, version_id: str) -> dict[str, object]:
    version = tx.datasets.get_version(version_id)
    return {
        "shown": version,
        "deposits": deposits_of(tx, version),
        "findings": gravest_first(tx.datasets.findings(version_id)),
        "decisions": tuple(tx.datasets.decisions(version_id)),
        "receipts": tuple(tx.datasets.receipts(version_id)),
        "publications": tuple(tx.datasets.publications(version_id)),
    }


def _related(tx: Transaction, row: Overview, *, bucket: str, account: Account | None) -> tuple[Overview, ...]:
    found = []
    for identifier in (*row.derived_from, *row.derived):
        try:
            found.append(find_overview(tx, identifier, bucket=bucket, account=account))
        except NotFound:  # of another project: not even its name is told
            continue
    return tuple(found)
