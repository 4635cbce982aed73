"""What a site's settings say of buckets in which copies of deliveries may be made."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints


class DeliverBucket(BaseModel):
    """A bucket of somebody's, with credentials that reach it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] = Field(
        description="Its name, as in s3://BUCKET/PREFIX."
    )
    endpoint: str = Field(description="URL of its S3 endpoint.")
    region: str = Field("us-east-1", description="Region used for signing.")
    access_key_id: str = Field(description="Access key that may list, read and write there.")
    secret_access_key: SecretStr = Field(description="Its secret key.")


def _distinct(buckets: tuple[DeliverBucket, ...]) -> tuple[DeliverBucket, ...]:
    names = [one.bucket for one in buckets]
    if len(set(names)) != len(names):
        msg = f"the buckets for copies are {', '.join(names)}: each must have a name of its own"
        raise ValueError(msg)
    return buckets


DeliverBuckets = Annotated[tuple[DeliverBucket, ...], AfterValidator(_distinct)]
