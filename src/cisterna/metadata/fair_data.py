"""Judges what the instrument or a derivation left behind, and how the site is set up, for the FAIR score."""

from __future__ import annotations

from cisterna.metadata.fair_criterion import FairSubject, Judgement, met, not_assessable, not_met, partly
from cisterna.metadata.record import MetadataRecord

_IMAGES = {"microscopy", "image_arrays"}
"""Kinds of data of which microscopists want to know how they were imaged."""
_NEARLY_ALL = 0.99
"""Of the bytes: markers and logs beside the data are no reason to call them closed."""


def judge_identifier(subject: FairSubject) -> Judgement:
    """Ask for an identifier that resolves beyond the site."""
    if subject.doi:
        return met(f"the DOI {subject.doi}")
    if subject.record.is_test_pid:
        return not_met(f"{subject.record.pid} is a test ARK, which resolves on this site alone")
    return met(subject.record.pid)


def judge_origin(subject: FairSubject) -> Judgement:
    """Ask how the data came to be: by which instrument and when, or from what."""
    record = subject.record
    if record.derived:
        sources = [one for one in record.relations if one.kind == "IsDerivedFrom"]
        return met(f"made from {sources[0].pid}") if sources else not_met("it is not known what they were made from")
    told = {
        "by which instrument": record.instrument is not None,
        "when": record.dates.acquired_from is not None or record.dates.acquired_to is not None,
    }
    absent = " and ".join(name for name, is_known in told.items() if not is_known)
    if not absent:
        return met("the instrument and the time of the run are known")
    return partly(f"it is not known {absent}") if any(told.values()) else not_met(f"it is not known {absent}")


def judge_tool(subject: FairSubject) -> Judgement:
    """Ask for more of what made the data than its name: an instrument's identifier, a model's version and digest."""
    record = subject.record
    return _model(record) if record.derived else _device(record)


def _model(record: MetadataRecord) -> Judgement:
    model = record.model
    if model is None:
        program = record.software
        return met(f"{program.name} {program.version}") if program else not_met("it is not known which program")
    known = [name for name, value in (("version", model.version), ("digest", model.sha256)) if value]
    words = f"the model's {' and '.join(known)}" if known else ""
    return met(words) if len(known) == 2 else partly(f"{words} alone") if known else not_met("the model's name alone")


def _device(record: MetadataRecord) -> Judgement:
    device = record.instrument
    if device is None:
        return not_met("no instrument is known")
    if device.pid:
        return met(device.pid)
    if device.manufacturer and device.model:
        return partly(f"{device.manufacturer} {device.model}, without an identifier of its own")
    return not_met(f"{device.name}: no identifier, and not both manufacturer and model")


def judge_imaging(subject: FairSubject) -> Judgement:
    """Ask how images were taken, as REMBI does: channels and pixel size at least."""
    record = subject.record
    if record.derived:
        return not_assessable("how images were taken is said of what they were made from")
    if record.data_type not in _IMAGES:
        return not_assessable(f"{record.data_type} is judged by nothing of this kind")
    imaging = record.imaging
    told = {
        "channels": bool(imaging and imaging.channels),
        "pixel size": bool(imaging and imaging.pixel_size_um),
    }
    absent = " and ".join(name for name, is_known in told.items() if not is_known)
    if not absent:
        return met("channels and pixel size are known")
    return (partly if any(told.values()) else not_met)(f"the files do not tell {absent}")


def judge_formats(subject: FairSubject) -> Judgement:
    """Ask for files that programs of others can read, by bytes."""
    found = subject.file_bytes
    if found is None or not found.total_bytes:
        return not_assessable("the list of the data files cannot be read" if found is None else "there are no bytes")
    share = found.open_bytes / found.total_bytes
    words = f"{share:.0%} of the bytes lie in files of a registered, open format"
    return met(words) if share >= _NEARLY_ALL else partly(words) if found.open_bytes else not_met(words)
