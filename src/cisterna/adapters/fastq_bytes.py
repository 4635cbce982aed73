"""The counting on bytes of FASTQ: one sweep, compiled by numba and free of the interpreter's lock, resumed at any byte.

Nothing of a line is kept but running sums, so a line may be of any length. Every definition is written down in
`docs/reference/metrics-sequencing.md`; the tests hold plain Python versions of them against what is here.

What is compiled in stands in this file and in no other: numba keeps compiled code until the file of a function changes,
and would not see a number change elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

_P = ParamSpec("_P")
_R = TypeVar("_R")
Array = NDArray[Any]


class Phase(IntEnum):
    """What the next byte belongs to."""

    RECORD = 0
    NAME = 1
    AFTER_NAME = 2
    BASES = 3
    PLUS = 4
    AFTER_PLUS = 5
    QUALITIES = 6


class Fault(IntEnum):
    """What is wrong with the record that was being read."""

    NONE = 0
    NO_NAME = 1
    BINARY = 2
    BASE = 3
    NO_PLUS = 4
    QUALITY = 5
    TOO_FEW = 6
    TOO_MANY = 7
    BLANK = 8
    RETURN = 9


class At(IntEnum):
    """Places in `Tally.state`."""

    PHASE = 0
    PLACE = 1
    BIN = 2
    BASES = 3
    GC = 4
    UNCALLED = 5
    KMER = 6
    HELD = 7
    RETURN = 8
    QUALITY_SUM = 9
    LAST = 10
    LAST_BUT_ONE = 11
    FAULT = 12
    BYTE = 13
    READS = 14
    EMPTY = 15
    LONGEST = 16
    SHORTEST = 17
    LOWER_CASE = 18
    RETURNS = 19
    BLANK = 20
    DISTINCT = 21
    READS_AT_LIMIT = 22
    ADAPTER = 23
    TRUSEQ = 24
    NEXTERA = 25
    SMALL_RNA = 26
    GC_READS = 27


class Hash(IntEnum):
    """Places in `Tally.hashes`."""

    NAMES = 0
    NAME = 1
    NAME_BEFORE = 2
    NAME_TWO_BEFORE = 3
    BASES = 4


_EXACT, _STEPS, _OCTAVES = 512, 8, 31
_NEVER = 1 << 62
PLACE_EDGES: Array = np.array(
    [*range(_EXACT)]
    + [
        (_EXACT << octave) + step * ((_EXACT << octave) // _STEPS)
        for octave in range(_OCTAVES)
        for step in range(_STEPS)
    ]
    + [_NEVER]
)
"""Where the groups of cycles begin: single ones up to 512, then eights of an octave."""

EXACT_LENGTHS, _LENGTH_STEPS = 1024, 512
LENGTH_EDGES: Array = np.array(
    [*range(EXACT_LENGTHS)]
    + [
        (EXACT_LENGTHS << octave) + step * ((EXACT_LENGTHS << octave) // _LENGTH_STEPS)
        for octave in range(_OCTAVES)
        for step in range(_LENGTH_STEPS)
    ]
)
"""Where the groups of lengths begin: single ones up to 1,024, then parts of a five-hundredth."""

QUALITIES = 94
FIRST_QUALITY = 33
TRACKED = 100_000
"""Sequences that are counted for duplicates: those seen first, as FastQC does."""
TRACKED_BASES = 50
_SLOT_BITS = 18
_SLOTS = 1 << _SLOT_BITS

_NEWLINE, _CR, _TAB, _SPACE, _AT, _PLUS, _SLASH = 10, 13, 9, 32, 64, 43, 47
_OTHER, _LOWER, _INVALID = 4, 8, 16


def _base_codes() -> Array:
    codes = np.full(256, _INVALID, np.uint8)
    for letters, code in (("A", 0), ("C", 1), ("G", 2), ("TU", 3), ("NRYSWKMBDHV", _OTHER)):
        for letter in letters:
            codes[ord(letter)] = code
            codes[ord(letter.lower())] = code | _LOWER
    codes[ord(".")] = _OTHER
    return codes


def _packed(bases: str) -> np.uint64:
    number = 0
    for base in bases:
        number = number << 3 | "ACGT".index(base)
    return np.uint64(number)


_CODES = _base_codes()
_IS_GC: Array = np.array([0, 1, 1, 0, 0], np.int64)
_TRUSEQ, _NEXTERA = _packed("AGATCGGAAGAG"), _packed("CTGTCTCTTATA")
_SMALL_RNA_3, _SMALL_RNA_5 = _packed("TGGAATTCTCGG"), _packed("GATCGTCGGACT")
_THREE, _KMER_MASK, _END_MASK = np.uint64(3), np.uint64((1 << 36) - 1), np.uint64((1 << 9) - 1)
_NO_BASES = 0o444444444444
_ENDS: Array = np.zeros(1 << 9, np.bool_)
"""By the last three bases: whether the last twelve may be an adapter."""
for _adapter in (_TRUSEQ, _NEXTERA, _SMALL_RNA_3, _SMALL_RNA_5):
    _ENDS[int(_adapter & _END_MASK)] = True
_FIRST = np.uintp(FIRST_QUALITY)
_SEED, _PRIME, _MIX = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3), np.uint64(0x9E3779B97F4A7C15)
_SHIFT, _ONE, _TOP, _LAST_SLOT = np.uint64(32), np.uint64(1), np.uint64(64 - _SLOT_BITS), np.uint64(_SLOTS - 1)


class Tally(NamedTuple):
    """Everything that is known of the bytes so far.

    Attributes:
        state: By `At`.
        hashes: By `Hash`.
        sums: Of the reads' shares of G and C, and of their squares.
        quality: Bases by group of cycles and quality.
        called: Bases by group of cycles and what they are: A, C, G, T, anything else.
        lengths: Reads and bases by group of lengths.
        gc: Reads by percent of G and C.
        means: Reads by mean quality.
        tracked: Sequences that are tracked, and how often each was seen.
    """

    state: Array
    hashes: Array
    sums: Array
    quality: Array
    called: Array
    lengths: Array
    gc: Array
    means: Array
    tracked: Array


def new_tally() -> Tally:
    """Begin before the first byte."""
    state = np.zeros(len(At), np.int64)
    state[At.SHORTEST], state[At.KMER], state[At.RETURN] = _NEVER, _NO_BASES, -1
    hashes = np.zeros(len(Hash), np.uint64)
    hashes[Hash.NAMES] = hashes[Hash.BASES] = _SEED
    groups = len(PLACE_EDGES) - 1
    return Tally(
        state=state,
        hashes=hashes,
        sums=np.zeros(2),
        quality=np.zeros((groups, QUALITIES), np.int64),
        called=np.zeros((groups, 5), np.int64),
        lengths=np.zeros((2, len(LENGTH_EDGES)), np.int64),
        gc=np.zeros(101, np.int64),
        means=np.zeros(QUALITIES, np.int64),
        tracked=np.zeros((_SLOTS, 2), np.uint64),
    )


def _compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile at first use; what is compiled is kept on disk for the next process where there is a place for it."""
    try:
        return cast("Callable[_P, _R]", numba.njit(nogil=True, forceinline=True, cache=True)(function))
    except RuntimeError:  # numba finds no folder it may write to: a read-only installation of a user without a home
        return cast("Callable[_P, _R]", numba.njit(nogil=True, forceinline=True)(function))


