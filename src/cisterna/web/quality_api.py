"""The API of the rules that datasets are judged by: what is in force, a proposal, a trial, and judging anew."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from cisterna.domain.errors import Forbidden, InvalidInput, NotFound, NotReady
from cisterna.ports.quality import SuiteDesk, SuiteInForce, TriedSuite
from cisterna.services.regate import Regated, regate
from cisterna.services.suite_proposal import Proposal, propose_suite
from cisterna.services.suite_trial import SuiteTrial, kept_summaries, read_choice, try_suite
from cisterna.web.parts import WebParts
from cisterna.web.signed import ApiPerson, Parts, Signed

router = APIRouter(prefix="/api/v1/quality", tags=["v1"])

MOST_AT_ONCE = 200
"""Each is judged by the engine while the caller waits: 0.1 s."""


class TrialBody(BaseModel):
    """A suite as its file has it, and the datasets it is tried on: `last:200` or `accepted:200`."""

    model_config = ConfigDict(extra="forbid")

    data_type: str = Field(max_length=63)
    suite: dict[str, Any]
    on: str = Field(default="last:50", max_length=20)


class ProposalBody(BaseModel):
    """From which datasets a suite is proposed."""

    model_config = ConfigDict(extra="forbid")

    data_type: str = Field(max_length=63)
    made_of: str = Field(default="accepted:200", max_length=20)


class RegateBody(BaseModel):
    """Which archived versions are judged anew, and why."""

    model_config = ConfigDict(extra="forbid")

    versions: list[str] = Field(min_length=1, max_length=MOST_AT_ONCE)
    reason: str = Field(min_length=1, max_length=10_000)


@router.get("/suites")
def list_suites(parts: Parts, person: ApiPerson) -> Sequence[SuiteInForce]:
    """List the suites that are in force."""
    del person
    return _desk(parts).listed()


@router.post("/trials")
def try_out(parts: Parts, person: ApiPerson, body: TrialBody) -> SuiteTrial:
    """Show a steward what a suite would have decided on datasets that they may see; changes nothing."""
    _require_steward(person)
    choice = read_choice(body.on)
    if choice.count > MOST_AT_ONCE:
        raise InvalidInput(f"at most {MOST_AT_ONCE} datasets are tried at once; `cisterna quality try` takes more")
    suite = _desk(parts).open(json.dumps(body.suite, indent=2).encode(), data_type=body.data_type)
    _require_known_patterns(suite, parts, body.data_type)
    return try_suite(
        suite,
        data_type=body.data_type,
        choice=choice,
        account=person.account,
        catalogue=parts.catalogue,
        store=parts.store,
    )


@router.post("/proposals")
def propose(parts: Parts, person: ApiPerson, body: ProposalBody) -> Proposal:
    """Propose a suite to a steward from datasets that they may see; nothing is written."""
    _require_steward(person)
    kept, _ = kept_summaries(
        body.data_type,
        choice=read_choice(body.made_of),
        account=person.account,
        catalogue=parts.catalogue,
        store=parts.store,
    )
    return propose_suite(body.data_type, kept, current=_current(parts, body.data_type))


@router.post("/regatings", status_code=202)
def judge_anew(parts: Parts, person: ApiPerson, body: RegateBody) -> Sequence[Regated]:
    """Ask for versions to be judged anew by the suites in force; each that is refused says why."""
    return regate(
        body.versions, account=person.account, reason=body.reason, catalogue=parts.catalogue, clock=parts.clock
    )


def _require_steward(person: Signed) -> None:
    """Refuse who judges no data: the engine, and the archive's summaries, are busy with each of these."""
    if not person.is_steward:
        msg = f"{person.account.name} is no steward of any project; ask one, or an operator, to try a suite"
        raise Forbidden(msg, person=person.account.name)


def _require_known_patterns(suite: TriedSuite, parts: WebParts, data_type: str) -> None:
    """Refuse a pattern that is not in force: one that takes for ever would stop the engine, and with it the gate."""
    current = _current(parts, data_type)
    known = _desk(parts).open(current, data_type=data_type).patterns if current is not None else frozenset()
    if suite.patterns - known:
        msg = (
            "a regex that is not in force is tried by an operator at the terminal (`cisterna quality try`), since one "
            "that takes for ever stops the gate; leave it out here"
        )
        raise InvalidInput(msg, data_type=data_type)


def _current(parts: WebParts, data_type: str) -> bytes | None:
    try:
        return _desk(parts).current(data_type)
    except NotFound:
        return None


def _desk(parts: WebParts) -> SuiteDesk:
    if parts.suites is None:
        raise NotReady("this process was started without a quality gate; start it with one", part="gate")
    return parts.suites
