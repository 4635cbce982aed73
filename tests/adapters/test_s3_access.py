"""How an S3 store is reached, and the checksum that goes with what is sent there."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_checksum import crc64nvme, followed_by, from_s3_form, in_s3_form
from cisterna.adapters.s3_part import MOST_PARTS, Part, PartSenders, part_bytes


@pytest.mark.parametrize(
    ("endpoint", "is_private"),
    [
        ("https://s3.example.org", True),
        ("http://127.0.0.1:8333", True),
        ("http://[::1]:8333", True),
        ("http://localhost:8333", True),
        ("http://s3.example.org", False),
        ("http://10.0.0.7:9000", False),
        ("http://127.evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://", False),
    ],
)
def test_bodies_are_signed_wherever_somebody_could_change_them_on_the_way(endpoint: str, is_private: bool) -> None:
    access = S3Access(endpoint=endpoint, access_key_id="key", secret_access_key=SecretStr("secret"))
    assert access.is_private is is_private


def test_the_checksum_is_the_one_that_its_definition_gives() -> None:
    assert crc64nvme(b"123456789") == 0xAE8B14860A799888


@given(first=st.binary(), second=st.binary())
def test_the_checksum_of_two_pieces_is_that_of_the_whole(first: bytes, second: bytes) -> None:
    joined = followed_by(crc64nvme(first), crc64nvme(second), second_bytes=len(second))
    assert joined == crc64nvme(first + second)


@given(value=st.integers(min_value=0, max_value=2**64 - 1))
def test_a_checksum_is_read_as_it_was_written(value: int) -> None:
    assert from_s3_form(in_s3_form(value)) == value


@given(text=st.none() | st.text())
def test_what_a_store_says_for_a_checksum_is_read_with_suspicion(text: str | None) -> None:
    found = from_s3_form(text)
    assert found is None or in_s3_form(found) == text


def test_a_part_is_the_same_by_its_checksum_or_else_by_its_md5_and_never_by_its_size() -> None:
    body = b"some bytes"
    crc = crc64nvme(body)
    md5 = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
    assert Part(1, len(body), crc, "anything").has(body, crc=crc)
    assert Part(1, len(body), None, md5).has(body, crc=crc)
    assert not Part(1, len(body), crc ^ 1, md5).has(body, crc=crc)
    assert not Part(1, len(body) + 1, crc, md5).has(body, crc=crc)
    assert not Part(1, len(body), None, '"anything-1"').has(body, crc=crc)


def test_ten_thousand_parts_hold_what_the_documentation_says() -> None:
    sizes = [part_bytes(number) for number in range(1, MOST_PARTS + 1)]
    assert sizes == sorted(sizes)
    assert sum(sizes) > 859 * 1024**3
    assert sizes[0] >= 5 * 1024 * 1024


def test_buffers_are_used_again_and_readers_wait_for_senders() -> None:
    senders = PartSenders(1)
    first = senders.lend(10)
    senders.send(lambda: None, first).result()
    senders.close()

    assert senders.lend(10) is first
    assert senders.lend(10) is not first
