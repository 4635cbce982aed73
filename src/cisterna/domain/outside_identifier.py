"""Identifiers that others assign: to people, organisations, papers, devices and terms; each is kept in one spelling.

Nothing here asks anybody: forms and check characters alone are looked at.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import Annotated, NamedTuple
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pydantic import AfterValidator

from cisterna.domain.identifier import CROCKFORD
from cisterna.domain.text import LINE_LIMIT, Line

_SHOWN = 80
"""Characters of a wrong value that its refusal shows."""


class Scheme(StrEnum):
    """Kinds of identifiers that are known by their form, in DataCite's words."""

    ARK = "ARK"
    ARXIV = "arXiv"
    DOI = "DOI"
    HANDLE = "Handle"
    PMID = "PMID"
    RRID = "RRID"
    URL = "URL"


class OutsideIdentifier(NamedTuple):
    """An identifier in the spelling in which it is kept.

    Attributes:
        text: As it is kept and shown: `10.5555/abc`, `PMID:1234`, `hdl:21.T11148/x`, an address, or any other text.
        scheme: None for a text of no known form, such as the number that an authority gave.
        value: Without the word before it where DataCite takes the bare value.
        url: Where it leads to; None for a text of no known form.
    """

    text: str
    scheme: Scheme | None
    value: str
    url: str | None


def orcid(text: str) -> str:
    """Return an ORCID iD as four groups of four. Raises `ValueError` for a wrong form or check character (mod 11-2)."""
    written = _without(text, r"(?:https?://)?(?:www\.)?orcid\.org/|orcid:\s*").replace("-", "").upper()
    digits = "".join(str(unicodedata.decimal(one, one)) for one in written)  # of any script, as they always were read
    if not re.fullmatch(r"[0-9]{15}[0-9X]", digits):
        msg = f"'{text[:_SHOWN]}' is not an ORCID iD: 16 digits in groups of four"
        raise ValueError(msg)
    total = 0
    for digit in digits[:15]:
        total = (total + int(digit)) * 2
    check = (12 - total % 11) % 11
    if digits[15] != ("X" if check == 10 else str(check)):
        msg = f"'{text[:_SHOWN]}' has a wrong check digit; look for a typing mistake"
        raise ValueError(msg)
    return "-".join(digits[start : start + 4] for start in range(0, 16, 4))


def ror(text: str) -> str:
    """Return an organisation's ROR as its address. Raises `ValueError` for a wrong form or check digits (mod 97-10)."""
    name = _without(text, r"(?:https?://)?(?:www\.)?ror\.org/|ror:\s*").lower()
    if not re.fullmatch(rf"0[{CROCKFORD}]{{6}}[0-9]{{2}}", name):
        msg = f"'{text[:_SHOWN]}' is not a ROR id; copy it from https://ror.org, such as https://ror.org/05gq02987"
        raise ValueError(msg)
    number = 0
    for character in name[:7]:
        number = number * 32 + CROCKFORD.index(character)
    if int(name[7:]) != 98 - number * 100 % 97:
        msg = f"'{text[:_SHOWN]}' has wrong check digits; look for a typing mistake"
        raise ValueError(msg)
    return f"https://ror.org/{name}"


def funder_id(text: str) -> str:
    """Return who funds as an address, of ROR or the Crossref Funder Registry. Raises `ValueError` for others."""
    registered = re.fullmatch(r"10\.13039/([0-9]{6,15})", _without(text, _DOI_BEGIN))
    if registered:
        return f"https://doi.org/10.13039/{registered[1]}"
    if "10.13039" in text:
        msg = f"'{text[:_SHOWN]}' is not of the Crossref Funder Registry: 10.13039/ and a number, or a ROR id"
        raise ValueError(msg)
    return ror(text)


def web_address(text: str) -> str:
    """Return an address of the web, percent-encoded where it has to be. Raises `ValueError` for anything else."""
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in {"http", "https"} or parts.username is not None or not _HOST.fullmatch(host):
        msg = (
            f"'{text[:_SHOWN]}' is not an address of the web; write it as https://example.org/page, without a password"
        )
        raise ValueError(msg)
    place = f"[{host}]" if ":" in host else host
    whole = place if port is None else f"{place}:{port}"
    rest = (_encoded(parts.path, "/"), _encoded(parts.query, "/?"), _encoded(parts.fragment, "/?"))
    address = urlunsplit((parts.scheme, whole, *rest))
    if len(address) > LINE_LIMIT:
        msg = f"'{text[:_SHOWN]}' is an address of more than {LINE_LIMIT:,} characters once it is encoded; shorten it"
        raise ValueError(msg)
    return address


