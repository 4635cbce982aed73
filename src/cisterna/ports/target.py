"""A place outside to which a published version is told or carried, after the portal has made it public here.

What goes out is what the public may see already: a target gets a `PublicRecord` and the bytes of its files, and nothing
else of the catalogue or the archive. What it is told before publication is an identifier and an address.

Every method may be called again after a kill at any moment, with what the caller knew then. So each begins by looking
for what stands under the request's `key`, and never makes a second one.

Every method may raise:

- `TargetUnavailable`: it did not answer, or not now; the same call may succeed later. `retry_after_seconds` among its
  facts is how long the target asked to be left alone.
- `TargetRefused`: it said no, or answered what cannot be believed; a person has to act. The message says what the
  target said, cleaned and cut, and never a credential.

The caller holds no transaction. Safe to call from several threads, for different keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from pydantic import Field

from cisterna.domain.base import Value
from cisterna.domain.deposit import Deposit, Doi, OutsideAddress
from cisterna.domain.identifier import Ark
from cisterna.domain.text import Line
from cisterna.ports.publisher import PublicFile, PublicRecord


class ReserveRequest(Value):
    """What a target is told of a version that is not public yet.

    Attributes:
        key: Stable for version and target, such as `ds-...:v2@zenodo`; never another version's.
        pid: The dataset's ARK.
        version: Label, such as `v2`.
        address: Where its landing page will be.
    """

    key: str = Field(min_length=1, max_length=200)
    pid: Ark
    version: str
    address: OutsideAddress


class DepositRequest(ReserveRequest):
    """A version that is public, or, in a withdrawal, that was.

    Attributes:
        record: All that may go out, its forms by media type among it. Of what was withdrawn the tombstone.
        doi: Its DOI, where a target has reserved one: it stands in the record's forms.
        earlier: What stands at this target of the dataset's earlier versions, newest first; what stood there, too.
        later: The same of versions that went there after this one, newest first.
        was_public: Whether anything of it was ever to be seen here; of what was not something may be reserved.
    """

    record: PublicRecord
    doi: Doi | None = None
    earlier: tuple[Deposit, ...] = ()
    later: tuple[Deposit, ...] = ()
    was_public: bool = True


class PublicBytes(Protocol):
    """The bytes of what is public."""

    def files(self, record: PublicRecord) -> Iterator[PublicFile]:
        """Give every file of a record, those of its lists too, in the order of the record.

        Raises:
            ChecksumMismatch, StoreUnavailable: A list cannot be read; what was given so far is not all.
        """
        ...

    def open(self, file: PublicFile) -> AbstractContextManager[Iterator[bytes]]:
        """Stream a file in chunks of bounded size.

        Raises:
            ChecksumMismatch: After the last chunk, when what was given is not the file that was archived: what was made
                of it must not be used.
            StoreUnavailable: Also midway.
        """
        ...


class TargetReport(Value):
    """What a look at a target found; nothing was written there.

    Attributes:
        is_usable: Whether the credentials work and allow what is needed.
        words: What was found, in one sentence.
        limits: What the target takes at most, in words; empty where it says nothing.
    """

    is_usable: bool
    words: Line
    limits: tuple[Line, ...] = ()


class Target(Protocol):
    """One place outside."""

    name: str
    """By which settings and projects name it."""
    title: str
    """For people: `Zenodo`."""
    reserves: bool
    """Whether it gives a DOI before publication, which then stands in every form: publication waits for it."""
    narrows: bool
    """Whether a deposit of the description alone takes the files away of what stands, and a later one brings them back;
    where not, it is withdrawn when its files are public no longer."""

    def reserve(self, request: ReserveRequest) -> Deposit | None:
        """Reserve an identifier that nobody sees yet; again under the same key it is the same one.

        Returns:
            What is reserved, with its DOI; what stands deposited already, if something does. None from a target that
            reserves nothing.
        """
        ...

    def deposit(self, request: DepositRequest, *, known: Deposit | None, files: PublicBytes) -> Deposit:
        """Make it stand there as the record says, and return it as `deposited`.

        What stands already as it should is left alone; what was begun is brought to its end; what was withdrawn stands
        again. A target that narrows shows afterwards the files of this record and no others. One that took the
        description alone gets the files once they are public, or refuses the description and waits for them.

        Args:
            request: What to deposit.
            known: What is known to stand; None is no proof that nothing does.
            files: Their bytes, for a target that takes files.

        Raises:
            ChecksumMismatch: What the target has is not what was sent, or what was sent not what was archived; nothing
                of it is to be seen there.
        """
        ...

    def withdraw(self, request: DepositRequest, *, known: Deposit | None, reason: str) -> Deposit | None:
        """Hide it, and return it as `withdrawn`; what cannot be hidden says so in its `remark`.

        Of what has a bare tombstone no description stays there either, also where it was hidden before; what has to
        stay is in the `remark`.

        Args:
            request: Its record is the tombstone.
            known: What is known to stand; with None it is looked for under the key.
            reason: Why, in words for the public.

        Returns:
            None when nothing stands there and nothing did.
        """
        ...

    def test(self) -> TargetReport:
        """Say whether the credentials work, and what the limits are; writes nothing.

        Raises:
            TargetUnavailable: It did not answer. What it refuses is in the report.
        """
        ...
