"""A delivery: one version, for one person or guest, by an address that expires, with a list of digests to check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from cisterna.domain.account import Account, Role
from cisterna.domain.base import Moment, Value
from cisterna.domain.dataset import ORDER, Stage, Version
from cisterna.domain.digest import Sha256, Sha512, sha256_of
from cisterna.domain.identifier import Slug
from cisterna.domain.permission import may_consent, may_see
from cisterna.domain.project import Project
from cisterna.domain.publishing import Bar, copy_bars
from cisterna.domain.quarantine import KEPT_BACK
from cisterna.domain.receipt import CopyReceipt

LONGEST_DAYS = 366
LONGEST_REASON = 10_000
LONGEST_PROBLEM = 500
ALL_OF_MONTH = "*"
"""In place of a path: everything that was taken in a month of which no days are told any more."""

GuestMail = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
        r"@[A-Za-z0-9](-?[A-Za-z0-9])*(\.[A-Za-z0-9](-?[A-Za-z0-9])*)+$",
        max_length=254,
    ),
]
"""A mail address with nothing in it that a mail's header could take for more than one address."""


class DeliveryRules(Value):
    """What the site allows.

    Attributes:
        days: How long an address is good when nobody says so.
        most_days: How long at most.
        mails: Whether a mail server is set.
    """

    days: int = Field(default=14, ge=1, le=LONGEST_DAYS)
    most_days: int = Field(default=90, ge=1, le=LONGEST_DAYS)
    mails: bool = False


class DeliveryState(StrEnum):
    """How far a delivery has come."""

    PREPARED = "prepared"
    """A copy is being made; the recipient was not told yet."""
    OPEN = "open"
    """The address is good."""
    HANDED_OVER = "handed-over"
    """The copy was made, read back and digested; the address is good."""
    ACKNOWLEDGED = "acknowledged"
    """The recipient said that they have checked what they got; the address is good."""
    EXPIRED = "expired"
    REVOKED = "revoked"

    @property
    def is_good(self) -> bool:
        """Whether its address leads anywhere."""
        return self in {DeliveryState.OPEN, DeliveryState.HANDED_OVER, DeliveryState.ACKNOWLEDGED}


class HandOver(Value):
    """Proof that a copy was made for the recipient: every byte of it was read back there, and every digest agreed.

    Attributes:
        list_sha512: Of the list of digests that lies beside the copy.
    """

    folder: str
    files: int = Field(ge=1)
    bytes_read: int = Field(ge=0)
    list_sha512: Sha512
    read_back_at: Moment


class Delivery(Value):
    """One version, for one recipient.

    Attributes:
        person: Account name of the recipient; None for a guest.
        guest: Mail address of a guest; None for a person with an account.
        by: Account name of who delivers.
        reason: Why, where what is delivered takes one.
        lets_guest_in: Whether the project's owner let a guest have data that are not open.
        by_mail: Whether the address goes to the recipient by mail.
        mailed_at: When the mail server took that mail.
        mail_refusals: How often it refused the recipient or the mail itself, for good.
        mail_given_up_at: When it was not tried any more.
        mail_problem: Why, in words without addresses.
        copy_to: Folder that a copy is made in; None where the recipient fetches the data by the address.
        handed_over: Proof of that copy.
        acknowledged_at: When the recipient said that they have checked what they got.
    """

    delivery_id: str
    version_id: str
    person: Slug | None = None
    guest: GuestMail | None = None
    by: Slug
    reason: str | None = Field(default=None, max_length=LONGEST_REASON)
    lets_guest_in: bool = False
    delivered_at: Moment
    expires_at: Moment
    by_mail: bool = False
    mailed_at: Moment | None = None
    mail_refusals: int = Field(default=0, ge=0)
    mail_given_up_at: Moment | None = None
    mail_problem: str | None = Field(default=None, max_length=LONGEST_PROBLEM)
    revoked_at: Moment | None = None
    revoked_by: Slug | None = None
    copy_to: str | None = Field(default=None, max_length=4096)
    handed_over: HandOver | None = None
    acknowledged_at: Moment | None = None

    @model_validator(mode="after")
    def _has_one_recipient(self) -> Delivery:
        if (self.person is None) == (self.guest is None):
            msg = "a delivery is for one person or for one guest"
            raise ValueError(msg)
        return self

    @property
    def recipient(self) -> str:
        """The person's account name, or the guest's mail address."""
        return self.person or self.guest or ""

    def state(self, *, now: datetime) -> DeliveryState:
        """Tell how far it has come."""
        if self.revoked_at is not None:
            return DeliveryState.REVOKED
        if now >= self.expires_at:
            return DeliveryState.EXPIRED
        if self.acknowledged_at is not None:
            return DeliveryState.ACKNOWLEDGED
        if self.copy_to is None:
            return DeliveryState.OPEN
        return DeliveryState.PREPARED if self.handed_over is None else DeliveryState.HANDED_OVER


class DeliveryKey(Value):
    """A secret by which a delivery is opened; the catalogue holds only its SHA-256. Each mail has one of its own."""

    secret_sha256: Sha256
    delivery_id: str
    version_id: str
    made_at: Moment


