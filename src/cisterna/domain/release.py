"""Whether an instrument's own copy may be deleted: every fact goes in, and a judgement with its reasons comes out.

This module decides and nothing else does. A release is allowed when not one reason against it is left; what could not
be found out is a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field

from cisterna.domain.acquisition import Acquisition, AcquisitionState, SourceState
from cisterna.domain.base import Moment, Value
from cisterna.domain.dataset import ORDER, Stage, Version
from cisterna.domain.digest import Sha512
from cisterna.domain.finding import Verdict
from cisterna.domain.fixity import Fixity
from cisterna.domain.hold import Hold, HoldAnswer, HoldOutcome
from cisterna.domain.identifier import AcquisitionId, DatasetId
from cisterna.domain.instrument import BucketIdentity, CopyRule, Instrument
from cisterna.domain.path import RelativePath
from cisterna.domain.project import Project
from cisterna.domain.receipt import CopyReceipt
from cisterna.domain.review import POLICY_PREFIX, Act, Decision, last_word
from cisterna.domain.shadow import refusal_words
from cisterna.domain.stored_copy import StoredCopy

_SHOWN = 3


class ReleaseState(StrEnum):
    """Where a release stands. From `begun` on files may be gone; it can then only be brought to its end."""

    ANNOUNCED = "announced"
    BEGUN = "begun"
    DONE = "done"
    REFUSED = "refused"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        """Whether it is still to be carried out."""
        return self in {ReleaseState.ANNOUNCED, ReleaseState.BEGUN}


class CopyWord(Value):
    """Whose word it is how many copies a release asks for, where it is not the site's settings alone.

    Attributes:
        source: `instrument` or `project`, and its name.
        person: Account name; None where only the project's policy says it.
    """

    source: str
    person: str | None = None
    reason: str | None = None
    said_at: Moment | None = None


class ReleaseRules(Value):
    """What a site and a project ask for before a source copy may go.

    Attributes:
        copies: Stores whose copies must have been read back.
        single_copy: Name of the one store whose copy suffices, by an explicit policy; None asks for `copies`.
        copies_by: Whose policy that is, or whose it is that none suffices.
        receipt_days: How old a receipt may be.
        rest_days: How long nothing must have changed, and how long ago the first copy must have been verified.
        undo_hours: Between the announcement and the deletion.
    """

    copies: int = Field(2, ge=2)
    single_copy: str | None = None
    copies_by: CopyWord | None = None
    receipt_days: float = Field(30.0, gt=0)
    rest_days: float = Field(7.0, ge=0)
    undo_hours: float = Field(72.0, ge=0)


def rules_for(site: ReleaseRules, *, instrument: Instrument, project: Project | None) -> ReleaseRules:
    """Tell what a site asks for of one instrument's data in one project.

    What was said of the instrument itself holds, be it more or less than the project asks for. Where nothing was said
    of it, or that was taken back, one copy suffices only if the project names its store.
    """
    said = instrument.copies
    if said is not None and said.rule is not CopyRule.PROJECT:
        word = CopyWord(
            source=f"instrument {instrument.name}", person=said.person, reason=said.reason, said_at=said.said_at
        )
        return site.model_copy(update={"single_copy": said.store, "copies_by": word})
    single = project.policy.release_copy if project is not None else None
    by_project = CopyWord(source=f"project {project.slug}") if project is not None and single is not None else None
    return site.model_copy(update={"single_copy": single, "copies_by": by_project})


class ProvenFile(Value):
    """A file as it was read at the source just before the release: deleting another one is refused.

    Attributes:
        mtime_ns, inode, device: Of the file that was read.
    """

    path: RelativePath
    size_bytes: int = Field(ge=0)
    sha512: Sha512
    mtime_ns: int
    inode: int
    device: int


class Proof(Value):
    """What a deletion stood on; the digests of the files are in the record that it names.

    Attributes:
        inventory_sha512: Of the object's inventory in the archive at that moment.
        record_key, record_sha512: Of the deletion record, written to the object's `logs/` before the first deletion.
    """

    receipts: tuple[CopyReceipt, ...]
    answers: tuple[HoldAnswer, ...]
    rules: ReleaseRules
    inventory_sha512: Sha512
    proven_at: Moment
    record_key: str
    record_sha512: Sha512


class Release(Value):
    """One deletion of an acquisition's source copy, from its announcement on.

    Attributes:
        person: Account name of who asked for it, or `policy:<project>`.
        due_at: When it may be carried out; until then it can be cancelled.
        reason: Why it was refused, cancelled or stopped midway.
        ended_by: Who cancelled it.
        record: Counts the writes to this row; a writer names the one it read.
    """

    release_id: str
    acquisition_id: AcquisitionId
    dataset_id: DatasetId
    version_id: str
    manifest_digest: Sha512
    file_count: int = Field(ge=0)
    total_bytes: int = Field(ge=0)
    person: str
    announced_at: Moment
    due_at: Moment
    state: ReleaseState = ReleaseState.ANNOUNCED
    reason: str | None = None
    ended_by: str | None = None
    proof: Proof | None = None
    begun_at: Moment | None = None
    ended_at: Moment | None = None
    record: int = 0


class Step(StrEnum):
    """What is about to happen; each step asks for more than the one before."""

    ANNOUNCE = "announce"
    DELETE = "delete"
    RESUME = "resume"
    """Go on with a deletion that was cut short: what is gone already is not missed."""


class SourceFacts(Value):
    """What the look at the source found.

    Attributes:
        problem: Why it could not be looked at; nothing else counts then.
        obstacles: Entries that are no regular files, or cannot be read.
        unknown: Files that the archived manifest does not have.
        missing: Files of the manifest that are not there.
        different: Files that are not as archived.
        are_digested: Whether every file was read in full and digested for this look.
    """

    problem: str | None = None
    fingerprint: str = ""
    obstacles: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    different: tuple[str, ...] = ()
    are_digested: bool = False


class ArchiveFacts(Value):
    """What the archive itself says now.

    Attributes:
        problem: Why it could not be asked; nothing else counts then.
        inventory_sha512: Of the object's inventory.
        holds_manifest: Whether the version's manifest is there, whole, and the inventory has each of its digests.
    """

    problem: str | None = None
    inventory_sha512: Sha512 | None = None
    holds_manifest: bool = False


class PartFacts(Value):
    """What is known of one part: what is asked of the object that people see is asked of each that holds its files."""

    version: Version
    copies: tuple[StoredCopy, ...]
    receipts: tuple[CopyReceipt, ...]
    archive: ArchiveFacts


class Facts(Value):
    """All that a judgement is made on.

    Attributes:
        newest_version_id: Of the acquisition's dataset.
        stores: Names of the stores that are configured now.
        copies: What is known of the object in each of them; a receipt does not outweigh what was found later.
        parts: What is known of each part that the version names, in their order.
        open_work: Kinds of work on the acquisition or its versions that have not come to an end.
        announced: The release that is to be carried out; None before it is announced.
    """

    step: Step
    now: Moment
    instrument: Instrument
    acquisition: Acquisition
    version: Version
    newest_version_id: str
    stores: tuple[str, ...]
    copies: tuple[StoredCopy, ...]
    receipts: tuple[CopyReceipt, ...]
    decisions: tuple[Decision, ...]
    holds: tuple[Hold, ...]
    answers: tuple[HoldAnswer, ...]
    open_work: tuple[str, ...]
    source: SourceFacts
    archive: ArchiveFacts
    parts: tuple[PartFacts, ...] = ()
    rules: ReleaseRules
    announced: Release | None = None

    @property
    def objects(self) -> tuple[Facts | PartFacts, ...]:
        """What is known of each object: the one that people see, and each part."""
        return (self, *self.parts)


class Objection(Value):
    """One reason against a release.

    Attributes:
        condition: Stable name of the condition that is not met.
        words: What is wrong, and what to do about it.
        is_unknown: Whether it could not be found out.
    """

    condition: str
    words: str
    is_unknown: bool = False


class Judgement(Value):
    """Every objection there is, and the receipts that count."""

    objections: tuple[Objection, ...]
    receipts: tuple[CopyReceipt, ...]

    @property
    def allows(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.objections

    @property
    def words(self) -> str:
        """The objections in one line."""
        return "; ".join(one.words for one in self.objections)


_COMPARED = frozenset({"copies", "same-files"})
"""Conditions that are about the archive's own inventory and manifest."""


