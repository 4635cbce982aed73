"""Languages, by the tags of BCP 47 (RFC 5646)."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from cisterna.domain.language_code import THREE_LETTERS

_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(?P<extended>(?:-[a-z]{3}){0,3})(?:-(?P<script>[a-z]{4}))?(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
    r"(?P<extensions>(?:-[0-9a-wyz](?:-[a-z0-9]{2,8})+)*)(?P<private>(?:-x(?:-[a-z0-9]{1,8})+)?)"
)
_PAIRS = """
    aa:aar ab:abk ae:ave af:afr ak:aka am:amh an:arg ar:ara as:asm av:ava ay:aym az:aze ba:bak be:bel bg:bul
    bi:bis bm:bam bn:ben bo:bod br:bre bs:bos ca:cat ce:che ch:cha co:cos cr:cre cs:ces cu:chu cv:chv cy:cym
    da:dan de:deu dv:div dz:dzo ee:ewe el:ell en:eng eo:epo es:spa et:est eu:eus fa:fas ff:ful fi:fin fj:fij
    fo:fao fr:fra fy:fry ga:gle gd:gla gl:glg gn:grn gu:guj gv:glv ha:hau he:heb hi:hin ho:hmo hr:hrv ht:hat
    hu:hun hy:hye hz:her ia:ina id:ind ie:ile ig:ibo ii:iii ik:ipk io:ido is:isl it:ita iu:iku ja:jpn jv:jav
    ka:kat kg:kon ki:kik kj:kua kk:kaz kl:kal km:khm kn:kan ko:kor kr:kau ks:kas ku:kur kv:kom kw:cor ky:kir
    la:lat lb:ltz lg:lug li:lim ln:lin lo:lao lt:lit lu:lub lv:lav mg:mlg mh:mah mi:mri mk:mkd ml:mal mn:mon
    mr:mar ms:msa mt:mlt my:mya na:nau nb:nob nd:nde ne:nep ng:ndo nl:nld nn:nno no:nor nr:nbl nv:nav ny:nya
    oc:oci oj:oji om:orm or:ori os:oss pa:pan pi:pli pl:pol ps:pus pt:por qu:que rm:roh rn:run ro:ron ru:rus
    rw:kin sa:san sc:srd sd:snd se:sme sg:sag si:sin sk:slk sl:slv sm:smo sn:sna so:som sq:sqi sr:srp ss:ssw
    st:sot su:sun sv:swe sw:swa ta:tam te:tel tg:tgk th:tha ti:tir tk:tuk tl:tgl tn:tsn to:ton tr:tur ts:tso
    tt:tat tw:twi ty:tah ug:uig uk:ukr ur:urd uz:uzb ve:ven vi:vie vo:vol wa:wln wo:wol xh:xho yi:yid yo:yor
    za:zha zh:zho zu:zul
"""
TWO_AND_THREE = dict(pair.split(":") for pair in _PAIRS.split())
"""Of ISO 639-1 and 639-3, each pair once: a language that has two letters is written with them."""
_TWO_OF_THREE = {three: two for two, three in TWO_AND_THREE.items()}
_LONGEST = 60


def language_tag(text: str) -> str:
    """Return the tag in the usual case, such as `en`, `sv-FI` or `zh-Hant`, and `sv` for `swe`.

    Raises:
        ValueError: It has not the form of a tag, or names no language.
    """
    written = text.strip().replace("_", "-").lower()
    found = _TAG.fullmatch(written) if len(written) <= _LONGEST else None
    language = _TWO_OF_THREE.get(found["language"], found["language"]) if found else ""
    if found is None or not _is_language(language):
        msg = f"'{text[:_LONGEST]}' is not a language tag of BCP 47; write en for English, sv for Swedish, or en-GB"
        raise ValueError(msg)
    script, region = found["script"], found["region"]
    return "".join(
        (
            language,
            found["extended"],
            f"-{script.title()}" if script else "",
            f"-{region.upper()}" if region else "",
            found["variants"],
            found["extensions"],
            found["private"],
        )
    )


def _is_language(code: str) -> bool:
    """Tell whether somebody gave a language that code; those from `qaa` to `qtz` are for whoever needs one."""
    return code in TWO_AND_THREE or code in THREE_LETTERS or (len(code) == 3 and "qaa" <= code <= "qtz")


Language = Annotated[str, AfterValidator(language_tag)]
