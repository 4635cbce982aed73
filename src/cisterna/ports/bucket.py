"""What has to be arranged around a bucket before it may hold an archive, and what must stay shut."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from cisterna.domain.base import Value


class BucketPlan(Value):
    """How a bucket is to be kept; what is false or None is not asked for, and is left as it is where it is there.

    Attributes:
        versioning: The store keeps what is replaced or deleted.
        object_lock: Single objects can be held.
        unfinished_uploads_days: After how many days the store drops an upload that was never completed.
        replaced_days: How many days the store keeps what was replaced or deleted.
        refuses_deletion: The bucket itself cannot be deleted by anybody.
        tiers: Storage classes that the store moves objects to which are marked for them.
    """

    versioning: bool = False
    object_lock: bool = False
    unfinished_uploads_days: int | None = None
    replaced_days: int | None = None
    refuses_deletion: bool = False
    tiers: tuple[str, ...] = ()


class BucketAdmin(Protocol):
    """One bucket, seen by who may arrange it.

    Every method raises `StoreForbids` when these keys may not do that, `StoreLacks` when the store has no such function
    and `StoreUnavailable` when it does not answer. Every change may be made twice.
    """

    store: str
    """What receipts call the store."""
    bucket: str

    def exists(self) -> bool:
        """Tell whether the bucket is there."""
        ...

    def create(self, *, object_lock: bool) -> None:
        """Make the bucket; harmless when it is there and ours."""
        ...

    def versioning(self) -> bool:
        """Tell whether the store keeps what is replaced or deleted."""
        ...

    def turn_on_versioning(self) -> None:
        """Make it do so from now on."""
        ...

    def object_lock(self) -> bool:
        """Tell whether single objects can be held."""
        ...

    def turn_on_object_lock(self) -> None:
        """Make it possible, without a default retention; wants versioning."""
        ...

    def unfinished_uploads_days(self) -> int | None:
        """Tell after how many days our rule drops uploads; None without one."""
        ...

    def drop_unfinished_uploads(self, *, days: int) -> None:
        """Set our rule; rules of others stay."""
        ...

    def replaced_days(self) -> int | None:
        """Tell how many days our rule keeps what was replaced or deleted; None without one."""
        ...

    def keep_replaced(self, *, days: int) -> None:
        """Set our rule; rules of others stay."""
        ...

    def moves_to(self, storage_class: str) -> bool:
        """Tell whether our rule moves what is marked for a storage class."""
        ...

    def move_to(self, storage_class: str) -> None:
        """Set our rule; rules of others stay."""
        ...

    def refuses_deletion(self) -> bool:
        """Tell whether the bucket's policy refuses its deletion to everybody."""
        ...

    def refuse_deletion(self) -> None:
        """Add that to the policy; what others put there stays."""
        ...

    def clock(self) -> datetime:
        """Give the store's time, to the second."""
        ...


class Stranger(Protocol):
    """Somebody who must not reach a bucket, trying to.

    Every method raises `StoreUnavailable` when the answer is neither success nor a refusal.
    """

    name: str
    """Such as `nobody's keys`."""

    def lists(self) -> bool:
        """Tell whether the objects are listed to them."""
        ...

    def reads(self, key: str) -> bool:
        """Tell whether an object is given to them."""
        ...

    def writes(self, key: str) -> bool:
        """Tell whether an object is taken from them; if so it is there now."""
        ...
