"""The command line: `cisterna`. Each command parses, calls one service, and answers."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

import typer

from cisterna.cli.answer import ExitCode, code_of, fail
from cisterna.domain.errors import CisternaError


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; errors are reported in the form that was asked for."""
    from cisterna.cli.commands import app

    as_json = "--json" in arguments
    try:
        code = app(arguments, standalone_mode=False, prog_name="cisterna")
    except CisternaError as error:
        return fail(str(error), code=error.code, exit_code=code_of(error), as_json=as_json, facts=error.facts)
    except typer.Abort:
        return fail("stopped by the keyboard", code="stopped", exit_code=ExitCode.FAILED, as_json=as_json)
    except typer.TyperException as error:
        reason = error.format_message() if hasattr(error, "format_message") else str(error)
        return fail(reason, code="usage", exit_code=ExitCode.USAGE, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - whoever reads one JSON document gets one, whatever goes wrong
        traceback.print_exc()
        reason = (
            f"this should not have happened ({type(error).__name__}: {error}); please report it with the lines above"
        )
        return fail(reason, code="unexpected", exit_code=ExitCode.FAILED, as_json=as_json)
    return int(code or 0)
