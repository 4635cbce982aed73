"""An OMERO as a target, against a stand-in over real HTTP whose every answer can be broken."""

from __future__ import annotations

import logging
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from pydantic import ValidationError

from cisterna.adapters.omero_image import images_among, missing_from
from cisterna.adapters.target_omero import OmeroTarget
from cisterna.adapters.target_setting import Omero
from cisterna.bootstrap.targets import open_targets
from cisterna.domain.access import Extent
from cisterna.domain.deposit import DepositState
from cisterna.domain.errors import ReviewPending, SettingsInvalid, TargetRefused, TargetUnavailable
from cisterna.settings import load_settings
from cisterna.testing.clock import SettableClock
from cisterna.testing.fault_proxy import Effect, Request, Rule
from cisterna.testing.omero_server import GROUP
from cisterna.testing.outside_server import Fault, said
from cisterna.testing.target_contract import TargetContract
from cisterna.testing.target_request import FILES, REASON, MemoryBytes, deposit_request, tombstone_of
from tests.targets.omero_stage import PASSWORD, SHOWN, ZARR, OmeroStage, called


@pytest.fixture
def stage(stack: ExitStack, tmp_path: Path) -> OmeroStage:
    """Images in place: the one file of the contract's versions that is an image."""
    return OmeroStage(stack, tmp_path, images="in-place", folder="/srv/omero/data")


@pytest.fixture
def by_url(stack: ExitStack, tmp_path: Path) -> OmeroStage:
    return OmeroStage(stack, tmp_path)


class TestOmero(TargetContract):
    """Every promise, while nothing breaks."""

    struck_by = "TestOmeroWhateverBreaks"

    @pytest.fixture
    def stage(self, stage: OmeroStage) -> OmeroStage:
        stage.faults = frozenset()
        return stage


@pytest.mark.torture
class TestOmeroWhateverBreaks(TargetContract):
    """Every promise, with every fault at every request."""

    @pytest.fixture
    def stage(self, stage: OmeroStage) -> OmeroStage:
        return stage


@pytest.mark.parametrize("place", ["/m/save/", "/api/links/"])
def test_what_was_done_and_never_answered_is_not_done_twice(stage: OmeroStage, place: str) -> None:
    rule = stage.strike(Fault.LOST, skip=0)
    rule.when = lambda asked: asked.path.endswith(place)
    request = deposit_request("omero")
    with pytest.raises(TargetUnavailable):
        stage.target.deposit(request, known=None, files=FILES)

    done = stage.target.deposit(request, known=None, files=FILES)

    assert stage.standing(request.key) == stage.made(request.key) == [done.outside_id]
    assert stage.server.projects[3] == {int(done.outside_id)}


def test_a_200_with_an_error_in_it_is_never_believed(stage: OmeroStage) -> None:
    request = deposit_request("omero")
    for skip in range(7):
        stage.strike(Fault.ERROR_BODY, skip=skip)
        with pytest.raises(TargetRefused):
            stage.plain.deposit(request, known=None, files=FILES)
        stage.heal()

    assert len(stage.made(request.key)) <= 1


def test_the_dataset_says_what_it_is_and_where_the_files_are(stage: OmeroStage) -> None:
    request = deposit_request("omero", doi="10.1234/abc")

    done = stage.target.deposit(request, known=None, files=FILES)

    dataset = stage.server.datasets[int(done.outside_id)]
    assert (dataset["Name"], dataset["omero:details"]["group"]["@id"]) == ("Nuclei of plate (v1)", GROUP)
    lines = dataset["Description"].splitlines()
    assert lines[:2] == ["Seen with a lamp.", "Twice."]
    assert "By: Holm, Ada; Björn Ek" in lines
    assert "Licence: CC-BY-4.0 https://spdx.org/licenses/CC-BY-4.0" in dataset["Description"]
    assert f"Files and all that is known of them: {request.address}" in lines
    assert "https://doi.org/10.1234/abc" in dataset["Description"]
    assert lines[-1] == f"{request.pid}/v1"


