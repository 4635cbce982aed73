"""Says what is wrong with a statement, for whoever wrote it: which field, what, and how to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pydantic import ValidationError

from cisterna.domain.base import Value
from cisterna.domain.credit import Contributor, Creator, Funding, Reference, Subject
from cisterna.metadata.record import SAMPLE_KINDS, Given, SampleFacts

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_TOLD = 10
"""Faults that are told at once."""
_ENTRIES: Mapping[str, type[Value]] = {
    "creators": Creator,
    "contributors": Contributor,
    "funding": Funding,
    "subjects": Subject,
    "references": Reference,
    "samples": SampleFacts,
    **dict.fromkeys(SAMPLE_KINDS, Subject),
}
"""What the fields and entries below a field are."""


def fault_words(error: ValidationError) -> str:
    """Tell the faults of a statement, the first few of them, as `field: what is wrong`."""
    faults = error.errors(include_url=False)
    told = [f"{_place(fault)}: {_why(fault)}" for fault in faults[:_TOLD]]
    more = len(faults) - len(told)
    return "; ".join([*told, *([f"and {more} more"] if more else [])])


def _place(fault: ErrorDetails) -> str:
    return ".".join(map(str, fault["loc"]))[:100] or "the whole"


def _why(fault: ErrorDetails) -> str:
    """Say it in words of the file; what pydantic says is about Python."""
    kind, about, shown = fault["type"], fault.get("ctx") or {}, repr(str(fault["input"])[:60])
    if kind == "extra_forbidden":
        return _unknown(fault)
    if kind == "enum":
        return f"{shown} is not one of {about.get('expected')}"
    if kind == "too_long":
        return f"has {about.get('actual_length')} entries and at most {about.get('max_length')} are taken"
    if kind.startswith("int_"):
        return f"{shown} is not a whole number"
    return _WORDS.get(kind) or fault["msg"].removeprefix("Value error, ")


_WORDS = {
    "missing": "is needed",
    "model_type": "must be fields, such as {name: ...}, or one line of text",
    "string_type": "must be text",
    "tuple_type": "must be a list, such as [one, two]",
}


def _unknown(fault: ErrorDetails) -> str:
    *above, name = (str(part) for part in fault["loc"])
    words = [one for one in above if not one.isdigit()]
    known = sorted((_ENTRIES.get(words[-1], Given) if words else Given).model_fields)
    near = get_close_matches(name, known, n=1)
    return (
        f"there is no such field; did you mean {near[0]}?"
        if near
        else f"there is no such field, only {', '.join(known)}"
    )
