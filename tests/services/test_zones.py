"""Which landing zones the settings open, and which they refuse."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest
from pydantic import SecretStr, ValidationError

from cisterna.adapters.landing_bucket import LandingBucket
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.bootstrap.parts import Parts
from cisterna.bootstrap.zones import same_endpoint
from cisterna.domain.errors import InvalidInput, SettingsInvalid, SourceUnavailable
from cisterna.settings import Landing, Settings, SourceBucket, Store
from cisterna.testing.factory import make_instrument

ENDPOINT = "http://127.0.0.1:9"
STORE = Store(
    endpoint=ENDPOINT,
    access_key_id="a",
    secret_access_key=SecretStr("secret"),
    public_access_key_id="p",
    public_secret_access_key=SecretStr("secret"),
    archive_bucket="the-archive",
)


def source(bucket: str = "runs", *, endpoint: str = ENDPOINT) -> SourceBucket:
    return SourceBucket(bucket=bucket, endpoint=endpoint, access_key_id="key", secret_access_key=SecretStr("secret"))


@pytest.fixture
def parts() -> Iterator[Parts]:
    """The parts of a site whose store answers nobody; opening a zone asks nothing of it."""
    buckets = (source(), source("the-archive", endpoint=f"{ENDPOINT}/"), source("the-public", endpoint=ENDPOINT))
    with contextlib.ExitStack() as stack:
        yield Parts(Settings(store=STORE, landing=Landing(buckets=buckets)), stack)


def test_a_path_opens_a_folder_and_an_address_of_a_bucket_its_prefix(parts: Parts) -> None:
    assert isinstance(parts.zone_of(make_instrument("squid-1")), LandingFolder)
    for path in ("s3://runs", "s3://runs/", "s3://runs/novaseq/"):
        assert isinstance(parts.zone_of(make_instrument("squid-1", path=path)), LandingBucket)


def test_a_bucket_that_no_setting_names_is_refused_by_name(parts: Parts) -> None:
    with pytest.raises(SettingsInvalid, match=r"landing\.buckets.*there are: runs"):
        parts.zone_at("s3://elsewhere/novaseq")


@pytest.mark.parametrize(
    ("endpoint", "server_copy", "is_asked"),
    [(f"{ENDPOINT}/", True, True), (ENDPOINT, False, False), ("http://127.0.0.1:8", True, False)],
    ids=["one store", "not wanted", "another store"],
)
def test_the_archives_store_is_asked_to_copy_only_from_where_it_is_itself(
    *, endpoint: str, server_copy: bool, is_asked: bool
) -> None:
    bucket = source(endpoint=endpoint).model_copy(update={"server_copy": server_copy})
    with contextlib.ExitStack() as stack:
        zone = Parts(Settings(store=STORE, landing=Landing(buckets=(bucket,))), stack).zone_at("s3://runs/novaseq")

        if is_asked:
            with pytest.raises(SourceUnavailable):  # nobody answers
                zone.witness()
        else:
            assert zone.witness() is None


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("http://store:80", "http://Store/", True),
        ("https://s3.example.org", "https://s3.example.org:443/", True),
        ("https://s3.example.org", "http://s3.example.org", False),
        ("http://store:8333", "http://store:8334", False),
        ("http://127.0.0.1:8333", "http://localhost:8333", False),
    ],
)
def test_two_addresses_are_one_endpoint_however_they_are_written(*, one: str, other: str, is_same: bool) -> None:
    assert same_endpoint(one, other) is is_same


def test_the_archives_own_bucket_is_no_landing_zone(parts: Parts) -> None:
    with pytest.raises(SettingsInvalid, match="bucket of the store 'archive'"):
        parts.zone_at("s3://the-archive/abc")


@pytest.mark.parametrize("path", ["s3://runs//novaseq", "s3://runs/../x", "s3://runs/a/./b", "s3://runs/a//b"])
def test_a_prefix_that_is_not_plain_is_refused(parts: Parts, path: str) -> None:
    with pytest.raises(InvalidInput, match="no place in a bucket"):
        parts.zone_at(path)


def test_two_buckets_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="one name"):
        Landing(buckets=(source(), source(endpoint="http://127.0.0.1:10")))


def test_nobody_listens_where_the_settings_do_not_ask_for_it(parts: Parts) -> None:
    for path in ("/landing/squid-1", "s3://runs/novaseq"):
        assert parts.zones.listen(make_instrument("squid-1", path=path), threading.Event()) is None