def test_a_version_waits_until_omero_shows_every_image_and_says_how_many_it_does(by_url: OmeroStage) -> None:
    request = deposit_request("omero", bodies=ZARR)
    with pytest.raises(ReviewPending, match="0 of 2 images are to be seen in dataset 1") as pending:
        by_url.plain.deposit(request, known=None, files=MemoryBytes(ZARR))
    by_url.server.import_image(1, called(SHOWN[1], request))
    with pytest.raises(ReviewPending, match="1 of 2 images"):
        by_url.plain.deposit(request, known=None, files=MemoryBytes(ZARR))
    (script,) = by_url.lists.glob("*/import.sh")
    assert SHOWN[1] not in script.read_text("utf-8")
    by_url.operator()

    done = by_url.plain.deposit(request, known=None, files=MemoryBytes(ZARR))

    assert pending.value.facts["retry_after_seconds"] == 3600
    assert str(script) in str(pending.value)
    assert by_url.server.names_in(1) == [called(one, request) for one in SHOWN]
    assert done.remark is not None
    assert done.remark.endswith("shows 2 of 2 images")
    assert [one for one in by_url.lists.rglob("*") if one.is_file()] == []


def test_landing_pages_lead_only_to_an_omero_that_anybody_may_see(stack: ExitStack, tmp_path: Path) -> None:
    inside, outside = (OmeroStage(stack, tmp_path, images="none", is_public=public) for public in (False, True))

    told = [one.target.deposit(deposit_request("omero"), known=None, files=FILES) for one in (inside, outside)]

    assert told[0].address is None
    assert told[1].address == f"{outside.proxy.url}/webclient/?show=dataset-1"
    assert told[0].remark == f"{inside.proxy.url}/webclient/?show=dataset-1 shows no image, and leads here"


def test_the_command_goes_on_past_a_failure_and_imports_nothing_twice(by_url: OmeroStage, tmp_path: Path) -> None:
    name = "data/it's; $(touch pwned).ome.zarr"
    bodies = {f"{name}/zarr.json": b"{}", f"{name}/0/zarr.json": b"{}", **ZARR}
    request = deposit_request("omero", bodies=bodies)
    with pytest.raises(ReviewPending):
        by_url.plain.deposit(request, known=None, files=MemoryBytes(bodies))
    program, calls = tmp_path / "bin" / "omero", tmp_path / "calls"
    program.parent.mkdir()
    fails_once = f'case "$6" in *A/1/0\\ *) [ -e {tmp_path}/failed ] || {{ : > {tmp_path}/failed; exit 1; }};; esac'
    program.write_text(f'#!/bin/sh\n{fails_once}\nprintf "%s|" "$@" >> {calls}\necho >> {calls}\n', "utf-8")
    program.chmod(0o755)
    (script,) = by_url.lists.glob("*/import.sh")
    environ = {"PATH": f"{program.parent}:{os.environ['PATH']}"}

    codes = [subprocess.run(["/bin/sh", script], env=environ, check=False, timeout=30).returncode for _ in range(3)]

    begin = f"zarr|import|{request.address}/v1/files"
    assert codes == [1, 0, 0]
    assert calls.read_text("utf-8").splitlines() == [
        f"{begin}/data/it%27s%3B%20%24%28touch%20pwned%29.ome.zarr|--target|Dataset:1|--name={called(name, request)}|",
        *(f"{begin}/{one}|--target|Dataset:1|--name={called(one, request)}|" for one in reversed(SHOWN)),
    ]
    assert list(tmp_path.rglob("pwned")) == []


def test_images_in_place_are_linked_and_read_where_omero_sees_them(stage: OmeroStage) -> None:
    bodies = {'data/0/"A2".TIF': b"", "data/run.json": b"{}", **ZARR}
    request = deposit_request("omero", bodies=bodies)

    with pytest.raises(ReviewPending, match="0 of 3"):
        stage.plain.deposit(request, known=None, files=MemoryBytes(bodies))

    (folder,) = stage.lists.iterdir()
    seen = f"/srv/omero/data/{folder.name}/data"
    assert folder.name == request.key.partition("@")[0].replace(":", "-")
    assert (folder / "images.tsv").read_text("utf-8") == (
        f'"data/0/""A2"".TIF ({folder.name})"\t"{seen}/0/""A2"".TIF"\n'
    )
    bulk = (folder / "bulk.yml").read_text("utf-8").splitlines()
    assert {'transfer: "ln_s"', 'target: "Dataset:id:1"', 'path: "images.tsv"', 'exclude: "clientpath"'} < set(bulk)
    script = (folder / "import.sh").read_text("utf-8")
    assert f"show {seen}/view.ome.zarr/A/1/0 '{called(SHOWN[0], request)}' 0\n" in script
    assert "\nomero import --bulk bulk.yml " in script


