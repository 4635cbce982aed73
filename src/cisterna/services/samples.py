"""Finds the plate map or sample sheet of a run, reads it, and holds its wells against those that were imaged.

What does not fit is said and stops nothing: bytes are archived whatever anybody says of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace

from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.errors import HostileInput, InvalidInput, NotFound, ObjectNotFound, StoreUnavailable
from cisterna.domain.sample_sheet import SampleSheet, match_wells, name_wells
from cisterna.domain.well import Well, wells_of
from cisterna.metadata.record import SampleFacts, SheetFacts
from cisterna.metadata.samples_table import SAMPLES_PATH, sample_facts, samples_columns
from cisterna.metadata.sheet_isa import is_isa_file
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.profile import Look, Profile
from cisterna.ports.quality import TableFile
from cisterna.ports.sample_sheet import ENDINGS, SIZE_LIMIT_BYTES, SheetReader, WaitingSheets
from cisterna.services.archived_look import ArchivedLook
from cisterna.services.measurement import METRICS_PATH
from cisterna.services.parts_look import PartsLook
from cisterna.services.staging import read_staged

GIVEN_BEGIN = "metadata/sample-sheet."
"""Begins the path of a sheet that was given after the run; its name's ending follows."""
ISA_FOLDER = "isa/"

_BESIDE = re.compile(r"(?:samples|sample[_-]sheet|plate[_-]?map)\.(?:csv|tsv|xlsx)|mihcsme[^/]*\.xlsx", re.IGNORECASE)
_FILES_MOST = 50
_OF_TABLES = frozenset({"table"})
"""Data types for which a table beside the data is the data."""
_NAMED = 5


@dataclass(frozen=True, slots=True)
class GivenSheet:
    """A sheet as its files hold it.

    Attributes:
        path: Where it lies in the object.
        files: Content by name.
    """

    path: str
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class KnownSamples:
    """What a sheet says of a run.

    Attributes:
        sheet, facts: For the record.
        columns: Of the table that is kept with the data.
        problems: What a person has to look at.
        kept: The sheet itself by its path, where the object does not hold it yet.
    """

    sheet: SheetFacts
    facts: SampleFacts
    columns: Mapping[str, list[object]]
    problems: tuple[str, ...] = ()
    kept: Mapping[str, bytes] = field(default_factory=dict)

    def files(self, tables: TableFile) -> dict[str, bytes]:
        """Write the table, and the sheet where it is to be kept."""
        return {SAMPLES_PATH: tables.dump(self.columns), **self.kept}


def sheets_beside(look: Look) -> list[GivenSheet]:
    """Find sheets beside the data, by their names: the first is the one that is read.

    Raises:
        HostileInput: The files of one are larger than any sheet's.
    """
    near = sorted(path for path in look.listing.paths if "/" not in path.removeprefix(ISA_FOLDER))
    named = [path for path in near if _BESIDE.fullmatch(path)]
    isa = [path for path in near if is_isa_file(path)]
    studies = [path for path in isa if path.rpartition("/")[2].lower().startswith("s_")]
    found = [[path] for path in named] + ([isa[:_FILES_MOST]] if studies else [])
    names = [one[0] if len(one) == 1 else studies[0] for one in found]
    sizes = {file.path: file.size_bytes for file in look.listing.files} if found else {}
    size = sum(sizes[path] for path in found[0]) if found else 0
    if size > SIZE_LIMIT_BYTES:
        msg = f"{found[0][0]} has {size:,} bytes and at most {SIZE_LIMIT_BYTES:,} are read; give the wells of one run"
        raise HostileInput(msg)
    first = {path: look.read(path, limit_bytes=SIZE_LIMIT_BYTES) for path in found[0]} if found else {}
    return [GivenSheet(f"data/{name}", first if at == 0 else {}) for at, name in enumerate(names)]


def with_kept_sheet(version: Version, others: Iterable[Version]) -> Version:
    """Let a version hold the sheet that was given after the run: with itself, else with the newest one before it.

    Its bytes lie in the object already and are not copied.
    """
    place = (version.number, version.revision)
    earlier = [one for one in others if one.is_archived and (one.number, one.revision) < place]
    for one in (version, *sorted(earlier, key=lambda one: (one.number, one.revision), reverse=True)):
        for path, staged in sorted(one.staged.items()):
            if path.startswith(GIVEN_BEGIN):
                return version.model_copy(update={"staged": {**version.staged, path: staged}})
    return version


def imaged_wells(version: Version, dataset: Dataset, *, store: ObjectStore, tables: TableFile) -> frozenset[Well]:
    """Tell which wells were imaged, by what was measured; none where that names no wells."""
    if METRICS_PATH not in version.staged:
        return frozenset()
    body = read_staged(version, METRICS_PATH, dataset=dataset, store=store)
    regions = {one for one in tables.column(body, "region") if isinstance(one, str)}
    return wells_of(regions)


def understand(
    given: GivenSheet,
    reader: SheetReader,
    *,
    folder: str,
    imaged: Collection[Well],
    paths: Collection[str] | None = None,
) -> KnownSamples:
    """Read a sheet and hold it against the run.

    Args:
        given: The sheet.
        reader: Of such files.
        folder: Of the run; it tells which of several plates the run is of.
        imaged: The wells that there are images of; none where nobody knows.
        paths: Of the run's data files, against which files that the sheet names are held; None where it is not done.

    Raises:
        InvalidInput: It cannot be read, or does not say which plate this is; the message says where and what to do.
    """
    sheet = reader.read(given.files).of_plate(folder)
    facts, told = sample_facts(sheet)
    problems, remarks = _held_against(sheet, imaged)
    remarks += _files_unknown(sheet, paths) if paths is not None else []
    columns = samples_columns(sheet)
    return KnownSamples(
        sheet=SheetFacts(
            path=given.path,
            form=sheet.form.value,
            rows=len(sheet.samples),
            wells=len(sheet.wells),
            columns=tuple(columns),
            remarks=(*remarks, *told, *sheet.remarks),
        ),
        facts=facts,
        columns=columns,
        problems=tuple(problems),
    )


