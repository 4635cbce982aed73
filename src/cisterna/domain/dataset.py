"""What is kept: datasets, their versions, and the stages a version goes through."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field, JsonValue

from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.base import Moment, Value
from cisterna.domain.digest import Sha256, Sha512
from cisterna.domain.errors import IllegalTransition
from cisterna.domain.finding import Verdict
from cisterna.domain.identifier import AcquisitionId, Ark, DatasetId, Slug
from cisterna.domain.part import Part


class Stage(StrEnum):
    """How far a version has come."""

    DETECTED = "detected"
    MEASURED = "measured"
    GATED = "gated"
    DESCRIBED = "described"
    ARCHIVED = "archived"
    VERIFIED = "verified"
    IN_REVIEW = "in-review"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


_NEXT: dict[Stage, frozenset[Stage]] = {
    Stage.DETECTED: frozenset({Stage.MEASURED}),
    Stage.MEASURED: frozenset({Stage.GATED}),
    Stage.GATED: frozenset({Stage.DESCRIBED}),
    Stage.DESCRIBED: frozenset({Stage.ARCHIVED}),
    Stage.ARCHIVED: frozenset({Stage.VERIFIED}),
    Stage.VERIFIED: frozenset({Stage.IN_REVIEW, Stage.ACCEPTED}),
    Stage.IN_REVIEW: frozenset({Stage.ACCEPTED, Stage.REJECTED}),
    Stage.ACCEPTED: frozenset({Stage.PUBLISHED, Stage.IN_REVIEW, Stage.REJECTED}),
    Stage.REJECTED: frozenset({Stage.IN_REVIEW}),
    Stage.PUBLISHED: frozenset({Stage.WITHDRAWN}),
    Stage.WITHDRAWN: frozenset(),
}

ORDER: tuple[Stage, ...] = tuple(Stage)
"""The stages in the order in which a version meets them."""
_ARCHIVED = frozenset(ORDER[ORDER.index(Stage.ARCHIVED) :])


def require_transition(present: Stage, wanted: Stage, *, version_id: str) -> None:
    """Refuse a step that the table of stages does not have.

    Raises:
        IllegalTransition: `wanted` does not follow `present`.
    """
    if wanted not in _NEXT[present]:
        allowed = ", ".join(sorted(_NEXT[present])) or "nothing"
        msg = f"{version_id} is {present.value} and cannot become {wanted.value}; from there it goes to {allowed}"
        raise IllegalTransition(msg, version_id=version_id, present=present.value, wanted=wanted.value)


class Relation(Value):
    """How a dataset relates to another (DataCite relationType)."""

    kind: Literal["IsDerivedFrom", "IsSourceOf", "IsVersionOf", "IsPartOf"]
    dataset_id: DatasetId
    version: str


class Dataset(Value):
    """A thing with a PID.

    Attributes:
        origin: What it was made from: an acquisition's id, or the key of a derivation; unique.
        pid: Reserved when the first version is described; public when one is published.
        object_root: Key prefix of the OCFL object in the archive bucket.
        data_type: Names the folder of suites that judge it, such as `microscopy`.
        model: For a derived dataset, the model that made it, as `name@version`.
    """

    dataset_id: DatasetId
    origin: str
    title: str
    data_type: str
    project: Slug | None = None
    acquisition_id: AcquisitionId | None = None
    instrument: str | None = None
    relations: tuple[Relation, ...] = ()
    model: str | None = None
    pid: Ark
    object_root: str
    created_at: Moment

    @property
    def part_of(self) -> DatasetId | None:
        """The dataset that people see, where this is a part of it; None for one that stands by itself."""
        return next((one.dataset_id for one in self.relations if one.kind == "IsPartOf"), None)


class StagedFile(Value):
    """A file of ours (metadata, quality, provenance) whose bytes are in the store, waiting for the commit.

    Attributes:
        content_path: Relative to the OCFL object's root.
        sha256: None on records from before objects could be made of it.
    """

    content_path: str
    sha512: Sha512
    size_bytes: int = Field(ge=0)
    sha256: Sha256 | None = None


class Version(Value):
    """One version or revision of a dataset and how far it has come.

    Attributes:
        version_id: `<dataset_id>:vN` or `<dataset_id>:vN.M`.
        number: N: another data manifest.
        revision: M: the same data, another description or judgement; 0 is the version itself.
        ocfl_version: The OCFL version of the object that holds it; known from `archived` on.
        staging: Content folder relative to the object's root, such as `v1/content/<token>`, of this version alone:
            content goes there before the commit. An attempt goes on where the one before it ended; a folder that was
            taken off the record is removed and never comes back to it.
        staged: Files of ours uploaded there, by logical path. The data files are in the staged
            `provenance/manifest.parquet`.
        manifest_digest: Of the data files; known from `measured` on.
        parts: Which versions of its parts hold the data files; empty when its own object does.
        verdict, reason: What the gate said and why, in words.
        metadata: The record that was described, as JSON.
        metadata_missing: Names of the mandatory fields that are empty.
        evidence_digest: Over manifest, findings and metadata: what a decision is made on.
        submitter: Who may not approve it: the instrument's name, or the person who asked for it.
        cause: Why it exists: `acquired`, or the reason given for a reprocessing or an edit.
        incomplete: The state of the run when it was taken in, where it was not whole; such a version is never public,
            and neither is anything that is made from it.
        record: Counts the writes to this row; a writer names the one it read.
    """

    version_id: str
    dataset_id: DatasetId
    number: int = Field(ge=1)
    revision: int = Field(default=0, ge=0)
    stage: Stage = Stage.DETECTED
    stage_at: Moment
    created_at: Moment
    submitter: str
    cause: str = "acquired"
    source_fingerprint: str | None = None
    staging: str | None = None
    staged: dict[str, StagedFile] = Field(default_factory=dict)
    manifest_digest: Sha512 | None = None
    file_count: int = Field(default=0, ge=0)
    total_bytes: int = Field(default=0, ge=0)
    parts: tuple[Part, ...] = ()
    ocfl_version: int | None = None
    verdict: Verdict | None = None
    reason: str | None = None
    metadata: dict[str, JsonValue] | None = None
    metadata_missing: tuple[str, ...] = ()
    evidence_digest: Sha512 | None = None
    assignee: str | None = None
    incomplete: AcquisitionState | None = None
    record: int = 0

    @property
    def is_restricted(self) -> bool:
        """Whether its own record says that it must stay inside; one that is not described yet says nothing."""
        if self.metadata is None:
            return False
        return self.metadata.get("human_data") != "no" or self.metadata.get("access") != "open"

    @property
    def label(self) -> str:
        """`vN`, or `vN.M` for a revision."""
        return f"v{self.number}" + (f".{self.revision}" if self.revision else "")

    @property
    def is_archived(self) -> bool:
        """Whether its bytes are part of an OCFL version: from `archived` on, for ever."""
        return self.stage in _ARCHIVED


def version_id(dataset: str, number: int, revision: int = 0) -> str:
    """Name a version: `<dataset_id>:vN` or `<dataset_id>:vN.M`."""
    return f"{dataset}:v{number}" + (f".{revision}" if revision else "")
