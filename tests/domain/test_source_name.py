"""Names of any bytes: written as text that everybody stands, and read back to the byte."""

from __future__ import annotations

import base64
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from cisterna.domain.errors import HostileInput
from cisterna.domain.manifest import FileEntry, Manifest, source_path_base64
from cisterna.domain.path import relative_path
from cisterna.domain.source_name import is_written_otherwise, logical_path, source_path

NAME_BYTES = b"%%%\xff\xe9\n\t\r\x1b\x7f\\ .aA41fF25\"'&<>*:#?"


def names() -> st.SearchStrategy[bytes]:
    """Any name that a file system takes, most of them odd."""
    odd = st.lists(st.sampled_from([bytes([one]) for one in NAME_BYTES] + ["é".encode(), "\u202e".encode()]))
    anything = st.one_of(st.binary(min_size=1, max_size=255), odd.map(b"".join), st.text(max_size=60).map(_encoded))
    return anything.map(lambda name: name.replace(b"/", b"-").replace(b"\0", b"0")[:255]).filter(
        lambda name: name not in {b"", b".", b".."}
    )


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@given(st.lists(names(), min_size=1, max_size=4).map(b"/".join))
@example(b"%")
@example(b"%%41")
@example(b"%\xff")
@example(b"%4\x01")
@example(b"\xed\xa0\x80")
def test_every_name_comes_back_to_the_byte(source: bytes) -> None:
    path = logical_path(source)

    assert source_path(path) == source
    assert unquote_to_bytes(path) == source, "any percent-decoder undoes it"
    assert relative_path(path) == path
    assert len((path + "\n").splitlines()) == 1
    assert is_written_otherwise(path) == (path.encode() != source)


@given(names(), names())
def test_two_names_are_never_written_alike(first: bytes, second: bytes) -> None:
    assert (logical_path(first) == logical_path(second)) == (first == second)


@pytest.mark.parametrize(
    "name",
    ["plain.tiff", "50%.tiff", "a%zz", "färg 日本.tiff", " .hidden ", "CON", "a:b*?", "back\\slash", "e\u0301", "é"],
)
def test_a_name_that_is_plain_text_is_what_it_is(name: str) -> None:
    assert logical_path(name.encode()) == name
    assert source_path_base64(name) is None


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (b"caf\xe9.tiff", "caf%E9.tiff"),
        (b"two\nlines", "two%0Alines"),
        (b"%41", "%2541"),
        (b"100%25", "100%2525"),
        (b"\x1b[31mred", "%1B[31mred"),
        ("gpj.\u202eexe".encode(), "gpj.%E2%80%AEexe"),
    ],
)
def test_what_is_no_plain_text_is_percent_encoded(source: bytes, path: str) -> None:
    assert logical_path(source) == path
    assert base64.b64decode(source_path_base64(path) or "") == source


@pytest.mark.parametrize("path", ["%41", "%2E%2E", "a%2Fb", "%00", "x%ff", "..", "/etc", "a//b", "", "a\nb", "\udcff"])
def test_a_path_that_no_name_is_written_as_is_refused(path: str) -> None:
    with pytest.raises(HostileInput):
        source_path(path)


def entry(path: str, source: bytes | None = None, **fields: object) -> FileEntry:
    made = {"path": path, "size_bytes": 1, "sha512": "ab" * 64, **fields}
    return FileEntry(**made, source_path_base64=base64.b64encode(source).decode() if source else None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "given_bytes"),
    [("caf%E9", b"cafe"), ("caf", b"caf"), ("../up", b"../up"), ("%41", b"A"), ("a%2Fb", b"a/b")],
)
def test_a_manifest_whose_paths_disagree_with_their_bytes_is_refused(path: str, given_bytes: bytes) -> None:
    with pytest.raises(ValidationError):
        entry(path, given_bytes)


def test_bytes_that_are_no_base64_are_refused() -> None:
    with pytest.raises(ValidationError, match="not base64"):
        FileEntry(path="a%FF", size_bytes=1, sha512="ab" * 64, source_path_base64="~~")


def test_an_encoded_name_and_one_that_looks_so_give_two_digests() -> None:
    encoded, literal = Manifest.of([entry("a%FF", b"a\xff")]), Manifest.of([entry("a%FF")])

    assert encoded.digest != literal.digest


@given(st.lists(names(), min_size=1, max_size=6, unique=True), st.lists(names(), min_size=1, max_size=6, unique=True))
def test_two_lists_of_files_never_have_one_digest(first: list[bytes], second: list[bytes]) -> None:
    manifests = [
        Manifest.of([entry(logical_path(name), name if logical_path(name).encode() != name else None) for name in some])
        for some in (first, second)
    ]

    assert (manifests[0].digest == manifests[1].digest) == (set(first) == set(second))
