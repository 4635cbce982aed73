"""One bucket through boto3: clients, and boto's errors in our words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from cisterna.adapters.s3_access import FROZEN, WRITE_MARK, Patience, S3Access, UncertainWrite, frozen, refused_keys
from cisterna.adapters.s3_checksum import CHECKSUM_NAMES, from_s3_form
from cisterna.adapters.s3_part import Part
from cisterna.domain.errors import CisternaError, ObjectNotFound, PreconditionFailed, StoreUnavailable
from cisterna.ports.object_store import Condition, IfAbsent, IfMatch, StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_REFUSED = frozenset({"412", "PreconditionFailed"})
_CONNECTIONS = 32
_MAKING = threading.Lock()
"""A session makes one client at a time."""
_SESSIONS: list[Any] = []
"""The process's one session: it keeps the service's description, which takes 0.1 CPU s to read."""


class GoingOn(NamedTuple):
    """An upload that was neither completed nor aborted."""

    key: str
    upload_id: str
    begun_at: datetime


class S3Bucket:
    """A bucket and two clients for it: one that repeats requests, and one that sends each once.

    Args:
        access: Endpoint and credentials.
        bucket: Its name.
        name: What messages and receipts call the store.
        patience: How long calls may take.
        signed: Sign requests; without, they are those of somebody who has no keys.
    """

    def __init__(self, access: S3Access, *, bucket: str, name: str, patience: Patience, signed: bool = True) -> None:
        self.bucket = bucket
        self.name = name
        self.patience = patience
        self.client = _open_client(access, patience=patience, attempts=patience.attempts, signed=signed)
        self.client_once = _open_client(access, patience=patience, attempts=1, signed=signed)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
        self.client_once.close()

    def head(self, key: str) -> StoredObject | None:
        """Tell whether an object has the key."""
        found = self._head(key)
        return None if found is None else _described(key, found)

    def marked(self, key: str, mark: str) -> StoredObject | None:
        """Give the object if it is the write with that mark."""
        found = self._head(key)
        return _described(key, found) if found and found["Metadata"].get(WRITE_MARK) == mark else None

    def with_checksum(self, key: str, *, size_bytes: int, crc: str) -> StoredObject | None:
        """Give the object if the store says that it has that size and CRC64NVME."""
        found = self._head(key, ChecksumMode="ENABLED")
        is_same = found and (found["ContentLength"], found.get("ChecksumCRC64NVME")) == (size_bytes, crc)
        return _described(key, found) if is_same else None

    def told(self, key: str) -> tuple[StoredObject, dict[str, str]] | None:
        """Give an object and the checksums of its whole that the store tells, by boto's names."""
        found = self._head(key, ChecksumMode="ENABLED")
        if found is None:
            return None
        told = {name: found[name] for name in CHECKSUM_NAMES if name in found}
        is_whole = found.get("ChecksumType") != "COMPOSITE"  # that is one of the parts' checksums, with `-` and a count
        return _described(key, found), {name: text for name, text in told.items() if is_whole and "-" not in text}

    def parts(self, key: str, upload_id: str) -> dict[int, Part] | None:
        """Give the parts of an upload that have arrived, by number; None when there is no such upload."""
        named: Any = {"Bucket": self.bucket, "Key": key, "UploadId": upload_id}
        parts: dict[int, Part] = {}
        with self.translated(key):
            try:
                for page in self.client.get_paginator("list_parts").paginate(**named):
                    for one in page.get("Parts", []):
                        crc = from_s3_form(one.get("ChecksumCRC64NVME"))
                        parts[one["PartNumber"]] = Part(one["PartNumber"], one["Size"], crc, one["ETag"])
            except self.client.exceptions.ClientError as error:
                if code_of(error) == "NoSuchUpload":
                    return None
                raise
        return parts

    def uploads(self, prefix: str) -> Iterator[GoingOn]:
        """Give every upload below the prefix that goes on."""
        with self.translated(prefix):
            for page in self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix):
                for one in page.get("Uploads", []):
                    if one["Key"].startswith(prefix):
                        yield GoingOn(one["Key"], one["UploadId"], one["Initiated"])

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Abort one upload; harmless when it is gone."""
        with self.translated(key):
            try:
                self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
            except self.client.exceptions.ClientError as error:
                if code_of(error) != "NoSuchUpload":
                    raise

    def absent(self, key: str) -> ObjectNotFound:
        """Make the error that says that no object has the key."""
        return ObjectNotFound(f"{self.name} has no object {key}", store=self.name, key=key)

    @contextmanager
    def translated(self, key: str) -> Iterator[None]:
        """Turn boto's errors into ours."""
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        try:
            yield
        except ClientError as error:
            raise self._translation(error, key) from error
        except (BotoCoreError, HTTPError) as error:
            msg = f"{self.name} did not answer for '{key}': {error}; is the object store running?"
            raise StoreUnavailable(msg, store=self.name, key=key) from error

    @contextmanager
    def translated_once(self, key: str) -> Iterator[None]:
        """Turn whatever leaves a conditional write in doubt into `UncertainWrite`; see `write_once`."""
        try:
            with self.translated(key):
                yield
        except StoreUnavailable as error:
            raise UncertainWrite(str(error)) from error

    def _translation(self, error: Exception, key: str) -> CisternaError:
        code = code_of(error)
        if code in _ABSENT:
            return self.absent(key)
        if code in _REFUSED:
            msg = f"{self.name} refused the condition for {key}: it exists already, or is not what was seen"
            return PreconditionFailed(msg, key=key)
        if code == FROZEN:  # with 403, which is no word on our keys
            return frozen(self.name, key)
        if status_of(error) in {401, 403}:
            return refused_keys(self.name, key)
        msg = f"{self.name} answered {status_of(error)} {code} for '{key}': {error}"
        return StoreUnavailable(msg, store=self.name, key=key, answer=code)

    def _head(self, key: str, **asked: Any) -> Any:
        with self.translated(key):
            try:
                return self.client.head_object(Bucket=self.bucket, Key=key, **asked)
            except self.client.exceptions.ClientError as error:
                if code_of(error) in _ABSENT:
                    return None
                raise


