"""The words of pages about runs that are still written; a part of the one table in `wording`."""

from __future__ import annotations

WRITING: dict[str, str] = {
    "writing.end": "Expected end: {words}.",
    "writing.pace": "{files} files and {size} an hour.",
    "writing.ahead": "{files} files, {size}, are read ahead.",
    "work.ahead": "reading it ahead",
    "event.acquisition.settled-early": "Files changed after they were read ahead",
}
