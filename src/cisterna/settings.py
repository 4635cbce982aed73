"""Every setting, in one frozen tree: file `cisterna.toml` of the home, then the environment with prefix `CISTERNA_`."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from cisterna.adapters.deliver_setting import DeliverBuckets
from cisterna.adapters.sink_apprise import AlertTarget
from cisterna.adapters.target_setting import BiaPackage, DataCite, Figshare, Hypha, Invenio, Omero, SciCat, StaticSite
from cisterna.domain.digest import DIGEST_ALGORITHM, DigestAlgorithm
from cisterna.domain.errors import SettingsInvalid
from cisterna.domain.identifier import Arks, Naan, Shoulder, Slug
from cisterna.domain.work import INLINE_ONLY, KEEPING, WorkKind

_PREFIX = "CISTERNA_"
_OTHER_NAMES = frozenset(
    {
        "CISTERNA_URL",
        "CISTERNA_SPECS",
        "CISTERNA_TOKEN",
        "CISTERNA_HYPHA_PY",
        "CISTERNA_INVENIO_RDM",
        "CISTERNA_MLCROISSANT",
        "CISTERNA_OCFL_PY",
        "CISTERNA_ROCRATE_VALIDATOR",
    }
)
"""Names with our prefix that are no settings: of the command line's client, and of the tests."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


INLINE = "inline"
"""The executor that is a warm worker of the dispatcher's."""
Port = Annotated[int, Field(ge=1, le=65535)]
WEB_PORT, PREFECT_PORT, STORE_PORT = 8080, 4200, 8333
"""Where the parts listen when nobody asks for another port and these are free."""


class Database(_Section):
    """The catalogue's PostgreSQL."""

    dsn: SecretStr | None = Field(None, description="libpq URI of a server of yours; unset: the embedded one.")


class CopyStore(_Section):
    """A further store that keeps a copy of every object of the archive: its own endpoint, its own keys."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")] = Field(
        description="What receipts call the store; `archive` and `public` are taken."
    )
    endpoint: str = Field(description="URL of its S3 endpoint.")
    region: str = Field("us-east-1", description="Region used for signing.")
    bucket: str = Field("cisterna-archive", description="Bucket that holds the copy's OCFL storage root.")
    access_key_id: str = Field(description="Access key of its own credentials.")
    secret_access_key: SecretStr = Field(description="Its secret key.")


class StoreClient(StrEnum):
    """Which library carries reads, writes and listings."""

    OBSTORE = "obstore"
    MINIO = "minio"


class Store(_Section):
    """The archive's object store."""

    endpoint: str | None = Field(None, description="URL of an S3 endpoint; unset: the embedded SeaweedFS.")
    region: str = Field("us-east-1", description="Region used for signing.")
    access_key_id: str | None = Field(None, description="Access key of the archive's own credentials.")
    secret_access_key: SecretStr | None = Field(None, description="Secret key of the archive's own credentials.")
    public_access_key_id: str | None = Field(None, description="Access key that reaches the public bucket only.")
    public_secret_access_key: SecretStr | None = Field(None, description="Its secret key.")
    archive_bucket: str = Field("cisterna-archive", description="Bucket that holds the OCFL storage root.")
    public_bucket: str = Field("cisterna-public", description="Bucket that holds what is public, and nothing else.")
    port: Port | None = Field(None, description="Port of the embedded store; unset: 8333 or the next free one.")
    reserve_mib: int = Field(
        1024,
        ge=0,
        description="MiB that stay free on the embedded store's disk; a run that would leave less waits for room.",
    )
    client: StoreClient = Field(
        StoreClient.OBSTORE,
        description="Library for reads, writes and listings, of the copies too: obstore; or minio, at twice the CPU, "
        "where a store does not get on with it.",
    )
    copies: tuple[CopyStore, ...] = Field(
        (), description="Further stores that each keep a copy of every object; as `[[store.copies]]` in cisterna.toml."
    )

    @field_validator("copies")
    @classmethod
    def _distinct(cls, copies: tuple[CopyStore, ...]) -> tuple[CopyStore, ...]:
        names = [copy.name for copy in copies]
        if len({"archive", "public", *names}) != len(names) + 2:
            msg = f"the copies' names are {', '.join(names)}: each must be another, and none `archive` or `public`"
            raise ValueError(msg)
        places = {(copy.endpoint.rstrip("/"), copy.bucket) for copy in copies}
        if len(places) != len(copies):
            msg = "two copies lie in one bucket of one endpoint; give each a place of its own"
            raise ValueError(msg)
        return copies

    @model_validator(mode="after")
    def _copies_lie_elsewhere(self) -> Store:
        for copy in self.copies:
            if (copy.endpoint.rstrip("/"), copy.bucket) == ((self.endpoint or "").rstrip("/"), self.archive_bucket):
                msg = f"the copy '{copy.name}' is the archive's own bucket; a copy there would prove nothing"
                raise ValueError(msg)
        return self

    def credentials(self, *, public: bool) -> tuple[str, SecretStr]:
        """Return the keys of the archive's or of the public identity. Raises `SettingsInvalid` when not set."""
        key = self.public_access_key_id if public else self.access_key_id
        secret = self.public_secret_access_key if public else self.secret_access_key
        if key is None or secret is None:
            names = (
                "public_access_key_id and public_secret_access_key" if public else "access_key_id and secret_access_key"
            )
            msg = f"store.endpoint is set and {names} are not; give each identity its own keys"
            raise SettingsInvalid(msg)
        return key, secret


