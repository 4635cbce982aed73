"""The dispatcher's turn at a place outside: whatever is due there, one after the other."""

from __future__ import annotations

import structlog

from cisterna.ports.target import Target
from cisterna.services.deposit import DepositSite, carry_next

_log = structlog.get_logger("cisterna.targets")
_ROUND = 100
"""Steps of one turn: a list that is long does not keep the dispatcher from ending."""


def carry_due(target: Target, site: DepositSite) -> int:
    """Carry what is due, and say what came of it; again is harmless, and so is a kill."""
    for done in range(_ROUND):
        wish = carry_next(target, site=site)
        if wish is None:
            return done
        say = _log.info if wish.problem is None else _log.warning
        say(
            f"deposit.{wish.state}",
            version_id=wish.version_id,
            target=wish.target,
            doi=wish.doi,
            attempts=wish.attempts,
            reason=wish.problem,
        )
    return _ROUND