def count_bytes(tally: Tally, piece: memoryview | bytes) -> bool:
    """Go on with the next bytes; False where a record is at fault, after which nothing more is counted."""
    chunk = np.frombuffer(piece, np.uint8)
    chunk.flags.writeable = False
    return bool(_sweep(chunk, tally))


@_compiled
def _fail(state: Array, fault: int, byte: int) -> int:
    state[At.FAULT], state[At.BYTE] = fault, byte
    return -1


@_compiled
def _begin(chunk: Array, at: int, state: Array, hashes: Array) -> int:
    """Take the first byte of a record, or of an empty line, which only the end of the file may have."""
    byte = int(chunk[at])
    if byte in (_NEWLINE, _CR):
        state[At.BLANK] = 1
    elif state[At.BLANK]:
        return _fail(state, Fault.BLANK, byte)
    elif byte != _AT:
        return _fail(state, Fault.NO_NAME, byte)
    else:
        state[At.PHASE] = Phase.NAME
        state[At.LAST] = state[At.LAST_BUT_ONE] = 0
        hashes[Hash.NAME] = hashes[Hash.NAME_BEFORE] = hashes[Hash.NAME_TWO_BEFORE] = _SEED
    return at + 1


@_compiled
def _name(chunk: Array, at: int, state: Array, hashes: Array) -> int:
    """Fold the name up to the first blank, without the /1 or /2 that tells mates apart, into that of all names."""
    name, before, two_before = hashes[Hash.NAME], hashes[Hash.NAME_BEFORE], hashes[Hash.NAME_TWO_BEFORE]
    last, last_but_one = state[At.LAST], state[At.LAST_BUT_ONE]
    while at < chunk.size:
        byte = int(chunk[at])
        if byte <= _SPACE:
            if byte not in (_NEWLINE, _CR, _TAB, _SPACE):
                return _fail(state, Fault.BINARY, byte)
            if last_but_one == _SLASH and 49 <= last <= 51:
                name = two_before
            hashes[Hash.NAMES] = (hashes[Hash.NAMES] ^ name) * _MIX + _ONE
            state[At.PHASE] = Phase.AFTER_NAME
            return at
        two_before, before = before, name
        name = (name ^ np.uint64(byte)) * _PRIME
        last_but_one, last = last, byte
        at += 1
    hashes[Hash.NAME], hashes[Hash.NAME_BEFORE], hashes[Hash.NAME_TWO_BEFORE] = name, before, two_before
    state[At.LAST], state[At.LAST_BUT_ONE] = last, last_but_one
    return at


