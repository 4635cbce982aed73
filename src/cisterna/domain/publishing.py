"""Whether a version may be made public, and on whose word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cisterna.domain.base import Value
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.finding import Verdict
from cisterna.domain.part import Part
from cisterna.domain.project import Access, HumanData, Project, PublishPolicy
from cisterna.domain.quarantine import is_accepted
from cisterna.domain.receipt import CopyReceipt
from cisterna.domain.review import POLICY_PREFIX, Decision


class Bar(Value):
    """What stands between a version and its publication.

    Attributes:
        condition: The condition that is not met, in words.
        remedy: What to do about it.
        passes: Whether it goes by itself once publication was asked for, so that asking is not in vain.
    """

    condition: str
    remedy: str
    passes: bool = False


def publication_bars(
    version: Version,
    project: Project | None,
    *,
    decisions: Sequence[Decision],
    receipts: Iterable[CopyReceipt],
    sources: Iterable[tuple[Version, Project | None]] = (),
    are_sources_public: bool = True,
    shadows: Iterable[str] = (),
    kept_back: Iterable[str] = (),
    is_given_up: bool = False,
    unreserved: Iterable[str] = (),
    consent: str | None,
) -> tuple[Bar, ...]:
    """Gather every condition that is not met; empty means that the version may be made public.

    Args:
        version: To be made public.
        project: That claims it, if one does.
        decisions: On this version, oldest first.
        receipts: Of its archived copies, and of those of the parts that it names.
        sources: What it was derived from, each with the project that claims it.
        are_sources_public: Whether each dataset that it was derived from is or once was public.
        shadows: Instruments in shadow mode that it comes from.
        kept_back: Versions that it was derived from, and that are in quarantine or were discarded.
        unreserved: Targets, with the reason, that have not reserved its DOI yet.
        is_given_up: Whether a steward discarded its data, in this version or in another revision of the same data.
        consent: Who says yes, if somebody who may does; otherwise the project's policy speaks.
    """
    bars = list(_about_word(version, decisions, is_given_up=is_given_up))
    if version.incomplete is not None:
        remedy = "what is not whole is never published; take the run again"
        bars.append(Bar(condition=f"the run it comes from is {version.incomplete.value}", remedy=remedy))
    bars.extend(map(_in_shadow, shadows))
    bars.extend(map(_kept_back, kept_back))
    bars.extend(map(_unreserved, unreserved))
    bars.extend(_about_copies(version, tuple(receipts)))
    if not version.metadata or version.metadata_missing:
        missing = ", ".join(version.metadata_missing) or "all of them"
        bars.append(Bar(condition=f"metadata are missing: {missing}", remedy="fill them in first"))
    if project is None:
        bars.append(Bar(condition="no project claims it", remedy="bind it to a project first"))
        return tuple(bars)
    bars.extend(_restrictions(version, project))
    if any(claimed is None or any(_restrictions(source, claimed)) for source, claimed in sources):
        remedy = "what it was derived from has to be open and its human-data question answered with no first"
        bars.append(Bar(condition="it was derived from restricted data", remedy=remedy))
    if not are_sources_public:
        remedy = "its description names them, so they have to be published first"
        bars.append(Bar(condition="what it was derived from is not public", remedy=remedy))
    if consent_given(version, project, consent=consent) is None:
        remedy = f"its owner {project.owner} has to agree, or the policy has to say so"
        if project.policy.publish is PublishPolicy.NEVER:
            remedy = f"the policy of project {project.slug} is to publish nothing; its owner can change that"
        bars.append(Bar(condition="nobody has agreed to it", remedy=remedy))
    return tuple(bars)


def _about_word(version: Version, decisions: Sequence[Decision], *, is_given_up: bool) -> Iterable[Bar]:
    if version.stage not in {Stage.ACCEPTED, Stage.PUBLISHED}:
        yield Bar(condition=f"it is {version.stage.value}", remedy="a steward has to accept it first")
    if is_given_up:
        yield Bar(condition="its data were discarded", remedy="that is for good; nothing of it is published")
    elif not is_accepted(version, decisions):
        remedy = "a steward has to accept this version with the evidence it has now"
        yield Bar(condition="nobody who may has accepted it as it is", remedy=remedy)


def _in_shadow(instrument: str) -> Bar:
    remedy = f"nothing of it is published before an operator ends that: `cisterna instrument shadow {instrument} --end`"
    return Bar(condition=f"the instrument {instrument} is in shadow mode", remedy=remedy)


def _kept_back(source: str) -> Bar:
    remedy = "a steward has to accept that version first; of what was discarded nothing is published"
    return Bar(condition=f"it was derived from {source}, which is in quarantine or was discarded", remedy=remedy)


def _unreserved(target: str) -> Bar:
    remedy = "publication waits for it and asks again; `cisterna target test` looks whether the target answers"
    return Bar(condition=f"its DOI is not reserved yet at {target}", remedy=remedy, passes=True)


def _about_copies(version: Version, receipts: Sequence[CopyReceipt]) -> Iterable[Bar]:
    remedy = "its archived copy has to be read back first; run `cisterna check`"
    if not _is_proven(version, receipts):
        yield Bar(condition="no receipt proves its archived copy", remedy=remedy)
    for part in version.parts:
        if not _is_proven(part, receipts):
            yield Bar(condition=f"no receipt proves the archived copy of its part {part.number:04d}", remedy=remedy)


def consent_given(version: Version, project: Project, *, consent: str | None) -> str | None:
    """Name whose word allows the publication: a person who may, or `policy:<project>`; None when nobody's does."""
    match project.policy.publish:
        case PublishPolicy.NEVER:
            return None
        case PublishPolicy.CONSENT:
            return consent
        case PublishPolicy.PASSED:
            by_policy = f"{POLICY_PREFIX}{project.slug}" if version.verdict is Verdict.PASSED else None
            return consent or by_policy


def _restrictions(version: Version, project: Project) -> Iterable[Bar]:
    """The stricter of what the project and the description of the version say."""
    access = {project.defaults.access.value, said(version, "access") or project.defaults.access.value}
    if access != {Access.OPEN.value}:
        yield Bar(condition="access is not open", remedy="the project's owner can open it")
    human = {project.defaults.human_data.value, said(version, "human_data") or project.defaults.human_data.value}
    if human != {HumanData.NO.value}:
        remedy = "the project's owner has to answer whether they come from identifiable people"
        yield Bar(condition="the answer to the human-data question is not 'no'", remedy=remedy)


def said(version: Version, field: str) -> str | None:
    """Return what the version's own description says of a field, as text."""
    value = (version.metadata or {}).get(field)
    return None if value is None else str(value)


def _is_proven(what: Version | Part, receipts: Sequence[CopyReceipt]) -> bool:
    wanted = (what.version_id, what.manifest_digest, what.ocfl_version)
    return any((one.version_id, one.manifest_digest, one.ocfl_version) == wanted for one in receipts)
