"""A store that is probed before it is first written to: it may have been away when everything started."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import datetime

from cisterna.ports.object_store import Condition, ObjectStore, ServerCopier, StoredObject, Upload, Witness


class ProvenStore:
    """Implements `ports.object_store.ObjectStore` by another store, which is to be proven fit first.

    A store that is unfit, or away, gets no byte and is probed again at the next write. Reading needs no proof.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.name = store.name
        self.bucket = store.bucket
        self._store = store
        self._is_proven = False
        self._proof = threading.Lock()

    def put(
        self, key: str, body: bytes | memoryview, *, condition: Condition | None = None, content_type: str | None = None
    ) -> StoredObject:
        """Write a whole object. Raises `StoreUnfit` too."""
        self._require_proof()
        return self._store.put(key, body, condition=condition, content_type=content_type)

    def begin_upload(self, key: str) -> Upload:
        """Begin a large object. Raises `StoreUnfit` too."""
        self._require_proof()
        return self._store.begin_upload(key)

    def resume_upload(self, key: str) -> Upload | None:
        """Go on with the unfinished upload of that key, if there is exactly one."""
        self._require_proof()
        return self._store.resume_upload(key)

    def get(self, key: str) -> tuple[bytes, StoredObject]:
        """Read a whole small object."""
        return self._store.get(key)

    def stream(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Read bytes `start` to before `end` in chunks."""
        return self._store.stream(key, start=start, end=end)

    def head(self, key: str) -> StoredObject | None:
        """Tell whether an object has the key."""
        return self._store.head(key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Give every object whose key begins with the prefix."""
        return self._store.list(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects."""
        self._store.delete(keys)

    def unfinished_uploads(self, prefix: str, *, begun_before: datetime | None = None) -> Iterator[str]:
        """Give the keys of uploads that were neither completed nor aborted."""
        return self._store.unfinished_uploads(prefix, begun_before=begun_before)

    def abort_unfinished(self, prefix: str) -> None:
        """Abort every such upload below the prefix."""
        self._store.abort_unfinished(prefix)

    def copier(self, witness: Witness) -> ServerCopier:
        """Prove that the store copies from the zone of the witness. Raises `StoreUnfit` too."""
        self._require_proof()
        return self._store.copier(witness)

    def probe(self) -> None:
        """Prove it now."""
        self._store.probe()
        self._is_proven = True

    def _require_proof(self) -> None:
        with self._proof:
            if not self._is_proven:
                self.probe()
