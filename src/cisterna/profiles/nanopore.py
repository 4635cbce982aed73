"""Runs of Oxford Nanopore's MinKNOW: `{time}_{device}_{flow cell}_{id}`, or the folders of experiment and sample above.

From the maker's output specification (2026): `final_summary_*.txt` comes when all files of an acquisition have been
written, and counts them (`pod5_files_in_final_dest` and the like); a file that is in the fallback place is not in the
run folder. Newer versions write `output_hash_*.csv` as well, with the SHA-256 of every file. Reads come in batches of
an hour, so a run is silent that long by plan. That a person stopped it is the usual end of a run, and no fault of it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from pydantic import JsonValue

from cisterna.domain.acquisition import Evidence
from cisterna.domain.delivered import DeliveredDigests
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.listing import SeenFile
from cisterna.domain.path import inner_path
from cisterna.domain.source_name import logical_path
from cisterna.domain.untrusted import csv_rows, json_object, plain_text
from cisterna.ports.profile import Described, Look, Plane, Stretch
from cisterna.services.file_evidence import file_faults

_SUMMARY, _SHEET = re.compile(r"final_summary[^/]*\.txt"), re.compile(r"sample_sheet_[^/]*\.csv")
_HASHES, _REPORT = re.compile(r"output_hash_[^/]*\.csv"), re.compile(r"report_[^/]*\.json")
_SHEET_COLUMNS = ("flow_cell_id", "sample_id", "experiment_id", "kit")
_READS = re.compile(r"(?P<run>(?:[^/]+/){0,3}?)(?:pod5|fast5|fastq|bam)(?:_(?:pass|fail|skip|recovered))?/.+")
_RUN_NAME = re.compile(r"\d{8}_\d{4}_[^_/]+_[^_/]+_[0-9a-f]{8}")
_KINDS = {".pod5": "pod5", ".fast5": "fast5", ".fastq": "fastq", ".fastq.gz": "fastq", ".bam": "bam"}
_NUMBERED = re.compile(r"(?P<series>.*_)(?P<number>\d{1,9})(?P<kind>\.(?:pod5|fast5|fastq|fastq\.gz|bam))")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_POD5 = b"\x8bPOD\r\n\x1a\n"
_BATCH_SECONDS = 3600.0
_SUMMARY_BYTES, _HASHES_BYTES, _MOST_HASHED = 64 * 1024, 64 * 1024 * 1024, 250_000


class Nanopore:
    """Implements `ports.profile.Profile`."""

    name = "nanopore"
    markers = ("final_summary_*.txt", "*/final_summary_*.txt")
    quiet_seconds = 120.0
    stalled_seconds = 6 * 3600.0
    later_digests = frozenset({"sha256"})

    def claims(self, look: Look) -> bool:
        """Tell a run by its summary or sample sheet, or by its name as long as there is nothing but reads in it."""
        return bool(_RUN_NAME.fullmatch(look.folder)) or any(
            _SUMMARY.fullmatch(name) or _SHEET.fullmatch(name)
            for name in (path.rpartition("/")[2] for path in look.listing.paths)
        )

    def inspect(self, look: Look) -> Evidence:
        """Hold the counts of the summary, and the list of digests, against what is there."""
        runs = _runs(look)
        markers = [f"{run}final_summary_*.txt" for run, summaries in sorted(runs.items()) if not summaries]
        if not runs:
            markers = ["final_summary_*.txt"]
        try:
            told = {run: [_told(look, name) for name in summaries] for run, summaries in runs.items()}
            planned = {run: _planned(summaries) for run, summaries in told.items()}
            listed = _listed(look)
        except (InvalidInput, NotFound) as fault:
            return Evidence(
                markers_missing=tuple(markers[:20]), plan_fault=str(fault)[:1000], cadence_seconds=_BATCH_SECONDS
            )
        lacks = list(_lacking(planned, _present(look, list(runs))))
        absent = sorted(listed.keys() - look.listing.paths)
        missing = [*absent, *(f"{run}{kind} files: {files}" for run, kind, files in lacks if not absent)]
        counted = sum(sum(counts.values()) for counts in planned.values())
        return Evidence(
            markers_missing=tuple(markers[:20]),
            expects=counted > 0 or bool(listed),
            expected_files=max(counted, len(listed)) or None,
            missing=tuple(missing[:20]),
            missing_files=max(len(absent), sum(lack.files for lack in lacks)),
            faults=() if missing or markers else _faults(look),
            cadence_seconds=_BATCH_SECONDS,
            notes=_notes(planned, told),
        )

    def describe(self, look: Look) -> Described:
        """Read what the first summary, sample sheet and report tell; what cannot be read is left out."""
        said = _said(look)
        found: dict[str, JsonValue | None] = {
            "experiment_id": _text(said, "protocol_group_id", "experiment_id"),
            "sample_id": _text(said, "sample_id"),
            "flow_cell": _text(said, "flow_cell_id"),
            "kit": _text(said, "kit"),
            "run_id": _text(said, "protocol_run_id"),
            "protocol": _text(said, "protocol"),
            "instrument_serial": _text(said, "instrument"),
            "software": "MinKNOW",
        }
        title = " ".join(part for part in (_text(said, "protocol_group_id"), _text(said, "sample_id")) if part)
        return Described(
            title=title or plain_text(look.folder) or "Nanopore run",
            data_type="sequencing",
            fields={name: value for name, value in found.items() if value is not None},
            instrument_model="Oxford Nanopore",
            started_at=_moment(_text(said, "started")),
        )

    def delivered(self, look: Look) -> DeliveredDigests:
        """Give the SHA-256 of every file of `output_hash_*.csv` that is there."""
        paths = look.listing.paths
        return {path: {"sha256": digest} for path, digest in _listed(look).items() if path in paths}

    def stretches(self, look: Look) -> Sequence[Stretch]:
        """Tell files of reads apart: MinKNOW numbers those of a series, and begins one when it has closed the last."""
        found = [(match, path) for path in look.listing.paths if (match := _NUMBERED.fullmatch(path)) is not None]
        found.sort(key=lambda one: int(one[0]["number"]))
        return [Stretch((path,), course=match["series"] + match["kind"]) for match, path in found]

    def is_image(self, path: str) -> bool:
        """Measure nothing."""
        del path
        return False

    def plane(self, path: str) -> Plane | None:
        """Place nothing."""
        del path
        return None


class _Lack(NamedTuple):
    run: str
    kind: str
    files: int


def _runs(look: Look) -> dict[str, list[str]]:
    """Give the summaries of each run folder, which is where summary, sample sheet or folders of reads are.

    Reads below a folder that is known for a run are that run's, or what somebody made of them, and no run of their own.
    """
    found: dict[str, list[str]] = {}
    reads: set[str] = set()
    for path in sorted(look.listing.paths):
        folder, slash, name = path.rpartition("/")
        if _SUMMARY.fullmatch(name):
            found.setdefault(folder + slash, []).append(path)
        elif _SHEET.fullmatch(name):
            found.setdefault(folder + slash, [])
        elif (held := _READS.fullmatch(path)) is not None:
            reads.add(held["run"])
    for run in sorted(reads, key=len):
        if not any(run.startswith(known) for known in found):
            found[run] = []
    return found


def _told(look: Look, name: str) -> dict[str, str]:
    """Read a summary: lines of `name=value`. Raises `InvalidInput` and what `Look.read` raises."""
    try:
        lines = look.read(name, limit_bytes=_SUMMARY_BYTES).decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        msg = f"{name} is not the text it must be; look at the file"
        raise InvalidInput(msg, path=name) from error
    split = (line.partition("=") for line in lines)
    told = {key.strip(): value.strip() for key, equals, value in split if equals}
    if not told:
        msg = f"{name} tells nothing; look at the file"
        raise InvalidInput(msg, path=name)
    for kind in _KINDS.values():
        if not re.fullmatch(r"[0-9]{1,7}", told.get(f"{kind}_files_in_final_dest", "0")):
            msg = f"{name} does not count its {kind} files by a number that can be; look at the file"
            raise InvalidInput(msg, path=name)
    return told


def _planned(summaries: list[dict[str, str]]) -> Counter[str]:
    """Add up what a run's summaries count."""
    planned: Counter[str] = Counter()
    for told in summaries:
        for kind in sorted(set(_KINDS.values())):
            planned[kind] += int(told.get(f"{kind}_files_in_final_dest", "0"))
    return planned


