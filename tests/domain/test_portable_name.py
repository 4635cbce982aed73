"""Which names another system would mix up, change or refuse."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.listing import ObstacleKind
from cisterna.domain.portable_name import MOST_TOLD, unportable_names


def shown(*paths: str) -> list[str]:
    return [one.shown for one in unportable_names(paths)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Image.tif", "image.TIF"),
        ("caf\u00e9.tif", "cafe\u0301.tif"),
        ("CAF\u00c9.tif", "cafe\u0301.tif"),
        ("\u212bngstr\u00f6m", "\u00e5ngstro\u0308m"),
        ("stra\u00dfe", "STRASSE"),
        ("\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c3"),
        ("A/x.tif", "a/y.tif"),
        ("deep/B/x", "deep/b"),
    ],
)
def test_names_that_differ_only_in_case_or_composition_are_told_with_both_spellings(first: str, second: str) -> None:
    (told,) = unportable_names([first, second])

    assert told.kind is ObstacleKind.UNPORTABLE
    twins = [first, second]
    assert all(any(f"'{part}'" in told.reason for part in (path, path.rpartition("/")[0])) for path in twins)
    assert "differ only in case" in told.reason


@pytest.mark.parametrize(
    "name",
    [
        *("CON", "con", "nul.txt", "NUL.tar.gz", "Aux", "PRN.", "COM1", "com9.log", "LPT\u00b2", "nul .txt", "CONIN$"),
        *("trailing.", "trailing ", "...", "a:b", "what?", "a*b", "<a>", 'a"b', "a|b", "back\\slash"),
    ],
)
@pytest.mark.parametrize("where", ["{}", "0/{}", "{}/a.tif"])
def test_names_that_windows_refuses_or_changes_are_told(name: str, where: str) -> None:
    (told,) = unportable_names([where.format(name)])

    assert f"'{told.shown}'" in told.reason
    assert "unportable_names" in told.reason


@pytest.mark.parametrize(
    "paths",
    [
        ("0/A1_0_0_Fluorescence_488_nm_Ex.tiff", "1/A1_0_0_Fluorescence_488_nm_Ex.tiff"),
        ("acquisition parameters.json", "acquisition.yaml", ".done", "0/.done"),
        ("console.txt", "null", "auxiliary", "COM", "COM10", "com1x", "prn-1"),
        ("A/a.tif", "B/a.tif", "A/b/a.tif"),
        ("%FF.tiff", "%0A", "100%", "\u65e5\u672c.tif"),
        (" leading", "-rf", "~", "a b.tif"),
    ],
)
def test_ordinary_names_are_let_be(paths: tuple[str, ...]) -> None:
    assert unportable_names(paths) == ()


def test_a_folder_is_told_once_however_many_files_lie_in_it() -> None:
    assert shown(*(f"a/{number}" for number in range(50)), *(f"A/{number}" for number in range(50))) == ["A"]
    assert shown(*(f"nul/{number}" for number in range(50))) == ["nul"]


def test_many_are_counted_and_not_all_listed() -> None:
    told = unportable_names(f"a:{number}" for number in range(100_000))

    assert len(told) == MOST_TOLD + 1
    assert f"{100_000 - MOST_TOLD} more names" in told[-1].reason


@given(st.lists(st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=6), unique=True))
def test_every_pair_that_a_caseless_disk_would_merge_is_found(names: list[str]) -> None:
    def merged(name: str) -> str:
        return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())

    lost = len(names) - len({merged(name) for name in names})
    told = [one for one in unportable_names(names) if "differ only" in one.reason]

    assert (lost > 0) == bool(told) or len(names) > MOST_TOLD
