"""What of the catalogue is kept in the archive: every kind of row that the catalogue is rebuilt from.

A new table is one entry: in `KINDS` with the model of its rows, or in `NOT_KEPT` with the reason. A test fails for a
table that is in neither. A model that gets a new field gives it a default, so that it reads what was written before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field, JsonValue, ValidationError

from cisterna.domain.account import Account, ApiToken, SetupLink
from cisterna.domain.acquisition import Acquisition
from cisterna.domain.adoption import Adoption
from cisterna.domain.alert import Alert
from cisterna.domain.base import Moment, Value
from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.delivery import Delivery, DeliveryKey, DeliveryUse
from cisterna.domain.deposit import DepositWish
from cisterna.domain.erasure import Erasure
from cisterna.domain.errors import InvalidInput
from cisterna.domain.event import Event
from cisterna.domain.finding import Finding
from cisterna.domain.hold import Hold
from cisterna.domain.instrument import Instrument
from cisterna.domain.project import Binding, Project
from cisterna.domain.protection import Protection
from cisterna.domain.publication import Publication
from cisterna.domain.receipt import CopyReceipt
from cisterna.domain.release import Release
from cisterna.domain.retention import RetentionRule
from cisterna.domain.review import Decision
from cisterna.domain.sighting import Sighting
from cisterna.domain.stored_copy import StoredCopy
from cisterna.domain.trend import JudgedValues
from cisterna.domain.work import Work, WorkState

SCHEMA_VERSION = 1
"""Of the records that this Cisterna writes; it reads this one and all before it."""


_LARGEST = 2**62


class KeptBinding(Binding):
    """A rule and its place among the rules: the first that matches wins."""

    position: int = Field(ge=1, le=_LARGEST)


class KeptFinding(Value):
    """A finding, the version that it is about, and its place among that version's findings."""

    version_id: str
    position: int = Field(ge=0)
    body: Finding


class Lane(Value):
    """What takes turns in the inbox: an instrument's name."""

    fairness: str


class KeptEvent(Event):
    """An event and its place in the history."""

    sequence: int = Field(ge=1, le=_LARGEST)


@dataclass(frozen=True)
class Kind:
    """How the rows of one table are kept.

    Attributes:
        model: Reads and checks a record's content; its fields are the columns, or the table's `body` holds all of it.
        columns: Columns that are neither a field of the model nor the body, and how they follow from the value.
        is_final: Whether a row is never changed once it is there, so that two that differ contradict each other.
        settle: What becomes of a row in a rebuilt catalogue, where it is not put back as it was.
    """

    model: type[Value]
    columns: Mapping[str, Callable[[Any], object]] = field(default_factory=dict)
    is_final: bool = False
    settle: Callable[[Any], Value] | None = None


def _unleased(work: Work) -> Work:
    """Leases end with the catalogue that gave them: what was in somebody's hands is ready again."""
    return work.model_copy(update={"state": WorkState.READY}) if work.state is WorkState.LEASED else work


def _unclaimed(wish: DepositWish) -> DepositWish:
    """Who was at it is gone with the catalogue that knew of it."""
    return wish.model_copy(update={"claim": None})


KINDS: Mapping[str, Kind] = {
    "instruments": Kind(Instrument),
    "projects": Kind(Project),
    "bindings": Kind(KeptBinding),
    "accounts": Kind(Account),
    "api_tokens": Kind(ApiToken),
    "setup_links": Kind(SetupLink),
    "acquisitions": Kind(Acquisition, columns={"held": lambda acquisition: acquisition.held is not None}),
    "datasets": Kind(Dataset),
    "versions": Kind(Version),
    "findings": Kind(KeptFinding, columns={"outcome": lambda finding: finding.body.outcome.value}),
    "metric_samples": Kind(JudgedValues),
    "receipts": Kind(CopyReceipt, is_final=True),
    "copies": Kind(StoredCopy),
    "decisions": Kind(Decision, is_final=True),
    "publications": Kind(Publication),
    "data_deliveries": Kind(Delivery),
    "delivery_keys": Kind(DeliveryKey),
    "delivery_uses": Kind(DeliveryUse),
    "deposits": Kind(DepositWish, settle=_unclaimed),
    "holds": Kind(Hold),
    "releases": Kind(Release),
    "retention_rules": Kind(RetentionRule),
    "protections": Kind(Protection),
    "sightings": Kind(Sighting, is_final=True),
    "erasures": Kind(
        Erasure, columns={"state": lambda one: one.state.value, "dataset_ids": lambda one: list(one.dataset_ids)}
    ),
    "alerts": Kind(Alert),
    "adoptions": Kind(Adoption),
    "lanes": Kind(Lane),
    "works": Kind(Work, settle=_unleased),
    "events": Kind(KeptEvent, is_final=True),
}
"""Every kind that is kept, by the name of its table."""

