"""What a site's settings say of each place outside to which public versions go."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from cisterna.domain.outside_identifier import web_address
from cisterna.domain.text import Line

TargetName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Address = Annotated[str, AfterValidator(web_address)]
GIGABYTE = 10**9
_HERE = frozenset({"127.0.0.1", "::1", "localhost"})


def _secure(url: str) -> str:
    if not url.startswith("https://") and urlsplit(url).hostname not in _HERE:
        msg = "a token goes there, so the address has to begin with https://"
        raise ValueError(msg)
    return url


SecureAddress = Annotated[Address, AfterValidator(_secure)]
"""One to which a credential goes."""


class TargetSetting(BaseModel):
    """What every target is told by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: TargetName = Field(description="What projects and commands call it.")
    title: Line | None = Field(None, max_length=100, description="What people read; unset: its name.")

    @property
    def shown(self) -> str:
        """What people read."""
        return self.title or self.name


class PlaceSetting(TargetSetting):
    """A target that is a folder, or a bucket of any S3 store with keys of its own."""

    folder: Path | None = Field(None, description="Folder to write to; or else a bucket.")
    endpoint: str | None = Field(None, description="URL of an S3 endpoint.")
    region: str = Field("us-east-1", description="Region used for signing.")
    bucket: str | None = Field(None, description="Bucket that is written to.")
    prefix: str = Field(
        "", pattern=r"^([A-Za-z0-9._-]+/)*$", description="Begin of every key, with a slash at its end."
    )
    access_key_id: str | None = Field(None, description="Access key of its own credentials.")
    secret_access_key: SecretStr | None = Field(None, description="Its secret key.")

    @model_validator(mode="after")
    def _is_one_place(self) -> PlaceSetting:
        of_bucket = (self.endpoint, self.bucket, self.access_key_id, self.secret_access_key)
        if (self.folder is None) != all(one is not None for one in of_bucket) or (self.folder and any(of_bucket)):
            msg = (
                f"the target '{self.name}' needs either a folder, or endpoint, bucket, access_key_id and "
                "secret_access_key"
            )
            raise ValueError(msg)
        if self.folder is not None and not self.folder.is_absolute():
            msg = f"the folder of the target '{self.name}' is no absolute path"
            raise ValueError(msg)
        return self


class StaticSite(PlaceSetting):
    """A site of plain pages in a bucket or folder, which any web server serves."""

    url: Address = Field(description="Address under which the pages are served.")


class BiaPackage(PlaceSetting):
    """Packages for the BioImage Archive: what is uploaded there by hand."""


class Carries(StrEnum):
    """Which files go to a target."""

    ALL = "all"
    DESCRIPTION = "description"
    """Those that describe the dataset; the data stay here, and the landing page leads to them."""


class Invenio(TargetSetting):
    """A repository that runs InvenioRDM, such as Zenodo."""

    url: SecureAddress = Field(description="Its address, such as https://zenodo.org.")
    token: SecretStr = Field(min_length=8, description="A personal access token that may deposit; a secret.")

    carries: Carries = Field(Carries.ALL, description="Which files go there: all, or description.")
    files_most: int = Field(100, ge=1, le=10_000, description="Files that it takes in one record.")
    bytes_most: int = Field(50 * GIGABYTE, ge=1, description="Bytes that it takes in one record.")


class Hypha(TargetSetting):
    """The artifact manager of a Hypha server."""

    url: SecureAddress = Field(description="Its address, such as https://hypha.aicell.io.")
    token: SecretStr = Field(min_length=8, description="A token that may write to the workspace; a secret.")
    files_url: SecureAddress | None = Field(
        None, description="Address of its store, where files are brought to; unset: they are brought to its own."
    )
    workspace: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_|-]{0,99}$", description="The workspace that holds the collection."
    )
    collection: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description="Alias of the collection that artifacts go to."
    )
    carries: Carries = Field(Carries.ALL, description="Which files go there: all, or description.")
    files_most: int = Field(1000, ge=1, le=10_000, description="Files that it takes in one artifact.")
    bytes_most: int = Field(50 * GIGABYTE, ge=1, description="Bytes that it takes in one artifact.")
