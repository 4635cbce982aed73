"""Tells which folder of a share is a run, from a bounded glimpse of it: pure, and the same for the same glimpse.

A profile says of a listing whether it knows it, and was written for folders of which somebody said that each is a run.
Here nobody did: most profiles know a folder by any file of their kind below it, and so they know the whole share. So it
is asked in several ways. Who knows the names that lie directly in a folder, and no longer knows them some folders
deeper, knows the folder itself, by its plan or side files. Who still knows them there knows only the files, and a
folder is a run of that profile when nothing else is below it. The last profile fits any folder that a list of checksums
closes, so whoever else knows such a folder comes before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from cisterna.domain.adoption import FindKind, Guess, Sureness
from cisterna.domain.listing import Listing, SeenFile
from cisterna.ports.profile import Described, Look, Profile

_ELSEWHERE = "a/b/c/d/"
"""Deeper than any profile looks for what only its own folders have."""
_NOBODY = "a"
_DIGITS = re.compile(r"\d+")
_REASON_LENGTH = 1000


@dataclass(frozen=True)
class Below:
    """What was seen of a folder within the one that is looked at.

    Attributes:
        files: Some of those in it and one folder deeper, by their paths below it.
        has_folders: Whether there are folders in it.
    """

    files: tuple[SeenFile, ...] = ()
    has_folders: bool = False


@dataclass(frozen=True)
class Glimpse:
    """What was seen of a folder, within bounds.

    Attributes:
        name: Its own.
        files: Some of those directly in it; of every ending at least one.
        below: Some of the folders directly in it.
        folder_count: How many those are.
    """

    name: str
    files: tuple[SeenFile, ...] = ()
    below: Mapping[str, Below] = field(default_factory=dict)
    folder_count: int = 0

    @property
    def all_files(self) -> tuple[SeenFile, ...]:
        """All that was seen, by paths below the folder."""
        deeper = (_moved(f"{name}/", one.files) for name, one in self.below.items())
        return (*self.files, *(file for files in deeper for file in files))

    @property
    def is_shallow(self) -> bool:
        """Whether no folder in it has folders itself, as far as was seen."""
        return not any(one.has_folders for one in self.below.values())


@dataclass(frozen=True)
class Recognised:
    """What a folder is.

    Attributes:
        described: What the run says of itself.
    """

    kind: FindKind
    profile: Guess
    described: Described | None = None


@dataclass(frozen=True)
class GlimpseLook:
    """Implements `ports.profile.Look` on a glimpse, perhaps as if it lay elsewhere.

    Attributes:
        source: Reads files of the folder that the glimpse is of.
        prefix: What was put before the paths.
        within: Where in that folder the paths begin.
    """

    folder: str
    files: tuple[SeenFile, ...]
    source: Look
    prefix: str = ""
    within: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def listing(self) -> Listing:
        """What was seen."""
        return Listing.model_construct(files=self.files, obstacles=())

    def read(self, path: str, *, limit_bytes: int = 8 * 1024 * 1024) -> bytes:
        """Read a small file. Raises `NotFound`, `HostileInput`."""
        return self.source.read(self._there(path), limit_bytes=limit_bytes)

    def head(self, path: str, *, limit_bytes: int = 4096) -> bytes:
        """Read the beginning of a file. Raises `NotFound`, `HostileInput`."""
        return self.source.head(self._there(path), limit_bytes=limit_bytes)

    def tail(self, path: str, *, limit_bytes: int = 4096) -> bytes:
        """Read the end of a file. Raises `NotFound`, `HostileInput`."""
        return self.source.tail(self._there(path), limit_bytes=limit_bytes)

    def read_setting(self, name: str, *, limit_bytes: int = 1024 * 1024) -> bytes | None:
        """Nobody has set anything yet."""
        del name, limit_bytes
        return None

    def _there(self, path: str) -> str:
        return self.within + path.removeprefix(self.prefix)


def recognise(glimpse: Glimpse, *, profiles: Mapping[str, Profile], source: Look) -> Recognised | None:
    """Tell what a folder is; None for one that only lies on the way to others.

    Args:
        glimpse: What was seen of it.
        profiles: In the order in which a folder is shown to them.
        source: Reads files of the folder.
    """
    asked = _Asked(glimpse, profiles, source)
    found = asked.by_itself() or asked.by_name() or asked.by_its_files()
    told = asked.described(found) if found is not None else _without_profile(glimpse, asked)
    if told is None or not asked.failed:
        return told
    name, fault = next(iter(asked.failed.items()))
    words = f"{told.profile.reason}; the profile '{name}' could not be asked: {fault}"
    return replace(told, profile=told.profile.model_copy(update={"reason": words[:_REASON_LENGTH]}))


def _without_profile(glimpse: Glimpse, asked: _Asked) -> Recognised | None:
    if not glimpse.files:
        return None
    if asked.is_alone and _are_alike(glimpse.below):
        reason = "no profile knows it; its files lie together, with nothing but folders of one kind beside them"
        return Recognised(FindKind.UNIT, Guess(reason=reason))
    reason = "these files lie beside folders that stand for themselves, and so belong to no run; give them a folder"
    return Recognised(FindKind.LOOSE, Guess(reason=reason))


class _Asked:
    """A glimpse that is shown to profiles in several ways.

    Attributes:
        failed: What profiles raised, by name: one that fails does not know the folder, and the reason names it.
    """

    def __init__(self, glimpse: Glimpse, profiles: Mapping[str, Profile], source: Look) -> None:
        self._glimpse = glimpse
        self._profiles = profiles
        self._look = GlimpseLook(_NOBODY, glimpse.files, source)
        self._whole = replace(self._look, files=glimpse.all_files)
        self._is_alone: bool | None = None
        self.failed: dict[str, str] = {}

    @property
    def is_alone(self) -> bool:
        """Whether nothing below it stands for itself."""
        if self._is_alone is None:
            ones = self._glimpse.below.items()
            self._is_alone = self._glimpse.is_shallow and not any(
                self._claims(profile, self._child(name, one)) for name, one in ones for profile in self._profiles
            )
        return self._is_alone

    def by_itself(self) -> Recognised | None:
        """Find a profile that knows the folder by what only this folder has."""
        for name in self._profiles:
            knows = self._claims(name, self._look) and self._claims(name, self._whole)
            if knows and not self._claims(name, _elsewhere(self._look)):
                nearer = next(one for one in self._profiles if self._claims(one, self._whole))
                if name == list(self._profiles)[-1] != nearer:
                    return _run(
                        nearer, Sureness.LIKELY, f"the profile '{nearer}' knows files in it, and a list closes it"
                    )
                reason = f"the profile '{name}' knows it by files that lie directly in it"
                return _run(name, Sureness.CERTAIN, reason)
        for name in self._profiles:
            if not self._glimpse.below or not self._claims(name, self._whole):
                continue
            if self._claims(name, _elsewhere(self._whole)):
                continue
            if not any(self._claims(name, self._child(child, one)) for child, one in self._glimpse.below.items()):
                return _run(name, Sureness.LIKELY, f"the profile '{name}' knows it by how the folders in it are named")
        return None

    def by_name(self) -> Recognised | None:
        """Find a profile that knows the folder by its name, whatever is in it."""
        named = replace(self._look, folder=self._glimpse.name, files=())
        for name in self._profiles:
            if (self._glimpse.files or self._glimpse.folder_count) and self._claims(name, named):
                return _run(name, Sureness.UNSURE, f"the profile '{name}' knows it by its name alone")
        return None

    def by_its_files(self) -> Recognised | None:
        """Find a profile that knows files of its kind, in a folder with nothing below that stands for itself."""
        for name in self._profiles:
            if self._claims(name, self._whole):
                if not self.is_alone:
                    return None
                return _run(name, Sureness.UNSURE, f"the profile '{name}' knows files in it, wherever they lie")
        return None

    def described(self, found: Recognised) -> Recognised:
        """Let the run speak for itself; what says when or by what it was made is likely a run."""
        profile = self._profiles[found.profile.value or ""]
        try:
            told = profile.describe(replace(self._whole, folder=self._glimpse.name))
        except Exception as fault:  # noqa: BLE001 - profiles come from third parties
            self._note(found.profile.value or "", fault)
            return found
        guess, said = found.profile, _own_words(told)
        if said is not None:
            sure = Sureness.LIKELY if guess.sure is Sureness.UNSURE else guess.sure
            guess = guess.model_copy(update={"sure": sure, "reason": f"{guess.reason}, and its own metadata {said}"})
        return Recognised(found.kind, guess, told)

    def _claims(self, name: str, look: Look) -> bool:
        if not look.listing.files and look.folder == _NOBODY:
            return False
        try:
            return bool(self._profiles[name].claims(look))
        except Exception as fault:  # noqa: BLE001 - profiles come from third parties
            self._note(name, fault)
            return False

    def _note(self, name: str, fault: Exception) -> None:
        self.failed.setdefault(name, f"it failed with {type(fault).__name__}: {fault}"[:200])

    def _child(self, name: str, one: Below) -> Look:
        return GlimpseLook(_NOBODY, one.files, self._look.source, within=f"{name}/")


def _run(profile: str, sure: Sureness, reason: str) -> Recognised:
    return Recognised(FindKind.RUN, Guess(value=profile, sure=sure, reason=reason))


def _elsewhere(look: GlimpseLook) -> GlimpseLook:
    return replace(look, files=tuple(_moved(_ELSEWHERE, look.files)), prefix=_ELSEWHERE)


def _moved(prefix: str, files: Iterable[SeenFile]) -> Iterable[SeenFile]:
    return (
        SeenFile.model_construct(
            path=prefix + one.path, size_bytes=one.size_bytes, mtime_ns=one.mtime_ns, inode=one.inode
        )
        for one in files
    )


def _own_words(told: Described) -> str | None:
    """Say what of the metadata tells that something was acquired here."""
    model, started = told.instrument_model, told.started_at
    if model is None and started is None:
        return None
    said = [f"name '{model[:80]}'"] if model else []
    return " and ".join([*said, *([f"say that it began {started:%Y-%m-%d %H:%M}"] if started else [])])


def _are_alike(names: Iterable[str]) -> bool:
    """Tell whether names differ in numbers only."""
    return len({_DIGITS.sub("0", name).casefold() for name in names}) <= 1
