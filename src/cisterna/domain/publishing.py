"""Whether a version may be made public, and on whose word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from pydantic import JsonValue

from cisterna.domain.access import AccessNow, Extent, access_on, words_of
from cisterna.domain.base import Value
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.finding import Verdict
from cisterna.domain.inside_address import is_inside_address
from cisterna.domain.part import Part
from cisterna.domain.project import Access, HumanData, Project, PublishPolicy
from cisterna.domain.quarantine import is_accepted
from cisterna.domain.receipt import CopyReceipt
from cisterna.domain.review import POLICY_PREFIX, Decision, inside_word


class Bar(Value):
    """What stands between a version and its publication.

    Attributes:
        condition: The condition that is not met, in words.
        remedy: What to do about it.
        waits_until: Of an embargo with an end: the day on which this bar falls by itself.
        passes: Whether it goes by itself once publication was asked for, so that asking is not in vain.
    """

    condition: str
    remedy: str
    waits_until: date | None = None
    passes: bool = False


def embargo_alone(bars: Sequence[Bar]) -> date | None:
    """Name the day on which every bar falls by itself; None where there is none, or another one too."""
    days = [bar.waits_until for bar in bars]
    known = [day for day in days if day is not None]
    return max(known) if known and len(known) == len(days) else None


def publication_bars(
    version: Version,
    project: Project | None,
    *,
    day: date,
    decisions: Sequence[Decision],
    receipts: Iterable[CopyReceipt],
    sources: Iterable[tuple[Version, Project | None]] = (),
    revisions: Sequence[Version] = (),
    are_sources_public: bool = True,
    misnamed: Iterable[str] = (),
    untaken: Iterable[str] = (),
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
        day: Today, by UTC: an embargo may have ended.
        decisions: On this version, oldest first.
        receipts: Of its archived copies, and of those of the parts that it names.
        sources: What it was derived from, each with the project that claims it.
        revisions: Newer ones of the same data, whose word on access counts as well.
        are_sources_public: Whether each dataset that it was derived from is or once was public.
        misnamed: Datasets that its description names by a title which never was public.
        untaken: What of its description is not taken any more, such as a licence that there is not.
        shadows: Instruments in shadow mode that it comes from.
        kept_back: Versions that it was derived from, and that are in quarantine or were discarded.
        unreserved: Targets, with the reason, that have not reserved its DOI yet.
        is_given_up: Whether a steward discarded its data, in this version or in another revision of the same data.
        consent: Who agreed on the record and still may: an account, or the project's policy as `policy:<project>`.
    """
    bars = list(_about_word(version, decisions, is_given_up=is_given_up))
    if version.incomplete is not None:
        remedy = "what is not whole is never published; take the run again"
        bars.append(Bar(condition=f"the run it comes from is {version.incomplete.value}", remedy=remedy))
    bars.extend(map(_in_shadow, shadows))
    bars.extend(map(_kept_back, kept_back))
    bars.extend(map(_unreserved, unreserved))
    bars.extend(copy_bars(version, tuple(receipts)))
    if not version.metadata or version.metadata_missing:
        missing = ", ".join(version.metadata_missing) or "all of them"
        bars.append(Bar(condition=f"metadata are missing: {missing}", remedy="fill them in first"))
    bars.extend(Bar(condition=one, remedy="describe it anew") for one in untaken)
    if project is None:
        bars.append(Bar(condition="no project claims it", remedy="bind it to a project first"))
        return tuple(bars)
    bars.extend(_about_access(access_on(day, words_of([version, *revisions], project))))
    bars.extend(_about_sources(sources, day))
    if not are_sources_public:
        remedy = "its description names them, so they have to be published first"
        bars.append(Bar(condition="what it was derived from is not public", remedy=remedy))
    bars.extend(map(_misnamed, misnamed))
    if consent_given(version, project, consent=consent) is None:
        how = f"on its page or by `cisterna publish {version.version_id}`"
        remedy = (
            f"its owner {project.owner} has to agree, {how}: the policy speaks for what is accepted while it holds,"
            " and not for what was accepted before consents went on record"
        )
        if project.policy.publish is PublishPolicy.NEVER:
            remedy = f"the policy of project {project.slug} is to publish nothing; its owner can change that"
        bars.append(Bar(condition="nobody has agreed to it", remedy=remedy))
    return tuple(bars)


def publication_cautions(version: Version) -> tuple[str, ...]:
    """Name what a description tells that may not be meant for the public; a person looks, and nothing is barred by it.

    An address inside a house leads nobody outside anywhere, and tells how the house names its machines.
    """
    told = dict.fromkeys(text for text in _texts(version.metadata or {}) if is_inside_address(text))
    return tuple(f"{text[:200]} is an address inside your house" for text in told)


def _texts(said: JsonValue) -> Iterable[str]:
    if isinstance(said, str):
        yield said
    elif isinstance(said, list | dict):
        for one in said.values() if isinstance(said, dict) else said:
            yield from _texts(one)


