"""Makes an inventory in a process of its own, which is killed: `python -m tests.adopt.scan_child DSN TOP`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.services.adopt_scan import scan_slice
from cisterna.testing.clock import SettableClock
from tests.adopt.share import NAME, Taken


def main(dsn: str, top: str) -> None:
    """Work on it until it has come to its end; a batch is a moment, so that kills strike between and within them."""
    taken = Taken(Path(top), SqlCatalogue(dsn), SettableClock())
    taken.keep_on = lambda: time.sleep(0.002)
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    while scan_slice(NAME, site=taken.site, seconds=0.0):
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