class DeliveryUse(Value):
    """What was taken of one file of a delivery on one day (UTC), or of all of them in a month that is long over.

    Attributes:
        day: Of a month its first.
        path: Logical path of the file; empty for the page and its lists, `all.tar` for the whole in one stream,
            `ALL_OF_MONTH` for a month.
        requests: How often it was asked for.
        bytes_sent: Bytes of content that went out, broken requests included.
    """

    use_id: Sha256
    delivery_id: str
    version_id: str
    day: date
    path: str
    requests: int = Field(ge=1)
    bytes_sent: int = Field(ge=0)
    first_at: Moment
    last_at: Moment

    @classmethod
    def of(cls, delivery: Delivery, path: str, *, bytes_sent: int, at: datetime) -> DeliveryUse:
        """Make one of a single request."""
        day = at.date()
        return cls(
            use_id=sha256_of(f"{delivery.delivery_id}\n{day}\n{path}".encode()),
            delivery_id=delivery.delivery_id,
            version_id=delivery.version_id,
            day=day,
            path=path,
            requests=1,
            bytes_sent=bytes_sent,
            first_at=at,
            last_at=at,
        )


def may_deliver(account: Account, project: Project | None) -> bool:
    """Tell whether a person may deliver the project's data: its owner, or a steward of it."""
    owns = project is not None and account.active and account.name == project.owner
    return project is not None and (owns or account.has_role(Role.STEWARD, project=project.slug))


def delivery_bars(
    version: Version,
    project: Project | None,
    *,
    receipts: Iterable[CopyReceipt],
    is_given_up: bool,
    is_open: bool,
    recipient: Account | None,
    by: Account,
    reason: str | None,
) -> tuple[Bar, ...]:
    """Gather every condition that is not met; empty means that the version may be delivered.

    Args:
        version: To be delivered.
        project: That claims it, if one does.
        receipts: Of its archived copies, and of those of the parts that it names.
        is_given_up: Whether a steward discarded its data.
        is_open: Whether everybody may have its files, by all that is said of access today.
        recipient: Account of the person; None for a guest.
        by: Who delivers it, and may.
        reason: Why, in words; None where nothing was said.
    """
    bars = list(_about_state(version, tuple(receipts), is_given_up=is_given_up))
    if project is None:
        bars.append(Bar(condition="no project claims it", remedy="bind it to a project first"))
    elif recipient is None:
        bars.extend(_about_guest(project, is_open=is_open, by=by))
    elif not may_see(recipient, project):
        remedy = f"add {recipient.name} to the people of project {project.slug}, or deliver to a guest's mail address"
        bars.append(Bar(condition=f"{recipient.name} may not see the data of project {project.slug}", remedy=remedy))
    if not reason:
        condition = _takes_reason(version, lets_guest_in=recipient is None and project is not None and not is_open)
        if condition is not None:
            bars.append(Bar(condition=condition, remedy="that takes a reason, which is kept: --reason TEXT"))
    return tuple(bars)


def still_bars(
    delivery: Delivery, project: Project | None, *, is_given_up: bool, is_open: bool, recipient: Account | None
) -> str | None:
    """Say what has come between a delivery and its use since it was made; None when nothing has.

    A person has to have an active account that may see the project still. What was delivered to a guest as open data
    is closed to them when anything that counts says that they are not open any more.
    """
    if is_given_up:
        return "the data were discarded"
    if project is None:
        return "no project claims the data any more"
    if delivery.person is not None:
        return None if recipient is not None and may_see(recipient, project) else "the recipient may not see the data"
    return None if is_open or delivery.lets_guest_in else "the data are not open any more"


def lifetime_of(days: int | None, rules: DeliveryRules) -> timedelta | None:
    """Give how long an address is good; None when more was asked for than the site allows."""
    wanted = min(rules.days, rules.most_days) if days is None else days
    return timedelta(days=wanted) if 1 <= wanted <= rules.most_days else None


def _about_state(version: Version, receipts: Sequence[CopyReceipt], *, is_given_up: bool) -> Iterator[Bar]:
    if ORDER.index(version.stage) < ORDER.index(Stage.VERIFIED):
        yield Bar(condition=f"it is {version.stage.value}", remedy="wait until its archived copy was read back")
    elif is_given_up:
        yield Bar(condition="its data were discarded", remedy="that is for good; nothing of it is delivered")
    else:
        yield from copy_bars(version, receipts)


def _about_guest(project: Project, *, is_open: bool, by: Account) -> Iterator[Bar]:
    if not is_open and not may_consent(by, project):
        remedy = f"only its owner {project.owner} or an administrator delivers such data to a guest, with a reason"
        yield Bar(condition="the data are not open", remedy=remedy)


def _takes_reason(version: Version, *, lets_guest_in: bool) -> str | None:
    if version.verdict in KEPT_BACK:
        return f"its verdict is {version.verdict.value if version.verdict else 'missing'}"
    if version.incomplete is not None:
        return f"the run it comes from is {version.incomplete.value}"
    if version.stage not in {Stage.ACCEPTED, Stage.PUBLISHED, Stage.WITHDRAWN}:
        return f"it is {version.stage.value}, and no steward has accepted it"
    if lets_guest_in:
        return "the data are not open, and a guest would get them"
    return None
