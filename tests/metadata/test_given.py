"""`metadata.yaml` is read as text, within bounds, and its faults are named."""

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.domain.project import Access, HumanData
from cisterna.metadata.given import SIZE_LIMIT_BYTES, read_given
from cisterna.metadata.record import Given

WHOLE = b"""\
title: "Nuclei: plate 7"
description: |
  First line.
  Second line.
creators:
  - name: Carberry, Josiah
    orcid: 0000-0002-1825-0097
    affiliation: Brown University
publisher: The Imaging Farm
licence: cc-by-4.0
access: restricted
human_data: no
keywords: [nuclei, 2026-11-22, yes]
"""


def test_every_field_can_be_said() -> None:
    said = read_given(WHOLE)

    assert said.title == "Nuclei: plate 7"
    assert said.description == "First line.\nSecond line."
    assert said.creators is not None
    assert said.creators[0].orcid == "0000-0002-1825-0097"
    assert said.licence == "CC-BY-4.0"
    assert said.access is Access.RESTRICTED


def test_no_means_the_word_no_and_a_date_stays_as_written() -> None:
    said = read_given(WHOLE)

    assert said.human_data is HumanData.NO
    assert said.keywords == ("nuclei", "2026-11-22", "yes")


def test_the_example_of_the_manual_is_one_that_is_read() -> None:
    manual = Path(__file__).parents[2] / "docs" / "how-to" / "describe-data-beside-it.md"
    example = re.search(r"```yaml\n(.*?)```", manual.read_text("utf-8"), re.DOTALL)
    assert example is not None

    said = read_given(example[1].encode())

    assert all(getattr(said, name) is not None for name in Given.model_fields)


@pytest.mark.parametrize("body", [b"", b"# nothing\n", b"{}", b"title:\n", b"title: ~\n"])
def test_a_file_that_says_nothing_says_nothing(body: bytes) -> None:
    assert read_given(body).title is None


BOMB = b"a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\ntitle: *b\n"


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        b"title: !!python/object/apply:os.system ['id']\n",
        b"title: !!str x\n",
        b"[" * 100_000,
        b"keywords: [" + b"a," * 30_000 + b"]",
        b"title: " + b"x" * SIZE_LIMIT_BYTES,
        b"? " * 5000,
    ],
    ids=["bomb", "object", "tag", "deep", "many", "large", "keys in keys"],
)
def test_a_hostile_file_is_refused_before_anything_is_built(body: bytes) -> None:
    with pytest.raises(HostileInput):
        read_given(body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"title: [unclosed\n", "line"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"- a list\n", "fields"),
        (b"just text", "fields"),
        (b"title: a\ntitle: b\n", "twice"),
        (b"titel: a\n", "titel"),
        (b"licence: CC-BY-9.9\n", "SPDX"),
        (b"licence: LicenseRef-mine\n", "SPDX"),
        (b"human_data: perhaps\n", "human_data"),
        (b"creators: [{name: A, orcid: 0000-0002-1825-0098}]\n", "creators.0.orcid"),
        (b"title: a\n---\ntitle: b\n", "more than one document"),
        ("title: \u202e\n".encode(), "title"),
        (b"title: " + b"x" * 100_000 + b"\n", "title"),
        (b"title: \x07\n", "YAML"),
    ],
)
def test_a_fault_is_named_for_who_wrote_the_file(body: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read_given(body)


@forall(st.binary(max_size=400))
def test_no_bytes_raise_anything_but_a_refusal(body: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        read_given(body)