@_compiled
def _rest(chunk: Array, at: int, state: Array, after: int) -> int:
    """Pass over the rest of a line."""
    while at < chunk.size:
        byte = int(chunk[at])
        at += 1
        if byte == _NEWLINE:
            state[At.PHASE] = after
            state[At.PLACE] = state[At.BIN] = 0
            state[At.RETURN] = -1
            break
        if byte < _SPACE and byte not in (_TAB, _CR):
            return _fail(state, Fault.BINARY, byte)
    return at


@_compiled
def _plus(chunk: Array, at: int, state: Array) -> int:
    if chunk[at] != _PLUS:
        return _fail(state, Fault.NO_PLUS, int(chunk[at]))
    state[At.PHASE] = Phase.AFTER_PLUS
    return at + 1


@_compiled
def _bases(chunk: Array, at: int, tally: Tally) -> int:
    """Count the bases of a line, or of what is here of it."""
    state = tally.state
    stop, other, lower = at, 0, 0
    while stop < chunk.size and _CODES[chunk[stop]] < _INVALID:
        code = _CODES[chunk[stop]]
        other += code >> 2 & 1
        lower += code >> 3
        stop += 1
    if stop > at and state[At.RETURN] >= 0:
        return _fail(state, Fault.RETURN, _CR)
    _call(chunk, at, stop, tally)
    _find_adapters(chunk, at, stop, state)
    _fold(chunk, at, stop, tally)
    state[At.UNCALLED] += other
    state[At.LOWER_CASE] += lower
    state[At.PLACE] += stop - at
    if stop == chunk.size:
        return stop
    if chunk[stop] == _NEWLINE:
        return _end_of_bases(stop, tally)
    return _return(chunk, stop, state, Fault.BASE)


@_compiled
def _return(chunk: Array, at: int, state: Array, fault: int) -> int:
    """Take a carriage return, which must be the last byte of its line; any other byte is none that belongs there."""
    byte = int(chunk[at])
    if byte != _CR:
        return _fail(state, fault, byte)
    if state[At.RETURN] >= 0:
        return _fail(state, Fault.RETURN, byte)
    state[At.RETURN] = state[At.PLACE]
    return at + 1


