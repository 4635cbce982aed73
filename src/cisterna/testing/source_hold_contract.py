"""What every `SourceHold` keeps; inherit the class and give it a system with one folder in use."""

from __future__ import annotations

from cisterna.domain.hold import HoldQuestion
from cisterna.domain.identifier import acquisition_id
from cisterna.ports.hold import SourceHold


def make_question(path: str, **fields: str | None) -> HoldQuestion:
    """Ask about a folder."""
    folder = path.rstrip("/").rpartition("/")[2]
    made = {"acquisition_id": acquisition_id(instrument="squid-1", folder=folder), "instrument": "squid-1"}
    return HoldQuestion.model_validate({**made, "path": path, "folder": folder, **fields})


class SourceHoldContract:
    """Give `system`, which needs `used` and does not need `free`, and `broken`, which cannot be asked."""

    def system(self) -> SourceHold:
        """Make a system that works."""
        raise NotImplementedError

    def broken(self) -> SourceHold:
        """Make one that cannot be asked now."""
        raise NotImplementedError

    used = "/landing/squid-1/run-used"
    free = "/landing/squid-1/run-free"

    def test_it_has_a_name(self) -> None:
        """Refusals name it."""
        assert self.system().name

    def test_a_folder_in_use_is_held_with_a_reason(self) -> None:
        """The reason is for people."""
        said = self.system().ask(make_question(self.used))

        assert isinstance(said, str)
        assert said.strip()

    def test_a_folder_that_nobody_needs_is_free(self) -> None:
        """Free is None, and nothing else."""
        assert self.system().ask(make_question(self.free)) is None

    def test_the_same_question_gets_the_same_answer(self) -> None:
        """It is asked when a release is announced and again before each deletion."""
        system = self.system()

        assert [system.ask(make_question(self.used)) is None for _ in range(2)] == [False, False]

    def test_what_cannot_be_asked_raises_and_never_says_free(self) -> None:
        """Silence is not permission."""
        try:
            said = self.broken().ask(make_question(self.free))
        except Exception:  # noqa: BLE001 - any error will do
            return
        raise AssertionError(f"it could not be asked and said {said!r}")