def judge(facts: Facts) -> Judgement:
    """Gather every objection; the same facts always give the same judgement."""
    counted = [_counted(one, facts) for one in facts.objects]
    everywhere = [store for store in counted[0] if all(store in one for one in counted)]
    objections = [
        *_about_version(facts),
        *_about_parts(facts),
        *_as_known(_about_copies(facts, everywhere), facts),
        *_about_time(facts),
        *_about_holds(facts),
        *_about_acquisition(facts),
        *_about_shadow(facts.instrument),
        *_as_known(_about_source(facts), facts),
        *_about_archive(facts.archive),
        *_about_announcement(facts),
    ]
    return Judgement(
        objections=tuple(objections), receipts=tuple(receipt for one in counted for receipt in one.values())
    )


def _counted(one: Facts | PartFacts, facts: Facts) -> Mapping[str, CopyReceipt]:
    """Give the receipts of one object that count; of a store in which it was found in doubt since, none does."""
    doubtful = {copy.store for copy in one.copies if copy.fixity not in {Fixity.OK, None}}
    return counted_receipts(
        one.receipts,
        version=one.version,
        inventory_sha512=one.archive.inventory_sha512,
        stores=[store for store in facts.stores if store not in doubtful],
        now=facts.now,
        longest_age=timedelta(days=facts.rules.receipt_days),
    )