class Archive(_Section):
    """How what is archived is kept: checked, repaired from another copy, and brought to rest after a crash."""

    digest: DigestAlgorithm = Field(
        DIGEST_ALGORITHM,
        description="What new OCFL objects are made of; one that is there stays with what it was begun with.",
    )
    check_cycle_days: int = Field(
        90, ge=1, le=3650, description="Every object is read again in every store within so many days."
    )
    repair: bool = Field(
        True, description="Whether a scheduled check replaces damaged files by those of another store's copy."
    )
    check_mib_per_second: float | None = Field(
        None, gt=0, description="Most MiB a second that copying and checking read; unset: as fast as the store."
    )
    recovery_seconds: float = Field(
        60.0, gt=0, description="How often objects are looked for that a killed worker left in the middle of a commit."
    )
    survey_hours: float = Field(
        24.0, gt=0, description="How often every object and every key of the archive is looked at; also at each start."
    )
    upload_grace_hours: float = Field(
        24.0, gt=0, description="How long the parts of an unfinished upload wait for an attempt that goes on with them."
    )


class Prefect(_Section):
    """The Prefect server."""

    api_url: str | None = Field(None, description="API of a server of yours; unset: the embedded one.")
    port: Port | None = Field(None, description="Port of the embedded server; unset: 4200 or the next free one.")


