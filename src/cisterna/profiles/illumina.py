"""Run folders of sequencers: Illumina's, and Element's AVITI, which keeps the same manners.

What is last depends on the platform (from the makers' pages and from facilities' own issue threads, November 2026):

- `CopyComplete.txt` is written by the copy service when everything has been copied: NovaSeq, NovaSeq X, NextSeq
  1000/2000, iSeq, MiniSeq, MiSeq i100; MiSeq and NextSeq 500/550 since version 4 of their control software.
- HiSeq, and MiSeq and NextSeq 500/550 before that, have only `RTAComplete.txt` (`.xml`) or `RunCompletionStatus.xml`,
  which say that sequencing ended: the last files have been seen to come more than an hour later.
- AVITI transfers `RunUploaded.json` last, and tells the outcome in it.

A marker alone has been wrong. `RunInfo.xml` tells lanes and cycles, so every lane must have its base calls for every
cycle, and each cycle of a lane the same files as the others. A CBCL also tells in its header how long it is.
"""

from __future__ import annotations

import io
import re
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse
from pydantic import JsonValue

from cisterna.domain.acquisition import EndReason, Evidence
from cisterna.domain.delivered import DeliveredDigests
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.listing import SeenFile
from cisterna.domain.untrusted import json_object, plain_text, whole_number
from cisterna.ports.profile import Described, Look, Plane
from cisterna.services.file_evidence import file_faults

_INFO, _STATUS, _COPIED = "RunInfo.xml", "RunCompletionStatus.xml", "CopyComplete.txt"
_PARAMETERS = ("RunParameters.xml", "runParameters.xml")
_SEQUENCED = ("RTAComplete.txt", "RTAComplete.xml", _STATUS)
_UPLOADED, _AVITI_PARAMETERS = "RunUploaded.json", "RunParameters.json"
_ANALYSIS = re.compile(r"(Analysis/\d{1,4})/")
_CALLS = re.compile(
    r"Data/Intensities/BaseCalls/L(?P<lane>\d{3})/"
    r"(?:C(?P<folder>\d{1,4})\.1/(?P<name>[^/]+\.(?:bcl|bcl\.gz|cbcl))|(?P<cycle>\d{4})(?P<kind>\.bcl\.bgzf|\.bcl\.gz))"
)
_COPY_SERVICE_SINCE = 4
_SETTLE_SECONDS = 3600.0
_DEEPEST_XML, _MOST_XML_EVENTS, _XML_BYTES = 32, 500_000, 8 * 1024 * 1024
_MOST_LANES, _MOST_CYCLES, _MOST_PLANNED = 64, 5_000, 2_000_000
_HEAD_BYTES = 64 * 1024
_SAID = {
    "CompletedAsPlanned": EndReason.COMPLETED,
    "RunCompleted": EndReason.COMPLETED,
    "RunErrored": EndReason.ERROR,
    "OutcomeCompleted": EndReason.COMPLETED,
    "OutcomeFailed": EndReason.ERROR,
    "OutcomeStopped": EndReason.USER_ABORT,
}


@dataclass(frozen=True)
class _Kind:
    """A platform, by what its own files call it and by how its serial numbers look."""

    name: str
    called: str
    serial: str
    copies: bool | None
    """Whether it writes the copy service's marker; None when only newer versions of its software do."""


_KINDS = (  # the first that fits: names contain one another
    _Kind("NovaSeq X", "novaseqx", r"LH\d{5}", copies=True),
    _Kind("NovaSeq 6000", "novaseq", r"A\d{5}", copies=True),
    _Kind("NextSeq 1000/2000", "nextseq1000", r"V[LH]\d{5}", copies=True),
    _Kind("NextSeq 1000/2000", "nextseq2000", r"V[LH]\d{5}", copies=True),
    _Kind("NextSeq 500/550", "nextseq", r"N[SB]\d{6}|NDX\d{6}", copies=None),
    _Kind("MiniSeq", "miniseq", r"MN\d{5}|ML-..-\d{2}", copies=True),
    _Kind("MiSeq i100", "miseqi100", r"SH\d{5}", copies=True),
    _Kind("MiSeq", "miseq", r"M\d{5}", copies=None),
    _Kind("HiSeq", "hiseq", r"[CDEJK]\d{5}|ST-E\d{5}|HWI-.+", copies=False),
    _Kind("iSeq 100", "iseq", r"FS\d{8}", copies=True),
)


