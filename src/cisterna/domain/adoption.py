"""A share with years of data that is taken in where it lies: what was found there, how sure that is, what is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import lru_cache

from pydantic import Field

from cisterna.domain.base import Moment, Value
from cisterna.domain.hours import Hours
from cisterna.domain.identifier import AcquisitionId, Slug
from cisterna.domain.instrument import ZoneIdentity

WAITS = "registered in place: it goes into the archive when `cisterna adopt archive` asks for it and its turn comes"
"""Why a registered run is held that nothing stands against; the archiving takes exactly this hold off."""
MOST_ASSIGNMENTS = 1000
MOST_EXAMPLES = 50
_WILD = re.compile(r"[*?]")


class Sureness(StrEnum):
    """How sure a guess is."""

    CERTAIN = "certain"
    """The data themselves or a person say so."""
    LIKELY = "likely"
    """Something that people rely on says so: a name on the way, a booking, a file's own metadata."""
    UNSURE = "unsure"
    """It only looks so, or nothing says anything."""


_RANK = {Sureness.CERTAIN: 2, Sureness.LIKELY: 1, Sureness.UNSURE: 0}


def rank_of(sure: Sureness) -> int:
    """Give a number that is higher for what is surer."""
    return _RANK[sure]


def least_sure(ones: Iterable[Sureness]) -> Sureness:
    """Give the least sure: a chain of guesses is no surer than its weakest."""
    return min(ones, key=rank_of)


class Guess(Value):
    """What something is taken for.

    Attributes:
        value: Name of a profile, an instrument or a project; None when nothing tells.
        reason: Why, in words; never empty.
        person: Account name of who said so, where a person did; that stands over every guess.
    """

    value: str | None = None
    sure: Sureness = Sureness.UNSURE
    reason: str = Field(min_length=1, max_length=1000)
    person: str | None = None


class FindKind(StrEnum):
    """What a folder is."""

    RUN = "run"
    """A profile recognises it."""
    UNIT = "unit"
    """No profile recognises it, and it looks like something that belongs together."""
    LOOSE = "loose"
    """Files that lie beside the folders of runs: they belong to none."""


class Find(Value):
    """A folder of a share that is something by itself, with all that lies below it.

    Attributes:
        path: Below the share, as `domain.source_name` writes it; empty for the share itself.
        round: Of the inventory that saw it last.
        folder: Device and inode, by which a folder that is reached by two ways is known again.
        newest_ns: The newest time at which a file in it was changed, as the share says.
        settled_since: Since when, by our clock, it was seen as it is now.
        acquisition_id: Once it is registered.
        held: Why it was not registered although that was asked for.
        look_at: When it is looked at again at the soonest.
    """

    adoption: Slug
    path: str
    kind: FindKind
    round: int = Field(ge=1)
    folder: str
    file_count: int = Field(default=0, ge=0)
    total_bytes: int = Field(default=0, ge=0)
    newest_ns: int = 0
    settled_since: Moment
    profile: Guess
    instrument: Guess
    project: Guess
    acquisition_id: AcquisitionId | None = None
    held: str | None = None
    look_at: Moment | None = None

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.rpartition("/")[2]

    @property
    def sure(self) -> Sureness:
        """How sure it is that this is a run of the profile, and whose; the instrument may stay open."""
        return least_sure((self.profile.sure, self.project.sure))


class Standing(StrEnum):
    """How far something that was found has come."""

    FOUND = "found"
    REGISTERED = "registered"
    ARCHIVING = "archiving"
    ARCHIVED = "archived"
    VERIFIED = "verified"
    HELD = "held"
    GONE = "gone"


class Assignment(Value):
    """A person's word on all that lies under a path; the last one that says something of a thing holds.

    Attributes:
        under: A folder below the share, or a pattern over paths in which `*` spans folders too.
    """

    under: str = Field(max_length=4096)
    profile: str | None = None
    instrument: Slug | None = None
    project: Slug | None = None
    person: str
    reason: str = Field(min_length=1, max_length=10_000)
    said_at: Moment


