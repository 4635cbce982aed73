"""Declaring instruments whose landing zones are folders, and prefixes of buckets."""

from __future__ import annotations

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.errors import AlreadyExists, InvalidInput, SourceUnavailable
from cisterna.domain.instrument import BucketIdentity, Identity, Instrument
from cisterna.profiles.folder import Folder
from cisterna.services.instrument import declare_instrument
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_zone import MemoryZone

MARKED = BucketIdentity(bucket="runs", sentinel="s" * 32)


class BucketZone(MemoryZone):
    def identity(self) -> Identity:
        super().identity()
        return MARKED


def declare(
    catalogue: SqlCatalogue, name: str, path: str, zone: MemoryZone | None = None, **settings: str
) -> Instrument:
    return declare_instrument(
        name,
        profile=Folder(),
        path=path,
        settings=settings,
        zone=zone or BucketZone(),
        catalogue=catalogue,
        clock=SettableClock(),
    )


def test_a_prefix_is_declared_with_its_sentinel_and_read_back_as_it_was(catalogue: SqlCatalogue) -> None:
    declared = declare(catalogue, "novaseq", "s3://runs/novaseq")

    with catalogue.begin() as tx:
        assert tx.instruments.get("novaseq") == declared
    assert declared.identity == MARKED


@pytest.mark.parametrize("path", ["s3://runs/novaseq", "s3://runs", "s3://runs/novaseq/below"])
def test_prefixes_that_overlap_are_refused(catalogue: SqlCatalogue, path: str) -> None:
    declare(catalogue, "novaseq", "s3://runs/novaseq")

    with pytest.raises(AlreadyExists, match="overlaps"):
        declare(catalogue, "other", path)


def test_neighbours_and_a_folder_of_the_same_name_do_not_overlap(catalogue: SqlCatalogue) -> None:
    for number, path in enumerate(("s3://runs/novaseq", "s3://runs/novaseq2", "/runs/novaseq", "s3://other/novaseq")):
        declare(catalogue, f"sequencer-{number}", path)


@pytest.mark.parametrize("path", ["runs", "./runs", "", "http://runs/x"])
def test_a_path_that_does_not_begin_at_the_root_is_refused(catalogue: SqlCatalogue, path: str) -> None:
    with pytest.raises(InvalidInput, match="absolute"):
        declare(catalogue, "novaseq", path)


def test_a_zone_that_cannot_be_looked_at_is_not_declared(catalogue: SqlCatalogue) -> None:
    zone = BucketZone()
    zone.is_away = True

    with pytest.raises(SourceUnavailable):
        declare(catalogue, "novaseq", "s3://runs/novaseq", zone)
    with catalogue.begin() as tx:
        assert tx.instruments.list() == []


def test_what_an_instrument_is_is_declared_by_its_settings(catalogue: SqlCatalogue) -> None:
    said = {"pid": "hdl:21.T11998/0000-001A", "manufacturer": "Cephla", "model": "Squid+", "serial": "7"}

    declared = declare(catalogue, "novaseq", "s3://runs/novaseq", **said)

    assert declared.settings == said


@pytest.mark.parametrize(
    ("setting", "value"),
    [("pid", "8100000201"), ("pid", "javascript:alert(1)"), ("manufacturer", "\u202e"), ("serial", "x" * 1001)],
)
def test_what_says_nothing_of_a_device_is_refused(catalogue: SqlCatalogue, setting: str, value: str) -> None:
    with pytest.raises(InvalidInput, match=f"the setting {setting} cannot be used"):
        declare(catalogue, "novaseq", "s3://runs/novaseq", **{setting: value})
