"""`cisterna vocabulary`: look terms up in the vocabularies that are here."""

from __future__ import annotations

from typing import Annotated

import typer

from cisterna.bootstrap import open_parts
from cisterna.bootstrap.vocabulary import own_vocabularies
from cisterna.cli.answer import AsJson, ExitCode, answer, pairs, table
from cisterna.cli.config import HomeOption
from cisterna.domain.errors import InvalidInput
from cisterna.domain.outside_identifier import curie as spelled
from cisterna.domain.outside_identifier import term_iri
from cisterna.metadata.vocabulary import judged_words
from cisterna.ports.vocabulary import Standing, Term
from cisterna.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Look terms up in the vocabularies that are here.")

PrefixOption = Annotated[str | None, typer.Option("--prefix", help="Only of this vocabulary, such as NCBITaxon.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=200, help="Terms at most.")]


@app.command()
def search(
    text: Annotated[list[str], typer.Argument(help="Words, the beginning of one, or a term's PREFIX:identifier.")],
    *,
    prefix: PrefixOption = None,
    limit: LimitOption = 20,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Find terms by words; the nearest first."""
    with open_parts(load_settings(home=home)) as parts:
        found = parts.vocabulary.search(" ".join(text), prefix=prefix, limit=limit)
    rows = [{**one.model_dump(mode="json"), "line": one.line, "from": _from(one)} for one in found]
    told = {"synonyms": "also", "replaced_by": "obsolete, now", "from": "from"}
    empty = "No vocabulary here has that; `cisterna vocabulary list` shows which there are."
    answer(rows, as_json=as_json, show=table(rows, {"curie": "term", "label": "label"}, told=told, empty=empty))


@app.command()
def show(
    curie: Annotated[str, typer.Argument(help="PREFIX:identifier, such as NCBITaxon:9606, or its address.")],
    *,
    label: Annotated[str | None, typer.Option("--label", help="What you call it.")] = None,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Show what is known of a term; exits with 1 where it is wrong and with 4 where nobody here can tell."""
    try:
        term = spelled(curie)
    except ValueError as refusal:
        raise InvalidInput(str(refusal), curie=curie[:100]) from refusal
    with open_parts(load_settings(home=home)) as parts:
        known = parts.vocabulary.look_up(term)
        judgement = parts.vocabulary.judge(term, label or (known.label if known else ""))
    reason = judged_words(judgement, label or term)
    code = ExitCode.FAILED if judgement.standing.is_wrong else ExitCode.DONE
    code = ExitCode.COULD_NOT_CHECK if judgement.standing is Standing.UNCHECKED else code
    document = {**judgement.model_dump(mode="json"), "iri": term_iri(term), "reason": reason}
    shown = {
        "term": term,
        "standing": judgement.standing.value,
        "label": known.label if known else None,
        "also": known.synonyms if known else None,
        "address": term_iri(term),
        "from": judgement.source,
        "note": reason,
    }
    answer(document, as_json=as_json, show=pairs(shown), code=code)


@app.command("list")
def list_(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """List the vocabularies that are here, and the files that cannot be used."""
    with open_parts(load_settings(home=home)) as parts:
        found, faults = parts.vocabulary.sources(), list(parts.vocabulary.faults())
        folder = str(own_vocabularies(parts.settings, parts.home))
    rows = [one.model_dump(mode="json") for one in found]
    reason = "; ".join(faults)
    document = {"folder": folder, "sources": rows, "faults": faults, "reason": reason}
    shown = [
        {
            **row,
            "whose": "yours" if one.is_own else "ours",
            "has": ", ".join(one.prefixes[:12]) + (", ..." if len(one.prefixes) > 12 else ""),
            "whole": ", ".join(one.whole) or "a part only: what it has not is not judged",
        }
        for row, one in zip(rows, found, strict=True)
    ]
    shown += [{"name": "cannot be used", "has": fault, "whole": ""} for fault in faults]
    columns = {"name": "vocabulary", "released": "as of", "terms": "terms", "whose": "whose"}
    told = {"has": "has terms of", "whole": "has all of"}
    show = table(shown, columns, told=told, empty=f"There is none; drop OBO files into {folder}.")
    answer(document, as_json=as_json, show=show, code=ExitCode.FAILED if faults else ExitCode.DONE)


def _from(term: Term) -> str:
    return f"{term.source} ({term.released})" if term.released else term.source