@pytest.mark.parametrize("name", [f"data/{'a' * 250}.tif", "data/a\u2028b.tif"])
def test_a_name_that_omero_cannot_keep_is_refused_before_anything_is_begun(stage: OmeroStage, name: str) -> None:
    request = deposit_request("omero", bodies={name: b""})

    with pytest.raises(TargetRefused, match="OMERO has no name for data/a"):
        stage.plain.deposit(request, known=None, files=MemoryBytes({name: b""}))

    assert stage.server.seen == []


def test_images_are_found_by_what_ome_zarr_writes() -> None:
    paths = [
        *ZARR,
        "data/view.ome.zarr/OME/zarr.json",
        "data/view.ome.zarr/A/1/0/labels/cells/0/zarr.json",
        "data/labels/run.ome.zarr/0/zarr.json",
        "data/old.zarr/.zattrs",
        "data/old.zarr/0/.zarray",
        "data/old.zarr/0/0/0/0/0/0",
        "data/plain/0/zarr.json",
        "metadata/x.zarr/0/zarr.json",
        "data/a.tiff",
    ]

    assert [one.path for one in images_among(paths, with_files=False)] == [
        "data/labels/run.ome.zarr",
        "data/old.zarr",
        *SHOWN,
    ]
    assert images_among(paths, with_files=True)[-1] == ("data/a.tiff", False)


def test_a_file_with_several_images_is_there_when_one_of_its_images_is() -> None:
    wanted = images_among(["data/a.czi", "data/a.cz [i.lif", "data/b.czi"], with_files=True)

    names = ["data/a.czi (v) [scene 1 [left]]", "data/a.czi (v) [scene 2]", "data/a.cz [i.lif (v)", "data/b (v)"]
    missing = missing_from(wanted, [*names, "data/b.czi", "data/b.czi (v)_crop.tif", "data/b.czi (v2)"], label="v")

    assert [one.path for one in missing] == ["data/b.czi"]


def test_a_withdrawal_waits_until_its_images_are_gone_and_says_so_there_meanwhile(stage: OmeroStage) -> None:
    request = deposit_request("omero")
    done = stage.target.deposit(request, known=None, files=FILES)

    with pytest.raises(ReviewPending, match="1 images of it are to be seen"):
        stage.plain.withdraw(tombstone_of(request), known=done, reason=REASON)

    held = stage.server.datasets[1]
    assert held["Name"] == "Withdrawn: Nuclei of plate (v1)"
    assert held["Description"].splitlines()[0] == f"Withdrawn: {REASON}"
    assert "lamp" not in held["Description"]
    (script,) = (one for one in stage.lists.rglob("*") if one.is_file())
    assert script.read_text("utf-8").count("omero delete --force Image:") == 1
    stage.operator()
    gone = stage.plain.withdraw(tombstone_of(request), known=done, reason=REASON)
    assert gone is not None
    assert (gone.state, gone.address) == (DepositState.WITHDRAWN, None)
    assert stage.server.datasets == {}


def test_what_is_withdrawn_while_it_waits_is_not_imported_any_more(by_url: OmeroStage) -> None:
    request = deposit_request("omero", bodies=ZARR)
    with pytest.raises(ReviewPending):
        by_url.plain.deposit(request, known=None, files=MemoryBytes(ZARR))

    done = by_url.plain.withdraw(tombstone_of(request), known=None, reason=REASON)

    assert done is not None
    assert by_url.server.datasets == {}
    assert list(by_url.lists.glob("*/*")) == []


def test_what_is_open_again_before_its_images_went_is_shown_as_it_was(stage: OmeroStage) -> None:
    request = deposit_request("omero")
    done = stage.target.deposit(request, known=None, files=FILES)
    with pytest.raises(ReviewPending):
        stage.plain.withdraw(tombstone_of(request), known=done, reason=REASON)

    again = stage.plain.deposit(request, known=done, files=FILES)

    assert again.outside_id == done.outside_id
    assert stage.server.datasets[1]["Name"] == "Nuclei of plate (v1)"
    assert list(stage.lists.glob("*/*")) == []


def test_a_description_that_names_another_version_is_not_taken_for_it(stage: OmeroStage) -> None:
    request = deposit_request("omero")
    mark = f"{request.pid}/v1"
    mine = stage.server.add_dataset("Mine", f"{mark}\nis good")
    known = stage.target.deposit(deposit_request("omero", name="other"), known=None, files=FILES)

    done = stage.target.deposit(request, known=None, files=FILES)

    assert done.outside_id not in {f"{mine}", known.outside_id}
    with pytest.raises(TargetRefused, match="says no more that it is"):
        stage.target.withdraw(tombstone_of(request), known=known, reason=REASON)


