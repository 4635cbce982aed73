"""What an answer by OAI-PMH 2.0 has to look like: the rules of its schema, checked one by one."""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

OAI = "http://www.openarchives.org/OAI/2.0/"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_SET = re.compile(r"([A-Za-z0-9\-_.!~*'()])+(:[A-Za-z0-9\-_.!~*'()]+)*")
_MAIL = re.compile(r"\S+@(\S+\.)+\S+")
_ADDRESS = re.compile(r"https?://\S+")
_VERBS = {"Identify", "ListMetadataFormats", "ListSets", "GetRecord", "ListIdentifiers", "ListRecords"}
_ERRORS = {
    "cannotDisseminateFormat",
    "idDoesNotExist",
    "badArgument",
    "badVerb",
    "noMetadataFormats",
    "noRecordsMatch",
    "badResumptionToken",
    "noSetHierarchy",
}
_ARGUMENTS = {"verb", "identifier", "metadataPrefix", "from", "until", "set", "resumptionToken"}
_IDENTIFY = [
    ("repositoryName", re.compile(r".+")),
    ("baseURL", _ADDRESS),
    ("protocolVersion", re.compile(r"2\.0")),
    ("adminEmail", _MAIL),
    ("earliestDatestamp", _MOMENT),
    ("deletedRecord", re.compile("no|persistent|transient")),
    ("granularity", re.compile("YYYY-MM-DD(Thh:mm:ssZ)?")),
]
ROOTS = {
    "oai_dc": "{http://www.openarchives.org/OAI/2.0/oai_dc/}dc",
    "oai_datacite": "{http://schema.datacite.org/oai/oai-1.1/}oai_datacite",
}


def read_answer(body: bytes) -> Any:
    """Parse an answer and hold it against the schema's rules; return what stands under the request."""
    root = etree.fromstring(body)
    assert root.tag == f"{{{OAI}}}OAI-PMH"
    moment, request, *content = root
    assert moment.tag == f"{{{OAI}}}responseDate"
    assert _MOMENT.fullmatch(moment.text)
    assert request.tag == f"{{{OAI}}}request"
    assert _ADDRESS.fullmatch(request.text)
    assert set(request.attrib) <= _ARGUMENTS
    if "set" in request.attrib:
        assert _SET.fullmatch(request.get("set"))
    if "verb" in request.attrib:
        assert request.get("verb") in _VERBS
    for one in content:
        if one.tag == f"{{{OAI}}}error":
            assert one.get("code") in _ERRORS
            assert one.text
            continue
        assert len(content) == 1
        name = etree.QName(one).localname
        assert name in _VERBS
        assert len(one) >= 1
        _CHECKS[name](one)
    assert content
    return content[0]


def _record(record: Any) -> None:
    assert [etree.QName(one).localname for one in record] in (["header"], ["header", "metadata"])
    _header(record[0])
    assert (len(record) == 1) == (record[0].get("status") == "deleted")
    if len(record) == 2:
        (document,) = record[1]
        assert document.tag in ROOTS.values()


def _header(header: Any) -> None:
    names = [etree.QName(one).localname for one in header]
    assert names[:2] == ["identifier", "datestamp"]
    assert set(names[2:]) <= {"setSpec"}
    assert re.fullmatch(r"ark:/\d{5}/\w+/v\d+(\.\d+)?", header[0].text)
    assert _MOMENT.fullmatch(header[1].text)
    assert all(_SET.fullmatch(one.text) for one in header[2:])
    assert header.get("status") in {None, "deleted"}


def _list(content: Any) -> None:
    for at, one in enumerate(content):
        name = etree.QName(one).localname
        if name == "resumptionToken":
            assert at == len(content) - 1
            assert at > 0
            assert int(one.get("cursor")) >= 0
            assert int(one.get("completeListSize")) > 0
        else:
            {"record": _record, "header": _header}[name](one)


def _identify(content: Any) -> None:
    assert [etree.QName(one).localname for one in content] == [name for name, _ in _IDENTIFY]
    assert all(rule.fullmatch(one.text) for one, (_, rule) in zip(content, _IDENTIFY, strict=True))


def _formats(content: Any) -> None:
    for one in content:
        prefix, schema, namespace = one
        assert ROOTS[prefix.text].startswith(f"{{{namespace.text}}}")
        assert _ADDRESS.fullmatch(schema.text)


def _sets(content: Any) -> None:
    for one in content:
        assert [etree.QName(part).localname for part in one] == ["setSpec", "setName"]
        assert _SET.fullmatch(one[0].text)
        assert one[1].text


_CHECKS = {
    "Identify": _identify,
    "ListMetadataFormats": _formats,
    "ListSets": _sets,
    "GetRecord": lambda content: _record(content[0]),
    "ListIdentifiers": _list,
    "ListRecords": _list,
}
