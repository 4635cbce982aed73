"""Whoever helped or paid, and whatever a record is about, crate and README say all of it and the same."""

from __future__ import annotations

import json
from html import unescape
from typing import Any

from hypothesis import given, settings

from cisterna.metadata.crate import crate_json
from cisterna.metadata.readme import readme_text
from cisterna.metadata.record import SAMPLE_KINDS, MetadataRecord
from tests.metadata.crate_reading import Crate, entities
from tests.metadata.strategies import records


def named(crate: Crate, references: list[dict[str, str]]) -> list[set[str]]:
    """Give the names of each thing that is referred to: it has more than one where it is known by several."""
    things = [crate[one["@id"]] for one in references]
    others = [thing.get("alternateName", []) for thing in things]
    return [
        {thing["name"], *(more if isinstance(more, list) else [more])}
        for thing, more in zip(things, others, strict=True)
    ]


def references_in(value: Any) -> set[str]:
    if isinstance(value, list):
        return {one for item in value for one in references_in(item)}
    if isinstance(value, dict):
        return {value["@id"]} if set(value) == {"@id"} else references_in(list(value.values()))
    return set()


@settings(max_examples=60, deadline=None)
@given(records())
def test_crate_and_record_agree(record: MetadataRecord) -> None:
    document = crate_json(record, [])
    graph = json.loads(document)["@graph"]
    crate = entities(document)
    root = crate["./"]

    assert len(crate) == len(graph)
    assert references_in(list(crate.values())) <= {*crate, "https://w3id.org/ro/crate/1.2"}
    roles = [crate[one["@id"]] for one in root.get("contributor", [])]
    assert [one["roleName"] for one in roles] == [one.role.value for one in record.contributors]
    helpers = named(crate, [one["contributor"] for one in roles])
    assert all(one.name in names for one, names in zip(record.contributors, helpers, strict=True))
    publishers = named(crate, [root["publisher"]] if "publisher" in root else [])
    assert [record.publisher in names for names in publishers] == ([True] if record.publisher else [])
    funders = set().union(*named(crate, root.get("funder", [])))
    assert {one.funder for one in record.funding} <= funders
    grants = [crate[one["@id"]] for one in root.get("funding", [])]
    awards = [one for one in record.funding if one.award_number or one.award_title or one.award_uri]
    assert [(one.get("identifier"), one.get("url")) for one in grants] == [
        (one.award_number, one.award_uri) for one in awards
    ]
    about = set().union(*named(crate, root.get("about", [])))
    terms = [getattr(record.samples, kind) for kind in SAMPLE_KINDS] if record.samples else []
    assert {one.label for one in (*record.subjects, *(term for kind in terms for term in kind))} == about
    spoken_of = [crate[one["@id"]] for one in (*root.get("citation", []), *root["mentions"])]
    assert {one.identifier for one in record.references} <= {one.get("identifier") for one in spoken_of}
    assert root.get("inLanguage") == record.language
    assert (str(record.embargo_until) in root["conditionsOfAccess"]) == (record.embargo_until is not None)


@settings(max_examples=30, deadline=None)
@given(records())
def test_the_readme_leaves_nothing_out(record: MetadataRecord) -> None:
    text = unescape(readme_text(record).replace("\\", ""))

    terms = [getattr(record.samples, kind) for kind in SAMPLE_KINDS] if record.samples else []
    said = [
        *(one.name for one in record.contributors),
        *(one.funder for one in record.funding),
        *(one.label for one in (*record.subjects, *(term for kind in terms for term in kind))),
        *(one.url or one.identifier for one in record.references),
        *filter(None, (record.language, record.publisher_ror if record.publisher else None)),
        *([str(record.embargo_until)] if record.embargo_until else []),
    ]
    assert [words for words in said if unescape(words.replace("\\", "")) not in text] == []