def test_more_datasets_than_one_page_are_looked_through(stage: OmeroStage) -> None:
    stage.server.page_most = 2
    request = deposit_request("omero", name="z")
    first = stage.target.deposit(request, known=None, files=FILES)
    for name in ("a", "b", "c", "d"):
        stage.target.deposit(deposit_request("omero", name=name), known=None, files=FILES)

    again = stage.target.deposit(request, known=None, files=FILES)

    assert again.outside_id == first.outside_id


def test_an_endless_list_is_not_followed(stage: OmeroStage) -> None:
    def empty(_: object) -> tuple[int, list[tuple[str, str]], bytes]:
        return said(200, {"data": [], "meta": {"totalCount": 10**12}})

    stage.proxy.add(Rule(Effect.ANSWER, answer=empty, when=lambda asked: asked.path.endswith("/m/datasets/")))

    with pytest.raises(TargetRefused, match="gives 0"):
        stage.plain.deposit(deposit_request("omero"), known=None, files=FILES)


def test_where_only_the_description_is_public_no_image_is_listed(stage: OmeroStage) -> None:
    request = deposit_request("omero")
    narrow = request.record.model_copy(update={"extent": Extent.METADATA, "files": ()})

    with pytest.raises(TargetRefused, match="description alone is public"):
        stage.plain.deposit(request.model_copy(update={"record": narrow}), known=None, files=FILES)

    assert stage.server.seen == []


def test_more_images_than_the_settings_allow_are_refused_before_anything_is_begun(
    stack: ExitStack, tmp_path: Path
) -> None:
    stage = OmeroStage(stack, tmp_path, images_most=1)

    with pytest.raises(TargetRefused, match="has 2 images, and at most 1"):
        stage.plain.deposit(deposit_request("omero", bodies=ZARR), known=None, files=MemoryBytes(ZARR))

    assert stage.server.seen == []


def test_a_folder_of_lists_that_is_not_mounted_is_waited_for(stack: ExitStack, tmp_path: Path) -> None:
    stage = OmeroStage(stack, tmp_path / "mount")

    with pytest.raises(TargetUnavailable, match="is it mounted"):
        stage.plain.deposit(deposit_request("omero", bodies=ZARR), known=None, files=MemoryBytes(ZARR))

    assert not (tmp_path / "mount").exists()


def test_an_omero_that_sleeps_behind_its_web_server_is_waited_for(stage: OmeroStage) -> None:
    asleep = said(403, {"message": "Server is not responding, please contact administrator."})
    stage.proxy.add(Rule(Effect.ANSWER, answer=lambda _: asleep, when=lambda asked: asked.path.endswith("/login/")))

    with pytest.raises(TargetUnavailable, match="OMERO behind it does not"):
        stage.plain.deposit(deposit_request("omero"), known=None, files=FILES)


