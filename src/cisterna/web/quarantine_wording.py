"""The words of what is done with data in quarantine; a part of the one table in `wording`."""

from __future__ import annotations

QUARANTINE: dict[str, str] = {
    "quarantine.title": "In quarantine",
    "quarantine.words": "Archived and read back like all data. Nothing of it is published and no model runs on it "
    "before a steward accepts it.",
    "quarantine.reason": "Reason: why the findings do not matter here, or what is wrong",
    "quarantine.accepted": "Accepted although it is {verdict}, by {person}. The project's model may run on it, and its "
    "owner may publish it; nothing of it is published by itself.",
    "quarantine.inside": "Accepted although it is {verdict}, by {person}, for use inside alone. The project's model "
    "may run on it, and nothing of it is published.",
    "act.accept.quarantined": "Accept although quarantined",
    "act.accept.not-assessed": "Accept although not assessed",
    "act.accept.none": "Accept although nothing judged it",
    "recheck.title": "Judge again",
    "recheck.words": "For when the limits were wrong and are mended: what was measured is judged anew, as a revision. "
    "Who asks is its submitter, so somebody else accepts it.",
    "recheck.reason": "Why it is judged again",
    "act.recheck": "Judge again",
    "discard.title": "Discard",
    "discard.open": "Give the data up",
    "discard.words": "For good: nothing opens the review again, and nothing is made of the data or published. A "
    "rejection can be taken back, this cannot. The bytes stay archived until retention lets them go.",
    "discard.public": "It is public: it is withdrawn, and your reason stands on its tombstone for all to read.",
    "discard.confirm": "Type the dataset's name to confirm: {title}",
    "act.discard": "Discard",
    "discarded.alert": "Discarded by {person}:",
    "discarded.words": "Nothing is made of the data or published any more. The bytes stay archived until retention "
    "lets them go.",
    "column.picture": "Picture",
    "queue.picture": "The worst image of {title}",
    "queue.may": "You may accept, reject, ask for changes or discard.",
    "queue.own": "You submitted it: another steward accepts it; you may reject or discard.",
    "queue.others": "Decides: {names}",
    "queue.nobody": "No steward can see it: an administrator has to name one.",
}
"""English, as all of that table."""