def condition_headers(condition: Condition | None) -> dict[str, Any]:
    """Say a condition in boto's words."""
    match condition:
        case IfAbsent():
            return {"IfNoneMatch": "*"}
        case IfMatch(etag=etag):
            return {"IfMatch": f'"{etag}"'}
        case None:
            return {}


def code_of(error: Exception) -> str:
    """Give S3's name of an error."""
    response: dict[str, Any] = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


def status_of(error: Exception) -> int:
    """Give the HTTP status of an error; 0 when there was none."""
    response: dict[str, Any] = getattr(error, "response", {})
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _described(key: str, found: Any) -> StoredObject:
    return StoredObject(key=key, size_bytes=found["ContentLength"], etag=found["ETag"].strip('"'))


def _open_client(access: S3Access, *, patience: Patience, attempts: int, signed: bool) -> S3Client:
    """Make a client that signs headers only; every body goes with a checksum, which costs less and proves more.

    Unsigned bodies go plain, as any tool sends them: one refused for its form would look like a door that is shut.
    """
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(
        connect_timeout=patience.connect_seconds,
        read_timeout=patience.answer_seconds,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        max_pool_connections=_CONNECTIONS,
        s3={"addressing_style": "path", "payload_signing_enabled": False},
        request_checksum_calculation="when_supported" if signed else "when_required",
        response_checksum_validation="when_supported",
        **({} if signed else {"signature_version": UNSIGNED}),
    )
    with _MAKING:
        session = _SESSIONS[0] if _SESSIONS else boto3.session.Session()
        _SESSIONS[:] = [session]
        return session.client(
            "s3",
            endpoint_url=access.endpoint,
            region_name=access.region,
            aws_access_key_id=access.access_key_id,
            aws_secret_access_key=access.secret_access_key.get_secret_value(),
            config=config,
        )
