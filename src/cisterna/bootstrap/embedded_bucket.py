"""Keeps the buckets of the embedded store as the plan of an embedded home says, from the first start on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cisterna.adapters.bucket_plan import read_plans, read_policy
from cisterna.domain.errors import CisternaError
from cisterna.services.provision import Outcome, Provision, provision_bucket

if TYPE_CHECKING:
    from cisterna.adapters.s3_access import S3Access


def arrange_buckets(access: S3Access, *, archive_bucket: str, public_bucket: str) -> tuple[Provision, ...]:
    """Bring both buckets to their plan; what is so already is only read.

    Args:
        access: The archive's keys, which may arrange both.
        archive_bucket: Its name.
        public_bucket: Its name.

    Raises:
        StoreUnavailable: The store does not answer; the next start goes on.
    """
    from cisterna.adapters.s3_admin import S3BucketAdmin

    found: list[Provision] = []
    plans = read_plans(embedded=True)
    for name, bucket in (("archive", archive_bucket), ("public", public_bucket)):
        admin = S3BucketAdmin(access, bucket=bucket, store=name, policy=read_policy("bucket", bucket=bucket))
        try:
            found += provision_bucket(admin, plans[name], dry_run=False)
        finally:
            admin.close()
    return tuple(found)


def arranging_words(access: S3Access, *, archive_bucket: str, public_bucket: str) -> str:
    """Arrange the buckets and say in words what was not done; nothing to say is the empty text.

    A home whose buckets could not be arranged works as well as before, so no start fails over it: `doctor` warns.
    """
    try:
        points = arrange_buckets(access, archive_bucket=archive_bucket, public_bucket=public_bucket)
    except CisternaError as error:
        return f"its buckets are not as planned: {error}; the next start tries again"
    undone = [one for one in points if one.outcome in {Outcome.LACKING, Outcome.FORBIDDEN}]
    return f"its buckets are not as planned: {undone[0].point}: {undone[0].message}" if undone else ""
