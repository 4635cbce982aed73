"""Puts files of ours into the store before the commit that makes them part of an OCFL version."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from cisterna.domain.dataset import Dataset, StagedFile, Version
from cisterna.domain.digest import sha256_of, sha512_of
from cisterna.domain.errors import IllegalTransition, ObjectInvalid, ObjectNotFound, StoreUnavailable
from cisterna.ports.object_store import ObjectStore
from cisterna.services.held_object import read_held


def stage_files(version: Version, files: Mapping[str, bytes], *, dataset: Dataset, store: ObjectStore) -> Version:
    """Upload files and return the version that names them; the caller saves it.

    A second run writes the same bytes to the same keys, since a key is made from the bytes' digest.

    Args:
        version: A version with a staging folder.
        files: Content by logical path, such as `quality/findings.json`.
        dataset: Of the version.
        store: The archive.
    """
    if version.staging is None:
        msg = f"{version.version_id} has no staging folder; it is given one when it is measured"
        raise IllegalTransition(msg, version_id=version.version_id)
    staged = dict(version.staged)
    for path, body in files.items():
        digest = sha512_of(body)
        content_path = f"{version.staging}/{digest[:40]}"
        store.put(f"{dataset.object_root}/{content_path}", body)
        staged[path] = StagedFile(
            content_path=content_path, sha512=digest, size_bytes=len(body), sha256=sha256_of(body)
        )
    return version.model_copy(update={"staged": staged})


def drop_staging(version: Version, *, dataset: Dataset, store: ObjectStore) -> None:
    """Remove all that a version staged and abort what it left unfinished; only its own folder is touched.

    What the object's inventory names stays, whatever the caller believes. A failure to do so is no failure of the
    caller's: the recovery removes what is left.
    """
    if version.staging is None or version.is_archived:
        return
    with suppress(StoreUnavailable, ObjectInvalid):
        remove_staged(version.staging, object_root=dataset.object_root, pid=dataset.pid, store=store)


def remove_staged(staging: str, *, object_root: str, pid: str, store: ObjectStore) -> None:
    """Remove a staging folder and abort what is unfinished in it; what the object's inventory names stays.

    Raises:
        StoreUnavailable: Some of it may be there still.
        ObjectInvalid: The inventory cannot be read; nothing was removed.
    """
    folder = f"{object_root}/{staging}/"
    held = read_held(object_root, pid=pid, store=store)
    committed = held.inventory.content_paths if held else frozenset()
    start = len(object_root) + 1
    store.abort_unfinished(folder)
    store.delete([found.key for found in store.list(folder) if found.key[start:] not in committed])


def read_staged(version: Version, path: str, *, dataset: Dataset, store: ObjectStore) -> bytes:
    """Read back a file of ours by its logical path, before or after the commit. Raises `ObjectNotFound`."""
    found = version.staged.get(path)
    if found is None:
        msg = f"{version.version_id} has no file {path}"
        raise ObjectNotFound(msg, version_id=version.version_id, path=path)
    body, _ = store.get(f"{dataset.object_root}/{found.content_path}")
    return body
