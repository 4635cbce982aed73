"""The object store over the MinIO SDK, for stores that get on better with it than with obstore.

Reads, listings, deletions and plain requests are the SDK's public calls. A conditional write is not among them:
`Minio.put_object` passes on content headers, `x-amz-*` headers and metadata, and makes metadata of anything else, so
`If-None-Match` would be stored instead of obeyed. Writes are therefore built here from the SDK's public parts: its
addresses (`minio.helpers.BaseURL`), its signature (`minio.signer.sign_v4_s3`, which signs every header it is given) and
its error (`minio.error.S3Error`), over the same connections. Each carries the SHA-256 of its body in the signature, so
that the store refuses a damaged body also over HTTPS, where the SDK itself signs none.

Large uploads and the probe go through boto3, as in `s3_obstore`: the SDK's public calls name no upload that could be
taken up again, listed or aborted.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from cisterna.adapters.s3_access import (
    FROZEN,
    WRITE_MARK,
    Patience,
    S3Access,
    UncertainWrite,
    frozen,
    in_key_order,
    require_range,
    write_once,
)
from cisterna.adapters.s3_controlled import S3Controlled
from cisterna.domain.errors import CisternaError, ObjectNotFound, PreconditionFailed, StoreUnavailable
from cisterna.ports.object_store import Condition, IfAbsent, IfMatch, StoredObject, require_key

if TYPE_CHECKING:
    from minio.error import S3Error
    from urllib3 import BaseHTTPResponse, PoolManager, Retry

_CHUNK_BYTES = 1024 * 1024
_CONNECTIONS = 32
_ABSENT = frozenset({"NoSuchKey", "NoSuchObject", "ResourceNotFound"})
_DOWN = (500, 502, 503, 504)


class S3MinioStore(S3Controlled):
    """Implements `ports.object_store.ObjectStore`; safe to share between threads, not between processes."""

    def close(self) -> None:
        """Close connections and threads; uploads that go on fail."""
        self._pool.clear()
        super().close()

    def put(
        self, key: str, body: bytes | memoryview, *, condition: Condition | None = None, content_type: str | None = None
    ) -> StoredObject:
        """Write a whole object in one signed request, with its SHA-256 for the store to check."""
        require_key(key)
        content = bytes(body)
        headers = {"Content-Type": content_type} if content_type else {}
        if condition is None:
            with self._translated(key):
                return self._send(key, content, headers=headers, attempts=self._patience.attempts)
        mark = uuid.uuid4().hex
        headers |= {f"x-amz-meta-{WRITE_MARK}": mark, **_condition_header(condition)}

        def attempt() -> StoredObject:
            try:
                with self._translated(key):
                    return self._send(key, content, headers=headers, attempts=1)
            except StoreUnavailable as error:
                raise UncertainWrite(str(error)) from error

        return write_once(attempt, landed=lambda: self._marked(key, mark), patience=self._patience, key=key)

    def get(self, key: str) -> tuple[bytes, StoredObject]:
        """Read a whole object."""
        require_key(key)
        with self._translated(key), self._opened(key) as answer:
            body = answer.read()
            return body, StoredObject(key=key, size_bytes=len(body), etag=_etag(answer.headers, status=answer.status))

    def stream(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Read bytes `start` to before `end`, 1 MiB at a time."""
        require_key(key)
        require_range(key, start=start, end=end)
        length = 0
        if start or end is not None:
            found = self.head(key)
            if found is None:
                raise self._absent(key)
            length = (found.size_bytes if end is None else min(end, found.size_bytes)) - start
            if length <= 0:  # the SDK takes a length of 0 for all there is
                return
        with self._translated(key), self._opened(key, offset=start, length=length) as answer:
            yield from answer.stream(_CHUNK_BYTES)

    def head(self, key: str) -> StoredObject | None:
        """Tell whether an object has the key."""
        require_key(key)
        found = self._stat(key)
        return None if found is None else found[0]

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Give objects by prefix, in key order."""
        return in_key_order(self._pages(prefix), prefix=prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, 1,000 a request."""
        from minio.deleteobjects import DeleteObject

        def named() -> Iterator[DeleteObject]:
            for key in keys:
                require_key(key)
                yield DeleteObject(key)

        with self._translated(""):
            failures = list(self._client.remove_objects(self.bucket, named()))
        if failures:
            first = f"{failures[0].name}: {failures[0].code}"
            msg = f"{self.name} did not delete {len(failures)} objects, the first {first}; try again later"
            raise StoreUnavailable(msg, store=self.name, keys=[one.name for one in failures])

    def probe(self) -> None:
        """Prove conditions, checksums and read-after-write, on both paths."""
        self.control.probe_through(self)

    def _open(self, access: S3Access) -> None:
        from minio import Minio
        from minio.credentials.providers import StaticProvider
        from minio.helpers import BaseURL

        self._region = access.region
        self._pool = _open_pool(self._patience)
        self._provider = StaticProvider(access.access_key_id, access.secret_access_key.get_secret_value())
        self._addresses = BaseURL(access.endpoint.rstrip("/"), access.region)
        self._client = Minio(
            self._addresses.host,
            credentials=self._provider,
            secure=self._addresses.is_https,
            region=access.region,
            http_client=self._pool,
        )

    def _send(self, key: str, body: bytes, *, headers: Mapping[str, str], attempts: int) -> StoredObject:
        """Put a body with headers the SDK's own call does not take. Raises the SDK's and urllib3's errors."""
        from minio import time
        from minio.helpers import sha256_hash
        from minio.signer import sign_v4_s3

        url = self._addresses.build(method="PUT", region=self._region, bucket_name=self.bucket, object_name=key)
        date, digest = time.utcnow(), sha256_hash(body)
        signed = sign_v4_s3(
            method="PUT",
            url=url,
            region=self._region,
            headers={
                **headers,
                "Host": url.netloc,
                "x-amz-content-sha256": digest,
                "x-amz-date": time.to_amz_date(date),
            },
            credentials=self._provider.retrieve(),
            content_sha256=digest,
            date=date,
        )
        sent = {name: str(value) for name, value in signed.items()}
        retries = _retry(self._patience, attempts=attempts)
        answer = self._pool.urlopen("PUT", url.geturl(), body=body, headers=sent, retries=retries)
        if answer.status != 200:
            raise _refusal(answer, key=key, bucket=self.bucket)
        return StoredObject(key=key, size_bytes=len(body), etag=_etag(answer.headers, status=answer.status))

    @contextmanager
    def _opened(self, key: str, *, offset: int = 0, length: int = 0) -> Iterator[BaseHTTPResponse]:
        answer = self._client.get_object(self.bucket, key, offset=offset, length=length)
        with closing(answer):
            yield answer
            answer.release_conn()  # one that was left midway is closed instead of used again

    def _stat(self, key: str) -> tuple[StoredObject, Mapping[str, str]] | None:
        try:
            with self._translated(key):
                found = self._client.stat_object(self.bucket, key)
                said = {name.lower(): str(value) for name, value in (found.metadata or {}).items()}
                etag = _etag(said, status=200)
        except ObjectNotFound:
            return None
        return StoredObject(key=key, size_bytes=int(found.size or 0), etag=etag), said

    def _marked(self, key: str, mark: str) -> StoredObject | None:
        found = self._stat(key)
        return found[0] if found and found[1].get(f"x-amz-meta-{WRITE_MARK}") == mark else None

    def _pages(self, prefix: str) -> Iterator[StoredObject]:
        with self._translated(prefix):
            for one in self._client.list_objects(self.bucket, prefix=prefix, recursive=True):
                yield StoredObject(
                    key=str(one.object_name), size_bytes=int(one.size or 0), etag=str(one.etag).strip('"')
                )

    def _absent(self, key: str) -> ObjectNotFound:
        return ObjectNotFound(f"{self.name} has no object {key}", store=self.name, key=key)

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        from xml.etree.ElementTree import ParseError  # the SDK's parser raises it; nothing is parsed with it here

        from minio.error import MinioException, S3Error
        from urllib3.exceptions import HTTPError

        try:
            yield
        except S3Error as error:
            raise self._translation(error, key) from error
        except (MinioException, HTTPError, OSError, ParseError, ValueError) as error:  # also of an answer out of form
            msg = f"{self.name} did not answer for '{key}': {str(error)[:500]}; is the object store running?"
            raise StoreUnavailable(msg, store=self.name, key=key) from error

    def _translation(self, error: S3Error, key: str) -> CisternaError:
        if error.code in _ABSENT:
            return self._absent(key)
        if error.code == "PreconditionFailed":
            msg = f"{self.name} refused the condition for {key}: it exists already, or is not what was seen"
            return PreconditionFailed(msg, key=key)
        if error.code == FROZEN:
            return frozen(self.name, key)
        msg = f"{self.name} answered {error.response.status} {error.code} for '{key}': {error.message}"
        return StoreUnavailable(msg, store=self.name, key=key, answer=error.code)


