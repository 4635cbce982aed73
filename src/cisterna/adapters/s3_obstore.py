"""The object store as Cisterna uses it: bulk traffic through obstore, control through boto3.

obstore (Rust, outside the interpreter's lock) puts, gets, streams and lists. boto3 does what obstore cannot:
uploads with an id that can be aborted and completed under a condition, unfinished uploads, listings by a prefix that is
no folder, deletions, buckets, and the probe with a wrong checksum.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from cisterna.adapters.s3_access import (
    FROZEN,
    WRITE_MARK,
    Patience,
    S3Access,
    UncertainWrite,
    frozen,
    in_key_order,
    refused_keys,
    require_range,
    write_once,
)
from cisterna.adapters.s3_controlled import S3Controlled
from cisterna.domain.errors import ObjectNotFound, PreconditionFailed, StoreUnavailable
from cisterna.ports.object_store import Condition, IfAbsent, StoredObject, require_key

_CHUNK_BYTES = 1024 * 1024
_PAGE = 1000
_LONGEST_REQUEST = timedelta(hours=12)
"""Only silence ends a transfer (`Patience.answer_seconds`), not its length."""


class S3Store(S3Controlled):
    """Implements `ports.object_store.ObjectStore`; safe to share between threads."""

    def put(
        self, key: str, body: bytes | memoryview, *, condition: Condition | None = None, content_type: str | None = None
    ) -> StoredObject:
        """Write a whole object in one request, with its CRC64NVME for the store to check."""
        import obstore

        require_key(key)
        size_bytes = memoryview(body).nbytes
        attributes = {"Content-Type": content_type} if content_type else {}
        if condition is None:
            with self._translated(key):
                answer = obstore.put(self._bulk, key, body, attributes=attributes, use_multipart=False)
            return _described(key, size_bytes, answer)
        mark = uuid.uuid4().hex
        attributes[WRITE_MARK] = mark
        mode: Any = "create" if isinstance(condition, IfAbsent) else {"e_tag": f'"{condition.etag}"'}

        def attempt() -> StoredObject:
            try:
                with self._translated(key):
                    return _described(
                        key, size_bytes, obstore.put(self._once, key, body, attributes=attributes, mode=mode)
                    )
            except (StoreUnavailable, ObjectNotFound) as error:
                raise UncertainWrite(str(error)) from error

        return write_once(attempt, landed=lambda: self._marked(key, mark), patience=self._patience, key=key)

    def get(self, key: str) -> tuple[bytes, StoredObject]:
        """Read a whole object."""
        import obstore

        require_key(key)
        with self._translated(key):
            answer = obstore.get(self._bulk, key)
            body = answer.bytes().to_bytes()
        return body, _described(key, len(body), answer.meta)

    def stream(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Read bytes `start` to before `end`, about 1 MiB at a time; a broken connection is resumed."""
        import obstore

        require_key(key)
        require_range(key, start=start, end=end)
        options: Any = {}
        if start or end is not None:
            found = self.head(key)
            if found is None:
                raise ObjectNotFound(f"{self.name} has no object {key}", store=self.name, key=key)
            stop = found.size_bytes if end is None else min(end, found.size_bytes)
            if start >= stop:
                return
            options = {"range": (start, stop)}
        with self._translated(key):
            for chunk in obstore.get(self._bulk, key, options=options).stream(min_chunk_size=_CHUNK_BYTES):
                yield bytes(chunk)

    def head(self, key: str) -> StoredObject | None:
        """Tell whether an object has the key."""
        import obstore

        require_key(key)
        try:
            with self._translated(key):
                found = obstore.head(self._bulk, key)
        except ObjectNotFound:
            return None
        return _described(key, found["size"], found)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Give objects by prefix, in key order."""
        if prefix and not prefix.endswith("/"):  # obstore knows folders only
            return self.control.list(prefix)
        return in_key_order(self._pages(prefix), prefix=prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, 1,000 a request; by boto3, since obstore does not repeat that request when it fails."""
        self.control.delete(keys)

    def probe(self) -> None:
        """Prove conditions, checksums and read-after-write, on both paths."""
        self.control.probe_through(self)

    def _open(self, access: S3Access) -> None:
        self._bulk = _bucket_of(access, bucket=self.bucket, patience=self._patience, attempts=self._patience.attempts)
        self._once = _bucket_of(access, bucket=self.bucket, patience=self._patience, attempts=1)

    def _pages(self, prefix: str) -> Iterator[StoredObject]:
        import obstore

        with self._translated(prefix):
            for page in obstore.list(self._bulk, prefix or None, chunk_size=_PAGE):
                for one in page:
                    yield _described(one["path"], one["size"], one)

    def _marked(self, key: str, mark: str) -> StoredObject | None:
        import obstore

        try:
            with self._translated(key):
                found = obstore.get(self._bulk, key, options={"head": True})
        except ObjectNotFound:
            return None
        is_ours = found.attributes.get(WRITE_MARK) == mark
        return _described(key, found.meta["size"], found.meta) if is_ours else None

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        from obstore import exceptions

        try:
            yield
        except FileNotFoundError as error:  # obstore raises Python's own for an absent object
            raise ObjectNotFound(f"{self.name} has no object {key}", store=self.name, key=key) from error
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError) as error:
            msg = f"{self.name} refused the condition for {key}: it exists already, or is not what was seen"
            raise PreconditionFailed(msg, key=key) from error
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            raise (frozen if FROZEN in str(error) else refused_keys)(self.name, key) from error
        except (exceptions.BaseError, OSError, TimeoutError) as error:
            msg = f"{self.name} did not answer for '{key}': {_first_line(error)}; is the object store running?"
            raise StoreUnavailable(msg, store=self.name, key=key) from error


def _bucket_of(access: S3Access, *, bucket: str, patience: Patience, attempts: int) -> Any:
    from obstore.store import S3Store as Bucket

    return Bucket(
        bucket,
        endpoint=access.endpoint,
        region=access.region,
        access_key_id=access.access_key_id,
        secret_access_key=access.secret_access_key.get_secret_value(),
        virtual_hosted_style_request=False,
        checksum_algorithm="CRC64NVME",
        unsigned_payload=access.is_private,
        client_options={
            "allow_http": access.endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=patience.connect_seconds),
            "read_timeout": timedelta(seconds=patience.answer_seconds),
            "timeout": _LONGEST_REQUEST,
        },
        retry_config={
            "max_retries": attempts - 1,
            "retry_timeout": timedelta(seconds=patience.answer_seconds * attempts),
            "backoff": {
                "init_backoff": timedelta(seconds=patience.pause_seconds),
                "max_backoff": timedelta(seconds=patience.pause_seconds * 2**attempts),
                "base": 2,
            },
        },
    )


def _described(key: str, size_bytes: int, facts: Any) -> StoredObject:
    return StoredObject(key=key, size_bytes=size_bytes, etag=str(facts["e_tag"]).strip('"'))


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:500]
