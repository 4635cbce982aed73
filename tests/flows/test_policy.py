"""The one place where a step's error decides whether it is tried again, and how runs are named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from prefect.tasks import Task

from cisterna.domain import errors
from cisterna.domain.work import Attempt, Work, WorkKind
from flows import _policy

NOW = datetime(2026, 11, 23, tzinfo=UTC)
WORK = Work(
    work_id="w-1", key="k", kind=WorkKind.INGEST, subject="acq-1", fairness="squid-1", not_before=NOW, created_at=NOW
)


def may_be_retried(error: object) -> bool:
    @_policy.step
    def some_step() -> None:
        """Do nothing."""

    assert isinstance(some_step, Task)
    condition = some_step.retry_condition_fn
    assert condition is not None
    return bool(condition(some_step, None, SimpleNamespace(data=error)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.StoreUnavailable("away"), True),
        (errors.CatalogueUnavailable("away"), True),
        (errors.GateUnavailable("away"), True),
        (errors.LeaseLost("gone"), False),
        (errors.SourceChanged("other bytes"), False),
        (errors.Conflict("raced"), False),
        (RuntimeError("a defect"), False),
        (None, False),
        ("no exception", False),
    ],
    ids=lambda value: getattr(value, "code", str(value)),
)
def test_a_step_is_tried_again_only_when_its_error_says_that_waiting_may_help(error: object, expected: bool) -> None:
    assert may_be_retried(error) is expected


def test_an_attempt_has_one_key_and_another_attempt_another() -> None:
    def attempt(run_id: str) -> Attempt:
        return Attempt(run_id=run_id, work_id="w-1", owner="o", started_at=NOW, expires_at=NOW)

    assert _policy.attempt_key(attempt("r-1")) == _policy.attempt_key(attempt("r-1"))
    assert _policy.attempt_key(attempt("r-1")) != _policy.attempt_key(attempt("r-2"))


def test_a_pool_is_asked_anew_for_the_next_attempt_and_for_the_next_round() -> None:
    again = WORK.model_copy(update={"attempts": 1})

    keys = {_policy.pool_key(work, round_=round_) for work in (WORK, again) for round_ in (0, 1)}

    assert len(keys) == 4


def test_a_pool_is_asked_anew_for_work_that_was_put_back_without_an_attempt_being_counted() -> None:
    later = WORK.model_copy(update={"not_before": NOW + timedelta(minutes=5)})

    assert _policy.pool_key(later, round_=0) != _policy.pool_key(WORK, round_=0)
    assert _policy.pool_key(WORK, round_=0) == _policy.pool_key(WORK, round_=0)


def test_a_run_is_named_for_people_and_tagged_for_searching() -> None:
    second = WORK.model_copy(update={"attempts": 2})

    assert _policy.flow_run_name(WORK, title="plate 7") == "plate 7"
    assert _policy.flow_run_name(second, title="") == "acq-1 (attempt 2)"
    assert _policy.flow_run_tags(WORK) == ["cisterna", "work:w-1", "subject:acq-1", "instrument:squid-1"]