def counted_receipts(
    receipts: Iterable[CopyReceipt],
    *,
    version: Version,
    inventory_sha512: str | None,
    stores: Iterable[str],
    now: datetime,
    longest_age: timedelta,
) -> Mapping[str, CopyReceipt]:
    """Give the newest receipt of each store that counts: of a store in use, fresh, and of exactly these bytes."""
    known = frozenset(stores)
    counted = {
        one.store: one
        for one in sorted(receipts, key=lambda one: one.verified_at)
        if one.store in known
        and one.version_id == version.version_id
        and one.manifest_digest == version.manifest_digest
        and one.ocfl_version == version.ocfl_version
        and one.inventory_sha512 == inventory_sha512
        and timedelta() <= now - one.verified_at <= longest_age
    }
    return dict(sorted(counted.items()))


def _about_version(facts: Facts) -> Iterator[Objection]:
    version = facts.version
    if ORDER.index(version.stage) < ORDER.index(Stage.VERIFIED) or version.manifest_digest is None:
        words = f"{version.label} is {version.stage.value}; it has to be verified first"
        yield Objection(condition="verified", words=words)
    if version.version_id != facts.newest_version_id:
        words = f"{facts.newest_version_id} is newer than {version.version_id}; release by the newest"
        yield Objection(condition="newest", words=words)
    last = last_word(facts.decisions)
    if version.stage is Stage.IN_REVIEW:
        yield Objection(condition="review", words="its review is open; a steward has to decide first")
    elif (
        last is None
        or last.version_id != version.version_id
        or last.act not in {Act.ACCEPT, Act.REJECT, Act.DISCARD}
        or last.evidence_digest != version.evidence_digest
    ):
        words = "nobody has decided on its findings as they are now; a steward or the project's policy has to"
        yield Objection(condition="review", words=words)
    elif version.verdict is not Verdict.PASSED and last.person.startswith(POLICY_PREFIX):
        words = f"its verdict is {version.verdict.value if version.verdict else 'missing'}; a steward has to decide"
        yield Objection(condition="review", words=words)


