"""A hint shortens a sleep and is allowed to say nothing."""

from __future__ import annotations

import time
from pathlib import Path

from cisterna.adapters.folder_hint import FolderHint


def test_a_change_ends_the_wait_early(tmp_path: Path) -> None:
    hint = FolderHint([str(tmp_path)])
    try:
        begun = time.monotonic()
        hinted = False
        while not hinted and time.monotonic() - begun < 20:
            (tmp_path / "file").write_text(str(time.monotonic()))  # the watch begins some time after the thread
            hinted = hint.wait(0.5)

        assert hinted
        assert hint.fault is None
    finally:
        hint.close()


def test_a_folder_that_is_not_there_leaves_the_clock_in_charge(tmp_path: Path) -> None:
    hint = FolderHint([str(tmp_path / "gone")])
    try:
        assert hint.wait(0.01) is False
    finally:
        hint.close()

    assert hint.fault is not None


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    hint = FolderHint([str(tmp_path)])

    hint.close()
    hint.close()

    assert hint.wait(0.0) is False
