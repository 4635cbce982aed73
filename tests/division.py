"""How the tests are divided among processes: `make test` has four, since many wait, and they should end together.

A group of xdist's own (`--dist loadgroup`) would say the same by marks; with pytest 9.2 it silently groups nothing.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

TOGETHER = {
    "the shared stack": (
        "tests/system/test_commands.py",
        "tests/system/test_erasure.py",
        "tests/system/test_ingest.py",
        "tests/system/test_kill.py",
        "tests/system/test_real_files.py",
        "tests/system/test_release.py",
        "tests/system/test_retention.py",
        "tests/system/test_view.py",
    ),
    "the stack with a copy": ("tests/system/test_copies.py", "tests/system/test_stack.py"),
}
"""Files that share what takes long to start; every other file stands alone."""

LONGEST_FIRST = (*TOGETHER["the shared stack"], "tests/system/", "tests/web/test_browser.py")
_GROUPS = {file: group for group, files in TOGETHER.items() for file in files}


class Division(LoadFileScheduling):
    """Gives a group of files to one process, in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return _GROUPS.get(file, file)


def turn_of(nodeid: str) -> int:
    """Give the place of a test in the order in which tests begin."""
    return next((turn for turn, begin in enumerate(LONGEST_FIRST) if nodeid.startswith(begin)), len(LONGEST_FIRST))
