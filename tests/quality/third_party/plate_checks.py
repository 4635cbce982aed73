"""A facility's own checks: the number of wells is one that a plate has; and one that answers whatever it is told to."""

from __future__ import annotations

from typing import Any

from great_expectations.expectations.expectation import ColumnAggregateExpectation


class ExpectColumnToBeAPlate(ColumnAggregateExpectation):
    """Expect a number of wells to be that of a plate."""

    metric_dependencies = ("column.max",)
    success_keys = ("formats",)
    formats: Any = (96, 384)

    def _validate(self, metrics: dict[str, Any], **_: Any) -> Any:
        wells = metrics["column.max"]
        return {"success": wells in self.formats, "result": {"observed_value": wells}}


class ExpectColumnToAnswer(ColumnAggregateExpectation):
    """Answer whatever it is told to."""

    metric_dependencies = ("column.max",)
    success_keys = ("answer",)
    answer: Any = None

    def _validate(self, metrics: dict[str, Any], **_: Any) -> Any:
        del metrics
        match self.answer:
            case "raise":
                raise ValueError("the plate is upside down")
            case "exit":
                raise SystemExit(3)
            case "nothing":
                return None
            case "list":
                return [True]
            case "no success":
                return {"result": {}}
            case answer:
                return {"success": answer, "result": {}}


class Stray:
    """No expectation."""
