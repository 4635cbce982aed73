"""`cisterna verify-copy`: which of anyone's files are safe in the archive."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cisterna.cli.answer import AsJson, ExitCode, answer, human_bytes, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_account, opened
from cisterna.domain.errors import AlreadyExists, InvalidInput
from cisterna.domain.source_name import logical_path, source_path
from cisterna.services.verify_copy import FoundFile, verify_folder


def verify_copy(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of anybody's files.")],
    *,
    copies: Annotated[
        int | None, typer.Option("--copies", min=1, help="Stores that must hold a file; else as for releases.")
    ] = None,
    list_path: Annotated[
        Path | None,
        typer.Option("--list", metavar="FILE0", help="Write the paths of safe files here, a NUL after each."),
    ] = None,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Digest every file below a folder and say which are safe in the archive; deletes nothing."""
    top = Path(os.path.abspath(folder))  # noqa: PTH100 - a link in the path is to be refused, not followed
    if top == top.parent:
        raise InvalidInput("the root folder is not looked at; give a folder below it", path=str(top))
    if list_path is not None and Path(os.path.abspath(list_path)).is_relative_to(top):  # noqa: PTH100
        raise InvalidInput(f"{list_path} lies in the folder that is looked at; write the list elsewhere")
    with opened(home) as parts:
        found = verify_folder(
            logical_path(os.fsencode(top.name)),
            zone=parts.zone_at(top.parent),
            archived=parts.archived_digests,
            account=local_account(parts),
        )
        wanted = copies or parts.settings.release.copies
    safe = [one for one in found if len(one.stores) >= wanted]
    if list_path is not None:
        _write_list(list_path, [os.fsencode(top) + b"/" + source_path(one.path) for one in safe])
    rows = [
        {**one.model_dump(mode="json"), "is": _is(one, wanted), "size": human_bytes(one.size_bytes)} for one in found
    ]
    code, reason = _sum_up(found, safe, wanted)
    columns = {"is": "archive", "size": "size", "path": "file"}
    told = {"problem": "", "stores": "verified at"}
    shown = [row for row in rows if row["is"] != "safe"]
    answer(
        {"folder": str(top), "reason": reason, "copies": wanted, "files": rows},
        as_json=as_json,
        show=table(shown, columns, told=told, empty=reason),
        code=code,
    )


def _is(file: FoundFile, wanted: int) -> str:
    if file.problem is not None:
        return "could not check"
    return "safe" if len(file.stores) >= wanted else "too few copies" if file.stores else "not archived"


def _sum_up(found: Sequence[FoundFile], safe: Sequence[FoundFile], wanted: int) -> tuple[ExitCode, str]:
    """Nothing looked at is not the same as everything safe."""
    unread = sum(one.problem is not None for one in found)
    said = f"{len(safe)} of {len(found)} files are safe at {wanted} or more stores"
    if not found:
        return ExitCode.COULD_NOT_CHECK, "the folder holds no file, so nothing was checked"
    if unread:
        return ExitCode.COULD_NOT_CHECK, f"{said}, {unread} could not be read"
    return (ExitCode.DONE if len(safe) == len(found) else ExitCode.PERSON_NEEDED), said


def _write_list(path: Path, files: Sequence[bytes]) -> None:
    """Write paths so that `xargs -0` takes them as they are; a file that is there is never overwritten."""
    try:
        with path.open("xb") as file:
            file.writelines(one + b"\0" for one in files)
    except FileExistsError as error:
        raise AlreadyExists(f"{path} is there already; give a path where nothing is", path=str(path)) from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}; give another path", path=str(path)) from error
