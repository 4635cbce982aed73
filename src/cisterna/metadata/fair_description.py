"""Judges what people say of the data: the criteria of the FAIR score that a steward can answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from cisterna.domain.credit import ContributorRole, Creator, ReferenceKind, Subject
from cisterna.domain.project import Access, HumanData
from cisterna.metadata.credited import is_organisation, own_ror
from cisterna.metadata.fair_criterion import (
    FairSubject,
    Judgement,
    by_count,
    is_placeholder,
    met,
    not_met,
    partly,
)
from cisterna.metadata.licence import licence_in_force
from cisterna.metadata.record import SAMPLE_KINDS, MetadataRecord, Origin

_SHORT = 60
"""Characters below which a description can hardly say what was done to what, and why."""
_MADE_BY_MACHINES = re.compile(r"[!-~]+")
"""One word of plain characters is what folders are called."""
_ENOUGH = 3
"""Keywords, and terms of vocabularies, by which something is found."""
_METHODS = (ReferenceKind.PROTOCOL, ReferenceKind.SOFTWARE, ReferenceKind.LAB_NOTEBOOK)
_PREPARATION = ("stains", "treatments", "cell_lines", "tissues", "diseases")


def judge_title(subject: FairSubject) -> Judgement:
    """Ask for a title that a person chose; a placeholder and the folder's name are none."""
    title = subject.record.title
    if title is None:
        return not_met("there is no title")
    shown = f"'{title[:80]}'"
    if is_placeholder(title) or title == subject.folder:
        return not_met(f"{shown} says nothing of what the data are")
    if _MADE_BY_MACHINES.fullmatch(title):
        return not_met(f"{shown} is a name as folders have it")
    if subject.record.origins.get("title") in {Origin.PROFILE, Origin.CISTERNA}:
        return partly(f"{shown} was made by a machine and no person has said it")
    return met(shown)


def judge_description(subject: FairSubject) -> Judgement:
    """Ask for what a person wrote; the sentence that is made of counts is none."""
    record = subject.record
    if record.description is None:
        return not_met("nobody has described the data; what is shown instead is counted, and says nothing of them")
    text = " ".join(record.description.split())
    if is_placeholder(text) or _MADE_BY_MACHINES.fullmatch(text):
        return not_met(f"'{text[:80]}' says nothing of the data")
    if text.casefold() == (record.title or "").casefold():
        return partly("it says nothing that the title does not")
    if len(text) < _SHORT:
        return partly(f"{len(text)} characters say little; what was done to what, and why?")
    return met(f"{len(text):,} characters")


def judge_creators(subject: FairSubject) -> Judgement:
    """Ask for people and organisations, by names of theirs."""
    creators = subject.record.creators
    named = [one for one in creators if not is_placeholder(one.name)]
    if not named:
        return not_met("nobody is named" if not creators else f"'{creators[0].name[:80]}' is nobody's name")
    if len(named) < len(creators):
        return partly(f"{len(creators) - len(named)} of {len(creators)} have no name of theirs")
    return met(f"{len(creators)} named")


def judge_creator_identifiers(subject: FairSubject) -> Judgement:
    """Ask for the identifier of each."""
    return _share(subject.record.creators, _has_identifier, of="creators have an ORCID iD, or as an organisation a ROR")


def judge_affiliations(subject: FairSubject) -> Judgement:
    """Ask where each works."""
    return _share(subject.record.creators, _has_ror, of="creators have an affiliation with its ROR")


def _has_identifier(creator: Creator) -> bool:
    return bool(own_ror(creator) if is_organisation(creator) else creator.orcid)


def _has_ror(creator: Creator) -> bool:
    return creator.ror is not None


def _share(creators: Sequence[Creator], has: Callable[[Creator], bool], *, of: str) -> Judgement:
    count = sum(map(has, creators))
    words = f"{count} of {len(creators)} {of}"
    if not count:
        return not_met(words if creators else "nobody is named")
    return met(words) if count == len(creators) else partly(words)


def judge_publisher(subject: FairSubject) -> Judgement:
    """Ask for an organisation's name."""
    name = subject.record.publisher
    if name is None or is_placeholder(name):
        return not_met("nobody is named" if name is None else f"'{name[:80]}' is no organisation's name")
    return met(name)


def judge_publisher_identifier(subject: FairSubject) -> Judgement:
    """Ask for the publisher's ROR."""
    found = subject.record.publisher_ror
    return met(found) if found else not_met("the publisher has no ROR")


def _terms(record: MetadataRecord) -> Iterator[Subject]:
    samples = record.samples
    kinds = (getattr(samples, kind) for kind in SAMPLE_KINDS) if samples else ()
    return chain(record.subjects, *kinds)


