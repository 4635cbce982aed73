"""One registry holds every form, and each says the same thing every time."""

import pytest

from cisterna.metadata.described import Described
from cisterna.metadata.forms import FORMS, Form, form_for, form_of
from tests.metadata.described import NOW, a_derived_record, a_record, listed

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
