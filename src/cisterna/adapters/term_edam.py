"""Reads EDAM from the package that carries it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from importlib.metadata import version

from cisterna.domain.text import cut_line
from cisterna.ports.vocabulary import SourceFacts, Term

PACKAGE = "edam-ontology"
_ADDRESS = re.compile(r"http://edamontology\.org/((?:data|format|operation|topic)_[0-9]{4})")
_REPLACED = "http://www.geneontology.org/formats/oboInOwl#replacedBy"
_CONSIDER = "http://www.geneontology.org/formats/oboInOwl#consider"


def edam_facts() -> SourceFacts:
    """Tell what it is: all of EDAM, as of the package's version."""
    return SourceFacts(name=PACKAGE, released=version(PACKAGE), whole=("EDAM",))


def edam_terms() -> Iterator[Term]:
    """Give its terms."""
    from edam_ontology.streams import tabular_stream

    with tabular_stream() as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            named = _ADDRESS.fullmatch(row["Class ID"])
            label = cut_line(row["Preferred Label"] or "")
            if not named or not label:
                continue
            instead = f"{row.get(_REPLACED) or ''}|{row.get(_CONSIDER) or ''}"
            yield Term(
                curie=f"EDAM:{named[1]}",
                label=label,
                synonyms=tuple(filter(None, map(cut_line, (row["Synonyms"] or "").split("|")))),
                obsolete=row["Obsolete"] == "TRUE",
                replaced_by=tuple(dict.fromkeys(f"EDAM:{name}" for name in _ADDRESS.findall(instead))),
            )
