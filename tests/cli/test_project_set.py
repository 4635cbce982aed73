"""What is typed for a project's datasets is read in its own words, and what cannot be is told by its field."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from cisterna.cli.project_set import changed
from cisterna.domain.errors import InvalidInput
from cisterna.domain.project import Access, HumanData, MetadataDefaults, Policy, PublishPolicy

TYPED: dict[str, Any] = {
    "creators": ["Carberry, Josiah;0000-0002-1825-0097"],
    "contributors": ["DataCollector: Ek, Bo"],
    "publisher": "Brown University",
    "publisher_ror": "ror.org/05gq02987",
    "licence": "CC-BY-4.0",
    "access": Access.EMBARGOED,
    "embargo_until": "2027-06-30",
    "human_data": HumanData.NO,
    "keywords": ["cells"],
    "subjects": ["Homo sapiens; NCBITaxon:9606"],
    "language": "EN",
    "funding": ["Research Council; 2026-01"],
    "references": ["data-management-plan: https://dmp.example/7"],
}


def test_every_default_can_be_typed() -> None:
    defaults = changed(MetadataDefaults(), **TYPED)

    assert set(TYPED) == set(MetadataDefaults.model_fields)
    assert [one.line for one in defaults.subjects] == ["Homo sapiens; NCBITaxon:9606"]
    assert (defaults.language, defaults.publisher_ror) == ("en", "https://ror.org/05gq02987")
    assert defaults.embargo_until == date(2027, 6, 30)


def test_a_policy_is_changed_as_it_was_typed_and_goes_back_where_it_is_unset() -> None:
    present = Policy(publish=PublishPolicy.CONSENT, model="nuclei", targets=("zenodo", "omero"), accept_passed=True)

    after = changed(present, unset=["model"], accept_passed=False, targets=["omero"], publish=None)

    assert after == Policy(publish=PublishPolicy.CONSENT, targets=("omero",))
    with pytest.raises(InvalidInput, match="targets"):
        changed(present, targets=["omero", "omero"])


def test_what_is_not_typed_stays_and_what_is_unset_goes() -> None:
    present = changed(MetadataDefaults(), **TYPED)

    after = changed(present, unset=["embargo_until", "funding"], access=Access.OPEN, keywords=["a", "b"])

    assert after == present.model_copy(
        update={"embargo_until": None, "funding": (), "access": Access.OPEN, "keywords": ("a", "b")}
    )
    assert changed(present) == present


@pytest.mark.parametrize(
    ("unset", "typed", "words"),
    [
        ((), {"subjects": ["x; NCBITaxon: 1"]}, "subjects.0: .* PREFIX:identifier"),
        ((), {"publisher_ror": "https://ror.org/05gq02988"}, "publisher_ror: .* wrong check digits"),
        ((), {"contributors": ["Ek, Bo"]}, "contributors.0: .* names no role"),
        ((), {"creators": ["A, B;1234"]}, "creators.0.orcid"),
        ((), {"embargo_until": "2027-06-30"}, "embargo_until goes with access: embargoed"),
        ((), {"publisher": ""}, "publisher"),
        (["language"], {"language": "en"}, "--unset language: that is said as well"),
    ],
)
def test_what_cannot_be_used_is_told_by_its_field(unset: list[str], typed: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        changed(MetadataDefaults(), unset=unset, **typed)
