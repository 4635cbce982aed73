"""Text that others wrote is read within bounds, or refused by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.errors import InvalidInput
from cisterna.domain.untrusted import csv_rows, json_object, plain_text, real_number, whole_number


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"[1]", id="no object"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
        pytest.param(b"[" * 100_000, id="nested"),
        pytest.param(b'{"a":' * 100_000, id="nested objects"),
        pytest.param(b'{"a": NaN}', id="no number"),
        pytest.param(b'{"a": ' + b"9" * 10_000 + b"}", id="a number of 10,000 digits"),
    ],
)
def test_json_that_is_none_is_refused_by_name(body: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"run\.json"):
        json_object(body, "run.json")


def test_a_table_gives_the_wanted_columns() -> None:
    rows = csv_rows(b"\xef\xbb\xbfregion,x (mm)\r\nA1,1\r\nB2,2\r\n", "c.csv", columns=("region",), most=5)

    assert rows == [{"region": "A1"}, {"region": "B2"}]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no column 'region'"),
        (b"x,y\n1,2\n", "no column 'region'"),
        (b"region\n" + b"A1\n" * 6, "more than 5 rows"),
        (b"region\n\xff\n", "not the table"),
        (b'region\n"A1\n', "not the table"),
        (b"region\n" + b"x" * 200_000 + b"\n", "not the table"),
    ],
)
def test_a_table_that_is_none_is_refused_by_name(body: bytes, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        csv_rows(body, "coordinates.csv", columns=("region",), most=5)


@given(body=st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    for read in (lambda: json_object(body, "a"), lambda: csv_rows(body, "a", columns=("r",), most=3)):
        try:
            read()
        except InvalidInput:
            continue


def test_numbers_and_texts_out_of_bounds_are_nothing() -> None:
    assert whole_number(3, least=1, most=5) == 3
    assert [whole_number(value, least=1, most=5) for value in (0, 6, True, "3", 3.0, None)] == [None] * 6
    assert real_number(0.5, least=0, most=1) == 0.5
    assert [real_number(value, least=0, most=1) for value in (float("nan"), 10**400, False, "1")] == [None] * 4
    assert plain_text(" A1 ") == "A1"
    assert [plain_text(value) for value in ("", "a\nb", "x" * 501, 5, "\x1b[31m")] == [None] * 5
