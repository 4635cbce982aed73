"""The words about places outside; a part of the one table in `wording`."""

from __future__ import annotations

DEPOSIT: dict[str, str] = {
    "deposits.title": "Elsewhere",
    "deposits.words": "Places outside to which this version goes, or went.",
    "deposits.caption": "Places outside, and how far each is",
    "deposits.target": "Place",
    "deposits.state": "How far",
    "deposits.where": "Where",
    "deposits.next": "Tried again from {moment} on",
    "deposits.send": "Send to another place",
    "deposits.send.words": "What is there once may stay there for good: many places give a DOI and delete nothing.",
    "act.deposit": "Send",
    "deposit.wanted": "on its way",
    "deposit.reserved": "DOI reserved",
    "deposit.deposited": "there",
    "deposit.failed": "given up",
    "deposit.withdrawing": "being withdrawn",
    "deposit.withdrawn": "withdrawn",
    "event.deposit.reserved": "DOI reserved at {target}",
    "event.deposit.made": "Sent to {target}",
    "event.deposit.failed": "Given up at {target}",
    "event.deposit.withdrawn": "Withdrawn at {target}",
    "flash.depositing": "It was asked for; this page tells when it is there.",
    "project.targets": "Places outside",
    "project.targets.help": "Names of targets, separated by commas, to which every version goes once it is public.",
    "landing.elsewhere": "Also at",
}
