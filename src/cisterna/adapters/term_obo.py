"""Reads vocabularies in OBO, as facilities drop them in: names and identifiers, one term after another."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.domain.outside_identifier import curie
from cisterna.domain.text import cut_line
from cisterna.ports.vocabulary import SourceFacts, Term

LARGEST_BYTES = 2 * 1024**3
_MOST_SYNONYMS = 50
_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,31}")
_WHOLE = "whole"
"""What a remark in the header says of a file that leaves nothing out.

An extract has the vocabulary's name in its header as well: by it every right term that it lacks would be wrong.
"""
_PANIC = "PanicException"
"""What fastobo, which is no Python, raises when it fails: beside all of Python's own exceptions, and under no name."""
_PIECE_BYTES = 64 * 1024
_RELEASE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]+(?:\.[0-9]+){1,3}")


class OboFile:
    """One file; its terms are read as they are asked for.

    Raises:
        HostileInput: It is larger than any vocabulary.
        InvalidInput: It is no OBO; the message names the file and, where that is known, the line.
    """

    def __init__(self, path: Path, *, is_own: bool) -> None:
        self._path = path
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            msg = f"{path} has {size:,} bytes and at most {LARGEST_BYTES:,} are read; take a part of the vocabulary"
            raise HostileInput(msg, path=str(path), size_bytes=size)
        ontology, released, is_whole = self._header()
        self._ontology = ontology
        self.facts = SourceFacts(
            name=path.name,
            released=released,
            whole=(ontology,) if is_whole and ontology and _PREFIX.fullmatch(ontology) else (),
            is_own=is_own,
        )

    def terms(self) -> Iterator[Term]:
        """Give the terms, and after them for each identifier that was merged into one, what it has become.

        Last, since of two terms of one identifier the first counts, and what a file tells of a term itself is surer.
        """
        merged: list[Term] = []
        for frame in self._frames():
            if type(frame).__name__ == "TermFrame" and (found := self._read(frame)):
                yield found[0]
                merged += found[1:]
        yield from merged

    def _header(self) -> tuple[str | None, str | None, bool]:
        told: dict[str, str] = {}
        is_whole = False
        with self._opened() as frames:
            for clause in frames.header():
                told.setdefault(clause.raw_tag(), clause.raw_value())
                is_whole = is_whole or (clause.raw_tag(), clause.raw_value().strip().casefold()) == ("remark", _WHOLE)
        release = _RELEASE.search(told.get("data-version", "")) or _RELEASE.search(told.get("date", ""))
        ontology = cut_line(told.get("ontology", ""))
        return ontology, release[0] if release else cut_line(told.get("data-version", "")[:40]), is_whole

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        import fastobo

        try:
            with self._path.open("rb") as file:
                yield fastobo.iter(_WithoutRemarks(file), ordered=True, threads=1)
        except (SyntaxError, OSError, ValueError) as fault:
            raise self._refusal(fault) from fault
        except TypeError as fault:  # fastobo says so of a header that is no text, and why is told as its cause
            raise self._refusal(fault.__cause__ or fault) from fault
        except BaseException as fault:
            if type(fault).__name__ != _PANIC:
                raise
            raise self._refusal(fault) from fault

    def _frames(self) -> Iterator[Any]:
        with self._opened() as frames:
            yield from frames

    def _refusal(self, fault: BaseException) -> InvalidInput:
        if isinstance(fault, SyntaxError):
            why = f"is no OBO in line {fault.lineno}: {cut_line(str(fault.msg)) or 'it cannot be read'}"
        elif "UTF-8" in str(fault):
            why = "is not UTF-8 text; save it as UTF-8"
        elif type(fault).__name__ == _PANIC:
            why = "holds what its parser dies of"
        else:
            why = f"cannot be read ({cut_line(str(fault)) or type(fault).__name__})"
        return InvalidInput(f"the vocabulary {self._path} {why}; mend it or take it away", path=str(self._path))

    def _read(self, frame: Any) -> list[Term]:
        """Read a term, and what was merged into it; one may have no name, and its identifier stands for it then."""
        identifier = self._spelled(str(frame.id))
        labels: list[str | None] = []
        obsolete = False
        synonyms: list[str | None] = []
        replaced: list[str | None] = []
        merged: list[str | None] = []
        for clause in frame:
            match clause.raw_tag():
                case "name":
                    labels.append(cut_line(clause.name))
                case "synonym" if clause.synonym.scope in {"EXACT", "RELATED"} and len(synonyms) < _MOST_SYNONYMS:
                    synonyms.append(cut_line(clause.synonym.desc))
                case "is_obsolete":
                    obsolete = clause.obsolete
                case "replaced_by" | "consider":
                    replaced.append(self._spelled(clause.raw_value()))
                case "alt_id":
                    merged.append(self._spelled(clause.raw_value()))
        label = next(filter(None, labels), None) if labels else identifier
        if identifier is None or label is None:
            return []
        told = Term(
            curie=identifier,
            label=label,
            synonyms=tuple(dict.fromkeys(filter(None, synonyms))),
            obsolete=obsolete,
            replaced_by=tuple(filter(None, replaced)),
        )
        return [told, *(_merged(other, told) for other in filter(None, merged))]

    def _spelled(self, identifier: str) -> str | None:
        """Spell an identifier as a CURIE; one without a prefix is of the vocabulary that the header names."""
        text = identifier.strip().replace("\\", "")
        if ":" not in text and self._ontology:
            text = f"{self._ontology}:{text}"
        try:
            return curie(text)
        except ValueError:
            return None


def _merged(identifier: str, into: Term) -> Term:
    return Term(curie=identifier, label=into.label, obsolete=True, replaced_by=(into.curie,))


class _WithoutRemarks:
    """Gives the bytes of a file with an empty line for each that is a remark, and an end to its last line.

    Both may be so in OBO, and of both fastobo knows nothing: it dies of a remark between the lines of a term.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting = b""
        self._is_at_begin = True
        self._is_remark = False

    def read(self, size: int) -> bytes:
        """Give up to that many bytes; none at the end."""
        while len(self._waiting) < size and (piece := self._file.readline(_PIECE_BYTES)):
            self._waiting += self._kept(piece)
        if not self._is_at_begin and len(self._waiting) < size:
            self._waiting += b"\n"
            self._is_at_begin = True
        given, self._waiting = self._waiting[:size], self._waiting[size:]
        return given

    def _kept(self, piece: bytes) -> bytes:
        """Keep what of a line, or of a piece of a long one, is no remark."""
        if self._is_at_begin:
            self._is_remark = piece.lstrip(b" \t").startswith(b"!")
        self._is_at_begin = piece.endswith(b"\n")
        if not self._is_remark:
            return piece
        return b"\n" if self._is_at_begin else b""
