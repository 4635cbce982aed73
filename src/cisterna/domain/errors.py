"""Every refusal and failure that Cisterna names.

`code` is stable: the API, the CLI's JSON and the docs use it. `retryable` says whether the same call may succeed later
without anybody changing anything. `facts` carries the data of the error (ids, paths, expected and found values) so that
no caller parses a message.
"""

from __future__ import annotations

from typing import ClassVar


class CisternaError(Exception):
    """Say what happened, to which thing, and what to do next.

    Attributes:
        code: Stable name of the refusal, in kebab case.
        retryable: Whether waiting alone may help.
        facts: The data of the error, JSON-able.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, /, **facts: object) -> None:
        super().__init__(message)
        self.facts = facts


class NotFound(CisternaError):
    """The named thing does not exist, or the caller may not know that it does."""

    code = "not-found"


class Erased(NotFound):
    """The thing was there and was erased for good, under a decision that the message names."""

    code = "erased"


class AlreadyExists(CisternaError):
    """A thing of that name is there already and differs from the one given."""

    code = "already-exists"


class Conflict(CisternaError):
    """Somebody else changed the thing since it was read; read it again and decide anew."""

    code = "conflict"


class IllegalTransition(CisternaError):
    """The thing is in a stage from which that step does not lead."""

    code = "illegal-transition"


class Forbidden(CisternaError):
    """The person is known but may not do this."""

    code = "forbidden"


class NotSignedIn(CisternaError):
    """No valid session or token came with the request."""

    code = "not-signed-in"


class MessageRefused(CisternaError):
    """A message does not prove that a known sender sent it just now: it is forged, stale or was there before."""

    code = "message-refused"


class Throttled(CisternaError):
    """Too many attempts failed; `facts["retry_after_seconds"]` tells how long to wait."""

    code = "throttled"
    retryable = True


class Overloaded(CisternaError):
    """So much is asked at once that some of it is turned away; the same request may be answered in a moment."""

    code = "overloaded"
    retryable = True


class InvalidInput(CisternaError):
    """What came from outside does not have the form it must have."""

    code = "invalid-input"


class HostileInput(InvalidInput):
    """What came from outside could harm whoever reads it: a symlink, a FIFO, an entity, a path that climbs out."""

    code = "hostile-input"


class UnclaimedFolder(CisternaError):
    """No profile recognises the folder."""

    code = "unclaimed-folder"


class SourceUnavailable(CisternaError):
    """The landing zone cannot be looked at, or is not the one that was declared. Never the same as empty."""

    code = "source-unavailable"
    retryable = True


class SourceChanged(CisternaError):
    """A file is not what it was when the acquisition was declared complete."""

    code = "source-changed"


class StoreUnavailable(CisternaError):
    """The object store did not answer, or answered that it cannot now."""

    code = "store-unavailable"
    retryable = True


class NotReadableNow(StoreUnavailable):
    """The object lies in a storage class that it has to be brought back from first; it is there, and not damaged."""

    code = "not-readable-now"
    retryable = False


class NoRoom(StoreUnavailable):
    """The disk of the object store has no room for what would be written; it is begun when there is."""

    code = "no-room"


class ObjectNotFound(CisternaError):
    """No object has that key."""

    code = "object-not-found"


class PreconditionFailed(CisternaError):
    """A conditional write lost: the key exists, or is no longer what the writer saw."""

    code = "precondition-failed"


class StoreUnfit(CisternaError):
    """The object store lacks a guarantee that the archive stands on."""

    code = "store-unfit"


class StoreForbids(CisternaError):
    """The keys in use may not do that at the object store."""

    code = "store-forbids"


class StoreLacks(CisternaError):
    """The object store has no such function."""

    code = "store-lacks"


class StoreNotDistinct(CisternaError):
    """Two stores that are to hold a copy each are one bucket; a copy there would prove nothing."""

    code = "store-not-distinct"


class ChecksumMismatch(CisternaError):
    """Bytes read back, or received, do not have the digest on record."""

    code = "checksum-mismatch"


class ObjectInvalid(CisternaError):
    """An OCFL object in the archive is not valid, or is not the one expected."""

    code = "object-invalid"


class CouldNotCheck(CisternaError):
    """A check could not be carried out. Never the same as a check that passed."""

    code = "could-not-check"
    retryable = True


class GateUnavailable(CouldNotCheck):
    """The quality process did not answer."""

    code = "gate-unavailable"


class InferenceUnavailable(CisternaError):
    """The model process did not answer."""

    code = "inference-unavailable"
    retryable = True


class InferenceFailed(CisternaError):
    """The model answered, but not with what it promises."""

    code = "inference-failed"


class CatalogueUnavailable(CisternaError):
    """PostgreSQL did not answer."""

    code = "catalogue-unavailable"
    retryable = True


class SinkUnavailable(CisternaError):
    """A place where events go did not take one; it is kept and tried again."""

    code = "sink-unavailable"
    retryable = True


class TargetUnavailable(CisternaError):
    """A place to publish at outside did not answer, or not now; `facts["retry_after_seconds"]` may tell how long."""

    code = "target-unavailable"
    retryable = True


class IdentifierPending(TargetUnavailable):
    """A version waits for the DOI that a place outside has not reserved yet; it is asked for again until it has."""

    code = "identifier-pending"


class ReviewPending(TargetUnavailable):
    """What was brought to a place outside waits for the people there; it is looked at again, and never given up."""

    code = "review-pending"


class TargetRefused(CisternaError):
    """A place to publish at outside said no, or answered what cannot be believed; the message says what it said."""

    code = "target-refused"


class LeaseLost(CisternaError):
    """Another worker holds the work now; drop what is in hand without writing it."""

    code = "lease-lost"


class DecisionRefused(CisternaError):
    """The decision was made on evidence that is no longer current, or by somebody who may not make it."""

    code = "decision-refused"


class Quarantined(CisternaError):
    """The version is in quarantine, or was discarded: no model runs on it before a steward has accepted it."""

    code = "quarantined"


class PublicationRefused(CisternaError):
    """The version may not be made public; the message names the condition that is not met."""

    code = "publication-refused"


class DeliveryRefused(CisternaError):
    """A version may not be delivered to that recipient as things are; the message names every condition not met."""

    code = "delivery-refused"


class ReleaseRefused(CisternaError):
    """The instrument's own copy may not be deleted; the message names every condition that is not met."""

    code = "release-refused"


class ErasureRefused(CisternaError):
    """The dataset may not be erased now; the message names every condition that is not met."""

    code = "erasure-refused"


class NotReady(CisternaError):
    """A part that is needed is not running."""

    code = "not-ready"
    retryable = True


class SettingsInvalid(CisternaError):
    """The settings do not describe a system that can start."""

    code = "settings-invalid"
