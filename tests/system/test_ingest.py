"""Runs of a Squid, good and bad, from the folder to the archive and the landing page, through the command line."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from cisterna.testing.virtual_squid import Fault, VirtualSquid
from tests.adapters.openlineage_schema import faults
from tests.metadata.rocrate import required_issues
from tests.system.archived import inventory, logical, ocfl_faults, orphans, read_object, write_out
from tests.system.running import NOON, WAITING, RunningStack, digests, until, write_run

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

ROW_KEYS = {
    "acquisition_id",
    "dataset_id",
    "version",
    "state",
    "stage",
    "verdict",
    "reason",
    "pid",
    "source_state",
    "object_url",
}
QUIET = ("--set", "quiet_seconds=2", "--set", "stalled_seconds=6")
REST_SECONDS = 120.0
ABOUT = ("--human-data", "no", "--creator", "Golgi, Camillo", "--publisher", "A facility", "--licence", "CC-BY-4.0")


@pytest.fixture(scope="module")
def zones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder that landing zones are made in."""
    return tmp_path_factory.mktemp("zones")


@pytest.fixture(scope="module")
def study(stack: RunningStack) -> str:
    """Give a project that accepts what passed and publishes nothing by itself."""
    stack.ok("project", "add", "study", "--title", "A study", "--accept-passed", *ABOUT)
    return "study"


@pytest.fixture(scope="module")
def good(stack: RunningStack, zones: Path) -> tuple[Path, dict[str, Any]]:
    """Give the folder of a good run that was brought in by hand, and its row."""
    folder = write_run(zones / "by-hand", wells=("A1", "A2"))
    answer = stack.run_apart("ingest", str(folder), *WAITING)
    assert answer.code == 0, answer.out
    return folder, answer.document