class Web(_Section):
    """The dashboard, API and landing pages."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port | None = Field(None, description="Port to listen on; unset: 8080 or the next free one.")
    public_url: str | None = Field(None, description="Address people use, when a proxy stands before the server.")
    site_name: str = Field(
        "Cisterna", min_length=1, max_length=200, description="What the site is called, in feeds and to harvesters."
    )
    contact: str | None = Field(
        None,
        pattern=r"^[^\s@]+@([^\s@.]+\.)+[^\s@.]+$",
        description="Mail address of who answers for what is public, told to harvesters; unset: `mail.sender`.",
    )


class Dispatch(_Section):
    """How work is found and done."""

    workers: int = Field(
        2,
        ge=1,
        le=64,
        description="Warm workers that run flows in process; the first of several runs no models, converts nothing "
        "and reads nothing ahead.",
    )
    sweep_seconds: float = Field(5.0, gt=0, description="Longest time between two looks at a landing zone.")
    lease_seconds: float = Field(
        15.0, ge=1, description="How long work stays with a worker that gives no sign of life."
    )
    attempts: int = Field(8, ge=1, description="How often work is begun before a person is asked.")
    ingest: str = Field("inline", pattern=r"^(inline|pool:.+)$", description="Executor: inline, or pool:NAME.")
    ahead: str = Field(
        "inline",
        pattern=r"^(inline|pool:.+)$",
        description="Executor of reading ahead of runs that are still written: inline, or pool:NAME.",
    )
    infer: str = Field("inline", pattern=r"^(inline|pool:.+)$", description="Executor: inline, or pool:NAME.")
    publish: str = Field("inline", pattern=r"^(inline|pool:.+)$", description="Executor: inline, or pool:NAME.")
    convert: str = Field("inline", pattern=r"^(inline|pool:.+)$", description="Executor: inline, or pool:NAME.")
    keep: str = Field(
        "inline", pattern=r"^(inline|pool:.+)$", description="Executor of copying and checking: inline, or pool:NAME."
    )

    def executor_of(self, kind: WorkKind) -> str:
        """Name what runs this kind of work: `inline`, or `pool:NAME`."""
        if kind in INLINE_ONLY:
            return INLINE
        stage = "keep" if kind in KEEPING else "ingest" if kind is WorkKind.REPROCESS else kind.value
        return str(getattr(self, stage))

    def runs_beside_ingest(self, kind: WorkKind) -> bool:
        """Tell whether the workers that take in new data do this kind of work too."""
        return kind not in KEEPING and self.executor_of(kind) == INLINE


class SourceBucket(_Section):
    """A bucket that instruments, or whoever copies for them, write to; its keys need to list and read it."""

    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] = Field(
        description="Its name, as in `instrument add --path s3://bucket/prefix`."
    )
    endpoint: str = Field(description="URL of its S3 endpoint.")
    region: str = Field("us-east-1", description="Region used for signing.")
    access_key_id: str = Field(description="Access key of its own credentials.")
    secret_access_key: SecretStr = Field(description="Its secret key.")
    server_copy: bool = Field(
        True,
        description="Whether the archive's store, where it is the same one and shows that it can, copies what was read "
        "there; false: it is sent all of it.",
    )
    listen: bool = Field(False, description="Whether it is a MinIO that tells of changes over an open connection.")


class Landing(_Section):
    """Landing zones that lie in buckets; folders need no setting."""

    buckets: tuple[SourceBucket, ...] = Field(
        (), description="Buckets with landing zones; as `[[landing.buckets]]` in cisterna.toml."
    )

    @field_validator("buckets")
    @classmethod
    def _distinct(cls, buckets: tuple[SourceBucket, ...]) -> tuple[SourceBucket, ...]:
        if len({one.bucket for one in buckets}) != len(buckets):
            msg = "two buckets have one name, and a path s3://bucket/prefix could mean either; name it once"
            raise ValueError(msg)
        return buckets


class EventSender(_Section):
    """A program or store that may send hints; it has a secret, a token, or both."""

    name: Slug = Field(description="What it calls itself in `x-cisterna-sender`.")
    secret: SecretStr | None = Field(None, min_length=32, description="Signs messages: HMAC-SHA256.")
    token: SecretStr | None = Field(
        None, min_length=32, description="Shown to `/hooks/s3` as a bearer token, by stores that cannot sign."
    )

    @model_validator(mode="after")
    def _can_prove_itself(self) -> EventSender:
        if self.secret is None and self.token is None:
            msg = f"the sender '{self.name}' has neither a secret nor a token; give it one of 32 characters or more"
            raise ValueError(msg)
        return self


class Events(_Section):
    """Hints from outside that a landing zone is worth a look; without any, sweeps see the same by the clock."""

    senders: tuple[EventSender, ...] = Field(
        (), description="Who may send hints; as `[[events.senders]]` in cisterna.toml."
    )

    @field_validator("senders")
    @classmethod
    def _distinct(cls, senders: tuple[EventSender, ...]) -> tuple[EventSender, ...]:
        if len({sender.name for sender in senders}) != len(senders):
            msg = "two senders have one name; give each its own, with a secret of its own"
            raise ValueError(msg)
        return senders


class Measure(_Section):
    """How sources are read."""

    image_limit_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1024,
        description="Files up to this size, and planes in makers' files, are measured as images; larger are streamed.",
    )
    planes_per_file: int = Field(
        500, ge=1, le=10_000, description="Most planes that are measured of one CZI, ND2 or LIF, spread evenly over it."
    )
    spool_limit_bytes: int = Field(
        64 * 1024**3,
        ge=0,
        description="CZI, ND2, LIF, HDF5 and Parquet up to this size are kept on disk while they are measured.",
    )
    readers: int = Field(4, ge=1, le=64, description="Threads of a worker that read, digest, measure and upload.")


class Samples(_Section):
    """Plate maps and sample sheets."""

    folder: Path | None = Field(
        default=None,
        description="Folder in which plate maps wait for their run, as PROJECT/NAME.csv; unset, none do.",
    )


class Quality(_Section):
    """By which rules datasets are judged."""

    expectations: Path | None = Field(
        None,
        description="Folder of the facility's own suites, which go before ours; unset: `expectations` below the home.",
    )


class Vocabulary(_Section):
    """In which vocabularies terms are looked up."""

    folder: Path | None = Field(
        None,
        description="Folder of the facility's own vocabularies, OBO files that go before ours; unset: `vocabularies` "
        "below the home.",
    )


class LineageTransport(StrEnum):
    """Where OpenLineage events go."""

    FILE = "file"
    HTTP = "http"


class Lineage(_Section):
    """OpenLineage."""

    transport: LineageTransport = Field(
        LineageTransport.FILE, description="file: lineage/events.jsonl; http: to `url`."
    )
    url: str | None = Field(None, description="Address of the backend, such as Marquez, for transport http.")
    api_key: SecretStr | None = Field(None, description="Bearer token of the backend.")
    namespace: str = Field("cisterna", description="Namespace of our jobs.")
    inside: bool = Field(True, description="Whether the backend may see restricted data; false redacts them.")


class Release(_Section):
    """When an instrument's own copy may be deleted."""

    copies: int = Field(2, ge=2, description="Stores whose copies must have been read back in full.")
    receipt_days: float = Field(30.0, gt=0, description="How old the receipts of those copies may be.")
    rest_days: float = Field(7.0, ge=0, description="How long a source must have been verified and unchanged.")
    undo_hours: float = Field(72.0, ge=0, description="Between a release's announcement and the deletion.")
    plan_seconds: float = Field(
        3600.0, gt=0, description="How often releases are looked for in projects whose policy plans them."
    )


