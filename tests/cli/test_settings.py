"""What `cisterna.toml` may say, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from cisterna.domain.errors import SettingsInvalid
from cisterna.settings import load_settings

_COPY = """
[[store.copies]]
name = "{name}"
endpoint = "{endpoint}"
access_key_id = "k"
secret_access_key = "hush"
"""


def home(folder: Path, *copies: tuple[str, str]) -> Path:
    """Write the settings of a home whose archive has these copies, each a name and an endpoint."""
    text = "".join(_COPY.format(name=name, endpoint=endpoint) for name, endpoint in copies)
    (folder / "cisterna.toml").write_text(text)
    return folder


def test_each_copy_is_a_store_with_a_name_and_keys_of_its_own(tmp_path: Path) -> None:
    made = home(tmp_path, ("vault", "http://127.0.0.1:1"), ("tape", "http://127.0.0.1:2"))
    settings = load_settings(home=made, environ={})
    assert [(copy.name, copy.endpoint, copy.bucket) for copy in settings.store.copies] == [
        ("vault", "http://127.0.0.1:1", "cisterna-archive"),
        ("tape", "http://127.0.0.1:2", "cisterna-archive"),
    ]
    assert "hush" not in repr(settings)


@pytest.mark.parametrize(
    ("copies", "why"),
    [
        pytest.param([("archive", "http://127.0.0.1:1")], "none `archive`", id="the archive's own name"),
        pytest.param([("public", "http://127.0.0.1:1")], "none `archive`", id="the public bucket's name"),
        pytest.param([("a", "http://h:1"), ("a", "http://h:2")], "each must be another", id="one name twice"),
        pytest.param([("a", "http://h:1"), ("b", "http://h:1/")], "one bucket of one endpoint", id="one place twice"),
        pytest.param([("Tape", "http://h:1")], r"copies\.0\.name", id="not a name"),
    ],
)
def test_copies_that_could_be_mistaken_for_one_another_are_refused(
    tmp_path: Path, copies: list[tuple[str, str]], why: str
) -> None:
    with pytest.raises(SettingsInvalid, match=why) as refused:
        load_settings(home=home(tmp_path, *copies), environ={})
    assert "hush" not in str(refused.value)


def test_a_copy_in_the_archives_own_bucket_is_refused(tmp_path: Path) -> None:
    made = home(tmp_path, ("vault", "http://h:1/"))
    with (made / "cisterna.toml").open("a") as file:
        file.write('[store]\nendpoint = "http://h:1"\n')

    with pytest.raises(SettingsInvalid, match="the archive's own bucket"):
        load_settings(home=made, environ={})