def the_row(stack: RunningStack, instrument: str, rests: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until the only run of an instrument rests as it should."""
    last: list[dict[str, Any]] = []

    def look() -> dict[str, Any] | None:
        last[:] = [row for row in stack.rows(instrument) if row["acquisition_id"]]
        return next((row for row in last if rests(row)), None)

    try:
        return until(look, seconds=REST_SECONDS, what=f"the outcome at {instrument}", every=0.2)
    except AssertionError as never:
        raise AssertionError(f"{never}: {json.dumps(last)[:2000]}") from never


def status(url: str) -> int:
    return httpx.get(url, timeout=20.0).status_code


def test_a_good_folder_comes_to_rest_with_everything_said(good: tuple[Path, dict[str, Any]]) -> None:
    _, row = good

    assert set(row) >= ROW_KEYS
    assert (row["state"], row["stage"], row["verdict"], row["version"]) == ("complete", "published", "passed", "v1")
    assert row["reason"]
    assert row["pid"].startswith("ark:/99999/")
    assert row["object_url"].startswith("s3://")
    assert row["source_state"] == "present"


def test_show_list_check_and_restore_agree_with_the_source(
    stack: RunningStack, good: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, row = good

    shown = stack.ok("show", row["dataset_id"])
    listed = {one["dataset_id"]: one for one in stack.ok("list")}[row["dataset_id"]]
    checked = stack.ok("check", row["pid"])
    stack.ok("restore", row["dataset_id"], "--to", str(tmp_path / "back"))

    for key in ROW_KEYS - {"stage"}:
        assert shown[key] == listed[key] == row[key], key
    assert checked["fixity"] == "ok"
    assert digests(tmp_path / "back" / "data") == digests(folder)
    assert shown["file_count"] == len(digests(folder))
    assert shown["total_bytes"] == sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_the_object_is_valid_ocfl_for_its_own_validator_and_holds_nothing_unaccounted(
    stack: RunningStack, good: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, row = good
    keys = read_object(stack, row["object_url"])

    assert orphans(keys) == []
    assert {path: digest for path, digest in logical(keys).items() if path.startswith("data/")} == {
        f"data/{path}": digest for path, digest in digests(folder).items()
    }
    assert ocfl_faults(write_out(keys, tmp_path / "object")) == ""


def test_what_is_restored_is_a_valid_crate(
    stack: RunningStack, good: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    stack.ok("restore", good[1]["dataset_id"], "--to", str(tmp_path / "crate"))

    assert required_issues(tmp_path / "crate", scratch=tmp_path) == []


def test_the_same_folder_again_is_nothing_new(stack: RunningStack, good: tuple[Path, dict[str, Any]]) -> None:
    folder, row = good
    before = read_object(stack, row["object_url"])

    again = stack.ingest(folder)

    assert again.code == 0, again.out
    assert {key: again.document[key] for key in ROW_KEYS} == {key: row[key] for key in ROW_KEYS}
    assert read_object(stack, row["object_url"]).keys() == before.keys()


@pytest.mark.parametrize(
    ("fault", "state", "stage", "said"),
    [
        pytest.param(Fault.NONE, "complete", "accepted", "passed", id="good"),
        pytest.param(Fault.GROWING, "complete", "accepted", "passed", id="growing"),
        pytest.param(Fault.LATE, "complete", "accepted", "passed", id="late"),
        pytest.param(Fault.BLUR, "complete", "in-review", "focus", id="blur"),
        pytest.param(Fault.ABORT, "aborted", None, "stopped", id="abort"),
        pytest.param(Fault.MISSING, "partial", None, "missing", id="missing"),
        pytest.param(Fault.TRUNCATED, "partial", None, "whole", id="truncated"),
        pytest.param(Fault.CRASH, "stalled", None, "nothing has changed", id="crash"),
    ],
)
def test_a_watched_instrument(
    stack: RunningStack, study: str, zones: Path, *, fault: Fault, state: str, stage: str | None, said: str
) -> None:
    zone, name = zones / f"zone-{fault.value}", f"squid-{fault.value}"
    zone.mkdir()
    run_json = zones / f"{fault.value}-run.json"
    stack.ok(
        "instrument", "add", name, "--profile", "squid", "--path", str(zone), "--set", f"run_json={run_json}", *QUIET
    )
    stack.ok("project", "bind", study, "--path", str(zone))

    folder = write_run(zone, fault=fault, run_json=run_json, seed=7 + len(fault.value), wells=("A1", "A2"))

    row = the_row(stack, name, lambda row: (row["state"], row["stage"]) == (state, stage))
    assert said in row["reason"].lower() or said == row["verdict"], row["reason"]
    if stage is None:
        assert row["held"]
        assert row["object_url"] is None
        brought = stack.run("show", row["acquisition_id"])
        assert brought.code == 0
        assert brought.reason
    else:
        keys = read_object(stack, row["object_url"])
        assert {path.removeprefix("data/"): one for path, one in logical(keys).items() if path.startswith("data/")} == (
            digests(folder)
        )


def test_what_settled_of_a_run_is_read_ahead_while_it_is_written_and_the_archive_holds_all_of_it(
    stack: RunningStack, study: str, zones: Path
) -> None:
    zone, run_json = zones / "zone-long", zones / "long-run.json"
    squid = VirtualSquid(experiment="long", wells=("A1",), fovs=2, time_points=3, started=NOON, run_json=run_json)
    steps = squid.steps(zone)
    next(touched for touched in steps if touched.name == ".done")
    stack.ok("project", "bind", study, "--path", str(zone))
    told = ("--set", f"run_json={run_json}", "--set", "quiet_seconds=2", "--set", "read_ahead=0")
    stack.ok("instrument", "add", "squid-long", "--profile", "squid", "--path", str(zone), *told)

    written = the_row(stack, "squid-long", lambda row: row["ahead_files"] == 6)
    list(steps)
    row = the_row(stack, "squid-long", lambda row: row["stage"] == "accepted")

    assert (written["state"], written["stage"], written["pid"]) == ("writing", None, None)
    assert (written["writing"]["files"], written["writing"]["expected_files"]) == (4, 12)
    assert written["writing"]["words"].startswith("cannot be told yet")
    assert (row["writing"], row["ahead_files"], row["verdict"]) == (None, 0, "passed")
    (folder,) = zone.iterdir()
    keys = read_object(stack, row["object_url"])
    assert orphans(keys) == []
    assert {path.removeprefix("data/"): one for path, one in logical(keys).items() if path.startswith("data/")} == (
        digests(folder)
    )


def test_a_dark_well_raises_an_alert_with_its_picture_while_the_run_is_written(
    stack: RunningStack, study: str, zones: Path
) -> None:
    zone, run_json = zones / "zone-dark", zones / "dark-run.json"
    squid = VirtualSquid(
        experiment="lamp",
        wells=("A1", "A2", "A3", "A4", "A5", "A6"),
        fovs=2,
        time_points=2,
        fault=Fault.DARK_WELL,
        odd_well=2,
        started=NOON,
        run_json=run_json,
    )
    steps = squid.steps(zone)
    next(touched for touched in steps if touched.name == ".done")
    stack.ok("project", "bind", study, "--path", str(zone))
    told = ("--set", f"run_json={run_json}", "--set", "quiet_seconds=2", "--set", "read_ahead=0")
    stack.ok("instrument", "add", "squid-lamp", "--profile", "squid", "--path", str(zone), *told)

    def raised() -> dict[str, Any] | None:
        found = [one for one in stack.ok("alerts") if one["instrument"] == "squid-lamp" and one["kind"] == "dark"]
        return found[0] if found else None

    alert = until(raised, seconds=REST_SECONDS, what="an alert about a dark well", every=0.5)
    assert alert["place"]["region"] == "A3"
    assert stack.ok("show", alert["acquisition_id"])["state"] == "writing"
    list(steps)
    row = the_row(stack, "squid-lamp", lambda row: row["stage"] in {"accepted", "in-review"})
    assert (row["stage"], row["verdict"]) == ("in-review", "review")
    assert "Images without light" in row["reason"]
    assert raised() is None


def test_hostile_folders_are_held_with_reasons_and_the_good_one_beside_them_goes_on(
    stack: RunningStack, study: str, zones: Path
) -> None:
    zone = zones / "hostile"
    for name, seed in (("link", 31), ("pipe", 32), ("name", 33), ("liar", 34)):
        write_run(zone, experiment=name, seed=seed)
    folders = {path.name.split("_")[0]: path for path in zone.iterdir()}
    (folders["link"] / "0" / "secret.tiff").symlink_to("/etc/passwd")
    os.mkfifo(folders["pipe"] / "0" / "pipe.tiff")
    (Path(os.fsdecode(os.fsencode(folders["name"] / "0") + b"/\xff\xfe.tiff"))).write_bytes(b"bytes in a name")
    image = min((folders["liar"] / "0").glob("*.tiff"))
    image.write_bytes(
        b"II*\0\x08\0\0\0\x02\0\0\x01\x04\0\x01\0\0\0\xff\xff\xff\x0f\x01\x01\x04\0\x01\0\0\0\xff\xff\xff\x0f\0\0\0\0"
    )
    (zone / "no-run-at-all").mkdir()
    (zone / "no-run-at-all" / "<img src=x onerror=alert(1)>.txt").write_text("hello")
    os.mkfifo(zone / "stray")
    write_run(zone, experiment="sound", seed=35)

    stack.ok("instrument", "add", "squid-hostile", "--profile", "squid", "--path", str(zone), *QUIET)
    stack.ok("project", "bind", study, "--path", str(zone))

    def at_rest() -> dict[str, dict[str, Any]] | None:
        rows = {row["title"].split("_")[0]: row for row in stack.rows("squid-hostile")}
        held = [name for name in ("link", "pipe", "name", "no-run-at-all") if rows.get(name, {}).get("held")]
        moved = [
            name
            for name in ("sound", "liar")
            if rows.get(name, {}).get("stage") in {"accepted", "in-review"} or rows.get(name, {}).get("held")
        ]
        return rows if len(held) == 4 and len(moved) == 2 else None

    rows = until(at_rest, seconds=REST_SECONDS, what="rest at squid-hostile", every=0.2)
    assert "link" in rows["link"]["reason"].lower()
    assert "secret.tiff" in rows["link"]["reason"]
    assert "pipe" in rows["pipe"]["reason"].lower()
    assert rows["no-run-at-all"]["stage"] is None
    assert (rows["sound"]["stage"], rows["sound"]["verdict"]) == ("accepted", "passed")
    assert rows["liar"]["verdict"] != "passed"
    assert rows["liar"]["reason"]
    assert any("stray" in title for title in rows)
    named = rows["name"]
    assert named["held"], named
    assert "%FF%FE" in named["reason"]
    assert stack.run("doctor").code == 0
    for path in folders.values():
        assert path.exists()


def test_a_folder_that_the_profile_does_not_claim_is_refused_and_a_missing_one_too(
    stack: RunningStack, tmp_path: Path
) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("hello")

    unclaimed = stack.ingest(tmp_path / "letters")
    absent = stack.ingest(tmp_path / "nowhere")

    assert (unclaimed.code, unclaimed.document["error"]) == (1, "unclaimed-folder")
    assert "squid" in unclaimed.reason
    assert absent.code == 1
    assert "nowhere" in absent.reason


def test_an_aborted_folder_brought_by_hand_needs_a_person(stack: RunningStack, tmp_path: Path) -> None:
    folder = write_run(tmp_path, fault=Fault.MISSING, wells=("A1", "A2"), seed=41)

    answer = stack.ingest(folder)

    assert answer.code == 3
    assert answer.document["held"]
    assert "missing" in answer.reason


def test_an_aborted_run_is_archived_as_such_where_the_policy_says_so_and_never_published(
    stack: RunningStack, zones: Path
) -> None:
    zone, run_json = zones / "kept-aborted", zones / "kept-aborted-run.json"
    zone.mkdir()
    policy = ("--accept-passed", "--publish", "passed", "--archive-incomplete", *ABOUT)
    stack.ok("project", "add", "keeper", "--title", "Keeps what was stopped", *policy)
    at = ("--profile", "squid", "--path", str(zone), "--set", f"run_json={run_json}", *QUIET)
    stack.ok("instrument", "add", "squid-kept", *at)
    stack.ok("project", "bind", "keeper", "--path", str(zone))

    folder = write_run(zone, fault=Fault.ABORT, run_json=run_json, seed=44, wells=("A1", "A2"))
    row = the_row(stack, "squid-kept", lambda row: (row["state"], row["stage"]) == ("aborted", "in-review"))

    assert row["verdict"] in {"review", "quarantined"}
    assert (row["published_url"], row["held"]) == (None, None)
    assert "aborted" in row["reason"]
    data = {
        path.removeprefix("data/"): digest for path, digest in logical(read_object(stack, row["object_url"])).items()
    }
    assert digests(folder).items() <= data.items()
    assert stack.ok("check", row["dataset_id"])["fixity"] == "ok"
    accepted = stack.run("review", "accept", row["version_id"], "--reason", "what is there is good", "--inside")
    assert accepted.code == 0, accepted.out
    refused = stack.run("publish", row["version_id"])
    assert (refused.code, refused.document["error"]) == (1, "publication-refused")
    assert "aborted" in refused.reason
    assert stack.ok("show", row["dataset_id"])["published_url"] is None


def test_a_run_of_no_project_waits_and_goes_on_once_it_is_bound(stack: RunningStack, study: str, zones: Path) -> None:
    zone, run_json = zones / "unbound", zones / "unbound-run.json"
    zone.mkdir()
    stack.ok(
        "instrument",
        "add",
        "squid-unbound",
        "--profile",
        "squid",
        "--path",
        str(zone),
        "--set",
        f"run_json={run_json}",
        *QUIET,
    )
    write_run(zone, run_json=run_json, seed=51)

    waiting = the_row(stack, "squid-unbound", lambda row: row["state"] == "complete" and bool(row["held"]))
    assert (waiting["stage"], waiting["project"]) == (None, None)
    assert "project" in waiting["held"]

    stack.ok("project", "bind", study, "--path", str(zone))

    row = the_row(stack, "squid-unbound", lambda row: row["stage"] == "accepted")
    assert (row["project"], row["held"]) == (study, None)


def test_a_steward_decides_with_a_reason_once(stack: RunningStack, study: str, zones: Path) -> None:
    zone, run_json = zones / "review", zones / "review-run.json"
    zone.mkdir()
    stack.ok(
        "instrument",
        "add",
        "squid-review",
        "--profile",
        "squid",
        "--path",
        str(zone),
        "--set",
        f"run_json={run_json}",
        *QUIET,
    )
    stack.ok("project", "bind", study, "--path", str(zone))
    write_run(zone, run_json=run_json, fault=Fault.BLUR, seed=61)
    row = the_row(stack, "squid-review", lambda row: row["stage"] == "in-review")
    version = row["version_id"]

    assert version in {one["version_id"] for one in stack.ok("review", "list")}
    wordless = stack.run("review", "accept", version, "--reason", "  ")
    stale = stack.run("review", "accept", version, "--reason", "fine", "--evidence", "0" * 128)
    dry = stack.run("review", "accept", version, "--reason", "fine", "--inside", "--dry-run")
    still = stack.ok("show", version)
    accepted = stack.run("review", "accept", version, "--reason", "out of focus on purpose", "--inside")
    late = stack.run("review", "reject", version, "--reason", "too late")

    assert [wordless.code, stale.code, dry.code, accepted.code, late.code] == [1, 1, 0, 0, 1]
    assert still["stage"] == "in-review"
    assert accepted.document["stage"] == "accepted"
    assert all(one.reason for one in (wordless, stale, late))
    decision = stack.ok("show", version)["decisions"][-1]
    assert (decision["act"], decision["reason"]) == ("accept", "out of focus on purpose")
    assert decision["person"]

    again = stack.ok("reprocess", version, "--from", "gated", "--reason", "judge again", "--wait")
    mine = stack.run("review", "accept", again["version_id"], "--reason", "I asked for it and approve it")
    rejected = stack.run("review", "reject", again["version_id"], "--reason", "really out of focus")
    assert (mine.code, mine.document["error"]) == (1, "decision-refused")
    assert (rejected.code, rejected.document["stage"]) == (0, "rejected")
    published = stack.run("publish", again["version_id"])
    assert published.code == 1
    assert published.reason


def test_a_publication_can_be_withdrawn_and_leaves_a_tombstone(stack: RunningStack, study: str, tmp_path: Path) -> None:
    never = stack.ingest(write_run(tmp_path / "never", seed=72), "--project", study).document
    refused = stack.run("publish", never["version_id"])
    assert (refused.code, refused.document["error"]) == (1, "publication-refused")
    assert refused.reason
    consents = ("--publish", "consent", *ABOUT)
    stack.ok("project", "add", "consenting", "--title", "Its owner says when", "--accept-passed", *consents)
    answer = stack.ingest(write_run(tmp_path / "asked", seed=71), "--project", "consenting")
    version = answer.document["version_id"]
    assert answer.document["published_url"] is None
    landing = f"{stack.home.endpoints().web_url}/{answer.document['pid']}"
    assert status(landing) == 404

    public = stack.ok("publish", version)
    assert public["published_url"] == landing
    assert status(landing) == 200
    again = stack.run("publish", version)
    withdrawn = stack.ok("withdraw", version, "--reason", "a wrong licence")

    assert again.code == 0, again.out
    assert withdrawn["stage"] == "withdrawn"
    assert status(landing) == 410
    assert stack.ok("check", version)["fixity"] == "ok"


@pytest.mark.parametrize("begin", ["measured", "gated", "described"])
def test_reprocessing_makes_a_revision_and_leaves_what_was_there_untouched(
    stack: RunningStack, study: str, tmp_path: Path, begin: str
) -> None:
    folder = write_run(tmp_path / "zone", seed=81)
    row = stack.ingest(folder, "--project", study).document
    before = read_object(stack, row["object_url"])

    revised = stack.ok("reprocess", row["version_id"], "--from", begin, "--reason", "a better suite", "--wait")

    assert (revised["dataset_id"], revised["version"]) == (row["dataset_id"], "v1.1")
    assert revised["manifest_digest"] == row["manifest_digest"]
    after = read_object(stack, row["object_url"])
    assert list(inventory(after)["versions"]) == ["v1", "v2"]
    changing = {"inventory.json", "inventory.json.sha512"}
    assert {key: after[key] for key in before if key not in changing} == {
        key: body for key, body in before.items() if key not in changing
    }
    assert orphans(after) == []
    assert ocfl_faults(write_out(after, tmp_path / "object")) == ""
    stack.ok("restore", row["dataset_id"], "--version", "v1", "--to", str(tmp_path / "v1"))
    stack.ok("restore", row["dataset_id"], "--version", "v1.1", "--to", str(tmp_path / "v1.1"))
    assert digests(tmp_path / "v1" / "data") == digests(tmp_path / "v1.1" / "data") == digests(folder)


def test_a_model_makes_a_derived_dataset_with_its_relation(stack: RunningStack, study: str, tmp_path: Path) -> None:
    row = stack.ingest(write_run(tmp_path, seed=91), "--project", study).document

    stack.ok("reprocess", row["version_id"], "--model", "nuclei-unet", "--reason", "count nuclei", "--wait")

    source = stack.ok("show", row["dataset_id"])
    assert len(source["derived"]) == 1
    derived = stack.ok("show", source["derived"][0])
    assert derived["derived_from"] == [row["dataset_id"]]
    assert derived["pid"] not in {None, row["pid"]}
    assert stack.ok("check", derived["dataset_id"])["fixity"] == "ok"
    unknown = stack.run("reprocess", row["version_id"], "--model", "no-such", "--reason", "x")
    assert unknown.code == 1
    assert "no-such" in unknown.reason


def test_a_file_that_comes_after_archiving_makes_a_second_version(
    stack: RunningStack, study: str, zones: Path, tmp_path: Path
) -> None:
    zone, run_json = zones / "second", zones / "second-run.json"
    zone.mkdir()
    stack.ok(
        "instrument",
        "add",
        "squid-second",
        "--profile",
        "squid",
        "--path",
        str(zone),
        "--set",
        f"run_json={run_json}",
        *QUIET,
    )
    stack.ok("project", "bind", study, "--path", str(zone))
    folder = write_run(zone, run_json=run_json, seed=101)
    first = the_row(stack, "squid-second", lambda row: row["stage"] == "accepted")
    before, source_before = read_object(stack, first["object_url"]), digests(folder)

    (folder / "notes.txt").write_text("the focus drifted at the end\n")

    second = the_row(
        stack,
        "squid-second",
        lambda row: (row["version"], row["stage"], row["source_state"]) == ("v2", "accepted", "present"),
    )
    assert second["dataset_id"] == first["dataset_id"]
    assert second["manifest_digest"] != first["manifest_digest"]
    after = read_object(stack, second["object_url"])
    assert {key: body for key, body in before.items() if key.startswith("v1/")}.items() <= after.items()
    assert orphans(after) == []
    assert ocfl_faults(write_out(after, tmp_path / "object")) == ""
    stack.ok("restore", first["dataset_id"], "--version", "v1", "--to", str(tmp_path / "v1"))
    stack.ok("restore", first["dataset_id"], "--version", "v2", "--to", str(tmp_path / "v2"))
    assert digests(tmp_path / "v1" / "data") == source_before
    assert digests(tmp_path / "v2" / "data") == digests(folder)


def test_every_lineage_event_is_valid_and_each_run_begins_once_and_ends_once(
    stack: RunningStack, good: tuple[Path, dict[str, Any]]
) -> None:
    until(
        lambda: next(part for part in stack.ok("doctor")["parts"] if part["part"] == "outbox")["message"].startswith(
            "0 "
        ),
        seconds=60,
        what="an outbox that is drained",
        every=0.5,
    )
    events = [json.loads(line) for line in stack.home.lineage.read_text("utf-8").splitlines()]

    assert events
    assert [fault for event in events for fault in faults(event)] == []
    kinds: dict[str, Counter[str]] = {}
    for event in events:
        kinds.setdefault(event["run"]["runId"], Counter())[event["eventType"]] += 1
    for run, count in kinds.items():
        assert count["START"] == 1, (run, count)
        assert sum(count[kind] for kind in ("COMPLETE", "FAIL", "ABORT")) == 1, (run, count)
    told = stack.ok("lineage", good[1]["dataset_id"], "--format", "openlineage")
    assert {event["run"]["runId"] for event in told} <= set(kinds)
