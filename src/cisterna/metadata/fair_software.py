"""Judges what the software does for every dataset, by the forms in which this one would be public.

Nothing here is taken for granted: each form is written and looked at. All the same it is counted apart from the score,
since nobody has earned it, and it would make every dataset look better than its description is.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from pydantic import JsonValue

from cisterna.metadata.fair_criterion import FairSubject, Judgement, met, not_assessable, not_met
from cisterna.metadata.listing import uri_path

Judge = Callable[[FairSubject], Judgement]

_WITHIN = "nothing of it may be public, so nothing of it would be given out"
_HARVESTED = ("json-ld", "dublin-core", "dcat")
_GRAPHS = ("json-ld", "dcat", "dcat-json", "croissant")
_STANDARDS = ("datacite", "datacite-xml", "dcat", "json-ld")


def _of_what_is_public(judge: Judge) -> Judge:
    def only_public(subject: FairSubject) -> Judgement:
        return judge(subject) if subject.may_be_public else not_assessable(_WITHIN)

    return only_public


def judge_forms(subject: FairSubject) -> Judgement:
    """Ask whether every form names the identifier."""
    if not subject.forms:
        return not_assessable("no form was written")
    pid = subject.record.pid
    spellings = {text.encode() for text in (pid, pid.removeprefix("ark:"), uri_path(pid), subject.doi or pid)}
    without = [
        name for name, body in subject.forms.items() if body is None or not any(text in body for text in spellings)
    ]
    return not_met(f"not in {', '.join(without)}") if without else met(f"in {len(subject.forms)} forms")


@_of_what_is_public
def judge_harvest(subject: FairSubject) -> Judgement:
    """Ask for the forms that harvesters take."""
    return _written(subject, _HARVESTED, then="on the page, in the sitemap and by OAI-PMH")


@_of_what_is_public
def judge_protocol(subject: FairSubject) -> Judgement:
    """Ask for an address by a protocol that is open to everybody."""
    is_open = subject.address.startswith(("http://", "https://"))
    return met(f"by HTTP at {subject.address}") if is_open else not_met("the page has no address")


@_of_what_is_public
def judge_tombstone(subject: FairSubject) -> Judgement:
    """Say what stays when the data go; it rests on how withdrawals are made and not on this dataset."""
    del subject
    return met("what is withdrawn leaves a tombstone with how it is cited")


def judge_language(subject: FairSubject) -> Judgement:
    """Ask for forms that are graphs."""
    return _written(subject, _GRAPHS, then="as graphs")


def judge_standards(subject: FairSubject) -> Judgement:
    """Ask for forms that communities have agreed on."""
    return _written(subject, _STANDARDS, then="by DataCite, DCAT-AP and Bioschemas")


def judge_provenance(subject: FairSubject) -> Judgement:
    """Ask for provenance in a language of its own, which names what was done and who or what did it."""
    body = subject.forms.get("prov")
    document: JsonValue = json.loads(body) if body else {}
    said = document if isinstance(document, dict) else {}
    absent = [kind for kind in ("activity", "agent", "wasGeneratedBy") if not said.get(kind)]
    return not_met(f"PROV without {', '.join(absent)}") if absent else met("in PROV")


def _written(subject: FairSubject, names: tuple[str, ...], *, then: str) -> Judgement:
    absent = [name for name in names if not subject.forms.get(name)]
    return not_met(f"not written: {', '.join(absent)}") if absent else met(then)