def _about_parts(facts: Facts) -> Iterator[Objection]:
    """Ask of every part what is asked of the whole's own object; the copies are counted for all of them together."""
    named = [(one.version_id, one.manifest_digest, one.ocfl_version) for one in facts.version.parts]
    known = [(one.version.version_id, one.version.manifest_digest, one.version.ocfl_version) for one in facts.parts]
    if named != known:
        words = f"it names {len(named)} parts, and the catalogue knows other ones; run `cisterna check`"
        yield Objection(condition="parts", words=words)
    for one in facts.parts:
        if ORDER.index(one.version.stage) < ORDER.index(Stage.VERIFIED):
            words = f"its part {one.version.version_id} is {one.version.stage.value}; it has to be verified first"
            yield Objection(condition="parts", words=words)
        for objection in _about_archive(one.archive):
            yield objection.model_copy(update={"words": f"of its part {one.version.version_id}: {objection.words}"})


def _about_copies(facts: Facts, counted: Sequence[str]) -> Iterator[Objection]:
    for copy in (copy for one in facts.objects for copy in one.copies):
        if copy.fixity is Fixity.DAMAGED:
            words = f"its copy in {copy.store} is damaged: {copy.reason}; repair it first, the source may be needed"
            yield Objection(condition="damage", words=words)
    rules, single = facts.rules, facts.rules.single_copy
    if len(counted) >= rules.copies or (single is not None and single in counted):
        return
    there = ", ".join(counted) or "none"
    wanted = f"the copy at {single}" if single is not None else f"copies at {rules.copies} stores"
    wanted += f" (said of {rules.copies_by.source})" if rules.copies_by is not None else ""
    words = (
        f"{wanted} must have been read back in the last {rules.receipt_days:g} days, and there is a receipt of: "
        f"{there}; run `cisterna check`, or add a store"
    )
    yield Objection(condition="copies", words=words)


def _about_time(facts: Facts) -> Iterator[Objection]:
    acquisition = facts.acquisition
    verified = max(min((receipt.verified_at for receipt in one.receipts), default=facts.now) for one in facts.objects)
    since = max(acquisition.settled_since, acquisition.completed_at or facts.now, verified)
    if facts.now - since < timedelta(days=facts.rules.rest_days):  # what lies ahead is less than any rest, too
        words = (
            f"it must rest for {facts.rules.rest_days:g} days, and changed or was first verified at "
            f"{since:%Y-%m-%d %H:%M} UTC"
        )
        yield Objection(condition="rest", words=words)


def _about_holds(facts: Facts) -> Iterator[Objection]:
    for hold in facts.holds:
        if hold.lifted_at is None:
            words = f"{hold.person} holds the {hold.scope.value} ({hold.hold_id}): {hold.reason}"
            yield Objection(condition="hold", words=words)
    for answer in facts.answers:
        if answer.outcome is HoldOutcome.HELD:
            yield Objection(condition="outside-hold", words=f"{answer.system} still needs it: {answer.reason}")
        elif answer.outcome is not HoldOutcome.FREE:
            words = f"{answer.system} could not be asked, which counts as held: {answer.reason}"
            yield Objection(condition="outside-hold", words=words, is_unknown=True)


