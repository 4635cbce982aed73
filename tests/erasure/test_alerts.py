"""Alerts on a run go when its data are erased, pictures first; nothing brings them back, and none is raised anew."""

from __future__ import annotations

import gzip

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.baseline import RunBaseline
from cisterna.domain.dataset import Version
from cisterna.domain.manifest import FileEntry
from cisterna.ports.quality import Reading
from cisterna.profiles.squid import Squid
from cisterna.services.alarm import Alarm
from cisterna.services.alert import raise_alert
from cisterna.services.erase import erase_dataset
from cisterna.services.one_read import ReadFile
from cisterna.services.rebuild import rebuild_catalogue
from cisterna.testing.clock import START
from cisterna.testing.factory import make_alert
from tests.erasure.yard import ORDER, SECRET, Yard


def erase(yard: Yard, dataset_id: str) -> None:
    erase_dataset(dataset_id, person="anna", order=ORDER, site=yard.site)


def alert_on(yard: Yard, version: Version) -> str:
    """Raise an alert with a picture on a version's run, and leave what the run had so far; return the run's id."""
    with yard.catalogue.begin() as tx:
        run = tx.acquisitions.get(tx.datasets.get(version.dataset_id).acquisition_id or "")
        made = make_alert(run.folder, instrument=run.instrument, words=f"The first dark image: well {SECRET}")
        raise_alert(tx, made, run, clock=yard.facility.clock)
        tx.alerts.put_picture(made.alert_id, f"PNG {SECRET}".encode())
        tx.alerts.put_baseline(run.acquisition_id, RunBaseline(pictures={SECRET: b"PNG"}))
    return run.acquisition_id


def test_alerts_on_its_run_go_with_their_pictures_and_a_neighbour_s_stay(yard: Yard) -> None:
    doomed, neighbour = yard.archived(), yard.archived("run-2")
    run, beside = alert_on(yard, doomed), alert_on(yard, neighbour)
    yard.record()

    erase(yard, doomed.dataset_id)

    with yard.catalogue.begin() as tx:
        assert tx.alerts.of(run) == []
        assert tx.alerts.picture(make_alert("run-1").alert_id) is None
        assert tx.alerts.baseline(run) == RunBaseline()
        assert [one.name for one in tx.outbox.history([run]) if one.name.startswith("alert.")] == []
        (kept,) = tx.alerts.of(beside)
        assert tx.alerts.picture(kept.alert_id) is not None
    segments = [gzip.decompress(body) for key, body in yard.everything(yard.archive).items() if key.endswith(".gz")]
    told = [line for body in segments for line in body.splitlines() if run.encode() in line]
    assert told
    assert not [line for line in told if SECRET.encode() in line]


def test_a_run_whose_data_were_erased_raises_no_alert(yard: Yard) -> None:
    doomed = yard.archived()
    run = alert_on(yard, doomed)
    erase(yard, doomed.dataset_id)
    with yard.catalogue.begin() as tx:
        acquisition = tx.acquisitions.get(run)
        writing = tx.acquisitions.save(acquisition.model_copy(update={"state": AcquisitionState.WRITING}))

    alarm = Alarm(yard.catalogue, yard.facility.clock, {writing.profile: Squid()}, lambda _data_type: {})

    assert alarm.judge(writing, [dark_image(number) for number in range(10)]) == ()
    with yard.catalogue.begin() as tx:
        assert tx.alerts.of(run) == []


def dark_image(number: int) -> ReadFile:
    path = f"0/A{number}_0_0_DAPI.tiff"
    entry = FileEntry(path=path, size_bytes=1, sha512="ab" * 64, modified=START, content_path=f"c/{number}")
    metrics: dict[str, float | None] = {"empty": 1.0, "background_counts": 1.0, "p99_counts": 2.0, "snr": 3.0}
    return ReadFile(entry, Reading(dtype="uint16", metrics=metrics))


def test_a_record_older_than_the_erasure_brings_no_alert_back(yard: Yard, empty_catalogue: SqlCatalogue) -> None:
    doomed = yard.archived()
    run = alert_on(yard, doomed)
    yard.record()
    old = yard.everything(yard.copy)
    erase(yard, doomed.dataset_id)
    for key, body in old.items():
        yard.copy.put(key, body)

    rebuild_catalogue(catalogue=empty_catalogue, store=yard.copy)

    with empty_catalogue.begin() as tx:
        assert tx.alerts.of(run) == []
        assert [one.name for one in tx.outbox.history([run]) if one.name.startswith("alert.")] == []
