"""Whatever a record may hold: hypothesis strategies for tests of the forms that are made of it."""

from __future__ import annotations

from datetime import date

from hypothesis import strategies as st

from cisterna.domain.credit import Contributor, ContributorRole, Creator, Funding, Reference, ReferenceKind, Subject
from cisterna.domain.identifier import CROCKFORD
from cisterna.domain.project import Access, HumanData
from cisterna.domain.text import cut_line
from cisterna.metadata.record import SAMPLE_KINDS, MetadataRecord, SampleFacts
from tests.metadata.described import a_derived_record, a_record

AWKWARD = [
    "<b>&amp;</b>",
    "]]>",
    "'; DROP",
    "\u0645\u0631\u062d\u0628\u0627",
    "\u00e9 \U0001f52c",
    "{\\relax}",
    "a\\b",
    "- x",
    "@id",
    "50 %",
]
"""Texts that break a form which does not escape what it is given."""


def a_ror(number: int) -> str:
    """Make the ROR id of a number below 32 to the power of 6."""
    digits = "".join(CROCKFORD[number // 32**place % 32] for place in reversed(range(6)))
    return f"https://ror.org/0{digits}{98 - number * 100 % 97:02}"


def an_orcid(number: int) -> str:
    """Make the ORCID iD of a number of at most 15 digits."""
    digits, total = f"{number:015}", 0
    for digit in digits:
        total = (total + int(digit)) * 2
    check = (12 - total % 11) % 11
    whole = digits + ("X" if check == 10 else str(check))
    return "-".join(whole[start : start + 4] for start in range(0, 16, 4))


lines = st.text(min_size=1, max_size=60).map(lambda text: cut_line(text) or "x") | st.sampled_from(AWKWARD)
"""One line of text, as the model keeps it."""
names = st.from_regex(r"[A-Za-z0-9._()/-]{1,20}", fullmatch=True)
rors = st.integers(0, 32**6 - 1).map(a_ror)
orcids = st.integers(0, 10**15 - 1).map(an_orcid)
dois = names.map(lambda name: f"10.5555/{name}".lower())
addresses = names.map(lambda name: f"https://example.org/{name}")
funder_ids = rors | st.integers(10**11, 10**12 - 1).map(lambda number: f"https://doi.org/10.13039/{number}")
curies = st.builds(
    lambda prefix, number: f"{prefix}:{number:07}",
    st.sampled_from(["NCBITaxon", "CHEBI", "UBERON", "FBbi", "EFO", "EDAM", "cellosaurus"]),
    st.integers(0, 10**7 - 1),
)
identifiers = st.one_of(
    dois,
    addresses,
    st.integers(1, 10**8).map(lambda number: f"PMID:{number}"),
    st.just("arXiv:2101.00001"),
    st.just("hdl:21.T11148/abc"),
    st.just("ark:/12345/x"),
    st.just("RRID:SCR_016137"),
    st.integers(1, 10**5).map(lambda number: f"Dnr 2026-{number:05}"),
)

creators = st.builds(Creator, name=lines, orcid=st.none() | orcids, affiliation=st.none() | lines, ror=st.none() | rors)
contributors = st.builds(
    Contributor,
    name=lines,
    orcid=st.none() | orcids,
    affiliation=st.none() | lines,
    ror=st.none() | rors,
    role=st.sampled_from(ContributorRole),
)
fundings = st.builds(
    Funding,
    funder=lines,
    funder_id=st.none() | funder_ids,
    award_number=st.none() | lines,
    award_title=st.none() | lines,
    award_uri=st.none() | addresses,
)
subjects = st.builds(Subject, label=lines, curie=st.none() | curies)
references = st.builds(Reference, kind=st.sampled_from(ReferenceKind), identifier=identifiers, title=st.none() | lines)
samples = st.builds(
    SampleFacts,
    **{kind: st.lists(subjects, max_size=2, unique=True).map(tuple) for kind in SAMPLE_KINDS},
    wells=st.none() | st.integers(1, 1536),
)


@st.composite
def records(draw: st.DrawFn) -> MetadataRecord:
    """Draw a valid record, of acquired or of derived data."""
    access = draw(st.sampled_from(Access))
    base = draw(st.sampled_from([a_record(), a_derived_record()]))
    publisher = draw(st.none() | lines)
    few = {"max_size": 3, "unique": True}
    changes = {
        "title": draw(st.none() | lines),
        "creators": draw(st.lists(creators, max_size=3, unique_by=lambda one: one.orcid or one.name)),
        "contributors": draw(st.lists(contributors, **few)),
        "publisher": publisher,
        "publisher_ror": draw(st.none() | rors) if publisher else None,
        "licence": draw(st.sampled_from([None, "CC0-1.0", "MIT", "CC-BY-4.0"])),
        "access": access,
        "embargo_until": draw(st.none() | st.dates(date(1990, 1, 1), date(2200, 1, 1)))
        if access is Access.EMBARGOED
        else None,
        "human_data": draw(st.sampled_from(HumanData)),
        "keywords": draw(st.lists(lines, **few)),
        "language": draw(st.sampled_from([None, "en", "sv-FI", "zh-Hant"])),
        "funding": draw(st.lists(fundings, **few)),
        "subjects": draw(st.lists(subjects, **few)),
        "references": draw(st.lists(references, **few)),
        "samples": draw(st.none() | samples),
        "file_count": draw(st.integers(0, 10**9)),
        "total_bytes": draw(st.integers(0, 10**18)),
        "manifest_digest": draw(st.sampled_from(["ab" * 64, "0f" * 64])),
        "pid": draw(st.sampled_from(["ark:/99999/abc", "ark:/12345/xyz0"])),
    }
    return MetadataRecord.model_validate({**dict(base), **changes})
