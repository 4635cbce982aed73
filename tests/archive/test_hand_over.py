"""A copy for a recipient: whole, read back where it lies, proven by a receipt, and never taken away by us."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from cisterna.adapters.sink_archive_log import ArchiveLogSink
from cisterna.domain.delivery import Delivery, DeliveryRules, DeliveryState
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import (
    AlreadyExists,
    ChecksumMismatch,
    DeliveryRefused,
    InvalidInput,
    NotFound,
    StoreUnavailable,
)
from cisterna.services.copy_place import LIST, require_folder
from cisterna.services.delivery import deliver_version, revoke_delivery
from cisterna.services.delivery_use import acknowledge_delivery, open_delivery
from cisterna.services.hand_over import hand_over
from cisterna.testing.factory import make_account
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import RUN, Facility
from tests.web.site import quick_passwords


@pytest.fixture
def archived(facility: Facility) -> str:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    facility.ingest(version)
    with facility.catalogue.begin() as tx:
        tx.accounts.add(make_account("ada"))
    return version


def deliver(facility: Facility, version: str, folder: Path) -> tuple[Delivery, str]:
    delivery, path = deliver_version(
        version,
        to="ada",
        person="ada",
        rules=DeliveryRules(),
        reason="Nobody has judged it yet.",
        with_link=True,
        copy_to=str(folder),
        catalogue=facility.catalogue,
        clock=facility.clock,
        passwords=quick_passwords(),
    )
    assert path is not None
    return delivery, path.rpartition("/")[2]


def carry_out(facility: Facility, delivery: Delivery) -> Delivery:
    return hand_over(
        delivery.delivery_id,
        catalogue=facility.catalogue,
        store=facility.store,
        tables=facility.tables,
        clock=facility.clock,
    )


def memory(facility: Facility) -> MemoryStore:
    assert isinstance(facility.store, MemoryStore)
    return facility.store


def test_the_copy_is_read_back_listed_and_proven_before_the_recipient_is_told(
    facility: Facility, archived: str, tmp_path: Path
) -> None:
    folder = tmp_path / "for ada"
    delivery, secret = deliver(facility, archived, folder)
    with pytest.raises(NotFound):
        open_delivery(secret, catalogue=facility.catalogue, clock=facility.clock)

    done = carry_out(facility, delivery)

    assert {path: (folder / "data" / path).read_bytes() for path in RUN} == RUN
    checked = subprocess.run(
        ["sha512sum", "-c", "--strict", LIST], cwd=folder, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != LIST]
    proof = done.handed_over
    assert proof is not None
    assert proof.files == len(files) == len(checked.stdout.splitlines())
    assert proof.bytes_read == sum(file.stat().st_size for file in files)
    assert proof.list_sha512 == sha512_of((folder / LIST).read_bytes())
    assert done.state(now=facility.clock.now()) is DeliveryState.HANDED_OVER
    opened = open_delivery(secret, catalogue=facility.catalogue, clock=facility.clock)
    assert opened.delivery == done


@pytest.mark.parametrize("nth", [1, 4, 9])
def test_a_copy_that_was_cut_short_is_taken_up_by_the_same_call(
    facility: Facility, archived: str, tmp_path: Path, nth: int
) -> None:
    delivery, _ = deliver(facility, archived, tmp_path / "out")
    memory(facility).fail_on("stream", error=StoreUnavailable("away"), nth=nth)
    with pytest.raises(StoreUnavailable):
        carry_out(facility, delivery)

    memory(facility).heal()
    again, _ = deliver(facility, archived, tmp_path / "out")
    done = carry_out(facility, again)

    assert again.delivery_id == delivery.delivery_id
    assert done.handed_over is not None
    assert carry_out(facility, again) == done


def test_a_kill_between_the_last_file_and_the_receipt_is_made_good(
    facility: Facility, archived: str, tmp_path: Path
) -> None:
    delivery, _ = deliver(facility, archived, tmp_path / "out")
    done = carry_out(facility, delivery)
    with facility.catalogue.begin() as tx:
        tx.deliveries.put(delivery)  # as if it had never been put on record
    (tmp_path / "out" / LIST).unlink()

    again = carry_out(facility, delivery)

    assert again.handed_over == done.handed_over


def test_a_folder_of_other_things_is_left_as_it_is(facility: Facility, archived: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    delivery, _ = deliver(facility, archived, tmp_path / "out")

    with pytest.raises(AlreadyExists):
        carry_out(facility, delivery)

    assert [file.name for file in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_bytes_that_do_not_read_back_give_no_receipt(
    facility: Facility, archived: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    delivery, _ = deliver(facility, archived, folder)
    carry_out(facility, delivery)
    with facility.catalogue.begin() as tx:
        tx.deliveries.put(delivery)
    (folder / "data" / "acquisition.yaml").write_bytes(b"plan: gone\n")

    with pytest.raises(AlreadyExists) as refusal:
        carry_out(facility, delivery)

    assert isinstance(refusal.value.__cause__, ChecksumMismatch)
    with facility.catalogue.begin() as tx:
        assert tx.deliveries.get(delivery.delivery_id).handed_over is None


def test_the_end_of_a_delivery_leaves_the_copy_where_it_is(facility: Facility, archived: str, tmp_path: Path) -> None:
    delivery, secret = deliver(facility, archived, tmp_path / "out")
    carry_out(facility, delivery)
    before = sorted(tmp_path.rglob("*"))

    revoke_delivery(delivery.delivery_id, person="ada", catalogue=facility.catalogue, clock=facility.clock)

    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(NotFound):
        open_delivery(secret, catalogue=facility.catalogue, clock=facility.clock)


def test_no_copy_is_made_for_what_ended_or_has_none(facility: Facility, archived: str, tmp_path: Path) -> None:
    delivery, _ = deliver(facility, archived, tmp_path / "out")
    facility.clock.advance(timedelta(days=15))

    with pytest.raises(DeliveryRefused, match="expired"):
        carry_out(facility, delivery)

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("folder", ["s3://bucket/prefix", "relative/folder", "", "/a\nb", "file:///x", "/a\x00b"])
def test_only_an_absolute_folder_of_this_machine_takes_a_copy(folder: str) -> None:
    with pytest.raises(InvalidInput, match="absolute path"):
        require_folder(folder)


def test_the_receipt_and_the_recipient_s_word_lie_in_the_object_s_log(
    facility: Facility, archived: str, tmp_path: Path
) -> None:
    sink = ArchiveLogSink(store=facility.store, catalogue=facility.catalogue)
    delivery, secret = deliver(facility, archived, tmp_path / "out")
    carry_out(facility, delivery)
    acknowledge_delivery(secret, catalogue=facility.catalogue, clock=facility.clock)

    with facility.catalogue.begin() as tx:
        events = [one for one in tx.outbox.history([archived]) if one.name.startswith("delivery.")]
    for event in events:
        sink.send(event)

    names = [key.split("Z-", 1)[1] for key in sorted(facility.keys(archived)) if key.startswith("logs/")]
    told = [name for name in names if name.startswith("delivery.")]
    assert sorted(name.rpartition(".json")[0][:-37] for name in told) == [
        "delivery.acknowledged",
        "delivery.handed-over",
    ]


def spoil(folder: Path, how: str) -> None:
    """Do to a copy what recipients and disks do."""
    match how:
        case "changed":
            (folder / "data" / "acquisition.yaml").write_bytes(b"plan: gone\n")
        case "cut":
            file = folder / "data" / "acquisition.yaml"
            file.write_bytes(file.read_bytes()[:-1])
        case "gone":
            (folder / "data" / "acquisition.yaml").unlink()
        case "link":
            file = folder / "data" / "acquisition.yaml"
            file.rename(folder.parent / "elsewhere")
            file.symlink_to(folder.parent / "elsewhere")
        case "list":
            (folder / LIST).write_text("nothing\n")
        case _:
            pytest.fail(how)


@pytest.mark.parametrize("how", ["changed", "cut", "gone", "link", "list"])
def test_asked_again_a_copy_that_is_not_what_was_handed_over_is_named_and_left_alone(
    facility: Facility, archived: str, tmp_path: Path, how: str
) -> None:
    folder = tmp_path / "out"
    delivery, _ = deliver(facility, archived, folder)
    done = carry_out(facility, delivery)
    spoil(folder, how)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}

    with pytest.raises(ChecksumMismatch) as found:
        carry_out(facility, delivery)

    assert found.value.facts["paths"] == [LIST if how == "list" else "data/acquisition.yaml"]
    assert f"{done.handed_over.read_back_at:%Y-%m-%d}" in str(found.value)  # type: ignore[union-attr]
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
    with facility.catalogue.begin() as tx:
        assert tx.deliveries.get(delivery.delivery_id) == done


def test_asked_again_a_copy_that_is_gone_is_made_anew_and_proven_anew(
    facility: Facility, archived: str, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    delivery, _ = deliver(facility, archived, folder)
    first = carry_out(facility, delivery)
    shutil.rmtree(folder)
    facility.clock.advance(timedelta(hours=1))
    memory(facility).fail_on("stream", error=StoreUnavailable("away"), nth=4)
    with pytest.raises(StoreUnavailable):
        carry_out(facility, delivery)
    memory(facility).heal()

    again = carry_out(facility, delivery)

    assert again.handed_over is not None
    assert first.handed_over is not None
    assert again.handed_over.read_back_at == first.handed_over.read_back_at + timedelta(hours=1)
    assert again.handed_over.list_sha512 == first.handed_over.list_sha512
    assert {path: (folder / "data" / path).read_bytes() for path in RUN} == RUN
    with facility.catalogue.begin() as tx:
        told = [one for one in tx.outbox.history([archived]) if one.name == "delivery.handed-over"]
    assert len(told) == 2


def test_asked_again_a_whole_copy_is_read_again_and_nothing_is_told_twice(
    facility: Facility, archived: str, tmp_path: Path
) -> None:
    delivery, _ = deliver(facility, archived, tmp_path / "out")
    done = carry_out(facility, delivery)
    facility.clock.advance(timedelta(hours=1))

    assert carry_out(facility, delivery) == done
    with facility.catalogue.begin() as tx:
        told = [one for one in tx.outbox.history([archived]) if one.name == "delivery.handed-over"]
    assert len(told) == 1


def test_a_copy_is_not_made_anew_for_what_ended(facility: Facility, archived: str, tmp_path: Path) -> None:
    delivery, _ = deliver(facility, archived, tmp_path / "out")
    carry_out(facility, delivery)
    shutil.rmtree(tmp_path / "out")
    revoke_delivery(delivery.delivery_id, person="ada", catalogue=facility.catalogue, clock=facility.clock)

    with pytest.raises(DeliveryRefused, match="revoked"):
        carry_out(facility, delivery)

    assert not (tmp_path / "out").exists()
