"""OCFL inventories: made by rule, written as bytes, and read back with suspicion."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cisterna.domain.digest import DigestAlgorithm
from cisterna.domain.errors import ObjectInvalid
from cisterna.domain.ocfl import (
    MOST_FILES,
    ROOT_DECLARATION,
    Agent,
    Inventory,
    Placed,
    next_version,
    object_root,
    read_sidecar,
    sidecar,
    storage_root_files,
)
from cisterna.domain.ocfl_parse import parse_inventory

PID = "ark:/99999/0abc"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def digest_of(content: str) -> str:
    return hashlib.sha512(content.encode()).hexdigest()


def sha256_of(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def placed(number: int, files: dict[str, str]) -> list[Placed]:
    return [
        Placed(path, digest_of(text), f"v{number}/content/token/{digest_of(text)[:40]}", sha256=sha256_of(text))
        for path, text in files.items()
    ]


def grow(previous: Inventory | None, files: dict[str, str], *, algorithm: DigestAlgorithm = "sha512") -> Inventory:
    number = previous.head + 1 if previous else 1
    return next_version(
        previous,
        pid=PID,
        files=placed(number, files),
        created=NOON + timedelta(hours=number),
        message=f"version {number}",
        user=Agent(name="squid-1"),
        algorithm=algorithm,
    )


_part = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"), min_size=1, max_size=8)
_path = st.lists(_part.filter(lambda part: part not in {".", ".."}), min_size=1, max_size=3).map("/".join)


def _tree(contents: dict[str, str]) -> dict[str, str]:
    """Drop paths that are folders of others, which no file system holds."""
    return {path: text for path, text in contents.items() if not any(one.startswith(f"{path}/") for one in contents)}


_files = st.dictionaries(_path, st.sampled_from("abcdef"), min_size=1, max_size=8).map(_tree)
_history = st.lists(_files, min_size=1, max_size=5)


@given(_history)
def test_every_version_keeps_its_logical_state_whatever_comes_after(history: list[dict[str, str]]) -> None:
    inventory = None
    for files in history:
        inventory = grow(inventory, files)

    assert inventory is not None
    for number, files in enumerate(history, 1):
        assert inventory.files(number) == {path: digest_of(content) for path, content in files.items()}


@given(_history)
def test_bytes_are_stored_once_and_in_the_version_that_brought_them(history: list[dict[str, str]]) -> None:
    inventory = None
    for files in history:
        inventory = grow(inventory, files)

    assert inventory is not None
    first_seen: dict[str, int] = {}
    for number, files in enumerate(history, 1):
        for content in files.values():
            first_seen.setdefault(digest_of(content), number)
    assert {digest: paths[0].split("/")[0] for digest, paths in inventory.manifest.items()} == {
        digest: f"v{number}" for digest, number in first_seen.items()
    }
    assert all(len(paths) == 1 for paths in inventory.manifest.values())


@given(_history, st.sampled_from(["sha512", "sha256"]))
def test_an_inventory_read_back_is_the_same_and_gives_the_same_bytes(
    history: list[dict[str, str]], algorithm: DigestAlgorithm
) -> None:
    inventory = None
    for files in history:
        inventory = grow(inventory, files, algorithm=algorithm if inventory is None else "sha512")

    assert inventory is not None
    assert inventory.algorithm == algorithm
    again = parse_inventory(inventory.body, pid=PID)
    assert again == inventory
    assert again.body == inventory.body


@given(_history.filter(lambda history: len(history) > 1))
def test_a_later_version_never_changes_what_an_earlier_one_says(history: list[dict[str, str]]) -> None:
    earlier = None
    for files in history[:-1]:
        earlier = grow(earlier, files)

    assert earlier is not None
    later = grow(earlier, history[-1])
    assert later.versions[:-1] == earlier.versions
    assert earlier.manifest.items() <= later.manifest.items()


def test_of_equal_new_bytes_the_first_place_is_kept() -> None:
    files = [
        Placed("data/b", digest_of("x"), "v1/content/t/s7"),
        Placed("README.md", digest_of("x"), "v1/content/t/abc"),
    ]

    inventory = next_version(None, pid=PID, files=files, created=NOON, message="", user=Agent(name="a"))

    assert inventory.content_path(digest_of("x")) == "v1/content/t/s7"
    assert inventory.versions[0].state[digest_of("x")] == ("README.md", "data/b")


def test_times_are_written_in_utc_whatever_zone_they_came_in() -> None:
    created = datetime(2026, 11, 22, 14, tzinfo=timezone(timedelta(hours=2)))

    inventory = next_version(
        None, pid=PID, files=placed(1, {"a": "a"}), created=created, message="", user=Agent(name="a")
    )

    assert json.loads(inventory.body)["versions"]["v1"]["created"] == "2026-11-22T12:00:00Z"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([Placed("a", digest_of("1"), "v1/content/t/1"), Placed("a", digest_of("2"), "v1/content/t/2")], "a twice"),
        ([Placed("a", digest_of("1"), "v1/content/t/1"), Placed("a/b", digest_of("2"), "v1/content/t/2")], "folder"),
        ([Placed("a", digest_of("1"), "v2/content/t/1")], "not below v1/content/"),
        ([Placed("a", digest_of("1"), "")], "not below v1/content/"),
    ],
    ids=["one path twice", "a file that is a folder", "content of another version", "no content"],
)
def test_a_version_that_no_file_system_could_hold_is_refused(files: list[Placed], said: str) -> None:
    with pytest.raises(ObjectInvalid, match=said):
        next_version(None, pid=PID, files=files, created=NOON, message="", user=Agent(name="a"))


def test_a_version_of_another_object_is_refused() -> None:
    first = grow(None, {"a": "a"})

    with pytest.raises(ObjectInvalid, match="two datasets"):
        next_version(first, pid="ark:/99999/0other", files=[], created=NOON, message="", user=Agent(name="a"))


def test_asking_for_a_version_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ObjectInvalid, match="v1 to v1, no v2"):
        grow(None, {"a": "a"}).files(2)


@pytest.mark.parametrize(
    ("pid", "root"),
    [
        ("object-01", "3c0/ff4/240/object-01"),
        ("..hor/rib:le-$id", "487/326/d8c/%2e%2ehor%2frib%3ale-%24id"),
    ],
)
def test_object_roots_are_those_of_the_layout_extension(pid: str, root: str) -> None:
    assert object_root(pid) == root


def test_the_storage_root_is_declared_last() -> None:
    files = storage_root_files()

    assert list(files)[-1] == ROOT_DECLARATION
    assert files[ROOT_DECLARATION] == b"ocfl_1.1\n"
    assert json.loads(files["ocfl_layout.json"])["extension"] in next(iter(files))


@pytest.mark.torture
@pytest.mark.timeout(60)
def test_an_inventory_of_as_many_files_as_an_object_takes_needs_bounded_memory() -> None:
    names = ((f"data/{n // 1000}/A1_{n}_0_Fluorescence_488_nm_Ex.tiff", digest_of(str(n))) for n in range(MOST_FILES))
    files = (Placed(path, digest, f"v1/content/{'0' * 32}/{digest[:40]}") for path, digest in names)
    tracemalloc.start()
    try:
        made = next_version(None, pid=PID, files=files, created=NOON, message="v1", user=Agent(name="squid-1"))
        read = parse_inventory(made.body)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert read == made
    assert len(made.body) < 45_000_000
    assert peak_bytes < 350_000_000


def test_a_sidecar_says_the_digest_it_was_made_with() -> None:
    digest = digest_of("x")

    assert read_sidecar(sidecar(digest)) == digest
    assert read_sidecar(sidecar(digest[:64])) == digest[:64]


@pytest.mark.parametrize(
    "body", [b"", b"abc inventory.json\n", b"\xff" * 200, b"0" * 128 + b" other.json", b"1" * 100_000]
)
def test_bytes_that_are_no_sidecar_name_no_digest(body: bytes) -> None:
    assert read_sidecar(body) is None


A, B = digest_of("a"), digest_of("b")


def valid() -> dict[str, Any]:
    return json.loads(grow(grow(None, {"data/a": "a"}), {"data/a": "a", "data/b": "b"}).body)


def with_(**changes: Any) -> dict[str, Any]:
    return {**valid(), **changes}


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in valid().items() if name != key}


def version_with(**changes: Any) -> dict[str, Any]:
    document = valid()
    document["versions"]["v2"].update(changes)
    return document


HOSTILE: dict[str, tuple[Any, str]] = {
    "no object": ([], "not a JSON object"),
    "no id": (without("id"), "lacks id"),
    "empty id": (with_(id=""), "id is not a text"),
    "id of another": (with_(id="ark:/99999/0other"), "two datasets"),
    "unknown key": (with_(extra=1), "does not know"),
    "other type": (with_(type="https://ocfl.io/1.0/spec/#inventory"), "type is"),
    "weak algorithm": (with_(digestAlgorithm="md5"), "digestAlgorithm"),
    "content folder that climbs": (with_(contentDirectory=".."), "contentDirectory"),
    "content folder with a slash": (with_(contentDirectory="a/b"), "contentDirectory"),
    "head as a number": (with_(head=2), "head is 2"),
    "head with zeros": (with_(head="v02"), "head is"),
    "head beyond": (with_(head="v3"), "does not hold 3"),
    "head behind": (with_(head="v1"), "does not hold 1"),
    "huge head": (with_(head="v999999999"), "does not hold"),
    "a version is missing": (with_(head="v2", versions={"v1": valid()["versions"]["v1"], "v3": {}}), "lacks v2"),
    "versions is a list": (with_(versions=[1, 2]), "does not hold"),
    "a version is a text": (with_(versions={"v1": "x", "v2": "y"}), "v1 is not an object"),
    "manifest is a list": (with_(manifest=[]), "manifest is not an object"),
    "short digest": (with_(manifest={"abc": ["v1/content/a"]}), "not a SHA-512"),
    "no paths": (with_(manifest={A: []}), "no list of paths"),
    "paths is a text": (with_(manifest={A: "v1/content/a"}), "no list of paths"),
    "a path is a number": (with_(manifest={A: [1]}), "not a text"),
    "content path climbs": (with_(manifest={A: ["v1/content/../../x"], B: ["v2/content/b"]}), "could harm"),
    "content path is absolute": (with_(manifest={A: ["/etc/passwd"], B: ["v2/content/b"]}), "could harm"),
    "content path beyond head": (with_(manifest={A: ["v9/content/a"], B: ["v2/content/b"]}), "not below a version"),
    "content path outside content": (with_(manifest={A: ["v1/other/a"], B: ["v2/content/b"]}), "not below a version"),
    "content path is the folder": (with_(manifest={A: ["v1/content"], B: ["v2/content/b"]}), "not below a version"),
    "one content path twice": (with_(manifest={A: ["v1/content/a"], B: ["v1/content/a"]}), "twice"),
    "content path in a file": (with_(manifest={A: ["v1/content/a"], B: ["v1/content/a/b"]}), "as a folder"),
    "one digest in two cases": (with_(manifest={A: ["v1/content/a"], A.upper(): ["v1/content/b"]}), "twice"),
    "digest that no version uses": (with_(manifest={**valid()["manifest"], "0" * 128: ["v1/content/z"]}), "no version"),
    "digest that is not there": (version_with(state={"0" * 128: ["data/z"]}), "does not have"),
    "logical path climbs": (version_with(state={A: ["../../etc/passwd"]}), "could harm"),
    "logical path is absolute": (version_with(state={A: ["/etc/passwd"]}), "could harm"),
    "logical path with NUL": (version_with(state={A: ["a\0b"]}), "could harm"),
    "logical path is no Unicode": (version_with(state={A: ["a\ud800b"]}), "could harm"),
    "one logical path twice": (version_with(state={A: ["x"], B: ["x"]}), "twice"),
    "logical path in a file": (version_with(state={A: ["x"], B: ["x/y"]}), "as a folder"),
    "state is a list": (version_with(state=[]), "not an object"),
    "no time": (version_with(created=None), "RFC 3339"),
    "time without zone": (version_with(created="2026-11-22T12:00:00"), "RFC 3339"),
    "a date": (version_with(created="2026-11-22"), "RFC 3339"),
    "no time at all": (version_with(created="yesterday"), "RFC 3339"),
    "message is a number": (version_with(message=7), "message"),
    "user without name": (version_with(user={"address": "x"}), "no name"),
    "address is a number": (version_with(user={"name": "x", "address": 7}), "address"),
    "unknown key in a version": (version_with(extra=1), "does not know"),
}


A256, B256 = sha256_of("a"), sha256_of("b")


def of_sha256(**changes: Any) -> dict[str, Any]:
    first = grow(None, {"data/a": "a"}, algorithm="sha256")
    return {**json.loads(grow(first, {"data/a": "a", "data/b": "b"}).body), **changes}


def test_an_object_of_sha256_names_its_bytes_by_it_and_by_sha512_in_its_fixity_block() -> None:
    said = of_sha256()

    assert (said["digestAlgorithm"], said["manifest"].keys()) == ("sha256", {A256, B256})
    assert said["versions"]["v2"]["state"] == {A256: ["data/a"], B256: ["data/b"]}
    assert said["fixity"] == {"sha512": {A: said["manifest"][A256], B: said["manifest"][B256]}}


def test_new_bytes_without_the_digest_that_the_object_is_made_of_are_refused() -> None:
    first = grow(None, {"data/a": "a"}, algorithm="sha256")
    new = Placed("data/b", B, "v2/content/t/b")

    with pytest.raises(ObjectInvalid, match="none is on record of data/b"):
        next_version(first, pid=PID, files=[new], created=NOON, message="", user=Agent(name="a"))


_AT = {"a": "v1/content/token/" + A[:40], "b": "v2/content/token/" + B[:40]}

HOSTILE_256: dict[str, tuple[Any, str]] = {
    "digests of the other length": (of_sha256(digestAlgorithm="sha512"), "not a SHA-512"),
    "no fixity block": ({k: v for k, v in of_sha256().items() if k != "fixity"}, "one SHA-512 for"),
    "a fixity block of other digests": (of_sha256(fixity={"md5": {"0" * 32: [_AT["a"]]}}), "one SHA-512 for"),
    "a file without SHA-512": (of_sha256(fixity={"sha512": {A: [_AT["a"]]}}), f"one SHA-512 for {B256}"),
    "a SHA-512 that is none": (of_sha256(fixity={"sha512": {"ab": [_AT["a"]]}}), "no sha512 digest"),
    "two SHA-512 of one file": (
        of_sha256(fixity={"sha512": {A: [_AT["a"]], B: [_AT["b"]], "0" * 128: [_AT["b"]]}}),
        "two SHA-512",
    ),
    "one SHA-512 of two files": (of_sha256(fixity={"sha512": {A: [_AT["a"], _AT["b"]]}}), "for two SHA-256"),
    "one digest in two cases": (
        of_sha256(manifest={A256: [_AT["a"]], B256: [_AT["b"]], A256.upper(): ["v1/content/c"]}),
        "twice",
    ),
}

HOSTILE |= {f"SHA-256: {name}": case for name, case in HOSTILE_256.items()}


@pytest.mark.parametrize(("document", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_an_inventory_that_breaks_a_rule_is_refused_in_words(document: Any, said: str) -> None:
    with pytest.raises(ObjectInvalid, match=said):
        parse_inventory(json.dumps(document).encode(), pid=PID)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"id": NaN}', b'{"id": 1, "id": 2}', b"null", b"1" * 5000],
    ids=["nothing", "half", "no UTF-8", "very deep", "NaN", "one key twice", "null", "a long number"],
)
def test_bytes_that_are_no_inventory_are_refused(body: bytes) -> None:
    with pytest.raises(ObjectInvalid):
        parse_inventory(body)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(st.sampled_from(sorted(valid())), _json)
@settings(max_examples=300)
def test_nothing_in_the_place_of_a_field_gets_past_the_rules(field: str, value: Any) -> None:
    document = with_(**{field: value})

    try:
        inventory = parse_inventory(json.dumps(document).encode(), pid=PID)
    except ObjectInvalid:
        return
    assert parse_inventory(inventory.body, pid=PID) == inventory


def test_upper_case_digests_are_the_same_digests() -> None:
    document = valid()
    document["manifest"] = {digest.upper(): paths for digest, paths in document["manifest"].items()}

    assert parse_inventory(json.dumps(document).encode()).manifest.keys() == {A, B}


@pytest.mark.parametrize(
    ("fixity", "said"),
    [
        ([], "fixity is not an object"),
        ({"md5": []}, "is not an object"),
        ({"md5": {"ab" * 16: "v1/content/token/x"}}, "no list of paths"),
        ({"md5": {"ab" * 16: [1]}}, "no list of paths"),
        ({"md5": {"ab" * 16: ["v1/content/elsewhere"]}}, "manifest does not have"),
        ({"md5": {"short": []}}, "no md5 digest"),
        ({"md5": {"ab" * 16: [], "AB" * 16: []}}, "twice"),
    ],
)
def test_a_fixity_block_that_breaks_a_rule_is_refused(fixity: Any, said: str) -> None:
    document = json.loads(grow(None, {"data/a": "a"}).body)

    with pytest.raises(ObjectInvalid, match=said):
        parse_inventory(json.dumps({**document, "fixity": fixity}).encode())


def test_a_fixity_block_of_others_is_carried_on_as_it_is() -> None:
    first = grow(None, {"data/a": "a"})
    (path,) = first.content_paths
    block = {"md5": {"ab" * 16: [path]}, "crc9": {"xyz": [path]}}

    read = parse_inventory(json.dumps({**json.loads(first.body), "fixity": block}).encode())
    second = grow(read, {"data/a": "a", "data/b": "b"})

    assert json.loads(second.body)["fixity"] == block
    assert parse_inventory(second.body) == second