def secure_address(text: str) -> str:
    """Return an `https` address; a DOI becomes one. Raises `ValueError` for anything else."""
    found = _known(text)
    address = found.url if found and found.scheme is Scheme.DOI else web_address(text)
    if address is None or not address.startswith("https://"):
        msg = f"'{text[:_SHOWN]}' does not begin with https://; give an address that does"
        raise ValueError(msg)
    return address


def outside_identifier(text: str) -> OutsideIdentifier:
    """Tell what kind of identifier a text is, and spell it as that kind is kept.

    Raises:
        ValueError: It begins as one kind and has not its form, or it is an address that nobody should follow.
    """
    found = _known(text)
    if found is not None:
        return found
    begin = re.match(r"(doi|pmid|arxiv|ark|hdl|rrid)\s*:", text.strip(), re.IGNORECASE)
    if begin:
        msg = f"'{text[:_SHOWN]}' begins as {begin[1]} and is none; look for a typing mistake"
        raise ValueError(msg)
    if re.match(r"https?:", text.strip(), re.IGNORECASE):
        address = web_address(text)
        return OutsideIdentifier(address, Scheme.URL, address, address)
    if re.match(
        r"(?:[a-z][a-z0-9+.-]*://|(?:blob|data|file|javascript|mailto|vbscript)\s*:)", text.strip(), re.IGNORECASE
    ):
        msg = f"'{text[:_SHOWN]}' is not an address that others can follow; give an https address, a DOI or a number"
        raise ValueError(msg)
    return OutsideIdentifier(text, None, text, None)


def device_pid(text: str) -> str:
    """Return the identifier of a device: a DOI or Handle (PIDINST), an RRID or an address. Raises `ValueError`."""
    found = outside_identifier(text)
    if found.scheme not in {Scheme.DOI, Scheme.HANDLE, Scheme.RRID, Scheme.URL}:
        msg = f"'{text[:_SHOWN]}' is no identifier of an instrument; give its DOI, its Handle (hdl:...) or its RRID"
        raise ValueError(msg)
    return found.text


def curie(text: str) -> str:
    """Return a term as `PREFIX:identifier`; the addresses that terms are known by are read too.

    Some registries write the prefix into each identifier as well, `go:GO:0005634`: it stands there once.

    Raises:
        ValueError: It has not the form of a term.
    """
    written = text.strip()
    for pattern, form in _TERM_ADDRESSES:
        if found := pattern.fullmatch(written):
            written = form.format(*found.groups())
            break
    found = re.fullmatch(r"([A-Za-z][A-Za-z0-9._-]{0,31}):(?:(?i:\1):)*([A-Za-z0-9][!#-;=?-\[\]_a-z~]{0,199})", written)
    if not found or found[2].startswith("//"):
        msg = f"'{text[:_SHOWN]}' is not a term; write it as PREFIX:identifier, such as NCBITaxon:9606"
        raise ValueError(msg)
    return f"{_PREFIXES.get(found[1].lower(), found[1])}:{found[2]}"


def term_iri(term: str) -> str:
    """Return the address that a term is known by: that of its vocabulary, or of the registry of prefixes."""
    prefix, _, name = term.partition(":")
    shown = quote(name, safe=":/._~-")
    if prefix == "EDAM":
        return f"http://edamontology.org/{shown}"
    if prefix == "EFO":
        return f"http://www.ebi.ac.uk/efo/EFO_{shown}"
    if prefix in _OBO:
        return f"http://purl.obolibrary.org/obo/{prefix}_{shown}"
    return f"https://bioregistry.io/{prefix}:{shown}"


