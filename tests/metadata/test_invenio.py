"""What InvenioRDM is given is valid by its own schemas, and names nothing that it may not have."""

import csv
import json
import os
import subprocess
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from cisterna.domain.credit import Contributor, ContributorRole, Creator
from cisterna.metadata.described import Described
from cisterna.metadata.invenio import invenio_record
from cisterna.metadata.record import MetadataRecord
from tests.metadata.described import NOW, a_derived_record, a_description, a_full_record, a_record, listed
from tests.metadata.strategies import an_orcid, records
from tests.samples import sample

BASE = "https://data.facility.example/ark:/99999/abc"
DOI = "10.5555/abc"
FIXTURES = "fixtures/data/vocabularies"
_LOAD = """
import json, sys
from flask import Flask
from invenio_config import default
from invenio_i18n import InvenioI18N
from invenio_rdm_records import config
from invenio_rdm_records.services.schemas import RDMRecordSchema
from invenio_vocabularies import config as vocabularies
app = Flask("check")
for module in (default, vocabularies, config):
    app.config.update({name: getattr(module, name) for name in dir(module) if name.isupper()})
app.config.update(RDM_NAMESPACES={}, RDM_CUSTOM_FIELDS={})
InvenioI18N(app)
with app.app_context(), app.test_request_context():
    json.dump([RDMRecordSchema().validate(one) for one in json.load(sys.stdin)], sys.stdout, default=str)
"""


def deposit(record: MetadataRecord, **rest: Any) -> Any:
    return invenio_record(Described(record, [listed("data/a.tiff")], base_url=BASE, published_at=NOW, **rest))


@cache
def validator() -> Draft7Validator:
    """Read the schema by which InvenioRDM keeps a record, with the definitions that it refers to."""
    records, shared = "records/jsonschemas/records", "records/jsonschemas"
    names = {
        f"records/{name}": sample("invenio_rdm_records", f"{records}/{name}")
        for name in ("record-v6.0.0.json", "definitions-v2.0.0.json")
    }
    names |= {
        name: sample("invenio_records_resources", f"{shared}/{name}")
        for name in ("definitions-v1.0.0.json", "definitions-v2.0.0.json")
    }
    documents = {f"local://{name}": json.loads(body) for name, body in names.items()}
    resources = [(name, Resource(one, DRAFT7)) for name, one in documents.items()]
    registry: Registry[Any] = Registry().with_resources(resources)
    return Draft7Validator(documents["local://records/record-v6.0.0.json"], registry=registry)


def vocabulary(name: str) -> set[str]:
    body = sample("invenio_rdm_records", f"{FIXTURES}/{name}")
    if name.endswith(".csv"):
        return {one["id"] for one in csv.DictReader(body.decode().splitlines())}
    return {one["id"] for one in yaml.load(body, Loader=yaml.CSafeLoader)}


@settings(max_examples=15, deadline=None)
@given(record=records())
def test_every_record_is_valid_by_the_schema_that_invenio_keeps_it_by(record: MetadataRecord) -> None:
    assert [error.message for error in validator().iter_errors(deposit(record, doi=DOI))] == []


def test_the_schema_would_have_told() -> None:
    wrong = deposit(a_record())
    wrong["metadata"]["title"] = {"en": "no text"}
    wrong["metadata"]["colour"] = "red"

    assert len(list(validator().iter_errors(wrong))) == 2


def test_only_what_every_invenio_has_is_named_by_its_identifier() -> None:
    people = tuple(Contributor(name="Curie, Marie", role=role) for role in ContributorRole)
    said = deposit(a_full_record().model_copy(update={"contributors": people}))["metadata"]

    def ids(name: str, field: str) -> set[str]:
        return {one[field]["id"] for one in said[name] if field in one}

    assert {said["resource_type"]["id"], *ids("related_identifiers", "resource_type")} <= vocabulary(
        "resource_types.yaml"
    )
    assert ids("contributors", "role") <= vocabulary("roles.yaml")
    assert ids("dates", "type") <= vocabulary("date_types.yaml")
    assert ids("additional_descriptions", "type") <= vocabulary("description_types.yaml")
    assert ids("related_identifiers", "relation_type") <= vocabulary("relation_types.yaml")
    assert [list(one) for one in said["subjects"]] == [["subject"]] * len(said["subjects"])
    assert all(list(one["funder"]) == ["name"] for one in said["funding"])
    assert said["languages"] == [{"id": "eng"}]


