"""Writes how a version is cited as a BibTeX entry, `@dataset` as biblatex has it."""

from __future__ import annotations

import re

from cisterna.domain.credit import Creator
from cisterna.metadata.credited import person_name
from cisterna.metadata.described import Described, on_one_line

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "{": r"\ensuremath{\lbrace}",
    "}": r"\ensuremath{\rbrace}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
}
"""What means something to TeX. No brace stands for itself, not even behind a backslash: BibTeX counts those too."""
_SPECIAL = re.compile(r"[\\{}$&%#_^~]")
_JOINED = re.compile(r"(?<=-)(?=-)|(?<=')(?=')|(?<=`)(?=`)|(?<=,)(?=,)|(?<=<)(?=<)|(?<=>)(?=>)|(?<=[?!])(?=`)")
"""Between two characters of which TeX would make another one."""
_PLAIN_NAME = re.compile(r"(?!.*\band\b)[\w .'-]+", re.IGNORECASE)
"""A part of a name in which BibTeX finds nothing to divide."""


def bibtex_entry(described: Described) -> bytes:
    """Map a description to one entry, of which TeX gives back every text as it is; titles keep their capitals."""
    record = described.record
    fields = {
        "author": " and ".join(map(_name, record.creators)),
        "title": _whole(record.name),
        "year": f"{described.issued.year:04}",
        "date": described.issued.isoformat(),
        "publisher": _whole(record.publisher or ""),
        "version": _tex(record.version),
        "doi": described.doi or "",
        "url": described.base_url or "",
        "language": record.language or "",
        "keywords": ", ".join(_keyword(subject.label) for subject in described.subjects),
        "license": _tex(record.licence or ""),
        "ark": record.pid,
        "size": ", ".join(described.sizes),
        "manifest-sha512": record.manifest_digest,
        "abstract": _tex(record.summary),
    }
    key = re.sub(r"[^0-9a-z]+", "_", f"{record.pid}_{record.version}")
    lines = ",\n".join(f"  {name} = {{{text}}}" for name, text in fields.items() if text)
    return f"@dataset{{{key},\n{lines}\n}}\n".encode()


def _name(creator: Creator) -> str:
    """Write a name so that BibTeX divides it where we do, or not at all."""
    parts = person_name(creator)
    return ", ".join(map(_part, parts)) if parts else _whole(creator.name)


def _part(text: str) -> str:
    return _tex(text) if _PLAIN_NAME.fullmatch(text) else _whole(text)


def _keyword(text: str) -> str:
    return _whole(text) if "," in text else _tex(text)


def _whole(text: str) -> str:
    return f"{{{_tex(text)}}}" if text else ""


def _tex(text: str) -> str:
    pieces = _JOINED.split(on_one_line(text))
    return "{}".join(_SPECIAL.sub(lambda found: _ESCAPED[found[0]], piece) for piece in pieces)