@dataclass(frozen=True)
class _Run:
    """What `RunInfo.xml` says."""

    identity: str
    flow_cell: str | None
    serial: str
    started: datetime | None
    lanes: int
    reads: tuple[tuple[int, bool], ...]
    """Cycles of each read, and whether it is an index."""

    @property
    def cycles(self) -> int:
        return sum(cycles for cycles, _ in self.reads)


class _Element(NamedTuple):
    """An element of an XML file, without its name space."""

    tag: str
    attributes: Mapping[str, str]
    text: str


class Illumina:
    """Implements `ports.profile.Profile`. The setting `marker` names the file that this instrument writes last."""

    name = "illumina"
    markers = (*_SEQUENCED[:2], _COPIED)
    quiet_seconds = 120.0
    stalled_seconds = 6 * 3600.0

    def claims(self, look: Look) -> bool:
        """Tell a run folder by the file that is written first, or AVITI's by its parameters and where calls go."""
        paths = look.listing.paths
        is_aviti = _AVITI_PARAMETERS in paths and (
            _UPLOADED in paths or any(path.startswith(("BaseCalls/", "BaseCalling/")) for path in paths)
        )
        return _INFO in paths or is_aviti

    def inspect(self, look: Look) -> Evidence:
        """Hold marker, lanes and cycles against what is there."""
        if _INFO not in look.listing.paths:
            return _with_end(_aviti(look), look, _UPLOADED)
        parameters = _parameters(look)
        markers, settle = _markers(look, parameters)
        try:
            expected_files, missing = _held_against(_run(look), look)
        except (InvalidInput, NotFound) as fault:
            told = Evidence(markers_missing=markers, expects=True, plan_fault=str(fault)[:1000], settle_seconds=settle)
            return _with_end(told, look, _STATUS)
        evidence = Evidence(
            markers_missing=markers,
            expects=True,
            expected_files=expected_files,
            missing=tuple(missing[:20]),
            missing_files=len(missing),
            faults=() if missing or markers else _faults(look),
            settle_seconds=settle,
            notes=() if settle == 0 or markers else ("this platform has no marker that says that all was copied",),
        )
        return _with_end(evidence, look, _STATUS)

    def describe(self, look: Look) -> Described:
        """Read run, flow cell, platform and reads; what cannot be read is left out."""
        if _INFO not in look.listing.paths:
            return _described_aviti(look)
        try:
            run = _run(look)
        except (InvalidInput, NotFound):
            return Described(title=_title(look), data_type="sequencing_run")
        parameters = _parameters(look)
        kind = _kind(look, parameters)
        found: dict[str, JsonValue | None] = {
            "experiment_id": _first(parameters, "ExperimentName") or run.identity,
            "run_id": run.identity,
            "flow_cell": run.flow_cell,
            "instrument_serial": plain_text(run.serial),
            "platform": kind.name if kind else None,
            "lanes": run.lanes,
            "cycles": run.cycles,
            "reads": [f"{cycles}{' (index)' if is_index else ''}" for cycles, is_index in run.reads],
            "chemistry": _first(parameters, "Chemistry"),
            "software": _first(parameters, "ApplicationName", "Application"),
            "software_version": _version(parameters),
        }
        return Described(
            title=_first(parameters, "ExperimentName") or _title(look),
            data_type="sequencing_run",
            fields={name: value for name, value in found.items() if value is not None},
            instrument_model=f"Illumina {kind.name}" if kind else None,
            started_at=run.started,
        )

    def delivered(self, look: Look) -> DeliveredDigests:
        """Give none: no sequencer of these writes digests into its run folder."""
        del look
        return {}

    def is_image(self, path: str) -> bool:
        """Measure nothing: thumbnails of a flow cell are no micrographs of a sample."""
        del path
        return False

    def plane(self, path: str) -> Plane | None:
        """Place nothing."""
        del path
        return None


