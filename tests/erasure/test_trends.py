"""What was measured of erased data goes with them, and nothing brings it back."""

from __future__ import annotations

import gzip

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.dataset import Version
from cisterna.services.erase import erase_dataset
from cisterna.services.rebuild import rebuild_catalogue
from cisterna.testing.factory import make_sample
from tests.erasure.yard import ORDER, SECRET, Yard


def measured(yard: Yard, version: Version) -> str:
    """Keep a sample of a version, in a channel that somebody named after a person; return the version's id."""
    with yard.catalogue.begin() as tx:
        tx.trends.add([make_sample(version, channel=SECRET)])
    return version.version_id


def erase(yard: Yard, version: Version) -> None:
    erase_dataset(version.dataset_id, person="anna", order=ORDER, site=yard.site)


def test_samples_of_erased_data_go_and_a_neighbour_s_stay(yard: Yard) -> None:
    doomed, neighbour = yard.archived(), yard.archived("run-2")
    gone, kept = measured(yard, doomed), measured(yard, neighbour)
    yard.record()

    erase(yard, doomed)

    with yard.catalogue.begin() as tx:
        assert tx.trends.judged(gone) is None
        assert tx.trends.judged(kept) is not None
    segments = [gzip.decompress(body) for key, body in yard.everything(yard.archive).items() if key.endswith(".gz")]
    assert not [line for body in segments for line in body.splitlines() if gone.encode() in line and b"focus" in line]


def test_a_record_older_than_the_erasure_brings_no_sample_back(yard: Yard, empty_catalogue: SqlCatalogue) -> None:
    doomed = yard.archived()
    gone = measured(yard, doomed)
    yard.record()
    old = yard.everything(yard.copy)
    erase(yard, doomed)
    for key, body in old.items():
        yard.copy.put(key, body)

    rebuild_catalogue(catalogue=empty_catalogue, store=yard.copy)

    with empty_catalogue.begin() as tx:
        assert tx.trends.judged(gone) is None
        assert tx.trends.metrics(instrument="squid-1") == []