@_compiled
def _call(chunk: Array, at: int, stop: int, tally: Tally) -> None:
    """Count bases by where in the read they are; single cycles first, then groups of them."""
    state, called = tally.state, tally.called
    place, group, gc = state[At.PLACE], state[At.BIN], 0
    while at < stop:
        alone = place < _EXACT
        upto = min(stop, at + (_EXACT if alone else PLACE_EDGES[group + 1]) - place)
        index = np.uintp(group)
        for one in range(at, upto):
            code = _CODES[chunk[one]] & 7
            called[index, np.uintp(code)] += 1
            gc += _IS_GC[code]
            index += np.uintp(alone)
        place, at = place + upto - at, upto
        group = place if place <= _EXACT else group + (place >= PLACE_EDGES[group + 1])
    state[At.BIN] = group
    state[At.GC] += gc


@_compiled
def _find_adapters(chunk: Array, at: int, stop: int, state: Array) -> None:
    """Note which adapters end in these bases: 1 TruSeq, 2 Nextera, 4 small RNA."""
    kmer, held = np.uint64(state[At.KMER]), state[At.HELD]
    for one in range(at, stop):
        kmer = kmer << _THREE | np.uint64(_CODES[chunk[one]] & 7)  # what is shifted out is past twelve bases
        if _ENDS[kmer & _END_MASK]:
            last = kmer & _KMER_MASK
            held |= 1 if last == _TRUSEQ else 0
            held |= 2 if last == _NEXTERA else 0
            held |= 4 if last in (_SMALL_RNA_3, _SMALL_RNA_5) else 0
    state[At.KMER], state[At.HELD] = np.int64(kmer & _KMER_MASK), held


@_compiled
def _fold(chunk: Array, at: int, stop: int, tally: Tally) -> None:
    """Fold the bases that tell sequences apart into a number."""
    folded, place = tally.hashes[Hash.BASES], tally.state[At.PLACE]
    for one in range(at, min(stop, at + TRACKED_BASES - place)):
        folded = (folded ^ np.uint64(_CODES[chunk[one]] & 7)) * _PRIME
    tally.hashes[Hash.BASES] = folded


@_compiled
def _end_of_bases(at: int, tally: Tally) -> int:
    state = tally.state
    state[At.RETURNS] += state[At.RETURN] >= 0
    state[At.BASES] = state[At.PLACE]
    state[At.PHASE] = Phase.PLUS
    return at + 1


@_compiled
def _qualities(chunk: Array, at: int, tally: Tally) -> int:
    """Count the qualities of a line, or of what is here of it, and the read with its last byte."""
    state = tally.state
    stop = at
    while stop < chunk.size and FIRST_QUALITY <= chunk[stop] < FIRST_QUALITY + QUALITIES:
        stop += 1
    if stop > at and state[At.RETURN] >= 0:
        return _fail(state, Fault.RETURN, _CR)
    if state[At.PLACE] + stop - at > state[At.BASES]:
        return _fail(state, Fault.TOO_MANY, 0)
    _rate(chunk, at, stop, tally)
    state[At.PLACE] += stop - at
    if stop == chunk.size:
        return stop
    if chunk[stop] != _NEWLINE:
        return _return(chunk, stop, state, Fault.QUALITY)
    if state[At.PLACE] < state[At.BASES]:
        return _fail(state, Fault.TOO_FEW, _NEWLINE)
    state[At.RETURNS] += state[At.RETURN] >= 0
    _end_of_read(tally)
    return stop + 1


