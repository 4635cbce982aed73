"""OAI-PMH 2.0, as a harvester that others wrote sees it, and by the rules of its schema."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from sickle import Sickle

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.harvest import ListPart, set_of
from cisterna.domain.public_entry import HarvestForm, PublicEntry
from cisterna.metadata.oai import Repository
from cisterna.services.harvest import answer_harvester
from cisterna.testing.clock import SettableClock
from cisterna.testing.public_index_contract import HOSTILE, entry, pid_of, put, withdraw
from tests.web.client import Browser
from tests.web.harvesting import OAI, read_answer
from tests.web.site import Site

Visit = Callable[..., Browser]
NAMES = {"o": OAI, "dc": "http://purl.org/dc/elements/1.1/", "d": "http://datacite.org/schema/kernel-4"}
US = Repository("Test & Co", "http://testserver/oai", "who@example.org")


def simple(name: str, version: str = "v1", **fields: Any) -> PublicEntry:
    """Make an entry whose documents are what harvesters expect."""
    dc = '<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/"/>'
    datacite = '<oai_datacite xmlns="http://schema.datacite.org/oai/oai-1.1/"/>'
    documents = {HarvestForm.DUBLIN_CORE: dc, HarvestForm.DATACITE: datacite}
    return entry(name, version, **{"documents": documents, **fields})


def ask(catalogue: SqlCatalogue, clock: SettableClock, at_once: int = 3, **asked: str) -> Any:
    """Ask, and hold the answer against the rules."""
    pairs = [(name.removesuffix("_"), value) for name, value in asked.items()]
    body = answer_harvester(pairs, repository=US, catalogue=catalogue, clock=clock, at_once=at_once)
    return read_answer(body)


def found(answer: Any) -> list[str]:
    return [one.text for one in answer.iter(f"{{{OAI}}}identifier")]


def token(answer: Any) -> str:
    return answer.findtext("o:resumptionToken", "", NAMES) or ""


def identifier(name: str, version: str = "v1") -> str:
    return f"{pid_of(name)}/{version}"


def test_a_harvester_finds_every_published_record_and_no_other_and_deleted_ones_as_deleted(served: Site) -> None:
    standing = [served.lay_published(f"plate-{number}", title=f"Plate & <{number}>") for number in range(2)]
    gone = served.lay_published("gone", title="zymurgy")
    served.withdraw(gone)
    served.lay_version("not public", title="zymurgy")
    put(served.catalogue, served.clock, *(simple(f"many-{number}") for number in range(205)))
    sickle = Sickle(f"{served.base_url}/oai", timeout=20)
    posting = Sickle(f"{served.base_url}/oai", http_method="POST", timeout=20)

    harvested = {one.header.identifier: one for one in sickle.ListRecords(metadataPrefix="oai_dc")}
    headers = [one.identifier for one in posting.ListIdentifiers(metadataPrefix="oai_datacite")]

    wanted = {f"{served.dataset(one).pid}/v1" for one in standing}
    many = {identifier(f"many-{number}") for number in range(205)}
    deleted = f"{served.dataset(gone).pid}/v1"
    assert set(harvested) == wanted | many | {deleted}
    assert len(headers) == len(set(headers)) == 208
    assert [name for name, one in harvested.items() if one.deleted] == [deleted]
    assert {one.metadata["title"][0] for name, one in harvested.items() if name in wanted} == {
        "Plate & <0>",
        "Plate & <1>",
    }
    assert "zymurgy" not in "".join(one.raw for one in harvested.values())
    assert sickle.Identify().deletedRecord == "persistent"
    assert [one.setSpec for one in sickle.ListSets()] == ["data-type:microscopy"]
    assert sickle.GetRecord(identifier=deleted, metadataPrefix="oai_dc").deleted


def test_a_record_is_given_in_both_forms_as_the_landing_page_gives_it(site: Site, visit: Visit) -> None:
    version = site.lay_published("plate-7", title="Plate & <seven>")
    pid = site.dataset(version).pid
    public = site.portal.find(pid)
    assert public is not None

    for prefix, kind in (("oai_dc", "application/xml"), ("oai_datacite", "application/vnd.datacite.datacite+xml")):
        query = urlencode({"verb": "GetRecord", "identifier": f"{pid}/v1", "metadataPrefix": prefix})
        answer = visit().get(f"/oai?{query}")
        assert answer.headers["content-type"] == "text/xml; charset=utf-8"
        (document,) = read_answer(answer.content).find(".//o:metadata", NAMES)
        own = etree.fromstring(public.documents[kind].encode())
        inner = document if prefix == "oai_dc" else document.find(f".//{{{NAMES['d']}}}resource")
        assert etree.tostring(inner, method="c14n2", strip_text=True) == etree.tostring(
            own, method="c14n2", strip_text=True
        )


@pytest.mark.skipif("CISTERNA_SPECS" not in os.environ, reason="the schema is in CISTERNA_SPECS")
def test_what_is_harvested_as_datacite_is_valid_by_its_schema(site: Site, visit: Visit) -> None:
    version = site.lay_published("plate-7", title="Plate 7")
    query = urlencode(
        {"verb": "GetRecord", "identifier": f"{site.dataset(version).pid}/v1", "metadataPrefix": "oai_datacite"}
    )
    schema = etree.XMLSchema(file=str(Path(os.environ["CISTERNA_SPECS"]) / "datacite" / "kernel-4.6" / "metadata.xsd"))

    answer = read_answer(visit().get(f"/oai?{query}").content)

    schema.assertValid(etree.ElementTree(answer.find(f".//{{{NAMES['d']}}}resource")))


def test_identify_says_who_answers_and_from_when_on(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    assert ask(catalogue, clock, verb="Identify").findtext("o:repositoryName", None, NAMES) == "Test & Co"
    put(catalogue, clock, simple("a"))
    clock.advance(60)

    answer = ask(catalogue, clock, verb="Identify")

    assert answer.findtext("o:earliestDatestamp", None, NAMES) == "2026-11-23T08:00:00Z"


def test_a_list_in_parts_goes_on_after_a_restart_and_holds_what_came_in_between_once(
    catalogue: SqlCatalogue, dsn: str, clock: SettableClock
) -> None:
    put(catalogue, clock, *(simple(name) for name in "abcdefg"))
    first = ask(catalogue, clock, verb="ListRecords", metadataPrefix="oai_dc")
    clock.advance(1)
    put(catalogue, clock, simple("new"), simple("a", "v2"))
    withdraw(catalogue, clock, "b")

    again = SqlCatalogue(dsn)
    seen, following = found(first), token(first)
    sizes = set()
    while following:
        part = ask(again, clock, verb="ListRecords", resumptionToken=following)
        sizes.add(part.find("o:resumptionToken", NAMES).get("completeListSize"))
        seen += found(part)
        following = token(part)
    again.close()

    everything = [identifier(name) for name in "abcdefg"] + [identifier("new"), identifier("a", "v2")]
    twice = [one for one in seen if seen.count(one) > 1]
    assert set(seen) == set(everything)
    assert set(twice) <= {identifier("b")}  # as it was, and as deleted: it changed in between
    assert sizes == {"7"}


def test_a_list_that_fits_has_no_token_and_the_last_part_an_empty_one(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    put(catalogue, clock, *(simple(name) for name in "abcd"))

    whole = ask(catalogue, clock, at_once=4, verb="ListIdentifiers", metadataPrefix="oai_dc")
    last = ask(
        catalogue,
        clock,
        verb="ListIdentifiers",
        resumptionToken=token(ask(catalogue, clock, verb="ListIdentifiers", metadataPrefix="oai_dc")),
    )

    assert whole.find("o:resumptionToken", NAMES) is None
    assert len(found(whole)) == 4
    end = last.find("o:resumptionToken", NAMES)
    assert (end.text, end.get("cursor")) == (None, "3")


def test_both_ends_of_a_time_belong_to_it(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    for name in "abc":
        put(catalogue, clock, simple(name))
        clock.advance(timedelta(days=1))

    def within(**asked: str) -> list[str]:
        return found(ask(catalogue, clock, verb="ListIdentifiers", metadataPrefix="oai_dc", **asked))

    assert within(from_="2026-11-24T08:00:00Z", until="2026-11-24T08:00:00Z") == [identifier("b")]
    assert within(from_="2026-11-24", until="2026-11-24") == [identifier("b")]
    assert within(from_="2026-11-24T08:00:01Z") == [identifier("c")]
    assert within(until="2026-11-24T07:59:59Z") == [identifier("a")]
    assert within(until="9999-12-31") == [identifier(name) for name in "abc"]


def test_a_set_holds_one_data_type_whatever_it_is_called(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    odd = "odd kind: ~!%é/"
    put(catalogue, clock, simple("a"), simple("b", data_type=odd), simple("c", data_type=odd))
    withdraw(catalogue, clock, "c")

    sets = [one.text for one in ask(catalogue, clock, verb="ListSets").iter(f"{{{OAI}}}setSpec")]
    answer = ask(catalogue, clock, verb="ListRecords", metadataPrefix="oai_dc", set=set_of(odd))

    assert sets == ["data-type:microscopy", set_of(odd)]
    assert found(answer) == [identifier("b"), identifier("c")]
    assert [one.get("status") for one in answer.iter(f"{{{OAI}}}header")] == [None, "deleted"]


A = identifier("a")


MISTAKES = (
    ("badVerb", ""),
    ("badVerb", "verb=Nonsense"),
    ("badVerb", "verb=Identify&verb=Identify"),
    ("badVerb", "verb=identify"),
    ("badArgument", "verb=Identify&x=1"),
    ("badArgument", "verb=ListRecords"),
    ("badArgument", "verb=ListIdentifiers&from=2026-11-24"),
    ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&metadataPrefix=oai_dc"),
    ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&resumptionToken=x"),
    ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&from=yesterday"),
    ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&from=2026-02-30"),
    ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&from=0000-00-00"),
    ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&from=2026-11-24T08:00:00"),
    ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&from=2026-11-24&until=2026-11-23"),
    ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&from=2026-11-24&until=2026-11-25T00:00:00Z"),
    ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&set=%00"),
    ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&set=a%20b"),
    ("badArgument", "verb=ListRecords&metadataPrefix=a%20b"),
    ("badArgument", "verb=GetRecord&metadataPrefix=oai_dc"),
    ("badArgument", f"verb=GetRecord&identifier={A}"),
    ("badArgument", f"verb=GetRecord&identifier={A}%00&metadataPrefix=oai_dc"),
    ("badArgument", "verb=ListSets&set=data-type:microscopy"),
    ("badResumptionToken", "verb=ListRecords&resumptionToken=x"),
    ("badResumptionToken", "verb=ListRecords&resumptionToken="),
    ("badResumptionToken", "verb=ListSets&resumptionToken=x"),
    ("badResumptionToken", "verb=ListRecords&resumptionToken=eyJ9"),
    ("cannotDisseminateFormat", "verb=ListRecords&metadataPrefix=marc21"),
    ("cannotDisseminateFormat", f"verb=GetRecord&identifier={A}&metadataPrefix=marc21"),
    ("idDoesNotExist", "verb=GetRecord&identifier=ark:/99999/nothing/v1&metadataPrefix=oai_dc"),
    ("idDoesNotExist", f"verb=GetRecord&identifier={pid_of('a')}&metadataPrefix=oai_dc"),
    ("idDoesNotExist", "verb=GetRecord&identifier=&metadataPrefix=oai_dc"),
    ("idDoesNotExist", "verb=ListMetadataFormats&identifier=<b>'%22%26"),
    ("noRecordsMatch", "verb=ListRecords&metadataPrefix=oai_dc&until=2026-11-22"),
    ("noRecordsMatch", "verb=ListRecords&metadataPrefix=oai_dc&from=2027-01-01"),
    ("noRecordsMatch", "verb=ListRecords&metadataPrefix=oai_dc&set=data-type:poems"),
    ("noRecordsMatch", "verb=ListRecords&metadataPrefix=oai_dc&set=nothing:of:ours"),
    ("noRecordsMatch", "verb=ListRecords&metadataPrefix=oai_dc&set=data-type:!00"),
    ("noRecordsMatch", "verb=ListRecords&metadataPrefix=oai_dc&set=data-type:!ff"),
)


def test_every_mistake_is_called_what_the_protocol_calls_it(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    put(catalogue, clock, simple("a"))

    for code, query in MISTAKES:
        body = answer_harvester(
            parse_qsl(query, keep_blank_values=True), repository=US, catalogue=catalogue, clock=clock
        )
        answer = read_answer(body)
        assert answer.get("code") == code, query
        repeated = etree.fromstring(body).find("o:request", NAMES).attrib
        assert bool(repeated) == (code not in {"badVerb", "badArgument"}), query


def test_where_nothing_is_public_there_are_no_sets_and_no_records(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    assert ask(catalogue, clock, verb="ListSets").get("code") == "noSetHierarchy"
    assert ask(catalogue, clock, verb="ListRecords", metadataPrefix="oai_dc").get("code") == "noRecordsMatch"
    assert len(ask(catalogue, clock, verb="ListMetadataFormats")) == 2


def test_what_has_one_form_is_in_the_lists_of_that_form(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    whole = simple("a").content
    assert whole is not None
    only = {HarvestForm.DUBLIN_CORE: whole.documents[HarvestForm.DUBLIN_CORE]}
    put(catalogue, clock, simple("a", documents=only))

    formats = ask(catalogue, clock, verb="ListMetadataFormats", identifier=A)

    assert [one.text for one in formats.iter(f"{{{OAI}}}metadataPrefix")] == ["oai_dc"]
    refused = ask(catalogue, clock, verb="GetRecord", identifier=A, metadataPrefix="oai_datacite")
    assert refused.get("code") == "cannotDisseminateFormat"
    assert ask(catalogue, clock, verb="ListRecords", metadataPrefix="oai_datacite").get("code") == "noRecordsMatch"


def test_no_hostile_argument_breaks_an_answer(site: Site, visit: Visit) -> None:
    put(site.catalogue, site.clock, simple("a"))
    nobody = visit()

    for text in HOSTILE:
        for name in ("verb", "identifier", "metadataPrefix", "set", "from", "until", "resumptionToken", text[:9]):
            asked = {"verb": "ListRecords", "metadataPrefix": "oai_dc", name: text[:5000]}
            answer = nobody.get(f"/oai?{urlencode(asked, errors='surrogatepass')}")
            assert answer.status_code == 200
            assert etree.QName(read_answer(answer.content)).localname == "error"


@pytest.mark.parametrize(
    "change",
    [{"after": -1}, {"verb": "ListSets"}, {"form": "marc21"}, {"cursor": 2**70}, {"x": 1}, {"data_type": "\x00"}],
)
def test_a_forged_token_is_refused(change: dict[str, Any]) -> None:
    told = {**ListPart(verb="ListRecords", form="oai_dc").model_dump(mode="json", exclude_none=True), **change}
    forged = base64.urlsafe_b64encode(json.dumps(told).encode()).decode()

    with pytest.raises(ValueError, match="not given out here"):
        ListPart.of_token(forged)


@given(text=st.text(max_size=60))
@settings(max_examples=25, deadline=None)
def test_the_name_of_a_set_tells_its_data_type_and_no_other(text: str) -> None:
    name = set_of(text)

    assert re.fullmatch(r"data-type:[A-Za-z0-9\-_.!~*'()]*", name)
    assert unquote(name.removeprefix("data-type:").replace("!", "%")) == text
