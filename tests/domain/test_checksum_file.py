"""Checksum files as the world writes them, and as nobody should."""

from __future__ import annotations

import hashlib
import subprocess
import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.checksum_file import Listed, read_checksums, read_sidecar
from cisterna.domain.delivered import DIGITS, Tally, disagreement
from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.domain.source_name import logical_path
from tests.domain.test_source_name import names

MD5, SHA1, SHA256, SHA512 = "ab" * 16, "cd" * 20, "ef" * 32, "01" * 64


@pytest.mark.parametrize(
    ("line", "listed"),
    [
        (f"{MD5}  a.txt", Listed("a.txt", "md5", MD5)),
        (f"{MD5.upper()} *a b.txt", Listed("a b.txt", "md5", MD5)),
        (f"{SHA1}\ta.txt", Listed("a.txt", "sha1", SHA1)),
        (f"{SHA256}  ./sub/a.txt", Listed("sub/a.txt", "sha256", SHA256)),
        (f"{SHA512}  a.txt", Listed("a.txt", "sha512", SHA512)),
        (f"\\{MD5}  two\\nlines\\\\x", Listed("two%0Alines\\x", "md5", MD5)),
        (f"SHA256 (a (1).txt) = {SHA256}", Listed("a (1).txt", "sha256", SHA256)),
        (f"MD5(a.txt)= {MD5}", Listed("a.txt", "md5", MD5)),
    ],
)
def test_each_way_of_writing_a_line_is_understood(line: str, listed: Listed) -> None:
    body = f"\ufeff# a comment\r\n\r\n{line}\r\n".encode()  # as Windows saves it

    assert read_checksums(body, "sums.txt") == [listed]


def test_an_sfv_lists_crcs() -> None:
    assert read_checksums(b"; made by x\n#a b.bin 0AbCdEf1\n", "run.sfv") == [Listed("#a b.bin", "crc32", "0abcdef1")]


def test_a_bag_writes_line_ends_in_names_its_own_way() -> None:
    body = f"{SHA512}  data/two%0Alines%25\n".encode()

    assert read_checksums(body, "manifest-sha512.txt", is_bag=True)[0].path == "data/two%0Alines%"
    assert read_checksums(body, "manifest.sha512")[0].path == "data/two%250Alines%2525"


@settings(max_examples=15, deadline=None)
@given(st.lists(names().filter(lambda name: name != b"-"), min_size=1, max_size=4, unique=True))  # "-" is its own input
def test_what_coreutils_writes_of_any_name_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, some: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("named")
    for name in some:
        (folder / name.decode("utf-8", "surrogateescape")).write_bytes(name)

    written = subprocess.run(
        [b"md5sum", b"--", *some], cwd=folder, capture_output=True, check=True, timeout=10, env={"LC_ALL": "C"}
    )

    found = {one.path: one.digest for one in read_checksums(written.stdout, "md5sum.txt")}
    assert found == {logical_path(name): hashlib.md5(name, usedforsecurity=False).hexdigest() for name in some}


@pytest.mark.parametrize(
    "body",
    [
        b"not a checksum file",
        f"{MD5[:-1]}  short".encode(),
        f"{MD5}{MD5}{MD5}  no-such-algorithm".encode(),
        f"MD5 (a) = {SHA1}".encode(),
        f"{MD5}  a\n{'cd' * 16}  a\n".encode(),
        f"{MD5}".encode(),
        b"\0" * 100,
        b"\xff\xfe" + f"{MD5}  a".encode("utf-16-le"),
    ],
)
def test_what_is_no_checksum_file_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput, match="look at the file"):
        read_checksums(body, "md5sum.txt")


@pytest.mark.parametrize("path", ["../up", "/etc/passwd", "a/../b", "a//b", ".", "a\0b"])
def test_a_list_that_points_outside_is_refused(path: str) -> None:
    with pytest.raises(HostileInput, match="outside its folder"):
        read_checksums(f"{MD5}  {path}\n".encode(), "md5sum.txt")


def test_a_list_without_end_is_refused() -> None:
    with pytest.raises(InvalidInput, match="more than"):
        read_checksums(b"\n" * 1_000_001, "md5sum.txt")


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    for name in ("md5sum.txt", "a.sfv"):
        with suppress(InvalidInput):
            read_checksums(body, name)
    with suppress(InvalidInput):
        read_sidecar(body, "a.md5")


@pytest.mark.parametrize("body", [MD5, f"{MD5}\n", f"{MD5}  /data/elsewhere/reads.fastq.gz\n", f"MD5 (x) = {MD5}\n"])
def test_a_sidecar_tells_of_the_file_it_is_named_for(body: str) -> None:
    assert read_sidecar(body.encode(), "reads.fastq.gz.md5") == ("md5", MD5)


@pytest.mark.parametrize("body", ["", "\n", "hello", f"{MD5}  a\n{MD5}  b\n"])
def test_what_is_no_sidecar_is_refused(body: str) -> None:
    with pytest.raises(InvalidInput):
        read_sidecar(body.encode(), "a.md5")


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_a_tally_makes_the_digests_that_others_make(pieces: list[bytes]) -> None:
    tally, whole = Tally(DIGITS), b"".join(pieces)
    for piece in pieces:
        tally.update(piece)

    assert tally.found == {
        "crc32": f"{zlib.crc32(whole):08x}",
        **{name: hashlib.new(name, whole).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")},
    }
    assert {name: len(digest) for name, digest in tally.found.items()} == DIGITS


def test_a_disagreement_gives_both_values() -> None:
    assert disagreement({"md5": MD5}, {"md5": MD5, "sha512": SHA512}) is None
    told = disagreement({"md5": MD5}, {"md5": "00" * 16}) or ""
    assert MD5 in told
    assert "00" * 16 in told
