"""What a site's settings say of each place outside to which public versions go."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from cisterna.domain.doi import DoiPrefix
from cisterna.domain.outside_identifier import web_address
from cisterna.domain.text import Line

TargetName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Address = Annotated[str, AfterValidator(web_address)]
GIGABYTE = 10**9
_HERE = frozenset({"127.0.0.1", "::1", "localhost"})


def _secure(url: str) -> str:
    if not url.startswith("https://") and urlsplit(url).hostname not in _HERE:
        msg = "a secret goes there, so the address has to begin with https://"
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


class DataCite(TargetSetting):
    """DOIs by DataCite, for one repository: the account under which they are made."""

    url: SecureAddress = Field(
        description="Address of its REST interface: https://api.datacite.org, or https://api.test.datacite.org to try."
    )
    prefix: DoiPrefix = Field(description="What DOIs begin with, as assigned to the repository: 10.1234.")
    repository: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]+(\.[A-Za-z0-9-]+)+$", max_length=100)] = Field(
        description="Account of the repository: ABCD.EFGH."
    )
    password: SecretStr = Field(min_length=8, description="Its password; a secret.")

    @property
    def shown(self) -> str:
        """What people read."""
        return self.title or "DataCite"


class Carries(StrEnum):
    """Which files go to a target."""

    ALL = "all"
    DESCRIPTION = "description"
    """Those that describe the dataset; the data stay here, and the landing page leads to them."""
    NONE = "none"
    """No file; the record itself leads to the landing page."""


class RepositorySetting(TargetSetting):
    """A repository that is spoken to with a token."""

    token: SecretStr = Field(min_length=8, description="A personal access token that may deposit; a secret.")
    carries: Carries = Field(Carries.ALL, description="Which files go there: all, description, or none.")


class Invenio(RepositorySetting):
    """A repository that runs InvenioRDM, such as Zenodo."""

    url: SecureAddress = Field(description="Its address, such as https://zenodo.org.")
    files_most: int = Field(100, ge=1, le=10_000, description="Files that it takes in one record.")
    bytes_most: int = Field(50 * GIGABYTE, ge=1, description="Bytes that it takes in one record.")


class Figshare(RepositorySetting):
    """A repository that runs on Figshare, such as the SciLifeLab Data Repository."""

    url: SecureAddress = Field("https://api.figshare.com/v2", description="Address of its interface.")
    upload_domain: str = Field(
        "figshare.com",
        pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$",
        description="Domain of the hosts that take its files; the token goes to no others.",
    )
    categories: tuple[int, ...] = Field(
        (),
        max_length=20,
        description="Numbers of the categories that every article gets; Figshare publishes none without.",
    )
    group: int | None = Field(None, ge=1, description="Number of the group that every article goes to.")
    files_most: int = Field(500, ge=1, le=1000, description="Files that it takes in one article.")
    bytes_most: int = Field(20 * GIGABYTE, ge=1, description="Bytes that it takes in one article.")


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


class OmeroImages(StrEnum):
    """How images of a version come to be seen in OMERO."""

    URL = "url"
    """OME-Zarr, by the addresses under which it is public here."""
    IN_PLACE = "in-place"
    """OME-Zarr and image files, where OMERO's own machine sees them in a folder."""
    NONE = "none"
    """None: a dataset there leads to the landing page."""


class Omero(TargetSetting):
    """An OMERO, by its OMERO.web."""

    url: SecureAddress = Field(description="Address of its OMERO.web, such as https://omero.example.org.")
    username: str = Field(min_length=1, max_length=255, description="Account that owns the datasets there.")
    password: SecretStr = Field(min_length=8, description="Its password; a secret.")
    server: int = Field(1, ge=1, description="Number of the server, where OMERO.web leads to several.")
    group: int | None = Field(
        None, ge=0, description="Number of the group whose members see the datasets; unset: the account's own."
    )
    project: int | None = Field(None, ge=1, description="Number of the project there that every dataset is put into.")
    is_public: bool = Field(
        False, description="Whether anybody may look there without an account, so that landing pages lead there."
    )
    images: OmeroImages = Field(OmeroImages.URL, description="How images are shown there: url, in-place, or none.")
    lists: Path | None = Field(None, description="Folder for the lists of images that are imported on OMERO's machine.")
    folder: Path | None = Field(
        None, description="Folder in which OMERO's machine sees versions as they are restored; for in-place."
    )
    images_most: int = Field(5000, ge=1, le=20_000, description="Images that are shown of one version.")

    @model_validator(mode="after")
    def _has_its_folders(self) -> Omero:
        if self.images is not OmeroImages.NONE and (self.lists is None or not self.lists.is_absolute()):
            msg = f"the target '{self.name}' needs an absolute folder `lists`, or images = \"none\""
            raise ValueError(msg)
        if self.images is OmeroImages.IN_PLACE and (self.folder is None or not self.folder.is_absolute()):
            msg = f"the target '{self.name}' needs an absolute `folder`, in which OMERO's machine sees the files"
            raise ValueError(msg)
        if self.folder is not None and self.folder == self.lists:
            msg = f"the target '{self.name}' needs another `folder` than `lists`: lists are removed, and files are not"
            raise ValueError(msg)
        return self


class SciCat(TargetSetting):
    """A SciCat catalogue, in which public versions are registered; the files stay here."""

    url: SecureAddress = Field(description="Address of its backend, without /api: https://scicat.example.org.")
    pages_url: Address | None = Field(None, description="Address of its pages for people; unset: that of the backend.")
    username: Line = Field(max_length=200, description="Functional account that registers.")
    password: SecretStr = Field(min_length=8, description="Its password; a secret.")
    pid_prefix: str = Field(
        max_length=100,
        pattern=r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$",
        description="What the catalogue's PIDs begin with: 20.500.12345.",
    )
    owner: Line = Field(max_length=200, description="Who has the data in custody: a person or a facility.")
    contact_email: str = Field(
        max_length=200,
        pattern=r"^[A-Za-z0-9._%+-]+@([A-Za-z0-9-]+\.)+[A-Za-z]{2,}$",
        description="Whom to ask about the data.",
    )
    owner_group: Line = Field(max_length=200, description="Group that owns what is registered; the account is in it.")
    access_groups: tuple[Line, ...] = Field((), max_length=50, description="Groups that see it as well.")
    location: str = Field(
        max_length=200,
        pattern=r"^/[^\s/]+(/[^\s/]+)*$",
        description="Site and facility, such as /SciLifeLab/imaging; the instrument's name follows.",
    )
    instruments: dict[str, Line] = Field(
        {}, max_length=500, description="Identifiers of instruments there, by their names here."
    )
    carries: Carries = Field(Carries.ALL, description="Which files are named there: all, description, or none.")
    files_most: int = Field(100_000, ge=1, le=1_000_000, description="Files that are named of one version.")

    @property
    def shown(self) -> str:
        """What people read."""
        return self.title or "SciCat"
