"""Text that PostgreSQL keeps and does not read: one run that holds it must not keep everybody from every list."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.adapters.catalogue_connection import json_of
from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.errors import InvalidInput
from cisterna.services.overview import Choice, list_overviews
from cisterna.testing.clock import SettableClock
from tests.web.site import Site

_SIGNS = st.text(alphabet=st.sampled_from(["\x00", "\\", "u", "0", '"', "a", "\ufffd", "é"]), max_size=30)


@pytest.mark.parametrize("words", [None, "run"])
def test_a_run_whose_words_hold_nul_is_listed_like_any_other(
    catalogue: SqlCatalogue, clock: SettableClock, words: str | None
) -> None:
    site = Site(catalogue, clock)
    site.settle_people()
    site.lay_acquisition("run-1", reason='stopped by "x\x00y" \\u0000')
    with catalogue.begin() as tx:
        account = tx.accounts.find("root")
    assert account is not None

    (shown,) = list_overviews(Choice(words=words), catalogue=catalogue, bucket="b", account=account, limit=9, offset=0)

    assert shown.reason == 'stopped by "x\ufffdy" \\u0000'
    with catalogue.begin() as tx:
        assert tx.roster.census().acquisitions


@given(text=_SIGNS, name=_SIGNS)
def test_of_what_is_kept_nothing_changes_but_nul(text: str, name: str) -> None:
    kept = json.loads(json_of({name: [text]}))

    assert kept == {name.replace("\x00", "\ufffd"): [text.replace("\x00", "\ufffd")]}


def test_half_a_pair_is_refused(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    site = Site(catalogue, clock)
    site.settle_people()

    with pytest.raises(InvalidInput):
        site.lay_acquisition("run-1", reason="\ud800")
