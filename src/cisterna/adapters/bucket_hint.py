"""Lets MinIO say over a connection that is held open that something was written to a bucket.

Tried against a small server that speaks as MinIO's documentation says, for want of a MinIO server to run.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

from cisterna.adapters.s3_access import S3Access

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
_STEADY_SECONDS = 10.0
_SILENCE_SECONDS = 30.0
"""MinIO sends blanks every few seconds while it has nothing to tell."""
_EVENTS = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")


class BucketHint:
    """Implements `ports.hint.HintSource` by one connection, made anew when it ends, less and less often.

    What is told while none is open is lost, so each new connection counts as a hint itself.

    Args:
        access: Of the bucket.
        bucket: Its name.
        prefix: Of the landing zone; what lies elsewhere is not listened for.
        wake: Set when something may have changed.
        pause_seconds: First pause before another connection.

    Attributes:
        fault: Why no hint can come now, or None.
    """

    def __init__(
        self,
        access: S3Access,
        *,
        bucket: str,
        prefix: str,
        wake: threading.Event,
        pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        self.fault: str | None = None
        self._access = access
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._wake = wake
        self._stop = threading.Event()
        self._pool = _Unhurried(self, pause_seconds=pause_seconds, stop=self._stop)
        self._thread = threading.Thread(target=self._listen, name=f"bucket-hint-{bucket}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; a connection that says nothing is left behind until it does, it wakes nobody."""
        self._stop.set()
        self._pool.clear()
        self._thread.join(1.0)

    def connected(self, *, speaks: bool) -> None:
        """Take note of a connection that was made."""
        self.fault = None if speaks else f"{self._access.endpoint} gives no notifications for {self._bucket}"
        self._hint()

    def _hint(self) -> None:
        if not self._stop.is_set():
            self._wake.set()

    def _listen(self) -> None:
        from minio import Minio
        from minio.error import MinioException
        from minio.helpers import BaseURL

        try:
            address = BaseURL(self._access.endpoint.rstrip("/"), self._access.region)
            client = Minio(
                address.host,
                access_key=self._access.access_key_id,
                secret_key=self._access.secret_access_key.get_secret_value(),
                secure=address.is_https,
                region=self._access.region,
                http_client=self._pool,
            )
        except ValueError as error:
            self.fault = f"{self._access.endpoint} cannot be listened to: {error}"
            return
        while not self._stop.is_set():
            try:
                with client.listen_bucket_notification(self._bucket, prefix=self._prefix, events=_EVENTS) as records:
                    for _ in records:
                        self._hint()
            except (MinioException, HTTPError, OSError, ValueError, TypeError, KeyError) as error:
                # The SDK reads others' JSON without looking at its form: what it trips over is one more silence.
                self.fault = f"{self._access.endpoint} cannot be listened to: {error}; sweeps go on by the clock"


class _Unhurried(PoolManager):
    """Connects again only after a pause: the SDK does so at once when a stream ends, and some servers end each."""

    def __init__(self, hint: BucketHint, *, pause_seconds: float, stop: threading.Event) -> None:
        super().__init__(timeout=Timeout(connect=3.0, read=_SILENCE_SECONDS), retries=False)
        self._hint = hint
        self._first_pause = self._pause = pause_seconds
        self._stop = stop
        self._began: float | None = None

    def urlopen(self, method: str, url: str, redirect: bool = True, **kw: Any) -> Any:  # type: ignore[override]
        """Wait, then ask; raises when it is over."""
        if self._began is not None:
            is_steady = time.monotonic() - self._began > _STEADY_SECONDS
            self._pause = self._first_pause if is_steady else min(2 * self._pause, LONGEST_PAUSE_SECONDS)
            self._stop.wait(self._pause)
        self._began = time.monotonic()
        if self._stop.is_set():
            msg = "it was closed"
            raise HTTPError(msg)
        answer = super().urlopen(method, url, redirect, **kw)
        if answer.status == 200:
            self._hint.connected(speaks="xml" not in answer.headers.get("content-type", ""))
        return answer