def _markers(look: Look, parameters: Mapping[str, str]) -> tuple[tuple[str, ...], float]:
    """Name the markers that lack, and how long silence must last since the marker there is says too little."""
    paths, kind = look.listing.paths, _kind(look, parameters)
    named = look.settings.get("marker")
    if named:
        return (() if named in paths else (named,)), (_SETTLE_SECONDS if named in _SEQUENCED else 0.0)
    copies = kind.copies if kind else True  # what is not known is believed only when it says that all was copied
    if copies is None:
        copies = _major(parameters) >= _COPY_SERVICE_SINCE
    missing = [] if _COPIED in paths else [_COPIED]
    settle = 0.0
    if missing and not copies:
        settle = _SETTLE_SECONDS
        missing = [] if any(marker in paths for marker in _SEQUENCED) else [_SEQUENCED[0]]
    if kind is not None and kind.name == "NovaSeq X":
        begun = sorted({found[1] for path in paths if (found := _ANALYSIS.match(path))})
        missing += [f"{folder}/{_COPIED}" for folder in begun if f"{folder}/{_COPIED}" not in paths]
    return tuple(missing[:20]), settle


def _kind(look: Look, parameters: Mapping[str, str]) -> _Kind | None:
    said = " ".join(parameters.get(name, "") for name in ("InstrumentType", "ApplicationName", "Application"))
    called = re.sub(r"[^a-z0-9]", "", said.lower())
    for kind in _KINDS:
        if kind.called in called:
            return kind
    try:
        serial = _run(look).serial
    except (InvalidInput, NotFound):
        return None
    return next((kind for kind in _KINDS if re.fullmatch(kind.serial, serial)), None)


def _major(parameters: Mapping[str, str]) -> int:
    leading = (_version(parameters) or "").split(".")[0]
    return int(leading) if leading.isdecimal() and len(leading) < 4 else 0


def _version(parameters: Mapping[str, str]) -> str | None:
    return _first(parameters, "ApplicationVersion", "SystemSuiteVersion")


def _held_against(run: _Run, look: Look) -> tuple[int, list[str]]:
    """Count the base-call files that must be there, and name those that are not.

    A lane's cycles have the same files: by tile, by surface, or one for the whole lane. What some cycle has and
    another lacks is missing there.
    """
    names: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for path in look.listing.paths:
        found = _CALLS.fullmatch(path)
        if found is not None:
            names[int(found["lane"])].add((found["name"] or "", found["kind"] or ""))
    expected, missing = 0, []
    for lane in range(1, run.lanes + 1):
        folder = f"Data/Intensities/BaseCalls/L{lane:03}"
        kept = sorted(names[lane]) or [("", "")]
        expected += len(kept) * run.cycles
        if expected > _MOST_PLANNED:
            msg = f"{_INFO} and the folder ask for more than {_MOST_PLANNED} base-call files; look at them"
            raise InvalidInput(msg)
        for cycle in range(1, run.cycles + 1):
            wanted = (f"{folder}/{cycle:04}{kind}" if kind else f"{folder}/C{cycle}.1/{name}" for name, kind in kept)
            missing += [path for path in wanted if path not in look.listing.paths]
    return expected, missing


def _faults(look: Look) -> tuple[str, ...]:
    """Look for base calls that cannot be whole: empty ones, and CBCLs by their header."""
    return file_faults(look, [file for file in look.listing.files if _CALLS.fullmatch(file.path)], _fault)


def _fault(look: Look, file: SeenFile) -> str | None:
    if file.size_bytes == 0:
        return "is empty"
    if not file.path.endswith(".cbcl"):
        return None
    return _cbcl_fault(look.head(file.path, limit_bytes=_HEAD_BYTES), size_bytes=file.size_bytes)


