"""Sums up the spectra of one file as they come, in as much memory as a thousand of them need.

Every metric is defined in `docs/reference/metrics-mass-spectrometry.md`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from cisterna.ports.quality import CURVE_POINTS, Curve

JUMP = 10.0
"""By how many times the ion current has to change from one MS1 spectrum to the next to count as a jump or a fall."""
GAP_INTERVALS = 10.0
"""A silence that is no longer than so many mean intervals between spectra is none."""
_CHARGE_MOST = 100
_FIRST_BIN_SECONDS = 2.0**-10

METRICS = (
    *("spectra", "spectra_declared", "ms1_spectra", "ms2_spectra", "ms3_up_spectra", "level_unknown_spectra"),
    *("light_spectra", "chromatograms", "ms2_per_ms1", "empty_ms1_spectra", "empty_ms2_spectra"),
    *("rt_first_seconds", "rt_last_seconds", "rt_span_seconds", "rt_gap_seconds", "rt_gap_share"),
    *("rt_backward_spectra", "rt_unknown_spectra"),
    *("tic_sum_counts", "tic_ms1_sum_counts", "tic_ms2_sum_counts", "tic_maximum_counts"),
    *("base_peak_maximum_counts", "tic_jumps", "tic_falls", "tic_jump_share"),
    *("tic_stated_share", "tic_decoded_share", "tic_unknown_share"),
    *("mz_lowest", "mz_highest", "precursor_mz_lowest", "precursor_mz_highest"),
    *("charge_1_share", "charge_2_share", "charge_3_share", "charge_4_up_share", "charge_unknown_share", "charge_mean"),
    *("positive_share", "negative_share", "centroid_share", "profile_share"),
    *("mass_accuracy_ppm", "mass_error_mean_ppm", "mass_error_worst_ppm"),
    *("invalid_values", "wrong_arrays", "index_wrong", "checksum_wrong", "is_imaging"),
)
"""Of one file, in the order of the columns of `quality/metrics.parquet`."""


@dataclass(slots=True)
class Spectrum:
    """What one spectrum says of itself, as far as it is measured.

    Attributes:
        points: Numbers in each of its arrays.
        level: 1 for MS1; None where it does not tell.
        tic: Total ion current, as stated or as its peaks add up to.
        is_decoded: Whether `tic` was added up.
        seconds: When its scan began.
        is_light: It is one of electromagnetic radiation, as a diode array gives, and no mass spectrum.
        has_precursor: It names the ion that was fragmented.
    """

    points: int = 0
    level: int | None = None
    tic: float | None = None
    is_decoded: bool = False
    base_peak: float | None = None
    seconds: float | None = None
    is_positive: bool | None = None
    is_centroid: bool | None = None
    is_light: bool = False
    has_precursor: bool = False
    charge: int | None = None


@dataclass(slots=True)
class _Range:
    low: float | None = None
    high: float | None = None

    def take(self, value: float) -> None:
        if self.low is None or value < self.low:
            self.low = value
        if self.high is None or value > self.high:
            self.high = value


@dataclass(slots=True)
class _Bin:
    count: int = 0
    seconds: float = 0.0
    tic: float = 0.0
    base_peak: float | None = None

    def merge(self, other: _Bin) -> None:
        self.count += other.count
        self.seconds += other.seconds
        self.tic += other.tic
        if other.base_peak is not None:
            self.base_peak = other.base_peak if self.base_peak is None else max(self.base_peak, other.base_peak)


class _Chromatogram:
    """A curve over time of at most a thousand points: where there would be more, two bins become one."""

    def __init__(self) -> None:
        self._width = _FIRST_BIN_SECONDS
        self._bins: dict[int, _Bin] = {}

    def take(self, seconds: float, tic: float, base_peak: float | None) -> None:
        self._bins.setdefault(int(seconds // self._width), _Bin()).merge(_Bin(1, seconds, tic, base_peak))
        while len(self._bins) > CURVE_POINTS:
            self._width *= 2
            finer, self._bins = self._bins, {}
            for place in sorted(finer):
                self._bins.setdefault(place // 2, _Bin()).merge(finer[place])

    def curves(self) -> Iterator[Curve]:
        bins = [self._bins[place] for place in sorted(self._bins)]
        if not bins:
            return
        x = tuple(one.seconds / one.count for one in bins)
        yield Curve(name="tic_counts_by_seconds", x=x, y=tuple(one.tic / one.count for one in bins))
        yield Curve(name="base_peak_counts_by_seconds", x=x, y=tuple(one.base_peak for one in bins))


@dataclass(slots=True)
class Tally:
    """The running sums of one file.

    Attributes:
        declared: How many spectra its list of spectra declares.
        chromatograms: How many it holds.
        invalid: Numbers that are none, infinite or negative.
        wrong_arrays: Arrays of another length than declared, or that cannot be decoded.
        accuracy_ppm: What it states of its analyser.
        is_imaging: Its arrays lie in another file, and its spectra have places and no times.
    """

    declared: int | None = None
    chromatograms: int = 0
    invalid: int = 0
    wrong_arrays: int = 0
    accuracy_ppm: float | None = None
    is_imaging: bool = False
    mz: _Range = field(default_factory=_Range)
    precursor_mz: _Range = field(default_factory=_Range)
    _levels: Counter[int | None] = field(default_factory=Counter)
    _light: int = 0
    _empty: Counter[int | None] = field(default_factory=Counter)
    _rt: _Range = field(default_factory=_Range)
    _rt_known: int = 0
    _rt_before: float | None = None
    _rt_gap: float = 0.0
    _rt_backward: int = 0
    _tic: dict[int | None, float] = field(default_factory=dict)
    _tic_maximum: float | None = None
    _tic_stated: int = 0
    _tic_decoded: int = 0
    _base_peak: float | None = None
    _ms1_before: float | None = None
    _ms1_pairs: int = 0
    _jumps: int = 0
    _falls: int = 0
    _charges: Counter[int] = field(default_factory=Counter)
    _polarities: Counter[bool] = field(default_factory=Counter)
    _centroids: Counter[bool] = field(default_factory=Counter)
    _errors: int = 0
    _error_sum: float = 0.0
    _error_worst: float | None = None
    _chromatogram: _Chromatogram = field(default_factory=_Chromatogram)

    def take(self, spectrum: Spectrum) -> None:
        """Take the next spectrum of the file."""
        if spectrum.is_light:
            self._light += 1
            return
        self._levels[spectrum.level] += 1
        if spectrum.points == 0 or spectrum.tic == 0:
            self._empty[spectrum.level] += 1
        if spectrum.is_positive is not None:
            self._polarities[spectrum.is_positive] += 1
        if spectrum.is_centroid is not None:
            self._centroids[spectrum.is_centroid] += 1
        if spectrum.has_precursor and spectrum.level == 2:
            self._charges[spectrum.charge or 0] += 1
        if spectrum.seconds is not None:
            self._take_time(spectrum.seconds)
        self._take_current(spectrum)

    def take_error(self, ppm: float) -> None:
        """Take a mass error that the file states."""
        self._errors += 1
        self._error_sum += abs(ppm)
        self._error_worst = abs(ppm) if self._error_worst is None else max(self._error_worst, abs(ppm))

    def _take_time(self, seconds: float) -> None:
        self._rt_known += 1
        self._rt.take(seconds)
        if self._rt_before is not None:
            if seconds < self._rt_before:
                self._rt_backward += 1
            self._rt_gap = max(self._rt_gap, seconds - self._rt_before)
        self._rt_before = seconds

    def _take_current(self, spectrum: Spectrum) -> None:
        if spectrum.base_peak is not None:
            self._base_peak = max(self._base_peak or 0.0, spectrum.base_peak)
        if spectrum.tic is None:
            return
        self._tic_decoded += spectrum.is_decoded
        self._tic_stated += not spectrum.is_decoded
        self._tic[spectrum.level] = self._tic.get(spectrum.level, 0.0) + spectrum.tic
        self._tic_maximum = max(self._tic_maximum or 0.0, spectrum.tic)
        if spectrum.level != 1:
            return
        if self._ms1_before is not None:
            self._ms1_pairs += 1
            self._jumps += spectrum.tic > JUMP * self._ms1_before
            self._falls += self._ms1_before > JUMP * spectrum.tic
        self._ms1_before = spectrum.tic
        if spectrum.seconds is not None:
            self._chromatogram.take(spectrum.seconds, spectrum.tic, spectrum.base_peak)

    def metrics(self, *, index_wrong: bool | None, checksum_wrong: bool | None) -> dict[str, float | None]:
        """Give every metric of the file by name; None where it has no value."""
        found = {
            **self._counts(),
            **self._times(),
            **self._currents(),
            **self._ions(),
            "mass_accuracy_ppm": self.accuracy_ppm,
            "mass_error_mean_ppm": _ratio(self._error_sum, self._errors),
            "mass_error_worst_ppm": self._error_worst,
            "invalid_values": self.invalid,
            "wrong_arrays": self.wrong_arrays,
            "index_wrong": index_wrong,
            "checksum_wrong": checksum_wrong,
            "is_imaging": self.is_imaging,
        }
        return {name: None if found[name] is None else float(found[name] or 0) for name in METRICS}

    @property
    def _mass_spectra(self) -> int:
        return self._levels.total()

    def _counts(self) -> dict[str, float | None]:
        levels = self._levels
        return {
            "spectra": self._mass_spectra + self._light,
            "spectra_declared": self.declared,
            "ms1_spectra": levels[1],
            "ms2_spectra": levels[2],
            "ms3_up_spectra": sum(count for level, count in levels.items() if level is not None and level > 2),
            "level_unknown_spectra": levels[None],
            "light_spectra": self._light,
            "chromatograms": self.chromatograms,
            "ms2_per_ms1": _ratio(levels[2], levels[1]),
            "empty_ms1_spectra": self._empty[1],
            "empty_ms2_spectra": self._empty[2],
        }

    def _times(self) -> dict[str, float | None]:
        first, last = self._rt.low, self._rt.high
        span = None if first is None or last is None else last - first
        has_gap = span is not None and self._rt_known > 1 and not self._rt_backward
        gap = self._rt_gap if has_gap else None
        share = None
        if gap is not None and span:
            share = gap / span if gap * (self._rt_known - 1) > GAP_INTERVALS * span else 0.0
        return {
            "rt_first_seconds": first,
            "rt_last_seconds": last,
            "rt_span_seconds": span,
            "rt_gap_seconds": gap,
            "rt_gap_share": share,
            "rt_backward_spectra": self._rt_backward if self._rt_known else None,
            "rt_unknown_spectra": self._mass_spectra - self._rt_known,
        }

    def _currents(self) -> dict[str, float | None]:
        known = self._tic_stated + self._tic_decoded
        return {
            "tic_sum_counts": sum(self._tic.values()) if known else None,
            "tic_ms1_sum_counts": self._tic.get(1),
            "tic_ms2_sum_counts": self._tic.get(2),
            "tic_maximum_counts": self._tic_maximum,
            "base_peak_maximum_counts": self._base_peak,
            "tic_jumps": self._jumps if self._ms1_pairs else None,
            "tic_falls": self._falls if self._ms1_pairs else None,
            "tic_jump_share": _ratio(self._jumps + self._falls, self._ms1_pairs),
            "tic_stated_share": _ratio(self._tic_stated, self._mass_spectra),
            "tic_decoded_share": _ratio(self._tic_decoded, self._mass_spectra),
            "tic_unknown_share": _ratio(self._mass_spectra - known, self._mass_spectra),
        }

    def _ions(self) -> dict[str, float | None]:
        charges, precursors = self._charges, self._charges.total()
        known = precursors - charges[0]
        return {
            "mz_lowest": self.mz.low,
            "mz_highest": self.mz.high,
            "precursor_mz_lowest": self.precursor_mz.low,
            "precursor_mz_highest": self.precursor_mz.high,
            "charge_1_share": _ratio(charges[1], precursors),
            "charge_2_share": _ratio(charges[2], precursors),
            "charge_3_share": _ratio(charges[3], precursors),
            "charge_4_up_share": _ratio(known - charges[1] - charges[2] - charges[3], precursors),
            "charge_unknown_share": _ratio(charges[0], precursors),
            "charge_mean": _ratio(sum(charge * count for charge, count in charges.items()), known),
            "positive_share": _ratio(self._polarities[True], self._polarities.total()),
            "negative_share": _ratio(self._polarities[False], self._polarities.total()),
            "centroid_share": _ratio(self._centroids[True], self._centroids.total()),
            "profile_share": _ratio(self._centroids[False], self._centroids.total()),
        }

    def curves(self) -> tuple[Curve, ...]:
        """Give the chromatograms of the MS1 spectra, and how many precursors have which charge (0: unknown)."""
        found = list(self._chromatogram.curves())
        charges = sorted((charge, count) for charge, count in self._charges.items() if count)
        if charges:
            x, y = zip(*((float(charge), float(count)) for charge, count in charges), strict=True)
            found.append(Curve(name="precursors_by_charge", x=x, y=y))
        return tuple(found)


def is_charge(number: int) -> bool:
    """Tell whether an ion can have the charge; 0 is one that nobody knows."""
    return 0 <= number <= _CHARGE_MOST


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
