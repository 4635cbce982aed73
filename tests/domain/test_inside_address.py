"""Which addresses lead nobody outside anywhere, and which are said before they become public."""

from __future__ import annotations

import pytest

from cisterna.domain.inside_address import is_inside_address
from cisterna.domain.publishing import publication_cautions
from cisterna.testing.factory import make_version

INSIDE = [
    "http://elab/experiments.php?id=7",
    "https://elab.local/7",
    "https://wiki.corp/x",
    "https://notes.HOME.arpa./x",
    "http://localhost:8080/x",
    "http://10.0.0.4/x",
    "http://192.168.1.7:3148/x",
    "http://172.16.9.9",
    "http://[fe80::1%25eth0]/x",
    "http://[::1]/x",
    "https://user:secret@nas/x",
    "file:///mnt/nas/group/plate",
    "FILE:plate",
    "smb://nas/group",
    r"\\nas\group\plate",
    r"Z:\group\plate",
    "/mnt/nas/group",
]
OUTSIDE = [
    "https://doi.org/10.5555/12345678",
    "https://elab.example.org/7",
    "http://8.8.8.8/x",
    "10.5555/x",
    "PMID:1",
    "Dnr 2026-01234",
    "ark:/12148/x",
    "a/b ratio",
    "NCBITaxon:9606",
    "",
]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_a_house_is_known_by_its_form(address: str) -> None:
    assert is_inside_address(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_other_values_are_passed_over(address: str) -> None:
    assert not is_inside_address(address)


def test_what_would_become_public_and_leads_inside_is_named_once_wherever_it_stands() -> None:
    said = {
        "references": [{"identifier": INSIDE[0]}, {"identifier": OUTSIDE[0]}],
        "funding": [{"award_uri": INSIDE[0]}],
    }

    assert publication_cautions(make_version(metadata=said)) == (f"{INSIDE[0]} is an address inside your house",)
    assert publication_cautions(make_version(metadata=None)) == ()
