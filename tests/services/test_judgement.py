"""When a run is complete, and what is said of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.acquisition import AcquisitionState, EndReason, Evidence
from cisterna.domain.listing import Obstacle, ObstacleKind
from cisterna.services.judgement import Patience, assess, seconds_to_next_change

PATIENCE = Patience(quiet_seconds=30.0, stalled_seconds=3600.0)
LINK = Obstacle(kind=ObstacleKind.SYMLINK, shown="a", reason="'a': is a link")
WHOLE = Evidence(expects=True, expected_files=24, needs_end_reason=True, end_reason=EndReason.COMPLETED)
W, C, A, P, S = (
    AcquisitionState.WRITING,
    AcquisitionState.COMPLETE,
    AcquisitionState.ABORTED,
    AcquisitionState.PARTIAL,
    AcquisitionState.STALLED,
)


def but(**changes: object) -> Evidence:
    return WHOLE.model_copy(update=changes)


NO_END = but(needs_end_reason=False, end_reason=None)
THREE_MISSING = but(missing=("0/A.tiff", "0/B.tiff", "0/C.tiff"), missing_files=3)
CUT = but(faults=("0/A.tiff ends early",))


@pytest.mark.parametrize(
    ("evidence", "quiet_for", "state", "says"),
    [
        pytest.param(WHOLE, 0.0, C, "all 24 planned files are there", id="all agree: at once"),
        pytest.param(but(markers_missing=(".done",)), 29.0, W, "(.done)", id="no marker: being written"),
        pytest.param(but(markers_missing=(".done",)), 31.0, W, "(.done)", id="no marker: quiet proves nothing"),
        pytest.param(but(markers_missing=(".done",)), 3600.0, S, "for 60 min", id="no marker for long: stalled"),
        pytest.param(NO_END, 29.0, W, "no end reason is known", id="no end reason: quiet window"),
        pytest.param(NO_END, 30.0, C, "left no end reason", id="no end reason, quiet"),
        pytest.param(but(expects=False), 29.0, W, "no plan tells", id="no plan: quiet window"),
        pytest.param(but(expects=False), 30.0, C, "files are there", id="no plan, quiet"),
        pytest.param(THREE_MISSING, 0.0, W, "3 of 24 planned files are missing", id="missing: may be on its way"),
        pytest.param(THREE_MISSING, 30.0, P, "0/A.tiff; 0/B.tiff; 0/C.tiff", id="missing for good"),
        pytest.param(CUT, 29.0, W, "cannot be whole", id="cut off: may be on its way"),
        pytest.param(CUT, 30.0, P, "1 files cannot be whole", id="cut off for good"),
        pytest.param(but(plan_fault="no CSV"), 0.0, W, "no CSV", id="plan unreadable: may be half written"),
        pytest.param(but(plan_fault="no CSV"), 30.0, P, "nobody knows what belongs to it", id="plan unreadable"),
        pytest.param(but(end_reason=None), 3599.0, W, "has not said how", id="run.json says running"),
        pytest.param(but(end_reason=None), 3600.0, S, "has not said how", id="run.json says running for ever"),
        pytest.param(but(end_reason=EndReason.USER_ABORT), 0.0, A, "somebody stopped the run", id="abort"),
        pytest.param(but(end_reason=EndReason.ERROR), 0.0, A, "because of an error", id="error"),
        pytest.param(
            but(end_reason=EndReason.COMPLETED_WITH_ERRORS), 0.0, C, "reported errors", id="errors, nothing missing"
        ),
        pytest.param(
            but(end_reason=EndReason.COMPLETED_WITH_ERRORS, missing_files=2, missing=("x",)),
            30.0,
            P,
            "2 of 24 planned files are missing",
            id="errors and missing",
        ),
        pytest.param(but(settle_seconds=5.0), 4.0, W, "still writes its log", id="log still growing"),
        pytest.param(but(settle_seconds=5.0), 5.0, C, "all 24", id="log at rest"),
        pytest.param(
            but(markers_missing=(".done",), cadence_seconds=7200.0), 3600.0, W, "(.done)", id="time lapse may be silent"
        ),
        pytest.param(
            but(markers_missing=(".done",), cadence_seconds=7200.0), 14400.0, S, "for 4 h", id="too silent a time lapse"
        ),
    ],
)
def test_the_evidence_decides(evidence: Evidence, quiet_for: float, state: AcquisitionState, says: str) -> None:
    judged = assess(evidence, patience=PATIENCE, quiet_for=quiet_for, file_count=30)

    assert judged.state is state
    assert says in judged.reason


def test_an_entry_that_cannot_be_kept_is_never_complete() -> None:
    at_once = assess(WHOLE, patience=PATIENCE, quiet_for=0.0, file_count=30, obstacles=[LINK])
    later = assess(WHOLE, patience=PATIENCE, quiet_for=30.0, file_count=30, obstacles=[LINK])

    assert (at_once.state, later.state) == (W, P)
    assert "is a link" in later.reason


def test_an_empty_folder_is_not_complete_however_quiet() -> None:
    judged = assess(Evidence(), patience=PATIENCE, quiet_for=1e9, file_count=0)

    assert judged.state is S
    assert "still empty" in judged.reason


@pytest.mark.parametrize(
    ("evidence", "state"),
    [
        pytest.param(WHOLE, C, id="whole"),
        pytest.param(NO_END, C, id="no end reason"),
        pytest.param(but(markers_missing=(".done",), end_reason=None), C, id="no marker"),
        pytest.param(THREE_MISSING, P, id="missing"),
        pytest.param(CUT, P, id="cut off"),
        pytest.param(but(plan_fault="no CSV"), P, id="plan unreadable"),
        pytest.param(but(end_reason=EndReason.USER_ABORT), A, id="abort"),
    ],
)
def test_a_folder_brought_by_hand_is_judged_at_once(evidence: Evidence, state: AcquisitionState) -> None:
    judged = assess(evidence, patience=PATIENCE, quiet_for=0.0, file_count=30, claims_finished=True)

    assert judged.state is state


def test_what_changed_after_its_marker_must_be_quiet_before_it_is_believed_again() -> None:
    waiting = assess(WHOLE, patience=PATIENCE, quiet_for=0.0, file_count=30, is_reopened=True)
    quiet = assess(WHOLE, patience=PATIENCE, quiet_for=30.0, file_count=30, is_reopened=True)

    assert waiting.state is W
    assert "changed after it was complete" in waiting.reason
    assert quiet.state is C


evidences = st.builds(
    Evidence,
    markers_missing=st.lists(st.sampled_from([".done", "0/.done"]), max_size=2).map(tuple),
    expects=st.booleans(),
    expected_files=st.none() | st.integers(0, 100),
    missing=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    missing_files=st.integers(0, 100),
    faults=st.lists(st.text(max_size=5), max_size=2).map(tuple),
    needs_end_reason=st.booleans(),
    end_reason=st.none() | st.sampled_from(EndReason),
    plan_fault=st.none() | st.text(max_size=5),
    settle_seconds=st.sampled_from([0.0, 5.0, 100.0]),
    cadence_seconds=st.none() | st.floats(0, 1e6),
    notes=st.lists(st.text(max_size=5), max_size=2).map(tuple),
)
circumstances = st.fixed_dictionaries(
    {
        "quiet_for": st.floats(0, 1e9),
        "file_count": st.integers(0, 100),
        "obstacles": st.sampled_from([(), (LINK,)]),
        "claims_finished": st.booleans(),
        "is_reopened": st.booleans(),
    }
)


@given(evidence=evidences, around=circumstances)
def test_no_evidence_with_something_missing_or_unreadable_is_complete(
    evidence: Evidence, around: dict[str, object]
) -> None:
    judged = assess(evidence, patience=PATIENCE, **around)  # type: ignore[arg-type]

    is_lacking = evidence.missing or evidence.missing_files or evidence.faults or evidence.plan_fault is not None
    stopped = evidence.end_reason in {EndReason.USER_ABORT, EndReason.ERROR}
    if is_lacking or stopped or around["obstacles"] or not around["file_count"]:
        assert judged.state is not C
    assert judged.reason


@given(evidence=evidences, around=circumstances)
def test_silence_changes_nothing_before_the_time_that_is_told(evidence: Evidence, around: dict[str, object]) -> None:
    quiet_for = float(around["quiet_for"])  # type: ignore[arg-type]
    rest = {name: value for name, value in around.items() if name != "quiet_for"}

    ahead = seconds_to_next_change(evidence, patience=PATIENCE, quiet_for=quiet_for)
    later = quiet_for + (ahead if ahead is not None else 1e9) * 0.999

    now = assess(evidence, patience=PATIENCE, quiet_for=quiet_for, **rest)  # type: ignore[arg-type]
    assert assess(evidence, patience=PATIENCE, quiet_for=later, **rest) == now  # type: ignore[arg-type]