NOT_KEPT: Mapping[str, str] = {
    "adoption_walks": "how far an inventory of a share is; the next one begins anew",
    "adoption_folders": "which folders of a share are to be walked; the next inventory finds them",
    "adoption_finds": "what lies in a share; the next inventory finds it, and acquisitions are known by their folders",
    "sessions": "whoever was signed in signs in again",
    "nonces": "which signed messages came; they are hints, and a sweep sees the same without them",
    "alert_pictures": "small pictures of images that are in the archive themselves, or go there",
    "baselines": "what runs that are being written had so far; the next images make another",
    "sign_in_failures": "counts of the last minutes, by which guessing is slowed down",
    "attempts": "leases: they end with the catalogue that gave them, and events tell of each attempt",
    "writings": "how fast runs are written that still are: it is watched anew",
    "aheads": "what was read ahead of such runs: it is in no object yet, and is read again",
    "ahead_batches": "the same, file by file",
    "stores": "every start says which stores there are",
    "sinks": "every start says which sinks there are",
    "deliveries": "the outbox: what was not delivered yet",
    "changes": "which rows are not in the record yet",
    "public_datasets": "the index of what is public: a look at the public bucket makes it anew",
    "public_versions": "the same, version by version",
    "public_values": "the same, by what is chosen from",
    "public_words": "the same, word by word",
    "access_marks": "what may have changed in access: every publication of a rebuilt catalogue is marked",
    "access_looks": "when publications are to be looked at; the same marks say so",
    "recoveries": "what the rounds through the archive saw; the next survey sees it again",
    "segments": "how far the record goes; the record itself says so",
}
"""Every table that is not kept, and why that is no loss."""


class Record(Value):
    """One row as it was at one moment.

    Attributes:
        schema_version: Of the content's form.
        kind: One of `KINDS`.
        key: The row's primary key, as the JSON array that PostgreSQL writes.
        sequence: Grows with every change in the catalogue: of two records of one row the higher holds.
        changed_at: When the row was changed.
        content: The row, or None when it was removed.
    """

    schema_version: int = Field(default=SCHEMA_VERSION, ge=1)
    kind: str
    key: str = Field(min_length=2, max_length=600)
    sequence: int = Field(ge=1, le=_LARGEST)
    changed_at: Moment
    content: dict[str, JsonValue] | None = None


class Waiting(Value):
    """Rows that are not in the archive's record yet.

    Attributes:
        records: As they are now.
        sequences: The changes that these records cover.
        number: Of the segment that comes next.
        previous: Digest of the segment before it.
    """

    records: tuple[Record, ...]
    sequences: tuple[int, ...]
    number: int
    previous: str | None


def read_content(kind: str, content: object, *, schema_version: int) -> Value | None:
    """Check a record's content against the model of its kind; None stays None: the row was removed.

    Raises:
        InvalidInput: The kind or the schema is not known, or the content is not what the model wants. The message does
            not repeat the content, which may be restricted.
    """
    if schema_version > SCHEMA_VERSION:
        msg = f"it has schema {schema_version} and this Cisterna reads up to {SCHEMA_VERSION}; use a newer Cisterna"
        raise InvalidInput(msg, schema_version=schema_version)
    known = KINDS.get(kind)
    if known is None:
        msg = f"'{kind[:80]}' is no kind of record that this Cisterna knows"
        raise InvalidInput(msg, kind=kind[:80])
    if content is None:
        return None
    try:
        return known.model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        place = ".".join(str(part)[:80] for part in first["loc"]) or "it"
        msg = f"its content is not one of {kind}: {place}: {first['msg'][:200]}"
        raise InvalidInput(msg, kind=kind, field=place) from None
