"""`cisterna retention`: how long datasets are kept, and which have come to their end. Nothing here deletes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cisterna.cli.answer import AsJson, DryRun, ExitCode, Reason, answer, lines, table
from cisterna.cli.config import HomeOption
from cisterna.cli.opened import local_account, local_person, opened
from cisterna.cli.protected import protected, protection_lines
from cisterna.cli.rehearsal import catalogue_for
from cisterna.domain.errors import InvalidInput
from cisterna.domain.protection import Standing
from cisterna.domain.retention import LockMode, RetentionRule
from cisterna.services.retention import find_dataset, list_retentions, list_rules, remove_rule, set_rule

app = typer.Typer(no_args_is_help=True, help="How long datasets are kept, by which rule, and what has come to its end.")

DECIDE = "a named person has to decide on each (cisterna dispose); nothing is deleted by itself"


@app.command("set")
def set_(
    *,
    project: Annotated[str | None, typer.Option("--project", help="Only data of this project.")] = None,
    instrument: Annotated[str | None, typer.Option("--instrument", help="Only what this instrument wrote.")] = None,
    data_type: Annotated[str | None, typer.Option("--data-type", help="Only this type, such as microscopy.")] = None,
    years: Annotated[int | None, typer.Option("--years", help="Keep for so many years.")] = None,
    days: Annotated[int | None, typer.Option("--days", help="Keep for so many days.")] = None,
    forever: Annotated[bool, typer.Option("--forever", help="Keep without an end.")] = False,
    tier: Annotated[str | None, typer.Option("--tier", help="Storage class to move data to, such as GLACIER.")] = None,
    tier_after: Annotated[int | None, typer.Option("--tier-after", help="After so many days.")] = None,
    lock: Annotated[
        LockMode | None,
        typer.Option(
            "--lock", case_sensitive=False, help="Have the stores keep it until the end; COMPLIANCE cannot be undone."
        ),
    ] = None,
    reason: Reason,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """Set a rule; the one that names most of project, instrument and data type wins.

    Time counts from the completion of a dataset's newest version.
    """
    if [years is not None, days is not None, forever].count(True) != 1:
        raise InvalidInput("give exactly one of --years, --days and --forever")
    if (tier is None) != (tier_after is None):
        raise InvalidInput("--tier and --tier-after go together")
    with opened(home) as parts:
        rule = set_rule(
            project=project,
            instrument=instrument,
            data_type=data_type,
            keep_years=years,
            keep_days=days,
            tier=(tier, tier_after) if tier is not None and tier_after is not None else None,
            lock=lock,
            person=local_person(parts),
            reason=reason,
            catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
            clock=parts.clock,
        )
    verb = "would be kept" if dry_run else "is kept"
    text = [f"{rule.matches} {verb} {_keeps(rule)}: {rule.rule_id}"]
    if rule.tier is not None:
        text.append(f"run `cisterna store provision` so that the stores have a rule for {rule.tier.storage_class}")
    answer({**rule.model_dump(mode="json"), "dry_run": dry_run}, as_json=as_json, show=lines(*text))


@app.command()
def remove(
    rule_id: Annotated[str, typer.Argument(metavar="RULE", help="The rule's id, see `cisterna retention list`.")],
    *,
    reason: Reason,
    dry_run: DryRun = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """End a rule; what a store has locked by it stays locked until its date."""
    with opened(home) as parts:
        rule = remove_rule(
            rule_id,
            person=local_person(parts),
            reason=reason,
            catalogue=catalogue_for(parts.catalogue, dry_run=dry_run),
            clock=parts.clock,
        )
    text = f"the rule for {rule.matches} {'would be' if dry_run else 'is'} removed"
    answer({**rule.model_dump(mode="json"), "dry_run": dry_run}, as_json=as_json, show=lines(text))


@app.command("list")
def list_(
    *,
    ended: Annotated[bool, typer.Option("--ended", help="Also those that were removed.")] = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """List the rules, newest first."""
    with opened(home) as parts:
        rules = list_rules(account=local_account(parts), catalogue=parts.catalogue, ended=ended)
    rows = [one.model_dump(mode="json") for one in rules]
    shown = [{**row, "matches": one.matches, "keeps": _keeps(one)} for row, one in zip(rows, rules, strict=True)]
    columns = {"rule_id": "rule", "matches": "for", "keeps": "kept", "person": "by"}
    told = {"reason": "", "ended_by": "removed by", "ended_reason": "removed because"}
    empty = "There is no rule: everything is kept forever."
    answer(rows, as_json=as_json, show=table(shown, columns, told=told, empty=empty))


@app.command()
def due(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also what is still kept, and why.")] = False,
    home: HomeOption = None,
    as_json: AsJson = False,
) -> None:
    """List what has come to its end of life, with its rule and date; a named person has to decide."""
    with opened(home) as parts:
        found = list_retentions(
            account=local_account(parts), catalogue=parts.catalogue, clock=parts.clock, due_only=not everything
        )
    rows: list[dict[str, Any]] = [
        {
            "title": dataset.title,
            "pid": dataset.pid,
            **retention.model_dump(mode="json"),
            "is_due": retention.is_due,
            "reason": retention.words,
        }
        for dataset, retention in found
    ]
    shown = [
        {**row, "ends": f"{one.ends_at:%Y-%m-%d}" if one.ends_at else "never", "why": [d.words for d in one.deferrals]}
        for row, (_, one) in zip(rows, found, strict=True)
    ]
    count = sum(one.is_due for _, one in found)
    said = f"{count} datasets have come to their end of life; {DECIDE}" if count else "nothing has come to its end"
    show = table(
        shown,
        {"dataset_id": "dataset", "ends": "ends"},
        told={"title": "", "reason": "", "why": "not due"},
        empty=said,
    )
    told_at_end = lines(said) if rows else lines()
    answer(
        {"reason": said, "datasets": rows},
        as_json=as_json,
        show=lambda console: (show(console), told_at_end(console))[-1],
    )


@app.command()
def apply(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="A dataset or its PID.")],
    *,
    home: HomeOption = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Have the stores do now what holds and rules ask for one dataset; rounds do it by themselves."""
    with opened(home) as parts:
        with parts.catalogue.begin() as tx:
            dataset = find_dataset(tx, identifier)
            known = tx.protections.of(dataset.dataset_id)
        found = known if dry_run else protected(dataset.dataset_id, parts)
    undone = [aspect for one in found for aspect in one.aspects if aspect.standing is not Standing.DONE]
    reason = undone[0].words if undone else "every store does what is asked of it"
    answer(
        {"reason": reason, "stores": [one.model_dump(mode="json") for one in found], "dry_run": dry_run},
        as_json=as_json,
        show=lines(*protection_lines(found), *([] if found else ["nothing is asked of any store for it"])),
        code=ExitCode.PERSON_NEEDED if undone else ExitCode.DONE,
    )


def _keeps(rule: RetentionRule) -> str:
    words = rule.keeps if rule.is_forever else f"for {rule.keeps}"
    if rule.tier is not None:
        words += f", in {rule.tier.storage_class} after {rule.tier.after_days} days"
    if rule.lock is not None:
        words += f", locked ({rule.lock.value})"
    return words