@dataclass(frozen=True)
class SampledRun:
    """A run whose samples are asked for.

    Attributes:
        look: At its files in the archive.
        profile: Tells which of them is an image of which well.
        waiting: Sheets that were put down before the run.
    """

    version: Version
    dataset: Dataset
    look: ArchivedLook | PartsLook
    profile: Profile | None
    _: KW_ONLY
    store: ObjectStore
    tables: TableFile
    waiting: WaitingSheets | None = None

    @property
    def imaged(self) -> frozenset[Well]:
        """The wells that there are images of, by the names of the files and by what was measured."""
        profile = self.profile
        images = (file.path for file in self.look.listing.files if profile and profile.is_image(file.path))
        planes = (plane for path in images if profile and (plane := profile.plane(path)) is not None)
        measured = imaged_wells(self.version, self.dataset, store=self.store, tables=self.tables)
        return measured | wells_of({plane.region for plane in planes})


def samples_of_run(run: SampledRun, reader: SheetReader) -> tuple[KnownSamples | None, list[str]]:
    """Read the sheet of a run: the one that was given later, else the one beside the data, else one that waited for it.

    What is wrong with it is a problem on the record. It is given in words, with what is known nevertheless.
    """
    path = next((path for path in run.version.staged if path.startswith(GIVEN_BEGIN)), None)
    kept: Mapping[str, bytes] = {}
    try:
        if path is not None:
            found = [GivenSheet(path, {path: _kept_body(run, path)})]
        else:
            found = sheets_beside(run.look) if run.dataset.data_type not in _OF_TABLES else []
        if not found:
            found = _waited(run)
            kept = {one.path: body for one in found for body in one.files.values()}
        if not found:
            return None, []
        paths = run.look.listing.paths
        known = understand(found[0], reader, folder=run.look.folder, imaged=run.imaged, paths=paths)
        known = replace(known, kept=kept)
    except NotFound:  # of a file that the listing names and the archive does not have: that is told elsewhere
        return None, []
    except InvalidInput as refusal:
        return None, [f"the sample sheet is not used: {refusal}"]
    several = []
    if len(found) > 1:
        names = ", ".join(one.path for one in found[1 : 1 + _NAMED])
        several.append(f"there are several sample sheets: {found[0].path} is used and not {names}; keep one")
    return known, [*known.problems, *several]


def _kept_body(run: SampledRun, path: str) -> bytes:
    try:
        return read_staged(run.version, path, dataset=run.dataset, store=run.store)
    except ObjectNotFound as error:
        msg = (
            f"the sample sheet of {run.version.version_id} has not arrived in the store; if it does not, give it again"
        )
        raise StoreUnavailable(msg, version_id=run.version.version_id) from error


def _waited(run: SampledRun) -> list[GivenSheet]:
    if run.waiting is None or run.dataset.project is None:
        return []
    found = run.waiting.find(run.dataset.project, run=run.look.folder)
    return [GivenSheet(given_path(found.name), {found.name: found.body})] if found else []


def given_path(name: str) -> str:
    """Tell where a sheet of that name is kept. Raises `InvalidInput` for a kind of file that is not taken."""
    ending = name.rpartition(".")[2].lower()
    if ending not in ENDINGS:
        msg = f"'{name[-80:]}' is no kind of file that samples are read from; give one of: {', '.join(ENDINGS)}"
        raise InvalidInput(msg)
    return GIVEN_BEGIN + ending


def _held_against(sheet: SampleSheet, imaged: Collection[Well]) -> tuple[list[str], list[str]]:
    """Compare the wells: those that nobody described are a problem, those that were not imaged are worth a remark."""
    match = match_wells(sheet.wells, imaged)
    if match.not_imaged and len(match.not_imaged) == len(sheet.wells):
        words = f"none of the {len(sheet.wells):,} wells of the sample sheet was imaged, and of the wells that were"
        msg = f"{words} ({name_wells(match.not_described)}) it knows none; is it the sheet of another plate?"
        return [f"{msg} Give the right one"], []
    problems, remarks = [], []
    if match.not_described:
        problems.append(
            f"the sample sheet does not know every well that was imaged; it lacks {len(match.not_described):,}:"
            f" {name_wells(match.not_described)}. Give one that says what is in them"
        )
    if match.not_imaged:
        remarks.append(
            f"{len(match.not_imaged):,} of the {len(sheet.wells):,} wells of the sample sheet were not imaged:"
            f" {name_wells(match.not_imaged)}"
        )
    return problems, remarks


def _files_unknown(sheet: SampleSheet, paths: Collection[str]) -> list[str]:
    known = {*paths, *(path.rpartition("/")[2] for path in paths)}
    named = dict.fromkeys(one.file for one in sheet.samples if one.file is not None)
    unknown = [file for file in named if file not in known and file.removeprefix("./") not in known]
    if not unknown:
        return []
    more = f" and {len(unknown) - _NAMED:,} more" if len(unknown) > _NAMED else ""
    return [f"the sample sheet names files that are not there: {', '.join(unknown[:_NAMED])}{more}"]
