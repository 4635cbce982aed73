"""Languages, by the tags of BCP 47 (RFC 5646)."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(?P<extended>(?:-[a-z]{3}){0,3})(?:-(?P<script>[a-z]{4}))?(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
    r"(?P<extensions>(?:-[0-9a-wyz](?:-[a-z0-9]{2,8})+)*)(?P<private>(?:-x(?:-[a-z0-9]{1,8})+)?)"
)
_TWO_LETTERS = """
    aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es
    et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki
    kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no
    nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te
    tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
"""ISO 639-1: a language that has two letters is written with them."""
_KNOWN = frozenset(_TWO_LETTERS.split())
_LONGEST = 60


def language_tag(text: str) -> str:
    """Return the tag in the usual case, such as `en`, `sv-FI` or `zh-Hant`.

    Raises:
        ValueError: It has not the form of a tag, or begins with two letters that are no language's.
    """
    written = text.strip().replace("_", "-").lower()
    found = _TAG.fullmatch(written) if len(written) <= _LONGEST else None
    if found is None or (len(found["language"]) == 2 and found["language"] not in _KNOWN):
        msg = f"'{text[:_LONGEST]}' is not a language tag of BCP 47; write en for English, sv for Swedish, or en-GB"
        raise ValueError(msg)
    script, region = found["script"], found["region"]
    return "".join(
        (
            found["language"],
            found["extended"],
            f"-{script.title()}" if script else "",
            f"-{region.upper()}" if region else "",
            found["variants"],
            found["extensions"],
            found["private"],
        )
    )


Language = Annotated[str, AfterValidator(language_tag)]
