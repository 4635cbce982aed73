"""The words of the FAIR score; a part of the one table in `wording`."""

from __future__ import annotations

SCORE: dict[str, str] = {
    "score.title": "FAIR score",
    "score.short": "FAIR score {percent} %: {count} points are missing.",
    "score.full": "FAIR score {percent} %: nothing that is asked for is missing.",
    "score.words": "{points} of {of} points of what people, data and site can give. What the software does for every "
    "dataset counts nothing here.",
    "score.letter.F": "Findable",
    "score.letter.A": "Accessible",
    "score.letter.I": "Interoperable",
    "score.letter.R": "Reusable",
    "score.missing": "What is missing, the most points first.",
    "score.missing.count": "What is missing: {count}",
    "score.all": "All that counts: {count} criteria",
    "score.all.caption": "Every criterion, how it stands and which published indicators ask for it.",
    "score.software": "What the software does: {met} of {count}",
    "score.software.caption": "What is done for every dataset, looked at in what would be public of this one.",
    "score.column.asks": "Criterion",
    "score.column.standing": "Standing",
    "score.column.why": "Why",
    "score.column.points": "Points",
    "score.column.remedy": "What to do",
    "score.column.sources": "Indicators",
    "score.say": "cisterna metadata set {id} '{remedy}' --reason …",
    "score.fill": "Fill in: {field}",
    "fair.met": "met",
    "fair.partly": "partly",
    "fair.not-met": "not met",
    "fair.not-assessable": "cannot be told",
    "field.wanted": "not said",
}
