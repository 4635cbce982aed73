"""The words of the page that finds terms; a part of the one table in `wording`."""

from __future__ import annotations

VOCABULARY: dict[str, str] = {
    "vocabulary.title": "Find a term",
    "vocabulary.lead": "Terms of vocabularies tell machines what data are about. Copy a line into the subjects of a "
    "project, or into the lists of metadata.yaml.",
    "vocabulary.link": "Find a term to copy",
    "vocabulary.words": "Words, or PREFIX:identifier",
    "vocabulary.prefix": "Of which vocabulary",
    "vocabulary.any": "any",
    "vocabulary.search": "Search",
    "vocabulary.found": "Terms found",
    "vocabulary.found.caption": "The nearest first.",
    "vocabulary.none": "No vocabulary here has that. Try other words; an administrator can add the vocabulary.",
    "vocabulary.term": "Line to copy",
    "vocabulary.also": "Also called",
    "vocabulary.from": "From",
    "vocabulary.obsolete": "obsolete",
    "vocabulary.instead": "now {terms}",
    "vocabulary.sources": "Vocabularies here",
    "vocabulary.sources.caption": "What a vocabulary that is here as a whole has not is no term; of the others nobody "
    "can tell.",
    "vocabulary.name": "File or package",
    "vocabulary.released": "As of",
    "vocabulary.terms": "Terms",
    "vocabulary.whole": "Has all of",
    "vocabulary.part": "a part only",
    "vocabulary.uncounted": "not counted",
    "vocabulary.faults": "These files cannot be used:",
    "field.notes": "Worth knowing of what was said",
}
