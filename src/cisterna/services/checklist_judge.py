"""Judges the points of a review checklist that can be told without a person.

What the FAIR score asks of a description is judged by its criteria and by nothing else, so that both say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from cisterna.domain.checklist import FAIR_SCORE, Checklist, JudgedList, JudgedPoint, Point
from cisterna.domain.dataset import Version
from cisterna.domain.errors import ChecksumMismatch, InvalidInput, ObjectNotFound
from cisterna.domain.finding import Verdict
from cisterna.domain.project import Access
from cisterna.metadata.fair import FairScore
from cisterna.metadata.fair_criteria import CRITERIA
from cisterna.metadata.fair_criterion import Criterion, FairSubject, RestsOn, Standing
from cisterna.metadata.fair_description import judge_contact
from cisterna.metadata.readme import FILE_NAME
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.data_manifest import MANIFEST_PATH
from cisterna.services.fair import described_subject, score_version
from cisterna.services.part_table import PARTS_PATH
from cisterna.services.public_files import read_verified


class Told(NamedTuple):
    """What can be told of a point; `met` is None where a person has to say it."""

    met: bool | None
    why: str
    field: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class Reviewed:
    """What is reviewed.

    Attributes:
        version: As it is now.
        subject: Its description as the FAIR score judges it; None where there is none that can be read.
        readme: Reads its README. Raises `ObjectNotFound`, `ChecksumMismatch`.
        score: Scores it. Raises `InvalidInput`.
    """

    version: Version
    subject: FairSubject | None
    readme: Callable[[], bytes]
    score: Callable[[], FairScore]


@dataclass(frozen=True, kw_only=True)
class ReviewDesk:
    """Where versions are held against a review checklist.

    Attributes:
        checklist: The site's, or the one that we give.
        catalogue: Knows datasets.
        store: The archive.
        tables: Reads the lists of files there.
        base_url: Address of the site.
        score: Gives FAIR scores, where somebody keeps them; else they are made anew.
    """

    checklist: Checklist
    catalogue: Catalogue
    store: ObjectStore
    tables: TableFile
    base_url: str
    score: Callable[[Version], FairScore] | None = None

    def judge(self, version: Version) -> JudgedList:
        """Tell of each point what can be told; whoever asks has made sure that the person may see the version.

        Raises:
            StoreUnavailable: The archive, which has the README, did not answer.
        """
        reviewed = Reviewed(
            version, self._subject(version), cache(lambda: self._readme(version)), lambda: self._scored(version)
        )
        return JudgedList(
            checklist=self.checklist, points=tuple(_judged(point, reviewed) for point in self.checklist.points)
        )

    def _subject(self, version: Version) -> FairSubject | None:
        try:
            return described_subject(version, catalogue=self.catalogue, base_url=self.base_url)
        except InvalidInput:  # not described, or by a schema that is not known here: each point says so
            return None

    def _readme(self, version: Version) -> bytes:
        with self.catalogue.begin() as tx:
            dataset = tx.datasets.get(version.dataset_id)
        return read_verified(version, FILE_NAME, dataset=dataset, store=self.store)

    def _scored(self, version: Version) -> FairScore:
        if self.score is not None:
            return self.score(version)
        return score_version(
            version, catalogue=self.catalogue, store=self.store, tables=self.tables, base_url=self.base_url
        )


def _judged(point: Point, reviewed: Reviewed) -> JudgedPoint:
    if point.judge is None:
        return JudgedPoint(point=point, field=point.field)
    told = JUDGEMENTS[point.judge](reviewed, point)
    return JudgedPoint(
        point=point,
        met=told.met,
        why=told.why,
        field=told.field or point.field,
        remedy=told.remedy if told.met is False else None,
    )


_UNDESCRIBED = Told(met=False, why="it has no description that can be read")


def _by_criterion(criterion: Criterion) -> Callable[[Reviewed, Point], Told]:
    def judge(reviewed: Reviewed, _point: Point) -> Told:
        if reviewed.subject is None:
            return _UNDESCRIBED
        judgement = criterion.judge(reviewed.subject)
        if judgement.standing is Standing.NOT_ASSESSABLE:
            return Told(met=None, why=judgement.why)
        is_met = judgement.standing is Standing.MET
        field = None if is_met else judgement.field or criterion.field
        return Told(met=is_met, why=judgement.why, field=field, remedy=judgement.remedy or criterion.remedy or None)

    return judge


def _score(reviewed: Reviewed, point: Point) -> Told:
    try:
        score = reviewed.score()
    except InvalidInput:
        return _UNDESCRIBED
    if score.percent is None or point.least is None:
        return Told(met=None, why="nothing of it could be scored")
    why = f"{score.percent:g} %; {len(score.missing)} points are missing"
    return Told(met=score.percent >= point.least, why=why, remedy="see what is missing under the FAIR score")


def _complete(reviewed: Reviewed, _point: Point) -> Told:
    missing = reviewed.version.metadata_missing
    if reviewed.subject is None:
        return _UNDESCRIBED
    if not missing:
        return Told(met=True, why="every field that publication needs is said")
    return Told(met=False, why=f"missing: {', '.join(missing)}", field=missing[0], remedy="fill them in")


def _gate_passed(reviewed: Reviewed, _point: Point) -> Told:
    verdict, reason = reviewed.version.verdict, reviewed.version.reason
    if verdict is None:
        return Told(met=False, why="nobody has judged them", remedy="have them judged again")
    why = f"{verdict.value}: {reason}" if reason else verdict.value
    return Told(met=verdict is Verdict.PASSED, why=why[:500], remedy="look at what was found, or have it judged again")


def _readme(reviewed: Reviewed, _point: Point) -> Told:
    return _read(reviewed)[1]


def _read(reviewed: Reviewed) -> tuple[bytes, Told]:
    try:
        body = reviewed.readme()
    except (ObjectNotFound, ChecksumMismatch) as error:
        return b"", Told(met=False, why=str(error)[:500], remedy="have it described anew")
    if not body.strip():
        return b"", Told(met=False, why=f"{FILE_NAME} is empty", remedy="have it described anew")
    return body, Told(met=True, why=f"{FILE_NAME}, {len(body):,} bytes, as it was archived")


def _readme_identifier(reviewed: Reviewed, _point: Point) -> Told:
    body, told = _read(reviewed)
    if not told.met or reviewed.subject is None:
        return told if not told.met else _UNDESCRIBED
    names = [name for name in (reviewed.subject.doi, reviewed.subject.record.pid) if name]
    found = next((name for name in names if name.encode() in body), None)
    if found is None:
        return Told(met=False, why=f"it does not name {names[-1]}", remedy="have it described anew")
    return Told(met=True, why=f"it names {found}")


def _manifest(reviewed: Reviewed, _point: Point) -> Told:
    wanted = PARTS_PATH if reviewed.version.parts else MANIFEST_PATH
    if wanted in reviewed.version.staged:
        return Told(met=True, why=f"{wanted} lists {reviewed.version.file_count:,} files with size and digest")
    return Told(met=False, why=f"there is no {wanted}", remedy="have it measured again")


def _embargo(reviewed: Reviewed, _point: Point) -> Told:
    if reviewed.subject is None:
        return _UNDESCRIBED
    record = reviewed.subject.record
    if record.access is not Access.EMBARGOED:
        return Told(met=True, why="it is not kept back for a time")
    if record.embargo_until is None:
        return Told(met=False, why="an embargo without a day", field="embargo_until", remedy="embargo_until=2027-06-30")
    return Told(met=None, why=f"kept back until {record.embargo_until.isoformat()}")


def _asking(reviewed: Reviewed, _point: Point) -> Told:
    if reviewed.subject is None:
        return _UNDESCRIBED
    access = reviewed.subject.record.access
    if access in {Access.OPEN, Access.EMBARGOED}:
        return Told(met=True, why=f"nobody has to be asked: access is {access.value}")
    judgement = judge_contact(reviewed.subject)
    is_named = judgement.standing is not Standing.NOT_MET
    return Told(met=is_named, why=f"access is {access.value}; {judgement.why}", field="contributors")


_OF_DESCRIPTION = {
    criterion.key: _by_criterion(criterion) for criterion in CRITERIA if criterion.rests_on is RestsOn.DESCRIPTION
}
JUDGEMENTS: Mapping[str, Callable[[Reviewed, Point], Told]] = {
    **_OF_DESCRIPTION,
    "asking": _asking,
    "complete": _complete,
    "embargo": _embargo,
    FAIR_SCORE: _score,
    "gate-passed": _gate_passed,
    "manifest": _manifest,
    "readme": _readme,
    "readme-identifier": _readme_identifier,
}
"""By name: those of the FAIR score that rest on the description, under the keys of its criteria, and what is judged
for the checklist alone."""