class Holds(_Section):
    """Systems beside ours that may still need data at their source."""

    path_lists: tuple[Path, ...] = Field(
        (), description="Files, or folders of files, that list absolute paths in use, such as OMERO's in-place imports."
    )
    list_hours: float = Field(48.0, gt=0, description="How old such a list may be before it is not believed.")
    ask_seconds: float = Field(30.0, gt=0, description="How long a system may take to answer; later counts as held.")


class MailSecurity(StrEnum):
    """How the mail server is spoken to."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class Mail(_Section):
    """Mail about releases, alerts and deliveries."""

    host: str | None = Field(None, description="SMTP server; unset: no mail is sent.")
    port: Port = Field(587, description="Its port.")
    sender: str = Field("cisterna@localhost", description="Address that mail comes from.")
    username: str | None = Field(None, description="Name to sign in with, if the server asks for one.")
    password: SecretStr | None = Field(None, description="Its password.")
    security: MailSecurity = Field(MailSecurity.STARTTLS, description="none, starttls, or tls from the first byte.")


class Deliver(_Section):
    """Addresses by which people and guests get data."""

    days: int = Field(14, ge=1, le=366, description="Days that an address is good when nobody says so.")
    most_days: int = Field(90, ge=1, le=366, description="Days that an address is good at most.")
    buckets: DeliverBuckets = Field((), description="Buckets that copies may go to, as `[[deliver.buckets]]`.")


class Alerts(_Section):
    """Messages to where a facility's people are, beside the mail to those whom a project names."""

    targets: tuple[AlertTarget, ...] = Field(
        (), max_length=8, description="Where messages go, at most 8; as `[[alerts.targets]]` in cisterna.toml."
    )

    @field_validator("targets")
    @classmethod
    def _distinct(cls, targets: tuple[AlertTarget, ...]) -> tuple[AlertTarget, ...]:
        if len({one.name for one in targets}) != len(targets):
            msg = "two targets have one name; give each its own"
            raise ValueError(msg)
        return targets


