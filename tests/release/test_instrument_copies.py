"""What an administrator says of an instrument's copies holds over its projects, and is in the proof of each release."""

from __future__ import annotations

import pytest

from cisterna.domain.account import Role
from cisterna.domain.errors import Forbidden, InvalidInput, ReleaseRefused
from cisterna.domain.instrument import CopyRule, Instrument
from cisterna.domain.project import Policy
from cisterna.domain.release import CopyWord, ReleaseRules, ReleaseState
from cisterna.services.instrument_word import set_copies
from cisterna.services.release_record import DeletionRecord
from cisterna.testing.factory import make_account
from tests.archive.facility import RUN
from tests.release.world import ReleaseWorld


def say(world: ReleaseWorld, rule: CopyRule, store: str | None = None, *, person: str = "root") -> Instrument:
    desk = world.facility.desk
    return set_copies(
        "squid-1",
        rule=rule,
        store=store,
        person=person,
        reason="made again in an hour",
        stores=world.stores,
        catalogue=desk,
        clock=world.facility.clock,
    )


def test_what_was_said_of_the_instrument_holds_over_the_project_and_is_in_the_proof_and_the_record(
    world: ReleaseWorld,
) -> None:
    desk, store = world.facility.desk, world.facility.store.name
    world.stores = (store,)
    with desk.begin() as tx:
        tx.accounts.add(make_account("root", role=Role.ADMIN))
        project = tx.projects.get("cells")
        tx.projects.save(project.model_copy(update={"policy": Policy(release_copy=store)}))
    say(world, CopyRule.SITE)
    with pytest.raises(ReleaseRefused, match=r"copies at 2 stores \(said of instrument squid-1\)"):
        world.announce()
    said = say(world, CopyRule.ONE_COPY, store).copies
    assert said is not None

    done = world.execute(world.announce_and_wait())

    assert done.state is ReleaseState.DONE
    assert done.proof is not None
    by = CopyWord(source="instrument squid-1", person="root", reason="made again in an hour", said_at=said.said_at)
    assert (done.proof.rules.single_copy, done.proof.rules.copies_by) == (store, by)
    record = DeletionRecord.model_validate_json(world.facility.store.get(done.proof.record_key)[0])
    assert ReleaseRules.model_validate(record.rules) == done.proof.rules


def test_a_word_that_is_taken_back_before_the_deletion_stops_it(world: ReleaseWorld) -> None:
    store = world.facility.store.name
    world.stores = (store,)
    with world.facility.desk.begin() as tx:
        tx.accounts.add(make_account("root", role=Role.ADMIN))
    say(world, CopyRule.ONE_COPY, store)
    release = world.announce_and_wait()
    say(world, CopyRule.PROJECT)

    assert world.execute(release).state is ReleaseState.REFUSED
    assert world.files() == RUN


def test_only_an_administrator_says_it_of_a_store_in_use_and_the_declaration_stays_the_same(
    world: ReleaseWorld,
) -> None:
    desk, store = world.facility.desk, world.facility.store.name
    with desk.begin() as tx:
        tx.accounts.add(make_account("root", role=Role.ADMIN))
        tx.accounts.add(make_account("olaf", role=Role.OPERATOR))
        declared = tx.instruments.get("squid-1")
    with pytest.raises(Forbidden):
        say(world, CopyRule.ONE_COPY, store, person="olaf")
    with pytest.raises(InvalidInput, match="no store 'typo' is in use"):
        say(world, CopyRule.ONE_COPY, "typo")
    with pytest.raises(InvalidInput, match="cannot be said"):
        say(world, CopyRule.ONE_COPY)
    with desk.begin() as tx:
        assert tx.instruments.get("squid-1") == declared

    said = say(world, CopyRule.ONE_COPY, store)

    with desk.begin() as tx:
        tx.instruments.add(declared)  # declared once more, as scripts do
        assert tx.instruments.get("squid-1") == said
