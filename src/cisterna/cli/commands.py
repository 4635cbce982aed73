"""The tree of commands. A command's module is imported when it is asked for, so that `--help` answers at once."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_group

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter  # Typer carries its own Click and shows it nowhere else


class Place(NamedTuple):
    """Where a command is kept, and what `--help` says of it before it is imported.

    Attributes:
        module: Below `cisterna.cli`.
        name: Of a function, or of the module's own `app` of commands.
        summary: First sentence of its docstring, or the app's help; a test holds them together.
    """

    module: str
    name: str
    summary: str


COMMANDS = {
    "up": Place(
        "up", "up", "Start everything on one machine, on 127.0.0.1, and keep it running until Ctrl-C or SIGTERM."
    ),
    "doctor": Place("doctor", "doctor", "Check every part and name the fix for what fails."),
    "ingest": Place("ingest", "ingest", "Bring in a folder by hand."),
    "adopt": Place("adopt", "app", "Shares with years of runs: look through them, and take them in."),
    "list": Place("dataset", "list_", "List acquisitions and datasets, latest change first."),
    "show": Place("dataset", "show", "Show everything known of one acquisition, dataset or version."),
    "check": Place(
        "check",
        "check",
        "Read archived objects back from every store and compare every digest; never by HEAD or ETag.",
    ),
    "restore": Place("restore", "restore", "Write an object's logical content to a folder, digested as it lands."),
    "rebuild": Place(
        "rebuild",
        "rebuild",
        "Make the catalogue anew from the archive alone, or show that the one there is equals it.",
    ),
    "lineage": Place("dataset", "lineage", "Show where a dataset comes from and what was made from it."),
    "publish": Place(
        "publish", "publish", "Make an accepted version public at the configured targets; returns when it is."
    ),
    "withdraw": Place(
        "publish",
        "withdraw",
        "Take a published version back; its landing page becomes a tombstone and its bytes stay archived.",
    ),
    "deliver": Place(
        "deliver",
        "deliver",
        "Give people or guests data, by an address that expires or as a copy, with a list of digests to check.",
    ),
    "deliveries": Place(
        "deliver", "app", "Who was given data, until when, and what they took; without a command, list it."
    ),
    "usage": Place(
        "usage",
        "usage",
        "Sum up what each project used by month: data archived and in each store, and what was delivered.",
    ),
    "reprocess": Place(
        "publish",
        "reprocess",
        "Process a version again from a stage, with a model, or into a form for viewing; nothing is overwritten.",
    ),
    "alerts": Place(
        "alert", "app", "What should be looked at while instruments still write; without a command, list it."
    ),
    "quality": Place(
        "quality", "app", "The rules that datasets are judged by, and what was found: propose, try, judge anew, report."
    ),
    "metadata": Place("metadata", "app", "What is known of a dataset, and saying what is missing."),
    "vocabulary": Place("vocabulary", "app", "Look terms up in the vocabularies that are here."),
    "review": Place("review", "app", "The review queue, and decisions on it."),
    "release": Place(
        "release",
        "release",
        "List which source copies may go and why the others may not; nothing is deleted without --execute.",
    ),
    "verify-copy": Place(
        "verify_copy",
        "verify_copy",
        "Digest every file below a folder and say which are safe in the archive; deletes nothing.",
    ),
    "erase": Place(
        "erase",
        "erase",
        "Erase a dataset for good: every version, every copy, what was derived from it; only lists without --execute.",
    ),
    "dispose": Place(
        "erase",
        "dispose",
        "Delete a dataset whose end of life has come by a retention rule; only lists without --execute.",
    ),
    "hold": Place("hold", "app", "Data that must not be deleted, and who says so."),
    "retention": Place("retention", "app", "How long datasets are kept, by which rule, and what has come to its end."),
    "instrument": Place("instrument", "app", "Instruments and their landing zones."),
    "project": Place("project", "app", "Projects, and how acquisitions find theirs."),
    "account": Place("account", "app", "People who may sign in."),
    "model": Place("model", "app", "Models that may be run on archived images."),
    "store": Place("store", "app", "Object stores: their buckets, and the rights of their keys."),
    "target": Place("target", "app", "Places outside to which public versions go."),
    "config": Place("config", "app", "Settings, their schema, and exports for other tools."),
}


class LazyGroup(TyperGroup):
    """Commands that are imported one at a time."""

    def list_commands(self, ctx: Context) -> list[str]:
        """Name them in the order in which people meet them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Import one command."""
        del ctx
        place = COMMANDS.get(cmd_name)
        return None if place is None else _load(cmd_name, place)

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Name the nearest command to one that there is not."""
        if args and args[0] not in COMMANDS:
            near = get_close_matches(args[0], COMMANDS, n=1)
            ctx.fail(
                f"there is no command '{args[0]}'; "
                + (f"'{near[0]}' is one, and " if near else "")
                + "--help lists all"
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """List them from the table, without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.summary) for name, place in COMMANDS.items()])


def _load(name: str, place: Place) -> Command:
    found = getattr(import_module(f"cisterna.cli.{place.module}"), place.name)
    holder = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name)(found)
    holder.callback()(_no_options)  # makes it a group even where it holds one command
    return get_group(holder).commands[name]


def _no_options() -> None:
    """Take no options."""


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
    help="Carry what instruments write to checked, described, archived, citable datasets.",
)


app.callback()(_no_options)