def _cbcl_fault(head: bytes, *, size_bytes: int) -> str | None:
    """Reckon how long a CBCL must be: its header, then a block a tile whose sizes the header tells."""
    if len(head) < 12:
        return f"ends at {size_bytes} bytes, within its own header"
    _, header_bytes, _, _, bins = struct.unpack_from("<HIBBI", head)
    tiles_at = 12 + 8 * bins
    if tiles_at + 4 > len(head):
        return None if header_bytes <= size_bytes else f"ends at {size_bytes} bytes, within its own header"
    (tiles,) = struct.unpack_from("<I", head, tiles_at)
    first = tiles_at + 4
    whole = min(tiles, (len(head) - first) // 16)
    needed = header_bytes + sum(struct.unpack_from("<I", head, first + 16 * tile + 12)[0] for tile in range(whole))
    if needed > size_bytes:
        return f"holds {size_bytes} bytes where its header tells of {needed}"
    return None


def _with_end(evidence: Evidence, look: Look, name: str) -> Evidence:
    """Add what the instrument said of the end; a word that is not known is told and decides nothing."""
    if name not in look.listing.paths:
        return evidence
    try:
        if name == _UPLOADED:
            said = plain_text(json_object(look.read(name), name).get("outcome"))
        else:
            said = _first(_texts(look, name), "CompletionStatus", "RunStatus")
    except (InvalidInput, NotFound) as fault:
        notes = (*evidence.notes, f"its end reason could not be read: {fault}"[:500])
        return evidence.model_copy(update={"notes": notes})
    reason = _SAID.get(said or "")
    if said is None or reason is not None:
        return evidence.model_copy(update={"end_reason": reason})
    notes = (*evidence.notes, f"{name} says '{said[:100]}', which is not known here")
    return evidence.model_copy(update={"notes": notes})


def _run(look: Look) -> _Run:
    """Read `RunInfo.xml`. Raises `InvalidInput` and what `Look.read` raises."""
    run: dict[str, str] = {}
    reads: list[tuple[int, bool]] = []
    lanes = None
    for element in _elements(look, _INFO):
        match element.tag:
            case "Run":
                run["Id"] = element.attributes.get("Id", "")
            case "Read":
                told = element.attributes.get("NumCycles")
                cycles = _number(told, f"the cycles of a read in {_INFO}", least=0, most=_MOST_CYCLES)
                reads.append((cycles, element.attributes.get("IsIndexedRead") == "Y"))
            case "FlowcellLayout":
                told = element.attributes.get("LaneCount")
                lanes = _number(told, f"the lanes in {_INFO}", least=1, most=_MOST_LANES)
            case "Flowcell" | "Instrument" | "Date" if element.text:
                run[element.tag] = element.text
    if lanes is None or not 0 < sum(cycles for cycles, _ in reads) <= _MOST_CYCLES:
        msg = f"{_INFO} does not tell lanes and reads; look at the file"
        raise InvalidInput(msg, path=_INFO)
    return _Run(
        identity=plain_text(run.get("Id")) or _title(look),
        flow_cell=plain_text(run.get("Flowcell")),
        serial=run.get("Instrument", ""),
        started=_moment(run.get("Date", "")),
        lanes=lanes,
        reads=tuple(reads),
    )


def _parameters(look: Look) -> Mapping[str, str]:
    """Read the run's parameters; a file that cannot be read tells nothing."""
    for name in _PARAMETERS:
        if name in look.listing.paths:
            try:
                return _texts(look, name)
            except (InvalidInput, NotFound):
                return {}
    return {}


def _texts(look: Look, name: str) -> dict[str, str]:
    """Give the first text of each element."""
    found: dict[str, str] = {}
    for element in _elements(look, name):
        if element.text:
            found.setdefault(element.tag, element.text)
    return found


def _elements(look: Look, name: str) -> Iterator[_Element]:
    """Give the elements of an XML file, each when it ends.

    Raises:
        InvalidInput: It is no XML, declares anything (no run's file does), nests too deeply or is too long.
    """
    depth = 0
    try:
        body = io.BytesIO(look.read(name, limit_bytes=_XML_BYTES))
        for count, (event, element) in enumerate(iterparse(body, events=("start", "end"), forbid_dtd=True)):
            depth += 1 if event == "start" else -1
            if depth > _DEEPEST_XML or count > _MOST_XML_EVENTS:
                msg = f"{name} nests too deeply or is too long; no sequencer writes this: look at the file"
                raise InvalidInput(msg, path=name)
            if event == "end":
                yield _Element(element.tag.rpartition("}")[2], dict(element.attrib), (element.text or "").strip())
                element.clear()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        msg = f"{name} is not the XML it must be ({' '.join(str(error).split())[:200]}); look at the file"
        raise InvalidInput(msg, path=name) from error


def _number(text: str | None, what: str, *, least: int, most: int) -> int:
    number = int(text) if text is not None and re.fullmatch(r"[0-9]{1,6}", text) else -1
    if not least <= number <= most:
        msg = f"{what} must be a whole number from {least} to {most}; look at the file"
        raise InvalidInput(msg)
    return number


def _moment(text: str) -> datetime | None:
    """Read a date with a zone; older platforms write one without, which names no moment."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _first(texts: Mapping[str, str], *names: str) -> str | None:
    return next((text for name in names if (text := plain_text(texts.get(name))) is not None), None)


def _title(look: Look) -> str:
    return plain_text(look.folder) or "Sequencing run"


def _aviti(look: Look) -> Evidence:
    """Hold AVITI's parameters against its base calls: one archive a read and cycle."""
    paths = look.listing.paths
    marker = () if _UPLOADED in paths else (_UPLOADED,)
    try:
        planned = _cycles(json_object(look.read(_AVITI_PARAMETERS), _AVITI_PARAMETERS))
    except (InvalidInput, NotFound) as fault:
        return Evidence(markers_missing=marker, needs_end_reason=True, plan_fault=str(fault)[:1000])
    is_cell_run = any(path.startswith("BaseCalling/") for path in paths)  # cytoprofiling: batches that no plan tells
    if not planned or is_cell_run:
        told = ("its parameters do not tell every file",)
        return Evidence(markers_missing=marker, needs_end_reason=True, notes=told)
    calls = [f"BaseCalls/{read}_C{cycle:03}.zip" for read, cycles in planned for cycle in range(1, cycles + 1)]
    missing = [path for path in calls if path not in paths]
    empty = [file.path for file in look.listing.files if file.size_bytes == 0 and file.path.startswith("BaseCalls/")]
    return Evidence(
        markers_missing=marker,
        expects=True,
        expected_files=len(calls),
        missing=tuple(missing[:20]),
        missing_files=len(missing),
        faults=tuple(f"{path} is empty" for path in empty[:100]),
        needs_end_reason=True,
    )


def _cycles(parameters: Mapping[str, object]) -> list[tuple[str, int]]:
    """Read how many cycles each read has. Raises `InvalidInput`."""
    cycles = parameters.get("Cycles")
    planned = []
    for read in ("R1", "R2", "I1", "I2"):
        said = cycles.get(read) if isinstance(cycles, dict) else None
        if said is None:
            continue
        count = whole_number(said, least=0, most=_MOST_CYCLES)
        if count is None:
            msg = f"the cycles of {read} in {_AVITI_PARAMETERS} are no whole number that can be; look at the file"
            raise InvalidInput(msg, path=_AVITI_PARAMETERS)
        planned.append((read, count))
    return [one for one in planned if one[1]]


def _described_aviti(look: Look) -> Described:
    try:
        parameters = json_object(look.read(_AVITI_PARAMETERS), _AVITI_PARAMETERS)
    except (InvalidInput, NotFound):
        parameters = {}
    found: dict[str, JsonValue | None] = {
        "experiment_id": plain_text(parameters.get("RunName")) or plain_text(look.folder),
        "run_id": plain_text(parameters.get("RunID")),
        "flow_cell": plain_text(parameters.get("FlowcellID")),
        "platform": "AVITI",
        "software_version": plain_text(parameters.get("PlatformVersion")),
    }
    said = plain_text(parameters.get("Date"))
    return Described(
        title=plain_text(parameters.get("RunName")) or _title(look),
        data_type="sequencing_run",
        fields={name: value for name, value in found.items() if value is not None},
        instrument_model="Element AVITI",
        started_at=_moment(said) if said else None,
    )
