"""What reports on quality are drawn from, kept for a while: it never changes once it is staged."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from cisterna.domain.dataset import Version
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.quality_report import ReportSource, read_report_source

_KEPT_ROWS = 200_000
"""Over all tables; a row is some hundred bytes."""
_KEPT_SOURCES = 16


class ReportSources:
    """Keeps what was read last; a key names the digests, so nothing kept is ever out of date."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], ReportSource] = OrderedDict()
        self._lock = Lock()

    def of(self, version: Version, *, catalogue: Catalogue, store: ObjectStore, tables: TableFile) -> ReportSource:
        """Return a version's source; the caller has made sure that the person may see it.

        What could not be read is asked for again the next time.
        """
        key = (version.version_id, "".join(file.sha512 for _, file in sorted(version.staged.items())))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        source = read_report_source(version, catalogue=catalogue, store=store, tables=tables)
        if not source.troubles:
            self._keep(key, source)
        return source

    def _keep(self, key: tuple[str, str], source: ReportSource) -> None:
        with self._lock:
            self._kept[key] = source
            while len(self._kept) > 1 and (len(self._kept) > _KEPT_SOURCES or self._rows > _KEPT_ROWS):
                self._kept.popitem(last=False)

    @property
    def _rows(self) -> int:
        return sum(one.series.rows for one in self._kept.values())
