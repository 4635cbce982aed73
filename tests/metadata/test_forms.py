"""One registry holds every form, and each says the same thing every time."""

import pytest
from pydantic import ValidationError

from cisterna.domain.credit import Creator
from cisterna.domain.text import LINE_LIMIT, PROSE_LIMIT
from cisterna.metadata.described import Described
from cisterna.metadata.forms import FORMS, Form, form_for, form_of
from cisterna.metadata.record import Given
from tests.metadata.described import NOW, a_derived_record, a_record, listed
from tests.metadata.form_reading import READERS

BASE = "https://data.facility.example/ark:/99999/abc"
every_form = pytest.mark.parametrize("form", FORMS, ids=[form.name for form in FORMS])


def test_names_and_media_types_stand_once() -> None:
    assert len({form.name for form in FORMS}) == len({form.media_type for form in FORMS}) == len(FORMS)


@every_form
def test_a_form_is_found_by_its_name_and_by_its_media_type(form: Form) -> None:
    assert form_of(form.name) is form_for(form.media_type) is form
    assert form.suffix.startswith(".")


def test_what_is_no_form_is_not_found() -> None:
    assert form_of("docx") is form_for("application/json") is None


@every_form
def test_the_same_description_gives_the_same_bytes(form: Form) -> None:
    described = Described(a_derived_record(), files=[listed("data/a.tiff")], base_url=BASE, published_at=NOW)

    assert form.write(described) == form.write(described)


@every_form
@pytest.mark.parametrize("base_url", [None, BASE])
def test_a_description_of_which_nothing_is_known_has_every_form(form: Form, base_url: str | None) -> None:
    bare = a_record(project=None, instrument=None, described=None, findings=())

    assert form.write(Described(bare, base_url=base_url)).decode("utf-8")


HOSTILE = [
    "<script>alert(1)</script>",
    "\x00\x08\x0b\ufffe\uffff",
    "\u202eevil\u2066",
    "]]> <!-- & \" ' -->",
    "}}}{{{ \\end{document} $ % #",
    "\nER  - \n@article{x,",
    "=cmd|' /C calc'!A0",
]
"""What nobody means by a name; some of it no model lets in, which forms do not count on."""


@every_form
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_value_makes_a_form_that_cannot_be_read(form: Form, text: str) -> None:
    creator = Creator.model_construct(name=f"a{text}", orcid=None, affiliation=f"b{text}", ror=None)
    said = {
        "title": f"c{text}",
        "description": text * 20,
        "creators": (creator,),
        "publisher": text,
        "keywords": (text,),
    }
    described = Described(a_record().model_copy(update=said), base_url=BASE, published_at=NOW)

    read = READERS[form.name](form.write(described))

    assert (read.pid, read.digest) == (described.record.pid, described.record.manifest_digest)
    assert len(read.creators) == 1
    assert read.title.startswith("c")


@every_form
def test_the_longest_texts_that_the_model_takes_are_written(form: Form) -> None:
    said = {"title": "t" * LINE_LIMIT, "description": "&" * PROSE_LIMIT, "keywords": ("k" * LINE_LIMIT,) * 200}
    described = Described(a_record().model_copy(update=said), base_url=BASE, published_at=NOW)

    assert READERS[form.name](form.write(described)).title == "t" * LINE_LIMIT


def test_a_text_of_100_kb_never_comes_into_a_record() -> None:
    for field in ("title", "description", "publisher"):
        with pytest.raises(ValidationError, match="at most"):
            Given.model_validate({field: "x" * 100_000})