@_compiled
def _rate(chunk: Array, at: int, stop: int, tally: Tally) -> None:
    """Count qualities by where in the read they are."""
    state, quality = tally.state, tally.quality
    place, group, total = state[At.PLACE], state[At.BIN], np.int64(0)
    while at < stop:
        alone = place < _EXACT
        upto = min(stop, at + (_EXACT if alone else PLACE_EDGES[group + 1]) - place)
        index = np.uintp(group)
        for one in range(at, upto):
            value = np.uintp(chunk[one]) - _FIRST
            quality[index, value] += 1
            total += np.int64(value)
            index += np.uintp(alone)
        place, at = place + upto - at, upto
        group = place if place <= _EXACT else group + (place >= PLACE_EDGES[group + 1])
    state[At.BIN] = group
    state[At.QUALITY_SUM] += total


@_compiled
def _end_of_read(tally: Tally) -> None:
    """Count a whole read, and be ready for the next."""
    state, length = tally.state, tally.state[At.BASES]
    state[At.READS] += 1
    state[At.EMPTY] += length == 0
    state[At.LONGEST] = max(state[At.LONGEST], length)
    state[At.SHORTEST] = min(state[At.SHORTEST], length)
    group = _length_group(length)
    tally.lengths[0, group] += 1
    tally.lengths[1, group] += length
    if length > 0:
        tally.means[state[At.QUALITY_SUM] // length] += 1
        _track(tally)
    known = length - state[At.UNCALLED]
    if known > 0:
        share = state[At.GC] / known
        state[At.GC_READS] += 1
        tally.gc[int(100 * share + 0.5)] += 1
        tally.sums[0] += share
        tally.sums[1] += share * share
    held = state[At.HELD]
    state[At.ADAPTER] += held > 0
    state[At.TRUSEQ] += held & 1
    state[At.NEXTERA] += held >> 1 & 1
    state[At.SMALL_RNA] += held >> 2
    state[At.PHASE] = Phase.RECORD
    state[At.GC] = state[At.UNCALLED] = state[At.HELD] = state[At.QUALITY_SUM] = 0
    state[At.KMER] = _NO_BASES
    tally.hashes[Hash.BASES] = _SEED


@_compiled
def _length_group(length: int) -> int:
    octave = 0
    while length >> octave >= 2 * EXACT_LENGTHS:
        octave += 1
    if length < EXACT_LENGTHS:
        return length
    step = (length - (EXACT_LENGTHS << octave)) // ((EXACT_LENGTHS << octave) // _LENGTH_STEPS)
    return min(EXACT_LENGTHS + octave * _LENGTH_STEPS + step, LENGTH_EDGES.size - 1)


@_compiled
def _track(tally: Tally) -> None:
    """Count the sequence if it is one of those seen first, or there is still room for it."""
    state = tally.state
    key = (tally.hashes[Hash.BASES] ^ (tally.hashes[Hash.BASES] >> _SHIFT)) * _MIX | _ONE
    slot = key >> _TOP
    while tally.tracked[slot, 0] != key:
        if tally.tracked[slot, 1] == 0:
            if state[At.DISTINCT] == TRACKED:
                return
            state[At.DISTINCT] += 1
            state[At.READS_AT_LIMIT] = state[At.READS] - state[At.EMPTY]
            tally.tracked[slot, 0] = key
            break
        slot = (slot + _ONE) & _LAST_SLOT
    tally.tracked[slot, 1] += _ONE


@_compiled
def _sweep(chunk: Array, tally: Tally) -> bool:
    state, at = tally.state, 0
    while 0 <= at < chunk.size:
        phase = state[At.PHASE]
        if phase == Phase.BASES:
            at = _bases(chunk, at, tally)
        elif phase == Phase.QUALITIES:
            at = _qualities(chunk, at, tally)
        elif phase == Phase.NAME:
            at = _name(chunk, at, state, tally.hashes)
        elif phase == Phase.AFTER_NAME:
            at = _rest(chunk, at, state, Phase.BASES)
        elif phase == Phase.AFTER_PLUS:
            at = _rest(chunk, at, state, Phase.QUALITIES)
        elif phase == Phase.PLUS:
            at = _plus(chunk, at, state)
        else:
            at = _begin(chunk, at, state, tally.hashes)
    return at >= 0
