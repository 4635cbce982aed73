"""Deletes objects of the archive for good, with every version a bucket keeps of them, through boto3.

No other place of the product deletes what is archived. It is asked for one object by its PID and its root, holds the
two against each other, and looks at every key once more before it goes into a request.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any

from cisterna.adapters.s3_survey import S3Survey, lies_at
from cisterna.domain.erasure import require_object_root
from cisterna.domain.errors import HostileInput, StoreForbids
from cisterna.domain.record_segment import SEGMENTS, segment_name
from cisterna.ports.erasure import Refused, Removed

_AT_ONCE = 1000
_REFUSED_KEPT = 100
_ROUNDS = 3
"""Something may be put while it is listed; each round begins with a new list."""
_ARK = re.compile(r"ark:/([0-9]{5})/([0-9a-z]{1,64})")


class S3Eraser(S3Survey):
    """Implements `ports.erasure.Eraser`.

    Args:
        access: Endpoint, and keys that may delete versions (`s3:ListBucketVersions`, `s3:DeleteObjectVersion`).
        bucket: Its name.
        store: What receipts call the store.
        clock: Tells whether a lock has ended.
        patience: How long calls may take.
    """

    def remove(self, object_root: str, *, pid: str) -> Removed:
        """Remove all of it, round by round until nothing more goes."""
        require_object_root(object_root, pid=pid)
        return self._removed(f"{object_root}/", replaced_only=False)

    def remove_segment(self, key: str) -> Removed:
        """Remove what has exactly this key."""
        if not key.startswith(SEGMENTS) or segment_name(key.removeprefix(SEGMENTS)) is None:
            msg = f"{key[:200]!a} is no segment of the archive's record; nothing was deleted"
            raise HostileInput(msg, key=key[:200])
        return self._removed(key, replaced_only=False)

    def remove_replaced(self, pid: str) -> Removed:
        """Remove what stood there before."""
        matched = _ARK.fullmatch(pid)
        if matched is None:
            raise HostileInput(f"{pid[:100]!a} is no ARK; nothing was deleted", pid=pid[:100])
        return self._removed(f"{matched[1]}/{matched[2]}/", replaced_only=True)

    def _removed(self, prefix: str, *, replaced_only: bool) -> Removed:
        refused: dict[str, Refused] = {}
        removed = self._abort_uploads(prefix)
        for _ in range(_ROUNDS):
            gone, not_gone = self._round(prefix, replaced_only=replaced_only)
            removed += gone
            refused = {one.name: one for one in not_gone}
            if not gone:
                break
        left = self._content(prefix, lock=None)
        if replaced_only:
            left = left.model_copy(update={"keys": 0})
        shown = tuple(itertools.islice(refused.values(), _REFUSED_KEPT))
        return Removed(removed=removed, refused=shown, refused_count=len(refused), left=left)

    def _round(self, prefix: str, *, replaced_only: bool) -> tuple[int, list[Refused]]:
        """Delete what is listed; where versions may not be seen or do not go, at least what everybody sees.

        The mark that hides a version which does not go stays, else the version would be seen again.
        """
        try:
            stored = list(self._versions(prefix))
        except StoreForbids as refusal:
            said = Refused(name=f"{prefix}*", reason=str(refusal))
            if replaced_only:
                return 0, [said]
            gone, refused = self._delete([(key, None) for key, _ in self._keys(prefix)], prefix=prefix)
            return gone, [said, *(one for _, one in refused)]
        data = [one for one in stored if not one.is_mark and not (replaced_only and one.is_latest)]
        gone, refused = self._delete([(one.key, one.version_id) for one in data], prefix=prefix)
        stuck = {key for key, _ in refused}
        marks = [(one.key, one.version_id) for one in stored if one.is_mark and one.key not in stuck]
        unmarked, more = self._delete(marks, prefix=prefix)
        refused += more
        if stuck and not replaced_only:
            hidden, visible = self._delete(
                [(key, None) for key, _ in self._keys(prefix) if key in stuck], prefix=prefix
            )
            gone, refused = gone + hidden, [*refused, *visible]
        return gone + unmarked, [one for _, one in refused]

    def _delete(
        self, wanted: Sequence[tuple[str, str | None]], *, prefix: str
    ) -> tuple[int, list[tuple[str, Refused]]]:
        """Delete keys, or versions of them, and give those that the store refused."""
        gone, refused = 0, []
        for start in range(0, len(wanted), _AT_ONCE):
            batch = wanted[start : start + _AT_ONCE]
            _require_below(prefix, [key for key, _ in batch])
            named: Any = [{"Key": key, **({"VersionId": version} if version else {})} for key, version in batch]
            with self._translated("delete", prefix):
                answer: Any = self._s3.client.delete_objects(
                    Bucket=self.bucket, Delete={"Objects": named, "Quiet": True}
                )
            said = [
                (str(one.get("Key", "")), Refused(name=_named(one), reason=f"{one.get('Code')}: {one.get('Message')}"))
                for one in answer.get("Errors", [])
                if one.get("Code") not in {"NoSuchKey", "NoSuchVersion"}
            ]
            gone += len(batch) - len(said)
            refused += said
        return gone, refused

    def _abort_uploads(self, prefix: str) -> int:
        found = [one for one in self._s3.uploads(prefix) if lies_at(one.key, prefix)]
        for one in found:
            self._s3.abort_upload(one.key, one.upload_id)
        return len(found)


def _require_below(prefix: str, keys: Iterable[str]) -> None:
    """Look at every key once more: a listing that gave a neighbour's is a listing not to act on.

    What is named in full, as a segment of the record is, is that one key and none below it.
    """
    for key in keys:
        if prefix.count("/") < 2 or not lies_at(key, prefix):
            msg = f"{key[:200]!a} does not lie below {prefix!a}; nothing of this request was deleted"
            raise HostileInput(msg, key=key[:200])


def _named(error: dict[str, Any]) -> str:
    version = error.get("VersionId")
    return str(error.get("Key", "")) + (f" (version {version})" if version else "")
