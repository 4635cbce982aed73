"""Compiles arithmetic with numba, free of the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

_P = ParamSpec("_P")
_R = TypeVar("_R")


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Compile at first use; what is compiled is kept on disk for the next process where there is a place for it."""
    try:
        return cast("Callable[_P, _R]", numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # numba finds no folder it may write to: a read-only installation of a user without a home
        return cast("Callable[_P, _R]", numba.njit(nogil=True)(function))