def judge_keywords(subject: FairSubject) -> Judgement:
    """Ask for words by which people search, wherever they were said."""
    record = subject.record
    words = {text.casefold() for text in chain(record.keywords, (term.label for term in _terms(record)))}
    useful = {text for text in words if not is_placeholder(text)}
    return by_count(len(useful), enough=_ENOUGH, of="keywords, subjects and samples by which it is found")


def judge_vocabulary(subject: FairSubject) -> Judgement:
    """Ask for terms, wherever they were said."""
    terms = {term.curie for term in _terms(subject.record) if term.curie}
    return by_count(len(terms), enough=_ENOUGH, of="terms of vocabularies")


def judge_organisms(subject: FairSubject) -> Judgement:
    """Ask for the organism."""
    samples = subject.record.samples
    named = [term for term in samples.organisms if _says_something(term)] if samples else []
    if not named:
        return not_met("no organism is named")
    words = ", ".join(term.label for term in named)[:200]
    return met(words) if any(term.scheme == "NCBITaxon" for term in named) else partly(f"{words}: no term of NCBITaxon")


def _says_something(term: Subject) -> bool:
    """Tell whether a sample is named; `293` is a cell line, and `unknown` is none."""
    is_number = any(map(str.isdigit, term.label)) and not any(map(str.isalpha, term.label))
    return bool(term.curie) or is_number or not is_placeholder(term.label)


def judge_preparation(subject: FairSubject) -> Judgement:
    """Ask how samples were prepared; the kind that is named next is one of which nothing is said."""
    samples = subject.record.samples
    told = [kind for kind in _PREPARATION if samples and any(map(_says_something, getattr(samples, kind)))]
    absent = next((f"samples.{kind}" for kind in _PREPARATION if kind not in told), None)
    words = ", ".join(kind.replace("_", " ") for kind in told)
    if len(told) > 1:
        return met(words)
    return partly(f"{words} alone", field=absent) if told else not_met("nothing is said of it", field=absent)


def judge_access(subject: FairSubject) -> Judgement:
    """Ask for somebody's word; closed is an answer, and nobody's word is none."""
    record = subject.record
    if record.origins.get("access", Origin.CISTERNA) is Origin.CISTERNA:
        return not_met("nobody has said who may have the data, so they count as closed")
    if record.access is Access.EMBARGOED and record.embargo_until is None:
        return partly("an embargo without an end", field="embargo_until", remedy="embargo_until=2027-06-30")
    return met(record.access.value)


def judge_contact(subject: FairSubject) -> Judgement:
    """Ask for a person who can be reached."""
    people = [one for one in subject.record.contributors if one.role is ContributorRole.CONTACT_PERSON]
    if not people:
        return not_met("nobody is named whom one can ask")
    if not any(one.orcid or one.ror for one in people):
        return partly(f"{people[0].name}, without an ORCID iD")
    return met(", ".join(one.name for one in people)[:200])


def judge_human_data(subject: FairSubject) -> Judgement:
    """Ask for the answer."""
    answer = subject.record.human_data
    if answer is HumanData.UNANSWERED:
        return not_met("nobody has said whether they come from identifiable people")
    return met(answer.value)


def judge_references(subject: FairSubject) -> Judgement:
    """Ask for related things by identifier."""
    record = subject.record
    found = [one for one in record.references if one.identifier_type]
    if found:
        return met(f"{len(found)} with an identifier and the kind of the relation")
    if record.references or record.relations:
        return partly("what it is related to has no identifier that others know")
    return not_met("it is related to nothing else")


def judge_methods(subject: FairSubject) -> Judgement:
    """Ask for what tells how it was done."""
    found = [one for one in subject.record.references if one.kind in _METHODS]
    if any(one.identifier_type for one in found):
        return met(", ".join(sorted({one.kind.words for one in found})))
    return partly("named, and not to be found") if found else not_met("no protocol, software or lab notebook is named")


def judge_licence(subject: FairSubject) -> Judgement:
    """Ask for a licence of the SPDX list, and look it up again."""
    said = subject.record.licence
    if said is None:
        return not_met("there is none: all rights are reserved")
    try:
        present = licence_in_force(said)
    except ValueError:
        return not_met(f"'{said[:64]}' is not on the SPDX licence list: a licence that nobody knows counts as none")
    return met(present) if present == said else partly(f"{said} is called {present} now")


def judge_language(subject: FairSubject) -> Judgement:
    """Ask for the language."""
    found = subject.record.language
    return met(found) if found else not_met("no language is said")


def judge_funding(subject: FairSubject) -> Judgement:
    """Ask for the award or the funder."""
    money = subject.record.funding
    if any(one.funder_id or one.award_number for one in money):
        return met(", ".join(one.funder for one in money)[:200])
    return partly("neither an award nor an identifier of the funder") if money else not_met("no funder is named")