def _about_word(version: Version, decisions: Sequence[Decision], *, is_given_up: bool) -> Iterable[Bar]:
    if version.stage not in {Stage.ACCEPTED, Stage.PUBLISHED}:
        yield Bar(condition=f"it is {version.stage.value}", remedy="a steward has to accept it first")
    if is_given_up:
        yield Bar(condition="its data were discarded", remedy="that is for good; nothing of it is published")
    elif not is_accepted(version, decisions):
        remedy = "a steward has to accept this version with the evidence it has now"
        yield Bar(condition="nobody who may has accepted it as it is", remedy=remedy)
    elif (word := inside_word(decisions)) is not None:
        yield _inside_alone(word)


def _inside_alone(word: Decision) -> Bar:
    lacks = [f"{one.text} ({one.lack})" for one in word.checklist.open] if word.checklist else []
    points = f"; of the review checklist is open: {'; '.join(lacks)[:1000]}" if lacks else ""
    return Bar(
        condition=f"{word.person} accepted it for use inside alone{points}",
        remedy="a steward can open the review again (request changes) and accept it by the checklist",
    )


def _in_shadow(instrument: str) -> Bar:
    remedy = f"nothing of it is published before an operator ends that: `cisterna instrument shadow {instrument} --end`"
    return Bar(condition=f"the instrument {instrument} is in shadow mode", remedy=remedy)


def _kept_back(source: str) -> Bar:
    remedy = "a steward has to accept that version first; of what was discarded nothing is published"
    return Bar(condition=f"it was derived from {source}, which is in quarantine or was discarded", remedy=remedy)


def _unreserved(target: str) -> Bar:
    remedy = "publication waits for it and asks again; `cisterna target test` looks whether the target answers"
    return Bar(condition=f"its DOI is not reserved yet at {target}", remedy=remedy, passes=True)


def copy_bars(version: Version, receipts: Sequence[CopyReceipt]) -> Iterable[Bar]:
    """Name the archived copies, of the version and of each of its parts, that no receipt proves."""
    remedy = "its archived copy has to be read back first; run `cisterna check`"
    if not _is_proven(version, receipts):
        yield Bar(condition="no receipt proves its archived copy", remedy=remedy)
    for part in version.parts:
        if not _is_proven(part, receipts):
            yield Bar(condition=f"no receipt proves the archived copy of its part {part.number:04d}", remedy=remedy)


def consent_given(version: Version, project: Project, *, consent: str | None) -> str | None:
    """Name whose word allows the publication: a person who may, or `policy:<project>`; None when nobody's does.

    The policy's word is given when a version is accepted. A policy that became another one since then speaks for what
    is accepted from now on, and not for what was accepted under the one before.
    """
    by_policy = consent is not None and consent.startswith(POLICY_PREFIX)
    match project.policy.publish:
        case PublishPolicy.NEVER:
            return None
        case PublishPolicy.CONSENT:
            return None if by_policy else consent
        case PublishPolicy.PASSED:
            is_its_own = consent == f"{POLICY_PREFIX}{project.slug}" and version.verdict is Verdict.PASSED
            return consent if is_its_own or not by_policy else None


def _about_access(now: AccessNow) -> Iterable[Bar]:
    """Name what keeps even the description from being public."""
    if now.extent is not Extent.NOTHING:
        return
    if now.human_data is not HumanData.NO:
        remedy = "the project's owner has to answer whether they come from identifiable people"
        yield Bar(condition="the answer to the human-data question is not 'no'", remedy=remedy)
    if now.access is Access.OPEN:
        return
    if now.access is not Access.EMBARGOED:
        yield Bar(condition=f"access is not open: it is {now.access.value}", remedy="the project's owner can open it")
    elif now.embargo_until is None:
        condition = "access is not open: it is embargoed, and nobody said until when"
        yield Bar(condition=condition, remedy="the project's owner can name the day")
    else:
        remedy = "on that day, at 00:00 UTC, it becomes public by itself if its owner has agreed before"
        condition = f"access is not open: it is embargoed until {now.embargo_until.isoformat()}"
        yield Bar(condition=condition, remedy=remedy, waits_until=now.embargo_until)


def _about_sources(sources: Iterable[tuple[Version, Project | None]], day: date) -> Iterable[Bar]:
    """Ask of what it was derived from as it is said now, and not as it was when this was described."""
    words = [word for source, claimed in sources for word in words_of([source], claimed)]
    now = access_on(day, words) if words else None
    if now is None or now.extent is not Extent.NOTHING:
        return
    if now.human_data is HumanData.NO and now.embargo_until is not None:
        condition = f"it was derived from restricted data: embargoed until {now.embargo_until.isoformat()}"
        yield Bar(condition=condition, remedy="that day has to come first", waits_until=now.embargo_until)
        return
    remedy = "what it was derived from has to be open and its human-data question answered with no first"
    yield Bar(condition="it was derived from restricted data", remedy=remedy)


def _misnamed(pid: str) -> Bar:
    remedy = "have it described anew (`cisterna reprocess ID --from described`), or publish that title first"
    return Bar(condition=f"its description names {pid} by a title that never was public", remedy=remedy)


def _is_proven(what: Version | Part, receipts: Sequence[CopyReceipt]) -> bool:
    wanted = (what.version_id, what.manifest_digest, what.ocfl_version)
    return any((one.version_id, one.manifest_digest, one.ocfl_version) == wanted for one in receipts)