@pytest.mark.parametrize(
    "licence", ["Apache-2.0", "BSD-3-Clause", "CC-BY-4.0", "CC-BY-NC-4.0", "CC-BY-SA-4.0", "CC0-1.0", "MIT", "ODbL-1.0"]
)
def test_common_licences_are_those_of_invenios_own_list(licence: str) -> None:
    [rights] = deposit(a_record().model_copy(update={"licence": licence}))["metadata"]["rights"]

    assert rights == {"id": licence.lower()}
    assert rights["id"] in vocabulary("licenses.csv")


def test_another_licence_is_told_by_name_and_address() -> None:
    [rights] = deposit(a_record().model_copy(update={"licence": "Zlib"}))["metadata"]["rights"]

    assert rights == {"title": {"en": "Zlib"}, "link": "https://spdx.org/licenses/Zlib"}


@pytest.mark.parametrize(("tag", "code"), [("sv-FI", "swe"), ("zh-Hant", "zho"), ("gsw", "gsw"), ("en", "eng")])
def test_a_language_is_told_in_three_letters(tag: str, code: str) -> None:
    said = deposit(a_record().model_copy(update={"language": tag}))["metadata"]

    assert said["languages"] == [{"id": code}]


def test_a_title_that_is_too_short_for_invenio_gets_the_pid_beside_it() -> None:
    record = a_record(described=a_description(title="A1"))

    assert deposit(record)["metadata"]["title"] == f"A1 ({record.pid})"


def test_a_name_in_one_part_is_kept_whole_and_an_organisation_is_one() -> None:
    record = a_record().model_copy(
        update={
            "creators": (
                Creator(name="Ada Lovelace"),
                Creator(name="Brown University", ror="https://ror.org/05gq02987"),
            )
        }
    )
    person, organisation = (one["person_or_org"] for one in deposit(record)["metadata"]["creators"])

    assert person == {"type": "personal", "family_name": "Ada Lovelace"}
    assert organisation == {
        "type": "organizational",
        "name": "Brown University",
        "identifiers": [{"scheme": "ror", "identifier": "05gq02987"}],
    }


@pytest.mark.parametrize(
    ("number", "scheme"), [(21_825_009, "orcid"), (900_000_000_001, "orcid"), (0, None), (15_000_000 - 1, None)]
)
def test_a_number_that_is_none_of_orcids_is_left_out_since_invenio_would_refuse_the_record(
    number: int, scheme: str | None
) -> None:
    record = a_record().model_copy(update={"creators": (Creator(name="A", orcid=an_orcid(number)),)})
    [creator] = deposit(record)["metadata"]["creators"]

    assert [one["scheme"] for one in creator["person_or_org"].get("identifiers", [])] == ([scheme] if scheme else [])


class Text(HTMLParser):
    """What a browser shows of HTML, a line for each paragraph."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.shown = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self.shown += "\n"

    def handle_data(self, data: str) -> None:
        self.shown += data


def test_a_description_reads_as_it_was_written_where_html_is_expected() -> None:
    hostile = "a < b & c\n<script>alert(1)</script>\n&lt;i&gt;"
    said = deposit(a_record().model_copy(update={"description": hostile}))["metadata"]
    page = Text()
    page.feed(said["description"])

    assert page.tags == {"p"}
    assert page.shown.strip() == hostile


def test_what_is_embargoed_keeps_its_files_back_until_then() -> None:
    access = deposit(a_full_record())["access"]

    assert access["files"] == "restricted"
    assert access["embargo"] == {"active": True, "until": "2027-06-30", "reason": None}
    later = Described(a_full_record(), published_at=datetime(2027, 7, 1, tzinfo=UTC))
    over: Any = invenio_record(later)["access"]
    assert over["embargo"]["active"] is False


def test_a_doi_that_is_registered_elsewhere_stays_what_it_is() -> None:
    assert deposit(a_record(), doi=DOI)["pids"] == {"doi": {"identifier": DOI, "provider": "external"}}
    assert "pids" not in deposit(a_record())


def test_invenios_own_service_schema_takes_every_kind_of_record() -> None:
    python = os.environ.get("CISTERNA_INVENIO_RDM")
    if not python:
        pytest.skip(
            "CISTERNA_INVENIO_RDM names no Python that has invenio-rdm-records: its service schema is NOT asked"
        )
    bare = a_record(project=None, instrument=None, described=None, findings=())
    kinds = (a_record(), a_derived_record(), bare, a_full_record(project=None).model_copy(update={"licence": "Zlib"}))
    documents = [deposit(record, doi=doi) for record in kinds for doi in (None, DOI)]

    done = subprocess.run(
        [python, "-c", _LOAD], input=json.dumps(documents), capture_output=True, text=True, check=False, timeout=55
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [{}] * len(documents)
