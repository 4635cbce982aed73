"""Evidence on folders of files without a marker."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from cisterna.domain.errors import CisternaError, HostileInput, NotFound, SourceUnavailable
from cisterna.domain.listing import SeenFile
from cisterna.ports.profile import Look
from cisterna.services.file_evidence import file_digests, file_evidence, file_faults
from tests.profiles.folder_look import Held


@dataclass(frozen=True)
class Refusing(Held):
    """A folder whose files cannot be opened, for a reason."""

    refusal: CisternaError = field(default_factory=lambda: NotFound("gone"))

    def head(self, path: str, *, limit_bytes: int = 4096) -> bytes:
        del path, limit_bytes
        raise self.refusal


def begins_with_x(look: Look, file: SeenFile) -> str | None:
    return None if look.head(file.path) == b"x" else "does not begin with x"


def files(count: int) -> dict[str, bytes]:
    return {f"{number:05}": b"y" for number in range(count)}


def test_a_file_that_went_away_meanwhile_is_no_fault_and_a_link_is_one() -> None:
    gone, link = (Refusing(files(1), refusal=one) for one in (NotFound("gone"), HostileInput("it is a link")))

    assert file_faults(gone, gone.listing.files, begins_with_x) == ()
    assert file_faults(link, link.listing.files, begins_with_x) == ("00000 cannot be looked at: it is a link",)


def test_a_share_that_stops_answering_says_nothing_about_a_file() -> None:
    away = Refusing(files(1), refusal=SourceUnavailable("the share is away"))

    with pytest.raises(SourceUnavailable):
        file_evidence(away, away.listing.files, begins_with_x)


def test_of_very_many_files_some_are_looked_at_and_some_told() -> None:
    held = Held(files(3000))
    looks = 0

    def counting(look: Look, file: SeenFile) -> str | None:
        nonlocal looks
        looks += 1
        return None if looks < 1950 else begins_with_x(look, file)

    assert len(file_faults(held, held.listing.files, counting)) == 51
    assert looks == 2000
    assert len(file_faults(held, held.listing.files, begins_with_x)) == 100


@pytest.mark.parametrize(
    ("listed", "asked", "missing", "count"),
    [
        ([], [], (), 0),
        (["a"], [], ("a",), 1),
        ([], ["b"], ("b",), 1),
        (["a"], ["a", "b"], ("a", "b"), 2),
    ],
)
def test_what_a_list_and_what_other_files_ask_for_is_counted_once(
    listed: list[str], asked: list[str], missing: tuple[str, ...], count: int
) -> None:
    names = [*listed, "x"]
    held = Held({"x": b"x", "md5sum.txt": "".join(f"{'0' * 32}  {name}\n" for name in names).encode()})

    evidence = file_evidence(held, held.listing.files[:1], begins_with_x, missing=asked)

    assert (evidence.missing, evidence.missing_files) == (missing, count)
    assert evidence.expects


def test_without_lists_nothing_is_expected_and_nothing_delivered() -> None:
    held = Held({"x": b"x"})

    assert not file_evidence(held, held.listing.files, begins_with_x).expects
    assert file_digests(held) == {}