_FOUNDRY = (
    "BAO BTO CHEBI CL CLO DOID FBbi FBbt GO HP IAO MAXO MI MONDO MS NCBITaxon NCIT OBI PATO PO PR SO UBERON UO WBbt ZFA"
)
_OBO = frozenset(_FOUNDRY.split())
"""Prefixes of the OBO Foundry, whose terms are known by its addresses."""
_PREFIXES = {"taxonomy": "NCBITaxon"} | {prefix.lower(): prefix for prefix in (*_OBO, "EDAM", "EFO", "RRID")}
"""How vocabularies spell their own prefix, by the prefix in small letters."""
_TERM_ADDRESSES = tuple(
    (re.compile(pattern, re.IGNORECASE | re.ASCII), form)
    for pattern, form in (
        (r"https?://purl\.obolibrary\.org/obo/([a-z]+)_(\S+)", "{}:{}"),
        (r"https?://www\.ebi\.ac\.uk/efo/EFO_(\S+)", "EFO:{}"),
        (r"https?://edamontology\.org/(\S+)", "EDAM:{}"),
        (r"https?://(?:www\.)?(?:identifiers\.org|bioregistry\.io)/([^\s:/]+)[:/](\S+)", "{}:{}"),
        (rf"({'|'.join(sorted(_OBO))}|EFO)_([^\s:]+)", "{}:{}"),
    )
)
_DOI_BEGIN = r"(?:https?://)?(?:dx\.|www\.)?doi\.org/|doi\s*:?\s*"
_ASTRAY = re.compile(r"[a-z][a-z0-9+.-]*://|(?:blob|data|file|javascript|mailto|vbscript)\s*:", re.IGNORECASE)
"""Begins of addresses that lead nowhere, or run something."""
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\.?|[0-9a-f:.]*:[0-9a-f:.]*")
_PUBMED = r"(?:pmid\s*:?\s*|https?://(?:pubmed\.ncbi|www\.ncbi)\.nlm\.nih\.gov/(?:pubmed/)?)"
_ARXIV = r"(?:arxiv\s*:\s*|https?://(?:www\.)?arxiv\.org/(?:abs|pdf)/)"
_ARXIV_NAME = r"(?:[a-z-]+(?:\.[a-z]{2})?/[0-9]{7}|[0-9]{4}\.[0-9]{4,5})(?:v[0-9]{1,3})?"
_RRID = r"(?:https?://(?:scicrunch\.org/resolver|identifiers\.org|n2t\.net)/)?rrid\s*:\s*"
_FORMS = {
    Scheme.PMID: rf"{_PUBMED}([1-9][0-9]{{0,8}})/?",
    Scheme.ARXIV: rf"{_ARXIV}({_ARXIV_NAME})(?:\.pdf)?",
    Scheme.ARK: r"(?:https?://n2t\.net/)?ark:/?([0-9][a-z0-9]{4,8}/[a-z0-9=~*+@_$%./-]{1,200})",
    Scheme.HANDLE: r"(?:hdl\s*:\s*|https?://hdl\.handle\.net/)([0-9][a-z0-9.]{0,30}/[!-~]{1,200})",
    Scheme.RRID: rf"{_RRID}([a-z]+[_:-][a-z0-9_:.-]{{1,60}})",
}
"""Spellings of each, with the part that is its own."""


def _known(text: str) -> OutsideIdentifier | None:
    """Read an identifier by its form, in any of the spellings that people copy it in."""
    written = text.strip()
    bare = re.sub(rf"^(?:{_DOI_BEGIN})", "", written, flags=re.IGNORECASE)
    named = (unquote(bare) if "://" in written or "doi.org/" in written.lower() else bare).lower()
    if re.fullmatch(r"10\.[0-9]{4,9}(?:\.[0-9]+)*/[!-~]{1,200}", named):
        return OutsideIdentifier(named, Scheme.DOI, named, f"https://doi.org/{quote(named, safe='/:;().,_~-')}")
    for scheme, pattern in _FORMS.items():
        if found := re.fullmatch(pattern, written, re.IGNORECASE | re.ASCII):
            return _spelled(scheme, found[1])
    return None


def _spelled(scheme: Scheme, value: str) -> OutsideIdentifier:
    match scheme:
        case Scheme.PMID:
            return OutsideIdentifier(f"PMID:{value}", scheme, value, f"https://pubmed.ncbi.nlm.nih.gov/{value}/")
        case Scheme.ARXIV:
            return OutsideIdentifier(f"arXiv:{value}", scheme, f"arXiv:{value}", f"https://arxiv.org/abs/{value}")
        case Scheme.ARK:
            return OutsideIdentifier(f"ark:/{value}", scheme, f"ark:/{value}", f"https://n2t.net/ark:/{value}")
        case Scheme.HANDLE:
            url = f"https://hdl.handle.net/{quote(value, safe='/:;().,_~-')}"
            return OutsideIdentifier(f"hdl:{value}", scheme, value, url)
        case _:
            url = f"https://scicrunch.org/resolver/RRID:{value}"
            return OutsideIdentifier(f"RRID:{value}", Scheme.RRID, f"RRID:{value}", url)


def _without(text: str, begin: str) -> str:
    return re.sub(rf"^(?:{begin})", "", text.strip(), flags=re.IGNORECASE)


def _encoded(part: str, more: str) -> str:
    kept = quote(part, safe=f"%:@!$&'()*+,;=-._~{more}")
    return re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", kept)


Orcid = Annotated[str, AfterValidator(orcid)]
Ror = Annotated[str, AfterValidator(ror)]
"""A ROR id as its address, `https://ror.org/...`."""
FunderId = Annotated[str, AfterValidator(funder_id)]
"""An address of ROR or of the Crossref Funder Registry."""
SecureAddress = Annotated[Line, AfterValidator(secure_address)]
DevicePid = Annotated[Line, AfterValidator(device_pid)]
"""A DOI or Handle (PIDINST), an RRID or an address, as `outside_identifier` spells it."""
Curie = Annotated[Line, AfterValidator(curie)]
"""A term of a vocabulary, `PREFIX:identifier`; whether there is such a term is not known by its form."""
