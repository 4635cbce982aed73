"""Becomes another program that dies with whoever started it: `python -I -S tied.py PARENT SIGNAL PROGRAM ARGUMENT...`.

A program of its own, because nothing of Python may run between fork and exec in a process with threads: whatever lock
another thread held at that moment stays held in the child for ever, and whoever started it waits for ever. It imports
nothing but the standard library, so that it takes a few hundredths of a second.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
NOT_FOUND = 127
"""Exit code when there is no such program, as a shell has it."""


def main() -> None:
    """Have the kernel send this process a signal when its parent dies (Linux's parent-death signal), and be another."""
    parent, dies_by, argv = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, dies_by, 0, 0, 0)
    if os.getppid() != parent:  # it died before the tie was made
        os._exit(1)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and what is ignored is inherited
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - that is what it is for: the program is the caller's choice
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(NOT_FOUND)


if __name__ == "__main__":
    main()
