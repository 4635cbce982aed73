"""The words of the review checklist; a part of the one table in `wording`."""

from __future__ import annotations

CHECKLIST: dict[str, str] = {
    "checklist.title": "Review checklist",
    "checklist.open": "{count} open",
    "checklist.words": "What is looked at before a version may become public. What can be judged is; the rest is yours "
    "to look at. Your answers are kept with whatever you decide, and are never public.",
    "checklist.list": "{title}, version {version}.",
    "checklist.source": "Made after",
    "checklist.so": "I looked: it is so",
    "checklist.advice": "advice",
    "checklist.overrule": "It does not matter here: overrule",
    "checklist.because": "Overruled because",
    "checklist.remark": "Remark",
    "checklist.remark.open": "Add a remark",
    "checklist.field": "Look at: {field}",
    "checklist.unreadable": "The review checklist cannot be judged now, so nothing can be accepted by it:",
    "checklist.go": "The review checklist has {count} open points.",
    "checklist.go.none": "The review checklist has no open point.",
    "checklist.inside": "Accept for use inside alone",
    "checklist.inside.words": "Models may run on it and people may work with it. The checklist is not asked, and it is "
    "not published on this word.",
    "checklist.refused": "Not recorded.",
    "checklist.refused.kept": "What you answered is still below.",
    "checklist.kept": "Checklist {id} {version}: {held} of {count} points hold, {overruled} overruled",
    "checklist.kept.open": "open",
    "checklist.kept.overruled": "overruled",
    "checklist.kept.ticked": "ticked",
    "point.met": "yes",
    "point.unmet": "no",
    "point.asked": "you say",
    "scope.inside": "inside alone",
}
"""English, as all of that table."""