class AdoptionState(StrEnum):
    """Whether anything is done about a share."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


class Order(StrEnum):
    """Which runs go into the archive first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    SMALLEST = "smallest"


class Scanning(Value):
    """How the inventory is made.

    Attributes:
        round: Counts the inventories from 1.
        files_per_second: How many names are looked at.
        bytes_per_second: How much of small files is read to recognise runs.
        hours: In which it is made; None for the whole day.
    """

    round: int = Field(default=1, ge=1)
    files_per_second: int = Field(default=1000, ge=1, le=1_000_000)
    bytes_per_second: int = Field(default=4_000_000, ge=1)
    hours: Hours | None = None


class Registering(Value):
    """Which finds become acquisitions; those that are found later do as well.

    Attributes:
        even_alike: Whether also those that look like a run that is known already.
    """

    sure: Sureness
    under: str = Field(default="", max_length=4096)
    even_alike: bool = False
    person: str
    asked_at: Moment


class Archiving(Value):
    """Which registered runs go into the archive, when and how fast.

    Attributes:
        at_once: How many are under way at most.
    """

    hours: Hours | None = None
    bytes_per_second: int | None = Field(default=None, ge=1)
    order: Order = Order.NEWEST
    under: str = Field(default="", max_length=4096)
    at_once: int = Field(default=1, ge=1, le=64)
    person: str
    asked_at: Moment


class Adoption(Value):
    """One share, and what people asked for: the rest follows from it and from what lies there.

    Attributes:
        path: Absolute path of the share.
        identity: Of the folder that stood there when it was begun; in another one nothing is looked at.
        record: Counts the writes to this row; a writer names the one it read.
    """

    name: Slug
    path: str
    identity: ZoneIdentity
    state: AdoptionState = AdoptionState.ACTIVE
    scanning: Scanning = Scanning()
    registering: tuple[Registering, ...] = ()
    archiving: Archiving | None = None
    assignments: tuple[Assignment, ...] = Field(default=(), max_length=MOST_ASSIGNMENTS)
    begun_by: str
    begun_at: Moment
    record: int = 0


class Walk(Value):
    """How far an inventory has come. It may be lost: the next one begins anew.

    Attributes:
        others: Links, FIFOs, sockets and devices; none is followed or opened.
        refused: How many folders could not be listed; `examples` says which and why.
        problem: Why nothing goes on now, if nothing does.
        seconds: How long was worked on it, for the rate.
    """

    round: int = Field(ge=1)
    began_at: Moment
    ended_at: Moment | None = None
    folders: int = 0
    files: int = 0
    total_bytes: int = 0
    others: int = 0
    refused: int = 0
    examples: tuple[str, ...] = ()
    problem: str | None = None
    seconds: float = 0.0
    entries_per_second: float = 0.0
    changed_at: Moment
    record: int = 0


def is_under(path: str, under: str) -> bool:
    """Tell whether a path lies in a folder of the share, or fits a pattern; an empty one fits all."""
    if not under:
        return True
    if is_pattern(under):
        return _compiled(under).fullmatch(path) is not None
    return path == under or path.startswith(f"{under}/")


def is_pattern(under: str) -> bool:
    """Tell whether it is a pattern: `*` stands for any characters, `?` for one; a bracket is a bracket."""
    return _WILD.search(under) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    words = {"*": ".*", "?": "."}
    return re.compile("".join(words.get(one) or re.escape(one) for one in pattern), re.DOTALL)


def corrected(find: Find, assignments: Sequence[Assignment]) -> Find:
    """Put the word of people over what was guessed."""
    said: dict[str, Guess] = {}
    for one in assignments:
        if not is_under(find.path, one.under):
            continue
        for field in ("profile", "instrument", "project"):
            value = getattr(one, field)
            if value is not None:
                reason = f"{one.person} said so: {one.reason}"[:1000]
                said[field] = Guess(value=value, sure=Sureness.CERTAIN, reason=reason, person=one.person)
    if not said:
        return find
    more: dict[str, object] = dict(said)
    if "profile" in said and find.kind is FindKind.UNIT:
        more["kind"] = FindKind.RUN
    return find.model_copy(update=more)