class Targets(_Section):
    """Places outside to which public versions go; a project, or a steward, says which go where."""

    static: tuple[StaticSite, ...] = Field(
        (), max_length=8, description="Sites of plain pages; as `[[targets.static]]` in cisterna.toml."
    )
    invenio: tuple[Invenio, ...] = Field(
        (), max_length=8, description="Repositories that run InvenioRDM, such as Zenodo; as `[[targets.invenio]]`."
    )
    datacite: tuple[DataCite, ...] = Field(
        (), max_length=1, description="Who gives DOIs, one at most; as `[[targets.datacite]]`. Needs `web.public_url`."
    )
    figshare: tuple[Figshare, ...] = Field(
        (),
        max_length=8,
        description="Repositories that run on Figshare, such as SciLifeLab's; as `[[targets.figshare]]`.",
    )
    hypha: tuple[Hypha, ...] = Field(
        (), max_length=8, description="Artifact managers of Hypha servers; as `[[targets.hypha]]`."
    )
    omero: tuple[Omero, ...] = Field((), max_length=8, description="OMEROs; as `[[targets.omero]]`.")
    scicat: tuple[SciCat, ...] = Field((), max_length=8, description="SciCat catalogues; as `[[targets.scicat]]`.")
    bia: tuple[BiaPackage, ...] = Field(
        (), max_length=8, description="Folders or buckets for packages of the BioImage Archive; as `[[targets.bia]]`."
    )

    @property
    def names(self) -> tuple[str, ...]:
        """Name every target."""
        return tuple(one.name for kind in type(self).model_fields for one in getattr(self, kind))

    @model_validator(mode="after")
    def _are_distinct(self) -> Targets:
        names = self.names
        if len({"portal", *names}) != len(names) + 1:
            msg = f"the targets' names are {', '.join(names)}: each must be another, and none `portal`"
            raise ValueError(msg)
        return self


class Identity(_Section):
    """Persistent identifiers."""

    naan: Naan = Field("99999", description="Name Assigning Authority Number for ARKs; 99999 makes test PIDs.")
    shoulder: Shoulder = Field("", description="Begin of the names of new ARKs, where sites share a NAAN: x5.")

    @property
    def arks(self) -> Arks:
        """What makes them."""
        return Arks(self.naan, self.shoulder)


class Settings(BaseSettings):
    """Everything that can be set; unknown keys are refused."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    home: Path = Field(Path(".cisterna"), description="Folder that holds all state of the embedded stack.")
    database: Database = Database()
    store: Store = Store()
    archive: Archive = Archive()
    prefect: Prefect = Prefect()
    web: Web = Web()
    dispatch: Dispatch = Dispatch()
    landing: Landing = Landing()
    events: Events = Events()
    measure: Measure = Measure()
    samples: Samples = Samples()
    quality: Quality = Quality()
    vocabulary: Vocabulary = Vocabulary()
    lineage: Lineage = Lineage()
    identity: Identity = Identity()
    release: Release = Release()
    holds: Holds = Holds()
    mail: Mail = Mail()
    deliver: Deliver = Deliver()
    alerts: Alerts = Alerts()
    targets: Targets = Targets()

    @model_validator(mode="after")
    def _dois_lead_to_an_address_for_others(self) -> Settings:
        if self.targets.datacite and self.web.public_url is None:
            msg = "targets.datacite is set and web.public_url is not: DOIs would lead to an address of this machine's"
            raise ValueError(msg)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file; nothing else is read."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def load_settings(*, home: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings of a home.

    Args:
        home: The home; without it `CISTERNA_HOME`, then `.cisterna` in the working directory.
        environ: The environment; its names with our prefix that are no settings are refused.

    Raises:
        SettingsInvalid: A key is unknown or a value is wrong; the message names each.
    """
    _refuse_unknown_names(environ)
    folder = (home or Path(environ.get("CISTERNA_HOME", ".cisterna"))).expanduser().resolve()
    file = folder / "cisterna.toml"
    content: dict[str, Any] = {}
    if file.exists():
        try:
            content = tomllib.loads(file.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            msg = f"{file} is not valid TOML: {error}; mend that line"
            raise SettingsInvalid(msg, file=str(file)) from error
    try:
        settings = Settings(**content)
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'settings'}: {one['msg']}" for one in error.errors())
        msg = f"the settings in {file} and the environment are not valid: {lines}"
        raise SettingsInvalid(msg, file=str(file)) from None  # the cause would show secret values
    return settings.model_copy(update={"home": folder})


def _refuse_unknown_names(environ: Mapping[str, str]) -> None:
    known = {f"{_PREFIX}HOME"}
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, _Section):
            known |= {f"{_PREFIX}{name}__{key}".upper() for key in section.model_fields}
    unknown = sorted(
        name for name in environ if name.startswith(_PREFIX) and name.upper() not in known and name not in _OTHER_NAMES
    )
    if unknown:
        msg = f"unknown settings in the environment: {', '.join(unknown)}; `cisterna config schema` lists all there are"
        raise SettingsInvalid(msg, names=unknown)