def _present(look: Look, runs: list[str]) -> dict[str, Counter[str]]:
    """Count the files of reads below each run folder, each for the innermost one."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    by_depth = sorted(runs, key=len, reverse=True)
    for path in look.listing.paths:
        kind = next((kind for ending, kind in _KINDS.items() if path.endswith(ending)), None)
        if kind is not None:
            found[next((run for run in by_depth if path.startswith(run)), "")][kind] += 1
    return found


def _lacking(planned: Mapping[str, Counter[str]], present: Mapping[str, Counter[str]]) -> Iterator[_Lack]:
    for run, counts in sorted(planned.items()):
        for kind, count in sorted(counts.items()):
            there = present.get(run, Counter())[kind]
            if there < count:
                yield _Lack(run, kind, count - there)


def _listed(look: Look) -> dict[str, str]:
    """Read the lists of digests, whose paths are relative to their run. Raises `InvalidInput`, `HostileInput`."""
    found: dict[str, str] = {}
    for path in sorted(look.listing.paths):
        folder, slash, name = path.rpartition("/")
        if not _HASHES.fullmatch(name):
            continue
        body = look.read(path, limit_bytes=_HASHES_BYTES)
        for row in csv_rows(body, path, columns=("file_hash", "file_path"), most=_MOST_HASHED):
            if not _SHA256.fullmatch(row["file_hash"]):
                msg = f"{path} has a digest that is no SHA-256; look at the file"
                raise InvalidInput(msg, path=path)
            listed = logical_path(inner_path(folder + slash + row["file_path"]).encode())
            if listed != path and found.setdefault(listed, row["file_hash"]) != row["file_hash"]:
                msg = f"{path} lists {listed} with two digests; look at the file"
                raise InvalidInput(msg, path=path)
    return found


def _faults(look: Look) -> tuple[str, ...]:
    """Look for reads that cannot be whole: empty files, and POD5 files without their signature at both ends."""
    return file_faults(look, [one for one in look.listing.files if one.path.endswith(tuple(_KINDS))], _fault)


def _fault(look: Look, file: SeenFile) -> str | None:
    if file.size_bytes == 0:
        return "is empty"
    if not file.path.endswith(".pod5"):
        return None
    if look.head(file.path, limit_bytes=len(_POD5)) != _POD5:
        return "does not begin like a POD5 file"
    is_whole = look.tail(file.path, limit_bytes=len(_POD5)) == _POD5
    return None if is_whole else "does not end like a POD5 file"


def _notes(planned: Mapping[str, Counter[str]], told: Mapping[str, list[dict[str, str]]]) -> tuple[str, ...]:
    notes = []
    if any(told.values()) and not sum(sum(counts.values()) for counts in planned.values()):
        notes.append("its summary counts no files")
    pairs = (pair for summaries in told.values() for one in summaries for pair in one.items())
    fallen = {key for key, value in pairs if key.endswith("_files_in_fallback") and value.strip("0")}
    if fallen:
        notes.append(f"MinKNOW put files into its fallback folder, not here ({', '.join(sorted(fallen)[:3])})")
    return tuple(note[:500] for note in notes)


def _said(look: Look) -> dict[str, object]:
    """Gather what describes the run: of several files that tell a thing, the first by its name."""
    said: dict[str, object] = {}
    for path in sorted(look.listing.paths):
        name = path.rpartition("/")[2]
        try:
            if _SUMMARY.fullmatch(name):
                said = {**_told(look, path), **said}
            elif _SHEET.fullmatch(name):
                rows = csv_rows(look.read(path), path, columns=_SHEET_COLUMNS, most=100_000)
                said = {**(rows[0] if rows else {}), **said}
            elif _REPORT.fullmatch(name):
                said = {**_reported(json_object(look.read(path), path)), **said}
        except (InvalidInput, NotFound):
            continue
    return said


def _reported(report: Mapping[str, object]) -> dict[str, object]:
    run = report.get("protocol_run_info")
    user = run.get("user_info") if isinstance(run, dict) else None
    told = user if isinstance(user, dict) else {}
    return {name: value for name in ("protocol_group_id", "sample_id") if (value := _unwrapped(told.get(name)))}


def _unwrapped(value: object) -> object:
    return value.get("value") if isinstance(value, dict) else value


def _text(said: Mapping[str, object], *names: str) -> str | None:
    return next((text for name in names if (text := plain_text(said.get(name))) is not None), None)


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
