"""Identifiers that others assign are kept in one spelling, and a typing mistake in one is told."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.outside_identifier import (
    Scheme,
    curie,
    device_pid,
    funder_id,
    orcid,
    outside_identifier,
    ror,
    secure_address,
    term_iri,
    web_address,
)

BROWN = "https://ror.org/05gq02987"
HIDDEN = ["0000-0002-1825-009\u00b2", "0000-0002-1825-0097\n<b>", "0000-0002-1825-009\u2166"]


@pytest.mark.parametrize(
    "text",
    [
        "0000-0002-1825-0097",
        "0000000218250097",
        "https://orcid.org/0000-0002-1825-0097",
        "http://orcid.org/0000-0002-1825-0097",
        "orcid.org/0000-0002-1825-0097",
        "ORCID: 0000-0002-1825-0097",
        " 0000-0002-1825-0097 ",
        "\uff10\uff10\uff10\uff10-0002-1825-009\u0667",
    ],
)
def test_an_orcid_is_read_in_every_spelling(text: str) -> None:
    assert orcid(text) == "0000-0002-1825-0097"


@pytest.mark.parametrize(
    "text", ["0000-0002-1825-0098", "0000-0002-1825-009X", "0000-0002-1825", "", "x" * 100_000, *HIDDEN]
)
def test_an_orcid_that_was_never_given_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"ORCID|check digit"):
        orcid(text)


@pytest.mark.parametrize(
    "text", [BROWN, "http://ror.org/05gq02987", "ror.org/05gq02987", "05GQ02987", "ROR:05gq02987", f" {BROWN} "]
)
def test_a_ror_is_read_in_every_spelling(text: str) -> None:
    assert ror(text) == BROWN


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("https://ror.org/05gq02988", "check digits"),
        ("https://ror.org/05gq02978", "check digits"),
        ("https://ror.org/05gp02987", "check digits"),
        ("https://ror.org/15gq02987", "not a ROR"),
        ("https://ror.org/05gl02987", "not a ROR"),
        ("https://ror.org/05gq0298", "not a ROR"),
        ("https://ror.org/05gq02987/", "not a ROR"),
        ("https://evil.example/05gq02987", "not a ROR"),
        ("https://ror.org/05gq0298\u0667", "not a ROR"),
        ("", "not a ROR"),
    ],
)
def test_a_ror_with_a_typing_mistake_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ror(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BROWN, BROWN),
        ("10.13039/501100000781", "https://doi.org/10.13039/501100000781"),
        ("http://dx.doi.org/10.13039/501100000781", "https://doi.org/10.13039/501100000781"),
        ("doi:10.13039/501100000781", "https://doi.org/10.13039/501100000781"),
    ],
)
def test_a_funder_is_known_by_ror_or_by_the_funder_registry(text: str, expected: str) -> None:
    assert funder_id(text) == expected


@pytest.mark.parametrize("text", ["10.13039/x", "https://doi.org/10.5555/1234", "ERC", "https://ror.org/05gq02988"])
def test_nothing_else_names_a_funder(text: str) -> None:
    with pytest.raises(ValueError, match=r"ROR|Funder|check digits"):
        funder_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "10.5555/ABC.12(3)",
        "doi:10.5555/abc.12(3)",
        "DOI 10.5555/abc.12(3)",
        "DOI: 10.5555/abc.12(3)",
        "https://doi.org/10.5555/abc.12(3)",
        "http://dx.doi.org/10.5555/ABC.12%283%29",
        "doi.org/10.5555/abc.12(3)",
        "HTTPS://DOI.ORG/10.5555/abc.12(3)",
    ],
)
def test_a_doi_in_any_spelling_is_one_doi(text: str) -> None:
    found = outside_identifier(text)

    assert (found.text, found.scheme) == ("10.5555/abc.12(3)", Scheme.DOI)
    assert found.url == "https://doi.org/10.5555/abc.12(3)"


@pytest.mark.parametrize(
    ("text", "kept", "scheme", "value"),
    [
        ("PMID:12345", "PMID:12345", Scheme.PMID, "12345"),
        ("pmid 12345", "PMID:12345", Scheme.PMID, "12345"),
        ("https://pubmed.ncbi.nlm.nih.gov/12345/", "PMID:12345", Scheme.PMID, "12345"),
        ("https://www.ncbi.nlm.nih.gov/pubmed/12345", "PMID:12345", Scheme.PMID, "12345"),
        ("arXiv:2101.00001v2", "arXiv:2101.00001v2", Scheme.ARXIV, "arXiv:2101.00001v2"),
        ("https://arxiv.org/abs/2101.00001", "arXiv:2101.00001", Scheme.ARXIV, "arXiv:2101.00001"),
        ("ark:12148/btv1b8449691v", "ark:/12148/btv1b8449691v", Scheme.ARK, "ark:/12148/btv1b8449691v"),
        ("https://hdl.handle.net/21.T11148/abc", "hdl:21.T11148/abc", Scheme.HANDLE, "21.T11148/abc"),
        ("rrid:SCR_016137", "RRID:SCR_016137", Scheme.RRID, "RRID:SCR_016137"),
        ("https://elab.example/experiments.php?id=7", None, Scheme.URL, None),
        ("Dnr 2023-01234-01", None, None, None),
        ("10. december 2025", None, None, None),
    ],
)
def test_other_identifiers_are_known_by_their_form(
    text: str, kept: str | None, scheme: Scheme | None, value: str | None
) -> None:
    found = outside_identifier(text)

    assert (found.text, found.scheme, found.value) == (kept or text, scheme, value or text)
    assert (found.url is None) == (scheme is None)


@pytest.mark.parametrize(
    "text",
    [
        "doi:abc",
        "doi:10.5555/a b",
        "PMID:none",
        "hdl:x",
        "javascript:alert(1)",
        "JavaScript :alert(1)",
        "data:text/html,<b>",
        "file:///etc/passwd",
        "ftp://host/x",
        "https://",
        "https://user:secret@host/x",
        "https://good.example\\@evil.example/",
        "https://[::1",
        "https://h:99999/",
        "https://b\u00fccher.example/",
        "https://exa mple.org/",
    ],
)
def test_what_nobody_should_follow_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is none|is not an address"):
        outside_identifier(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://Example.org/a b?q=<1>#x y", "https://example.org/a%20b?q=%3C1%3E#x%20y"),
        ("https://example.org/100%", "https://example.org/100%25"),
        ("https://example.org/%C3%BC/ü", "https://example.org/%C3%BC/%C3%BC"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
    ],
)
def test_an_address_is_written_as_addresses_are(text: str, expected: str) -> None:
    assert web_address(text) == expected
    assert web_address(expected) == expected


def test_an_address_that_could_not_be_read_again_is_refused() -> None:
    assert len(web_address("https://example.org/" + "ü" * 100)) == 620
    with pytest.raises(ValueError, match="once it is encoded"):
        web_address("https://example.org/" + "ü" * 300)


def test_an_award_has_a_secure_address_or_a_doi() -> None:
    assert secure_address("doi:10.35802/218300") == "https://doi.org/10.35802/218300"
    assert secure_address("https://example.org/a") == "https://example.org/a"
    with pytest.raises(ValueError, match="https"):
        secure_address("http://example.org/a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://doi.org/10.5281/ZENODO.1", "10.5281/zenodo.1"),
        ("hdl:21.T11998/0000-001A", "hdl:21.T11998/0000-001A"),
        ("RRID:SCR_016137", "RRID:SCR_016137"),
        ("https://instruments.example/7", "https://instruments.example/7"),
    ],
)
def test_a_device_is_known_by_its_own_identifier(text: str, expected: str) -> None:
    assert device_pid(text) == expected


@pytest.mark.parametrize("text", ["8100000201", "PMID:1", "javascript:x"])
def test_a_number_is_no_identifier_of_a_device(text: str) -> None:
    with pytest.raises(ValueError, match=r"identifier of an instrument|not an address"):
        device_pid(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NCBITaxon:9606", "NCBITaxon:9606"),
        ("ncbitaxon:9606", "NCBITaxon:9606"),
        ("taxonomy:9606", "NCBITaxon:9606"),
        ("NCBITaxon_9606", "NCBITaxon:9606"),
        ("http://purl.obolibrary.org/obo/NCBITaxon_9606", "NCBITaxon:9606"),
        ("https://identifiers.org/taxonomy:9606", "NCBITaxon:9606"),
        ("https://bioregistry.io/ncbitaxon:9606", "NCBITaxon:9606"),
        ("http://edamontology.org/topic_3382", "EDAM:topic_3382"),
        ("edam:topic_3382", "EDAM:topic_3382"),
        ("http://www.ebi.ac.uk/efo/EFO_0001187", "EFO:0001187"),
        ("cellosaurus:CVCL_0042", "cellosaurus:CVCL_0042"),
        (" UO:0000017 ", "UO:0000017"),
        ("https://identifiers.org/go/GO:0005634", "GO:0005634"),
        ("chebi:CHEBI:15377", "CHEBI:15377"),
        ("hgnc:HGNC:1100", "hgnc:1100"),
    ],
)
def test_a_term_is_spelled_one_way(text: str, expected: str) -> None:
    assert curie(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "9606",
        "Homo sapiens",
        "https://example.org/9606",
        ":9606",
        "NCBITaxon:",
        "a b:1",
        "A:<b>",
        "A:1\u202e",
        "\u0430:1",
    ],
)
def test_what_has_not_the_form_of_a_term_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="PREFIX:identifier"):
        curie(text)


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("NCBITaxon:9606", "http://purl.obolibrary.org/obo/NCBITaxon_9606"),
        ("EDAM:topic_3382", "http://edamontology.org/topic_3382"),
        ("EFO:0001187", "http://www.ebi.ac.uk/efo/EFO_0001187"),
        ("cellosaurus:CVCL_0042", "https://bioregistry.io/cellosaurus:CVCL_0042"),
    ],
)
def test_a_term_has_the_address_that_its_vocabulary_gives_it(term: str, expected: str) -> None:
    assert term_iri(term) == expected


@given(st.text(max_size=60) | st.from_regex(r"(https?://|doi:|PMID:|a:)?[!-~ ]{0,40}", fullmatch=True))
def test_any_text_is_read_the_same_twice_or_refused(text: str) -> None:
    for read in (orcid, ror, funder_id, web_address, secure_address, device_pid, curie):
        with contextlib.suppress(ValueError):
            once = read(text)
            assert read(once) == once
    with contextlib.suppress(ValueError):
        kept = outside_identifier(text).text
        assert outside_identifier(kept).text == kept
