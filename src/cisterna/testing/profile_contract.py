"""What every profile promises, as tests to inherit."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.ports.profile import (
    FilePlanes,
    Look,
    Profile,
    StagePlace,
    Stretch,
    TellsPlaces,
    TellsPlanes,
    TellsStretches,
)
from cisterna.services.judgement import Patience, assess

LookAt = Callable[[Path], Look]
_NAMES = (
    "",
    ".",
    "a",
    "0/a.tiff",
    "/",
    "%FF",
    "\u202e",
    "a" * 5000,
    "_".join("0" * 500),
    "0/_0_0_.tiff",
    "日/本_0_0_b.bmp",
)


class ProfileContract:
    """Inherit, and give the fixtures."""

    @pytest.fixture
    def profile(self) -> Profile:
        """Give the profile."""
        raise NotImplementedError

    @pytest.fixture
    def run(self) -> Path:
        """Give the folder of a whole run, alone in its parent, of a dozen small files at most."""
        raise NotImplementedError

    @pytest.fixture
    def look_at(self) -> LookAt:
        """Give what looks at a folder."""
        raise NotImplementedError

    def test_a_whole_run_is_claimed_and_lacks_nothing(self, profile: Profile, run: Path, look_at: LookAt) -> None:
        """Once silence has lasted it is complete, and the same look gives the same evidence."""
        look = look_at(run)

        assert profile.claims(look)
        evidence = profile.inspect(look)
        patience = Patience(quiet_seconds=profile.quiet_seconds, stalled_seconds=profile.stalled_seconds)
        judged = assess(evidence, patience=patience, quiet_for=1e9, file_count=len(look.listing.files))
        assert judged.state is AcquisitionState.COMPLETE, judged.reason
        assert profile.inspect(look) == evidence

    def test_a_foreign_folder_is_not_claimed(self, profile: Profile, run: Path, look_at: LookAt) -> None:
        """Neither one that is empty nor one with any file in it."""
        foreign = run.parent / "holiday pictures"
        foreign.mkdir()
        assert not profile.claims(look_at(foreign))
        (foreign / "beach.jpg").write_bytes(b"sand")
        assert not profile.claims(look_at(foreign))

    def test_it_describes_the_run_and_names_a_data_type(self, profile: Profile, run: Path, look_at: LookAt) -> None:
        """A dataset has a title, and the data type names a folder of suites."""
        described = profile.describe(look_at(run))

        assert described.title.strip()
        assert described.data_type.isidentifier()

    def test_what_came_with_the_run_names_its_files(self, profile: Profile, run: Path, look_at: LookAt) -> None:
        """Digests are of files of the run, in lower-case hex."""
        look = look_at(run)

        for path, digests in profile.delivered(look).items():
            assert path in look.listing.paths
            for digest in digests.values():
                assert digest == f"{int(digest, 16):0{len(digest)}x}"

    def test_what_it_tells_of_stretches_is_in_the_run_and_each_file_once(
        self, profile: Profile, run: Path, look_at: LookAt
    ) -> None:
        """A profile that tells none is read at the end, which is always right."""
        look = look_at(run)

        told = [path for one in _stretches(profile, look) for path in one.paths]

        assert len(told) == len(set(told))
        assert set(told) <= look.listing.paths

    def test_what_it_tells_of_places_is_of_images_of_the_run(
        self, profile: Profile, run: Path, look_at: LookAt
    ) -> None:
        """A profile that tells none, or fewer, leaves the rest unknown."""
        look = look_at(run)

        for path, place in _places(profile, look).items():
            assert path in look.listing.paths
            assert profile.is_image(path)
            assert all(value is None or math.isfinite(value) for value in place)

    def test_what_it_tells_of_planes_is_of_images_of_the_run_and_no_plane_lies_twice(
        self, profile: Profile, run: Path, look_at: LookAt
    ) -> None:
        """A profile that tells none, or fewer, has its files measured as one image each."""
        look = look_at(run)

        for path, told in _planes(profile, look).items():
            assert path in look.listing.paths
            assert profile.is_image(path)
            planes = [one.plane for one in told.pages if one is not None]
            assert len(planes) == len({tuple(plane.model_dump().values()) for plane in planes})

    def test_it_never_writes(self, profile: Profile, run: Path, look_at: LookAt) -> None:
        """The landing zone is the instrument's."""
        before = look_at(run)

        _ask(profile, before)

        assert look_at(run).listing.fingerprint == before.listing.fingerprint

    def test_no_content_raises_anything(self, profile: Profile, run: Path, look_at: LookAt) -> None:
        """Bad content is evidence. Only delivered digests that cannot be read are refused, by name."""
        chance = random.Random(0)
        for file in sorted(one for one in run.rglob("*") if one.is_file()):
            whole = file.read_bytes()
            for body in (b"", b"\xff\xfe\0", chance.randbytes(500), whole[: len(whole) // 2], b"[" * 100_000):
                file.write_bytes(body)
                _ask(profile, look_at(run))
            file.write_bytes(whole)

    def test_a_file_that_is_missing_or_vanishes_raises_nothing(
        self, profile: Profile, run: Path, look_at: LookAt
    ) -> None:
        """A look is of a moment, and the next one knows."""
        for file in sorted(one for one in run.rglob("*") if one.is_file()):
            before, whole = look_at(run), file.read_bytes()
            file.unlink()
            _ask(profile, before)
            _ask(profile, look_at(run))
            file.write_bytes(whole)

    @pytest.mark.parametrize("name", _NAMES, ids=range(len(_NAMES)))
    def test_no_name_raises_anything(self, profile: Profile, name: str) -> None:
        """Names are the instrument's, or anybody's."""
        profile.is_image(name)
        profile.plane(name)


def _stretches(profile: Profile, look: Look) -> Sequence[Stretch]:
    return profile.stretches(look) if isinstance(profile, TellsStretches) else ()


def _places(profile: Profile, look: Look) -> Mapping[str, StagePlace]:
    return profile.places(look) if isinstance(profile, TellsPlaces) else {}


def _planes(profile: Profile, look: Look) -> Mapping[str, FilePlanes]:
    return profile.planes(look) if isinstance(profile, TellsPlanes) else {}


def _ask(profile: Profile, look: Look) -> None:
    profile.claims(look)
    _places(profile, look)
    _planes(profile, look)
    _stretches(profile, look)
    profile.inspect(look)
    assert profile.describe(look).title
    with suppress(InvalidInput, NotFound):
        profile.delivered(look)
