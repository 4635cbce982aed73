"""What repositories have in common: nothing takes the place of what is known to stand, and refusals name their file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cisterna.domain.deposit import Deposit
from cisterna.domain.errors import TargetRefused
from cisterna.ports.target import ReserveRequest


def says_no_more(what: str, request: ReserveRequest, *, target: str, title: str) -> TargetRefused:
    """Make the refusal of what is known to be ours and was changed there so that it does not say so.

    Args:
        what: It is there, such as `article 12`.
        request: Of the version that it was.
        target: What settings call the repository.
        title: For people.
    """
    msg = f"{what} at {title} says no more that it is {request.pid}; look there, and have it say so again"
    return TargetRefused(msg, target=target)


def require_no_second(known: Deposit | None, request: ReserveRequest, *, doi: str | None, title: str) -> None:
    """Refuse to begin anew what had a DOI of the repository's own and is not found there any more.

    Args:
        known: What is known of the version there.
        request: Of the version.
        doi: The version's own, which it would have again.
        title: Of the repository, for people.

    Raises:
        TargetRefused: Another deposit would be another DOI of the same version.
    """
    if known is None or known.doi is None or known.doi == doi:
        return
    msg = (
        f"{known.outside_id}, which {title} had for {request.pid} {request.version} under {known.doi}, is gone there; "
        "ask its administrators to bring it back. Nothing is put in its place: that would be a second DOI"
    )
    raise TargetRefused(msg, target=known.target)


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Say of which file it is that a repository refuses something.

    Raises:
        TargetRefused: As it was, with the file's path before it.
    """
    try:
        yield
    except TargetRefused as refusal:
        raise TargetRefused(f"{path} does not go there: {refusal}", **refusal.facts) from refusal
