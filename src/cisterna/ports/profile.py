"""What one kind of instrument is: the plug-in point `cisterna.profiles`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from pydantic import Field, JsonValue

from cisterna.domain.acquisition import Evidence
from cisterna.domain.base import Moment, Value
from cisterna.domain.delivered import DeliveredDigests
from cisterna.domain.listing import Listing


class Look(Protocol):
    """A look at one folder: its listing, and its small files on request."""

    @property
    def folder(self) -> str:
        """Name of the folder in its landing zone."""
        ...

    @property
    def listing(self) -> Listing:
        """All that is in it."""
        ...

    @property
    def settings(self) -> Mapping[str, str]:
        """The instrument's settings for this profile."""
        ...

    def read(self, path: str, *, limit_bytes: int = 8 * 1024 * 1024) -> bytes:
        """Read a small file of the folder. Raises `NotFound`, `HostileInput`."""
        ...

    def head(self, path: str, *, limit_bytes: int = 4096) -> bytes:
        """Read the beginning of a file, however large it is. Raises `NotFound`, `HostileInput`."""
        ...

    def tail(self, path: str, *, limit_bytes: int = 4096) -> bytes:
        """Read the end of a file, however large it is: fewer bytes only when it has no more. Raises as `head`."""
        ...

    def read_setting(self, name: str, *, limit_bytes: int = 1024 * 1024) -> bytes | None:
        """Read the file outside the folder that a setting names (Squid's `run.json`); None when it is not there."""
        ...


class Plane(Value):
    """Where one image file belongs in the run, in OME's words."""

    region: str
    field: str
    channel: str
    z: int = 0
    t: int = 0


class Described(Value):
    """What the acquisition says of itself.

    Attributes:
        title: For people.
        data_type: The folder of suites that judge it.
        fields: Values a binding or a steward may use, such as `experiment_id`, `objective`, `operator`.
        started_at: When the run began, as the instrument says.
    """

    title: str
    data_type: str
    fields: dict[str, JsonValue] = Field(default_factory=dict)
    instrument_model: str | None = None
    instrument_serial: str | None = None
    started_at: Moment | None = None


class Profile(Protocol):
    """How one kind of instrument writes. Pure: it reads what the look gives it and has no state.

    Attributes:
        name: What `--profile` takes.
        quiet_seconds: How long nothing must have changed when no marker, plan and end reason agree.
        stalled_seconds: How long a run may be silent before it counts as stalled.
    """

    name: str
    quiet_seconds: float
    stalled_seconds: float

    def claims(self, look: Look) -> bool:
        """Tell whether the folder is one of this kind, from names alone where possible. Never raises on bad content."""
        ...

    def inspect(self, look: Look) -> Evidence:
        """Gather what speaks for or against completeness. Bad content is evidence (`plan_fault`), no exception."""
        ...

    def describe(self, look: Look) -> Described:
        """Read the acquisition's own metadata. Bad content leaves fields out, never raises."""
        ...

    def delivered(self, look: Look) -> DeliveredDigests:
        """Give the digests that came with the run, such as those of its `md5sum.txt`; empty when none did.

        They are compared in the one read. Raises `InvalidInput` or `HostileInput` when they cannot be read, which
        `inspect` has told as a `plan_fault` before.
        """
        ...

    def is_image(self, path: str) -> bool:
        """Tell whether the file is an image that is to be measured."""
        ...

    def plane(self, path: str) -> Plane | None:
        """Tell where an image belongs; None when its name does not say."""
        ...


class Stretch(NamedTuple):
    """Files that an instrument writes together and then leaves alone: a field, a time point, a cycle, one file.

    Attributes:
        paths: Those of them that are there.
        is_marked: Whether the writer itself says that it is done with them, by a marker of their own.
        later: How many later stretches of the course must have been begun before this one counts as left, unless it is
            marked; at least 1.
        course: Stretches of one course are written one after another; others beside them.
    """

    paths: tuple[str, ...]
    is_marked: bool = False
    later: int = 1
    course: str = ""


@runtime_checkable
class TellsStretches(Protocol):
    """What a profile may be able to do beside: tell of a run that is still written which files are left alone.

    It is told by what the run itself holds and plans, never by times. A profile of an instrument that lays a file out
    in full and fills it later, or that writes through a mapping of the file, must not tell of such files: neither their
    size nor their time says that their bytes changed.

    Attributes:
        later_digests: Algorithms of the digests that come with the run at its end (see `Profile.delivered`).
    """

    later_digests: frozenset[str]

    def stretches(self, look: Look) -> Sequence[Stretch]:
        """Give the stretches, each course in the order of writing. A file is in one of them, or not told of.

        Bad content gives fewer of them, or none, and raises nothing.
        """
        ...


class StagePlace(NamedTuple):
    """Where the stage was and when, for one image; None is not recorded.

    Attributes:
        x_um, y_um, z_um: Of the stage, or of whatever moves the sample and the focus.
        seconds: By the instrument's clock, from any beginning that is the same for the run.
    """

    x_um: float | None = None
    y_um: float | None = None
    z_um: float | None = None
    seconds: float | None = None


@runtime_checkable
class TellsPlaces(Protocol):
    """What a profile may be able to do beside: tell where and when images were taken, as the run's files say."""

    def places(self, look: Look) -> Mapping[str, StagePlace]:
        """Give them by path, as far as they are known. Bad content gives fewer of them, or none, and raises nothing."""
        ...


class TakenPlane(NamedTuple):
    """One plane of a file of many: where it belongs, and where and when it was taken, if anything says that."""

    plane: Plane
    taken: StagePlace | None = None


class FilePlanes(NamedTuple):
    """What is told of the planes of one file.

    Attributes:
        pages: One for each page, in the order of the file; None where nothing says whose page it is.
        is_of_run: Whether the file is a part of the run, as one of a set is, and not a run of its own.
    """

    pages: tuple[TakenPlane | None, ...]
    is_of_run: bool = False


@runtime_checkable
class TellsPlanes(Protocol):
    """What a profile may be able to do beside: tell of files that hold many planes which plane lies on which page."""

    def planes(self, look: Look) -> Mapping[str, FilePlanes]:
        """Give them by path, as far as they are known. Bad content gives fewer of them, or none, and raises nothing.

        What it tells is of what the file should hold: a page that the file has not is a plane that is missing.
        """
        ...


@runtime_checkable
class MarkedProfile(Protocol):
    """A profile that may also tell by which files scripts usually take such a run for ended; it need not be true.

    Attributes:
        markers: Paths in the run's folder, or patterns of them.
    """

    markers: tuple[str, ...]
