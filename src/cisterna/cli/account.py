"""`cisterna account`: people who may sign in, and a new password for one who cannot."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cisterna.cli.answer import AsJson, answer, lines, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_account, opened
from cisterna.services.account import set_password

app = typer.Typer(no_args_is_help=True, help="People who may sign in.")


@app.command("list")
def list_(*, home: HomeOption = None, as_json: AsJson = False) -> None:
    """List accounts and their roles."""
    with opened(home) as parts, parts.catalogue.begin() as tx:
        rows = [
            {
                "name": one.name,
                "full_name": one.full_name,
                "roles": [f"{grant.role.value} in {grant.project or 'every project'}" for grant in one.grants],
                "signs_in": one.active and one.password_hash is not None,
            }
            for one in tx.accounts.list()
        ]
    columns = {"name": "name", "full_name": "full name", "roles": "roles", "signs_in": "has a password"}
    answer(rows, as_json=as_json, show=table(rows, columns, empty="There is no account."))


@app.command()
def password(
    name: Annotated[str, typer.Argument(help="The account.")],
    *,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Give an account a password, asked for twice at a terminal or read from stdin; it is never an argument."""
    if sys.stdin.isatty():
        secret = typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        secret = sys.stdin.readline().rstrip("\n")
    with opened(home) as parts:
        set_password(
            name,
            password=secret,
            by=local_account(parts),
            catalogue=parts.catalogue,
            passwords=parts.passwords,
        )
    answer({"name": name, "signs_in": True}, as_json=as_json, show=lines(f"{name} signs in with the new password"))