def _about_acquisition(facts: Facts) -> Iterator[Objection]:
    acquisition, instrument = facts.acquisition, facts.instrument
    if acquisition.state is not AcquisitionState.COMPLETE:
        words = f"the acquisition is {acquisition.state.value}: {acquisition.reason}"
        yield Objection(condition="complete", words=words)
    if acquisition.held is not None:
        yield Objection(condition="not-held", words=f"the acquisition is held: {acquisition.held}")
    if acquisition.source_state not in {SourceState.PRESENT, SourceState.RELEASABLE}:
        words = f"the source is {acquisition.source_state.value}"
        yield Objection(condition="source-state", words=words)
    if not acquisition.fingerprint or acquisition.fingerprint != acquisition.ingested_fingerprint:
        words = "the archive does not hold what was last seen in the folder; wait until it is ingested"
        yield Objection(condition="ingested", words=words)
    if facts.open_work:
        words = f"work on it has not come to an end: {', '.join(facts.open_work)}"
        yield Objection(condition="no-work", words=words)
    if instrument.name != acquisition.instrument or not instrument.watched:
        words = "it was brought by hand, and only the landing zone of a declared instrument is ever cleared"
        yield Objection(condition="instrument", words=words)
    if instrument.guard is not None:
        words = f"nothing is concluded from what the landing zone of {instrument.name} shows: {instrument.guard.words}"
        yield Objection(condition="not-guarded", words=words)
    if instrument.identity is None:
        words = f"nobody knows which folder the landing zone of {instrument.name} was; declare the instrument anew"
        yield Objection(condition="zone-identity", words=words)
    if isinstance(instrument.identity, BucketIdentity):
        words = f"the landing zone of {instrument.name} is a bucket, and Cisterna deletes nothing there"
        yield Objection(condition="bucket", words=words)


def _about_shadow(instrument: Instrument) -> Iterator[Objection]:
    if instrument.in_shadow is not None:
        words = f"nothing is deleted at its source: {refusal_words(instrument.name, instrument.in_shadow)}"
        yield Objection(condition="no-shadow", words=words)


def _about_source(facts: Facts) -> Iterator[Objection]:
    source = facts.source
    if source.problem is not None:
        words = f"the source could not be looked at: {source.problem}"
        yield Objection(condition="source", words=words, is_unknown=True)
        return
    found = {"cannot be judged": source.obstacles, "not archived": source.unknown, "not as archived": source.different}
    if facts.step is not Step.RESUME:
        found["gone"] = source.missing
        if source.fingerprint != facts.acquisition.fingerprint:
            words = "the folder is not as it was last seen; the next sweep judges it anew"
            yield Objection(condition="unchanged", words=words)
    for what, paths in found.items():
        if paths:
            words = f"{len(paths)} entries of the folder are {what}: {_some(paths)}"
            yield Objection(condition="same-files", words=words)
    if facts.step is Step.DELETE and not source.are_digested:
        words = "its files were not read and digested for this release"
        yield Objection(condition="digested", words=words, is_unknown=True)


def _as_known(objections: Iterable[Objection], facts: Facts) -> Iterator[Objection]:
    """Say of what was compared with the archive that it is unknown while the archive could not be asked."""
    is_unasked = any(one.archive.problem is not None for one in facts.objects)
    for one in objections:
        yield one.model_copy(update={"is_unknown": True}) if is_unasked and one.condition in _COMPARED else one


def _about_archive(archive: ArchiveFacts) -> Iterator[Objection]:
    if archive.problem is not None:
        words = f"the archive could not be asked: {archive.problem}"
        yield Objection(condition="archive", words=words, is_unknown=True)
    elif archive.inventory_sha512 is None or not archive.holds_manifest:
        words = "the object in the archive does not hold this version whole; run `cisterna check`"
        yield Objection(condition="archive", words=words)


def _about_announcement(facts: Facts) -> Iterator[Objection]:
    release = facts.announced
    if facts.step is Step.ANNOUNCE:
        return
    wanted = ReleaseState.ANNOUNCED if facts.step is Step.DELETE else ReleaseState.BEGUN
    if release is None or release.state is not wanted or release.acquisition_id != facts.acquisition.acquisition_id:
        yield Objection(condition="announced", words="no release of it is announced; announce one first")
        return
    same = (release.version_id, release.manifest_digest) == (facts.version.version_id, facts.version.manifest_digest)
    if not same:
        words = f"the release of {release.version_id} was announced, and that is no longer what would go"
        yield Objection(condition="announced", words=words)
    if facts.now < release.due_at or facts.now < release.announced_at + timedelta(hours=facts.rules.undo_hours):
        words = f"it can be cancelled until {release.due_at:%Y-%m-%d %H:%M} UTC"
        yield Objection(condition="undo-window", words=words)


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
