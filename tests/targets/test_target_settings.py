"""What a site says of who gives its DOIs: looked at before anything starts, and its password told to nobody."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from cisterna.adapters.target_datacite import DataCiteTarget
from cisterna.bootstrap.targets import open_targets
from cisterna.domain.errors import SettingsInvalid
from cisterna.settings import Settings, load_settings
from cisterna.testing.clock import SettableClock

SAID = {
    "name": "doi",
    "url": "https://api.test.datacite.org",
    "prefix": "10.1234",
    "repository": "ABCD.EFGH",
    "password": "correct horse",
}
SITE = 'public_url = "https://data.facility.example"'


def load(home: Path, *, site: str = SITE, **changes: str) -> Settings:
    lines = [f'{name} = "{value}"' for name, value in (SAID | changes).items()]
    text = "\n".join(["[web]", site, "[[targets.datacite]]", *lines])
    (home / "cisterna.toml").write_text(text, "utf-8")
    return load_settings(home=home, environ={})


def test_a_site_that_names_datacite_has_a_target_that_reserves_dois(tmp_path: Path) -> None:
    settings = load(tmp_path)

    with contextlib.ExitStack() as stack:
        targets = open_targets(settings, stack=stack, clock=SettableClock())

    assert isinstance(targets["doi"], DataCiteTarget)
    assert (targets["doi"].reserves, targets["doi"].title) == (True, "DataCite")
    assert "correct horse" not in repr(settings)
    assert "correct horse" not in settings.model_dump_json()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prefix", "10.12"),
        ("prefix", "10.1234/abc"),
        ("prefix", "11.1234"),
        ("repository", "ABCD"),
        ("repository", "ABCD.EFGH:"),
        ("url", "http://api.datacite.org"),
        ("url", "ftp://api.datacite.org"),
        ("url", "https://user:word@api.datacite.org"),
        ("password", "short"),
        ("name", "DOI"),
    ],
)
def test_a_value_that_is_wrong_is_named_and_no_password_is_shown(tmp_path: Path, field: str, value: str) -> None:
    with pytest.raises(SettingsInvalid, match=rf"targets\.datacite\.0(\.{field})?: ") as refusal:
        load(tmp_path, **{field: value})

    assert "correct horse" not in str(refusal.value)


def test_dois_that_would_lead_to_this_machine_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"web\.public_url is not: DOIs would lead to an address of this machine"):
        load(tmp_path, site="")


@pytest.mark.parametrize("bucket", ["cisterna-archive", "cisterna-public"])
def test_pages_are_not_written_into_a_bucket_of_our_own(tmp_path: Path, bucket: str) -> None:
    keys = 'access_key_id = "k"\nsecret_access_key = "secret-key"\n'
    ours = 'public_access_key_id = "p"\npublic_secret_access_key = "secret-key"\n'
    store = f'[store]\nendpoint = "http://127.0.0.1:1/"\n{keys}{ours}'
    place = f'name = "mirror"\nurl = "https://m.example.org"\nendpoint = "http://127.0.0.1:1"\nbucket = "{bucket}"\n'
    (tmp_path / "cisterna.toml").write_text(f"{store}[[targets.static]]\n{place}{keys}", "utf-8")
    settings = load_settings(home=tmp_path, environ={})

    with contextlib.ExitStack() as stack, pytest.raises(SettingsInvalid, match=f"bucket {bucket}, which is Cisterna"):
        open_targets(settings, stack=stack, clock=SettableClock())


@pytest.mark.parametrize(
    "place",
    [
        'folder = "/srv/packages"\n',
        'endpoint = "https://s3.e.org"\nbucket = "b"\naccess_key_id = "k"\nsecret_access_key = "secret-key"\n',
    ],
)
@pytest.mark.parametrize("kinds", [("static", "static"), ("static", "bia"), ("bia", "bia")])
def test_two_targets_do_not_write_into_one_place(tmp_path: Path, kinds: tuple[str, str], place: str) -> None:
    more = {"static": f'url = "https://m.example.org"\n{place}', "bia": place}
    named = zip(kinds, ("first", "second"), strict=True)
    told = "".join(f'[[targets.{kind}]]\nname = "{name}"\n{more[kind]}' for kind, name in named)
    (tmp_path / "cisterna.toml").write_text(told, "utf-8")
    settings = load_settings(home=tmp_path, environ={})

    with contextlib.ExitStack() as stack, pytest.raises(SettingsInvalid, match="'second' writes where another target"):
        open_targets(settings, stack=stack, clock=SettableClock())
