"""The words of the page of an instrument; a part of the one table in `wording`."""

from __future__ import annotations

INSTRUMENT: dict[str, str] = {
    "instrument.rate": "Passed",
    "instrument.rate.days": "of the last {days} days",
    "instrument.rate.of": "{passed} of {judged} judged",
    "instrument.rate.none": "nothing was judged",
    "instrument.rate.waiting": "{count} not judged yet",
    "instrument.rate.words": "Datasets by the verdict of their newest version, by when their runs were first seen; "
    "what could not be assessed did not pass.",
    "instrument.weeks": "By week",
    "instrument.weeks.words": "Datasets of the last 13 weeks by verdict",
    "instrument.week": "{count} in the week from {begins}",
    "instrument.weeks.table": "The numbers",
    "column.week": "Week from",
    "instrument.runs": "Runs",
    "instrument.silent": "Silent",
    "instrument.silent.words": "No run has begun for {quiet}; the longest pause between {runs} runs before was "
    "{longest}.",
    "instrument.usual": "The last run began {quiet} ago; usually one begins every {usual}, with pauses of up to "
    "{longest}.",
    "instrument.writing": "A run is being written; usually one begins every {usual}, with pauses of up to {longest}.",
    "instrument.few": "There are too few runs to say what is usual.",
    "instrument.never": "No run of it was ever seen.",
    "instrument.last": "Last run first seen",
    "instrument.drift": "What has moved",
    "instrument.trend": "Every metric over time",
    "instrument.drift.caption": "The last 7 days against up to 90 days before, of data that passed or were accepted; "
    "from three robust standard deviations on.",
    "instrument.drift.none": "Nothing has moved away from what was usual, as far as enough data tell.",
    "instrument.drift.hidden": "Shown to those who may see all data of the instrument.",
    "column.metric": "Metric",
    "column.channel": "Channel",
    "column.usual": "Usual",
    "column.recent": "Lately",
    "column.moved": "Moved by",
    "instrument.sigmas": "{sigmas} sigma",
    "instrument.failing": "What fails most",
    "instrument.failing.caption": "Checks that did not pass, in the newest 1,000 runs of the last 90 days.",
    "instrument.failing.none": "Every check passed.",
    "column.datasets": "Datasets",
    "column.newest": "The newest of them",
    "instrument.list": "Its datasets",
    "instrument.review": "Waiting for a steward",
    "instrument.shadow": "Shadow mode",
    "instrument.held": "Held",
    "instrument.held.caption": "Its runs that are not archived yet, with the reason.",
    "instrument.held.none": "None of its runs is held.",
    "instrument.alerts.none": "No alert stands.",
}
"""English, as all of that table."""
