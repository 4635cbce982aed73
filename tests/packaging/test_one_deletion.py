"""Exactly one function deletes at a source, and one place calls the file system to do so."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
_REMOVES = {
    "unlink",
    "remove",
    "rmdir",
    "rmtree",
    "removedirs",
    "renames",
    "rename",
    "replace",
    "truncate",
    "ftruncate",
}
_OF_STRINGS_AND_LISTS = {"replace", "remove", "rename"}

OURS = {
    "adapters/embedded_postgres.py": "the home's own database folder",
    "adapters/embedded_seaweedfs.py": "the home's own store folder",
    "adapters/landing_deletion.py": "the one place that deletes at a source",
    "adapters/local_service.py": "its own socket",
    "adapters/spooled.py": "its own spool, when the disk it lies on is full",
    "adapters/model_package.py": "copies of models that a killed `model add` left in the home",
    "adapters/sink_openlineage.py": "the home's lineage file",
    "adapters/target_place.py": "files of a withdrawn version in the folder of a place outside, and its own half ones",
    "adapters/term_shelf.py": "indexes of vocabularies in the home, which are made anew from their files",
    "bootstrap/home.py": "files of the home",
    "bootstrap/stack.py": "run files of the home",
    "flows/dispatcher.py": "run files of the home",
    "flows/once.py": "a lock of the home",
    "flows/supervisor.py": "run files of the home",
    "services/landing.py": "the folder that `restore` writes to: its own unfinished files",
    "testing/profile_contract.py": "a copy of an example that the kit made itself",
    "testing/writer_pattern.py": "files that the demo's virtual instrument writes itself",
}
"""Where files are removed or renamed, and what they are; a new place has to be named here and defended."""


def calls(file: Path) -> Iterator[tuple[int, str]]:
    """Give the calls in a module that remove or rename files, as far as their names tell."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name not in _REMOVES:
            continue
        holder = node.func.value if isinstance(node.func, ast.Attribute) else None
        is_module = isinstance(holder, ast.Name) and holder.id in {"os", "shutil"}
        if name in _OF_STRINGS_AND_LISTS and not is_module:
            continue
        yield node.lineno, name


def modules() -> list[tuple[str, Path]]:
    sources = [(CHECKOUT / "src" / "cisterna", CHECKOUT / "src" / "cisterna"), (CHECKOUT / "flows", CHECKOUT)]
    return [(str(one.relative_to(base)), one) for root, base in sources for one in sorted(root.rglob("*.py"))]


def test_nothing_but_the_named_places_removes_or_renames_files() -> None:
    found = {name: list(calls(file)) for name, file in modules()}

    assert {name: where for name, where in found.items() if where and name not in OURS} == {}
    assert OURS.keys() - {name for name, where in found.items() if where} == set()


def test_the_one_place_unlinks_once_and_removes_folders_once() -> None:
    names = [name for _, name in calls(CHECKOUT / "src/cisterna/adapters/landing_deletion.py")]

    assert sorted(names) == ["rmdir", "unlink"]


def test_one_function_calls_the_landing_zone_to_delete() -> None:
    """`execute_release` is the way there: its module alone calls `zone.delete`, in one place."""
    found = []
    for name, file in modules():
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "delete":
                holder = ast.unparse(node.func.value)
                if "zone" in holder.lower():
                    found.append((name, holder))
            if isinstance(node, ast.Name) and node.id == "delete_proven" and name != "adapters/landing_folder.py":
                found.append((name, node.id))

    assert found == [("services/release.py", "zone")]


ARCHIVE_DELETES = {
    "adapters/s3_boto.py": "the port's `delete`, for what no inventory names; over obstore it is this one as well",
    "adapters/s3_erasure.py": "the one place that deletes an archived object, with every version of it",
    "adapters/s3_keeper.py": "the object it made itself a moment ago, to see whether the store acts on a hold",
    "adapters/s3_minio.py": "the port's `delete` over the MinIO SDK",
}
"""Adapters that send a store a request to delete objects."""

STORE_DELETES = {
    "adapters/embedded_seaweedfs.py": "the probe of a new store",
    "adapters/proven_store.py": "passes the port's `delete` on",
    "adapters/s3_copy_probe.py": "copies of a zone's sentinel that the probe made itself",
    "adapters/s3_probe.py": "keys of the probe's own",
    "services/archive.py": "files of a version's staging folder that its inventory does not name",
    "services/health.py": "what a stranger could write, to show that a door is open",
    "services/probe_left.py": "keys that a killed probe left, by their name and age",
    "services/recover.py": "what dead attempts left, and no inventory names",
    "services/staging.py": "a staging folder that was taken off the record",
    "adapters/target_place.py": "files of a withdrawn version at a place outside, which its own writer put there",
    "testing/object_store_contract.py": "keys that the kit wrote itself",
}
"""Who calls a store's `delete`, and for what: none of it is archived."""


def _store_deletes(file: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "delete":
            holder = ast.unparse(node.func.value)
            if "store" in holder.lower():
                found.append(holder)
    return found


def _requests(file: Path) -> list[str]:
    words = ("delete_objects", "delete_object", "remove_object", "remove_objects", "delete_async")
    nodes = ast.walk(ast.parse(file.read_text("utf-8")))
    return [one.attr for one in nodes if isinstance(one, ast.Attribute) and one.attr in words]


def test_one_function_erases_from_the_archive_for_the_whole_product() -> None:
    """`erase_dataset` is the way there: it and its step for the record alone call an eraser, in one place a kind."""
    found = []
    for name, file in modules():
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            removes = {"remove", "remove_replaced", "remove_segment"}
            if node.func.attr in removes and "eraser" in ast.unparse(node.func.value).lower():
                found.append((name, node.func.attr))

    assert sorted(found) == [
        ("services/erase.py", "remove"),
        ("services/erase.py", "remove_replaced"),
        ("services/erase_segment.py", "remove_segment"),
    ]
    called = [name for name, file in modules() if "rewrite_record(" in file.read_text("utf-8")]
    assert sorted(called) == ["services/erase.py", "services/erase_segment.py"]


_ERASING = ("erase_dataset", "execute_erasure", "erasure_site", "eraser", "S3Eraser", "rewrite_record")


def test_the_web_process_names_nothing_that_erases() -> None:
    """It records decisions; a worker or an administrator in a terminal carries them out, with keys of their own."""
    web = [file for name, file in modules() if name.startswith("web/")]
    named = {
        (file.name, word)
        for file in web
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        for word in [getattr(node, "attr", None) or getattr(node, "id", None) or getattr(node, "name", None)]
        if word in _ERASING
    }

    assert named == set()
    assert any(file.name == "removal_api.py" for file in web)


VERSION_DELETES = {"adapters/s3_erasure.py": {"delete_objects"}, "adapters/s3_keeper.py": {"delete_object"}}
"""Adapters that send a store a request to delete versions: the eraser, and the probe of a hold."""


def test_versions_are_deleted_in_one_place_and_by_the_probe_of_a_hold() -> None:
    naming = {name: set(_requests(file)) for name, file in modules() if "VersionId" in file.read_text("utf-8")}

    assert {name: asked for name, asked in naming.items() if asked} == VERSION_DELETES


def test_whoever_deletes_in_a_store_is_named() -> None:
    asking = {name for name, file in modules() if _requests(file)}
    calls_of = {name: _store_deletes(file) for name, file in modules()}

    assert asking == ARCHIVE_DELETES.keys()
    assert {name for name, found in calls_of.items() if found} == STORE_DELETES.keys()