def _condition_header(condition: Condition) -> dict[str, str]:
    match condition:
        case IfAbsent():
            return {"If-None-Match": "*"}
        case IfMatch(etag=etag):
            return {"If-Match": f'"{etag}"'}


def _etag(headers: Mapping[str, str], *, status: int) -> str:
    """Read the ETag that every object has. Raises `ValueError` of an answer that is no store's."""
    found = headers.get("etag", "").strip('"')
    if not found:
        msg = f"an answer {status} names no ETag"
        raise ValueError(msg)
    return found


def _refusal(answer: BaseHTTPResponse, *, key: str, bucket: str) -> S3Error:
    """Make the SDK's error of an answer, whether the store wrote one or only a status."""
    from xml.etree.ElementTree import ParseError  # the SDK's parser raises it; nothing is parsed with it here

    from minio.error import S3Error

    try:
        return S3Error.fromxml(answer)
    except (ParseError, UnicodeDecodeError):
        code = {404: "NoSuchKey", 412: "PreconditionFailed"}.get(answer.status, "")
        return S3Error(answer, code, answer.reason, key, None, None, bucket_name=bucket, object_name=key)


def _open_pool(patience: Patience) -> PoolManager:
    """Open the connections of the SDK and of our own writes, with one rule of patience for both."""
    from urllib3 import PoolManager, Timeout

    return PoolManager(
        timeout=Timeout(connect=patience.connect_seconds, read=patience.answer_seconds),
        maxsize=_CONNECTIONS,
        cert_reqs="CERT_REQUIRED",  # by the machine's certificates, or those of SSL_CERT_FILE
        retries=_retry(patience, attempts=patience.attempts),
    )


def _retry(patience: Patience, *, attempts: int) -> Retry:
    """Repeat every request, also the POST that deletes: each one sent through the pool may run twice."""
    from urllib3 import Retry

    return Retry(
        total=attempts - 1,
        backoff_factor=patience.pause_seconds,
        backoff_jitter=patience.pause_seconds / 4,
        status_forcelist=_DOWN,
        allowed_methods=None,
    )