def test_neither_password_nor_session_is_told_to_anybody(stage: OmeroStage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sent: list[bytes] = []

    def echo(asked: Request) -> tuple[int, list[tuple[str, str]], bytes]:
        sent.append(asked.body)
        return said(400, {"message": f"{asked.body.decode()} {PASSWORD} {asked.headers}"})

    login = Rule(Effect.ANSWER, answer=echo, when=lambda asked: asked.path.endswith("/login/"))
    stage.proxy.add(login)
    with pytest.raises(TargetRefused) as refusal:
        stage.plain.deposit(deposit_request("omero"), known=None, files=FILES)
    stage.heal()
    stage.proxy.add(Rule(Effect.ANSWER, answer=echo, when=lambda asked: asked.path.endswith("/save/")))
    with pytest.raises(TargetRefused) as later:
        stage.plain.deposit(deposit_request("omero"), known=None, files=FILES)

    assert quote_plus(PASSWORD).encode() in sent[0]
    for told in (str(refusal.value), str(later.value), caplog.text):
        assert PASSWORD not in told
        assert quote_plus(PASSWORD) not in told
        assert "sessionid=session" not in told


def test_a_session_is_told_to_nobody_when_the_answer_that_gives_it_is_broken(stage: OmeroStage) -> None:
    body = b'{"success": true, "eventContext": {"userId": 7, "sessionUuid": "0b30ee4a-c0b2-4b0f-9c61-f48b31bcad8c", '
    broken = (200, [("Content-Type", "application/json")], body)
    stage.proxy.add(Rule(Effect.ANSWER, answer=lambda _: broken, when=lambda asked: asked.path.endswith("/login/")))

    with pytest.raises(TargetRefused, match="cannot be believed") as refusal:
        stage.plain.deposit(deposit_request("omero"), known=None, files=FILES)

    assert "0b30ee4a" not in f"{refusal.value} {refusal.value.facts}"


def test_every_session_is_ended_and_what_was_done_in_it_stands_when_that_fails(stage: OmeroStage) -> None:
    request = deposit_request("omero")
    stage.target.deposit(request, known=None, files=FILES)
    ended = dict(stage.server.sessions)
    stage.proxy.add(Rule(Effect.RESET, when=lambda asked: asked.path.endswith("/logout/")))

    again = stage.plain.deposit(request, known=None, files=FILES)

    assert ended == {}
    assert again.state is DepositState.DEPOSITED


def test_a_look_names_what_is_missing(stack: ExitStack, tmp_path: Path) -> None:
    fine = OmeroStage(stack, tmp_path).target.test()
    refused = OmeroStage(stack, tmp_path, password="another password").target.test()
    strange = OmeroStage(stack, tmp_path, group=99).target.test()
    nowhere = OmeroStage(stack, tmp_path, project=4).target.test()

    assert fine.is_usable
    assert any(str(tmp_path) in one for one in fine.limits)
    assert (refused.is_usable, "credential" in refused.words) == (False, True)
    assert (strange.is_usable, "is not in its group 99" in strange.words) == (False, True)
    assert (nowhere.is_usable, "no project 4" in nowhere.words) == (False, True)


@pytest.mark.parametrize(
    ("wrong", "said_of_it"),
    [
        ({"url": "http://omero.example.org"}, "https"),
        ({"lists": None}, "absolute folder `lists`"),
        ({"lists": "relative"}, "absolute folder `lists`"),
        ({"images": "in-place"}, "absolute `folder`"),
        ({"images": "in-place", "folder": "/srv/lists"}, "another `folder` than"),
        ({"password": "short"}, "at least 8"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(wrong: dict[str, object], said_of_it: str) -> None:
    named = {"name": "omero", "url": "https://omero.example.org", "username": "cisterna", "password": PASSWORD}

    with pytest.raises(ValidationError, match=said_of_it) as refusal:
        Omero.model_validate({**named, "lists": "/srv/lists", **wrong})

    assert PASSWORD not in str(refusal.value)


def test_images_by_address_need_an_address_for_others(tmp_path: Path) -> None:
    told = f'name = "omero"\nurl = "https://o.example.org"\nusername = "c"\npassword = "{PASSWORD}"\nlists = "/srv"\n'
    (tmp_path / "cisterna.toml").write_text(f"[[targets.omero]]\n{told}", "utf-8")
    without = load_settings(home=tmp_path, environ={})
    site = '[web]\npublic_url = "https://data.example.org"\n'
    (tmp_path / "cisterna.toml").write_text(f"{site}[[targets.omero]]\n{told}", "utf-8")
    with_one = load_settings(home=tmp_path, environ={})

    with ExitStack() as stack:
        targets = open_targets(with_one, stack=stack, clock=SettableClock())
        with pytest.raises(SettingsInvalid, match=r"web\.public_url is not set"):
            open_targets(without, stack=stack, clock=SettableClock())

    assert isinstance(targets["omero"], OmeroTarget)
    assert PASSWORD not in repr(with_one)


def test_two_targets_with_one_folder_of_lists_are_refused(tmp_path: Path) -> None:
    one = f'url = "https://o.example.org"\nusername = "c"\npassword = "{PASSWORD}"\nlists = "/srv"\n'
    site = '[web]\npublic_url = "https://data.example.org"\n'
    told = "".join(f'[[targets.omero]]\nname = "{name}"\n{one}' for name in ("first", "second"))
    (tmp_path / "cisterna.toml").write_text(f"{site}{told}", "utf-8")

    with ExitStack() as stack, pytest.raises(SettingsInvalid, match="'second' writes where another target does"):
        open_targets(load_settings(home=tmp_path, environ={}), stack=stack, clock=SettableClock())
