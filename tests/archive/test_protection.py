"""Holds and locks reach every object in a real store and are read back; where a store does not act, that is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_bucket import S3Bucket, code_of
from cisterna.adapters.s3_keeper import TIER_TAG, S3ObjectKeeper
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.account import Account, Grant, Role
from cisterna.domain.hold import Hold
from cisterna.domain.protection import Protection, Standing
from cisterna.domain.retention import LockMode, RetentionRule
from cisterna.ports.object_store import ObjectStore
from cisterna.services.hold import lift_hold, place_hold
from cisterna.services.protect import protect_all, protect_dataset
from cisterna.services.retention import CatalogueEndOfLife, remove_rule, set_rule
from cisterna.testing.clock import START
from cisterna.testing.fault_proxy import Answer, Effect, FaultProxy, Request, Rule
from tests.archive.facility import Facility
from tests.archive.vault import Vault
from tests.store_fixtures import SHORT

Keepers = dict[str, S3ObjectKeeper]


@pytest.fixture(scope="module")
def locking(s3_endpoint: S3Access) -> Iterator[S3Bucket]:
    """Give boto3 on a bucket with object lock, which stays: what is locked in it cannot be removed."""
    bucket = S3Bucket(s3_endpoint, bucket="locking", name="raw", patience=SHORT)
    bucket.client.create_bucket(Bucket=bucket.bucket, ObjectLockEnabledForBucket=True)
    yield bucket
    bucket.close()


@pytest.fixture
def new_keeper(s3_endpoint: S3Access) -> Iterator[Callable[..., S3ObjectKeeper]]:
    made: list[S3ObjectKeeper] = []

    def make(bucket: str, *, name: str = "archive", access: S3Access = s3_endpoint) -> S3ObjectKeeper:
        made.append(S3ObjectKeeper(access, bucket=bucket, store=name, patience=SHORT))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def vault(facility: Facility, locking: S3Bucket, s3_endpoint: S3Access, object_store: S3Store) -> Iterator[Vault]:
    """Give an archive in the bucket with object lock, and a mirror in one without."""
    first = S3Store(s3_endpoint, bucket=locking.bucket, name="archive", patience=SHORT)
    second = S3Store(s3_endpoint, bucket=object_store.bucket, name="mirror", patience=SHORT)
    with facility.catalogue.begin() as tx:
        for name, role in (("sten", Role.STEWARD), ("ada", Role.ADMIN)):
            tx.accounts.add(Account(name=name, grants=(Grant(role=role),), created_at=START))
    yield Vault(facility, first, second)
    first.close()
    second.close()


@pytest.fixture
def keepers(locking: S3Bucket, object_store: S3Store, new_keeper: Callable[..., S3ObjectKeeper]) -> Keepers:
    return {"archive": new_keeper(locking.bucket), "mirror": new_keeper(object_store.bucket, name="mirror")}


@pytest.fixture
def proxied(
    seaweedfs: EmbeddedSeaweedFS,
    s3_endpoint: S3Access,
    locking: S3Bucket,
    new_keeper: Callable[..., S3ObjectKeeper],
) -> Iterator[tuple[FaultProxy, S3ObjectKeeper]]:
    """Give a keeper of the bucket with object lock, and the proxy that it goes through."""
    with FaultProxy(seaweedfs.endpoint) as proxy:
        yield proxy, new_keeper(locking.bucket, access=s3_endpoint.model_copy(update={"endpoint": proxy.url}))


def stores(vault: Vault) -> dict[str, ObjectStore]:
    return {"archive": vault.first, "mirror": vault.second}


def round_of(vault: Vault, keepers: Keepers) -> list[Protection]:
    """Take a round."""
    return list(
        protect_all(
            keepers=keepers, stores=stores(vault), catalogue=vault.facility.catalogue, clock=vault.facility.clock
        )
    )


def hold(vault: Vault, target: str) -> Hold:
    facility = vault.facility
    return place_hold(
        target, person="sten", reason="court", catalogue=facility.catalogue, clock=facility.clock, legal=True
    )


def lift(vault: Vault, held: Hold) -> None:
    facility = vault.facility
    lift_hold(held.hold_id, person="sten", reason="over", catalogue=facility.catalogue, clock=facility.clock)


def rule(vault: Vault, **fields: Any) -> RetentionRule:
    said: dict[str, Any] = {
        "project": None,
        "instrument": None,
        "data_type": None,
        "keep_years": None,
        "keep_days": None,
        "tier": None,
        "lock": None,
        "person": "ada",
        "reason": "policy 7",
    }
    facility = vault.facility
    return set_rule(**{**said, **fields}, catalogue=facility.catalogue, clock=facility.clock)


def versions(vault: Vault, raw: S3Bucket, dataset_id: str) -> list[tuple[str, str]]:
    """Give every version of every key of an object, as the store lists them."""
    pages = raw.client.get_paginator("list_object_versions").paginate(
        Bucket=raw.bucket, Prefix=f"{vault.root(dataset_id)}/"
    )
    return [(one["Key"], one["VersionId"]) for page in pages for one in page.get("Versions", [])]


def deletable(raw: S3Bucket, one: tuple[str, str]) -> bool:
    """Try to delete a version for good, with the right to bypass governance, as the store's own administrator."""
    try:
        raw.client.delete_object(Bucket=raw.bucket, Key=one[0], VersionId=one[1], BypassGovernanceRetention=True)
    except raw.client.exceptions.ClientError as error:
        if code_of(error) != "AccessDenied":
            raise
        return False
    return True


def standings(found: list[Protection], what: str = "hold") -> dict[str, Standing | None]:
    return {one.store: aspect.standing if (aspect := getattr(one, what)) else None for one in found}


def test_a_legal_hold_is_on_every_object_and_the_store_refuses_its_deletion(
    vault: Vault, keepers: Keepers, locking: S3Bucket
) -> None:
    dataset = vault.archive("held-1", a=b"alpha", b=b"beta")
    hold(vault, dataset)

    archive, _ = round_of(vault, keepers)

    every = versions(vault, locking, dataset)
    assert (archive.objects, archive.hold and archive.hold.standing) == (len(every), Standing.DONE)
    assert not any(deletable(locking, one) for one in every)
    assert archive.hold is not None
    assert "refused to delete" in archive.hold.words


def test_a_legal_hold_and_a_lock_on_a_whole_reach_every_part_and_go_with_it(
    vault: Vault, keepers: Keepers, locking: S3Bucket
) -> None:
    vault.facility.most_files = 2
    whole = vault.archive("held-in-parts", a=b"alpha", b=b"beta", c=b"gamma")
    parts = [part.dataset_id for part in vault.facility.parts(f"{whole}:v1")]
    held = hold(vault, whole)

    asked = round_of(vault, keepers)

    of_archive = {one.dataset_id: one for one in asked if one.store == "archive"}
    assert of_archive.keys() == {whole, *parts}
    for dataset in (whole, *parts):
        told = of_archive[dataset].hold
        assert told is not None
        assert told.standing is Standing.DONE
        assert not any(deletable(locking, one) for one in versions(vault, locking, dataset))
    lift(vault, held)
    round_of(vault, keepers)
    for part in parts:
        assert all(deletable(locking, one) for one in versions(vault, locking, part))


def test_where_the_store_has_no_lock_it_is_said_plainly_and_our_own_hold_stands(vault: Vault, keepers: Keepers) -> None:
    dataset = vault.archive("held-2", a=b"alpha")
    vault.copy(dataset)
    rule(vault, keep_days=1)
    hold(vault, dataset)

    _, mirror = round_of(vault, keepers)

    assert mirror.hold is not None
    assert mirror.hold.standing is Standing.NOT_ENFORCED
    assert "mirror does not enforce it" in mirror.hold.words
    assert "our own hold stands" in mirror.hold.words
    clock = vault.facility.clock
    clock.advance(timedelta(days=9))
    assert CatalogueEndOfLife(catalogue=vault.facility.catalogue, clock=clock).due(dataset) is None


def test_a_copy_that_is_not_there_yet_waits(vault: Vault, keepers: Keepers) -> None:
    hold(vault, vault.archive("held-3", a=b"alpha"))

    assert standings(round_of(vault, keepers)) == {"archive": Standing.DONE, "mirror": Standing.WAITING}


def test_what_is_archived_after_the_hold_is_held_by_the_next_round(
    vault: Vault, keepers: Keepers, locking: S3Bucket
) -> None:
    dataset = vault.archive("held-4", a=b"alpha")
    hold(vault, dataset)
    round_of(vault, keepers)
    assert round_of(vault, keepers) == []  # nothing changed, so no store is asked

    vault.facility.write("held-4", {"c.txt": b"gamma"})
    vault.facility.ingest(vault.facility.detect("held-4", number=2).version_id)
    again = round_of(vault, keepers)

    assert standings(again)["archive"] is Standing.DONE
    every = versions(vault, locking, dataset)
    assert len(every) > len(dict(every))  # also what the new version replaced
    assert not any(deletable(locking, one) for one in every)


def test_lifting_the_last_legal_hold_frees_every_object_and_lifting_one_of_two_frees_none(
    vault: Vault, keepers: Keepers, locking: S3Bucket
) -> None:
    dataset = vault.archive("held-5", a=b"alpha")
    first, second = hold(vault, dataset), hold(vault, "cells")
    round_of(vault, keepers)

    lift(vault, first)
    round_of(vault, keepers)
    assert not any(deletable(locking, one) for one in versions(vault, locking, dataset))

    lift(vault, second)
    freed = round_of(vault, keepers)

    assert standings(freed)["archive"] is Standing.DONE
    assert all(deletable(locking, one) for one in versions(vault, locking, dataset))


def test_a_hold_that_is_no_legal_one_asks_nothing_of_any_store(vault: Vault, keepers: Keepers) -> None:
    dataset = vault.archive("held-6", a=b"alpha")
    place_hold(
        dataset,
        person="sten",
        reason="paper",
        catalogue=vault.facility.catalogue,
        clock=vault.facility.clock,
    )

    assert round_of(vault, keepers) == []


def test_a_round_that_was_cut_short_is_gone_on_with_and_its_wish_was_on_record(
    vault: Vault, locking: S3Bucket, keepers: Keepers, new_keeper: Callable[..., S3ObjectKeeper]
) -> None:
    dataset = vault.archive("held-7", a=b"alpha", b=b"beta", c=b"gamma")
    held = hold(vault, dataset)

    class Killed(BaseException):
        pass

    cut = new_keeper(locking.bucket)
    placed: list[str] = []
    set_hold = cut.set_legal_hold

    def some(one: Any, *, on: bool) -> None:
        placed.append(one.key)
        if len(placed) > 3:  # several threads at once, and none of them goes on
            raise Killed
        set_hold(one, on=on)

    cut.set_legal_hold = some  # type: ignore[method-assign]  # the process dies after three objects
    with pytest.raises(Killed):
        round_of(vault, {**keepers, "archive": cut})
    with vault.facility.catalogue.begin() as tx:
        known = tx.protections.find(dataset, "archive")
    assert known is not None
    assert known.wanted.legal_hold
    assert known.hold is not None
    assert known.hold.standing is Standing.WAITING

    lift(vault, held)  # before any round came to its end: what was set is on record, and is taken back
    round_of(vault, keepers)

    assert all(deletable(locking, one) for one in versions(vault, locking, dataset))


def test_a_store_that_is_away_is_asked_again(
    vault: Vault, keepers: Keepers, proxied: tuple[FaultProxy, S3ObjectKeeper]
) -> None:
    hold(vault, vault.archive("held-8", a=b"alpha"))
    proxy, away = proxied
    proxy.add(Rule(Effect.ANSWER, status=503, times=10_000))
    assert standings(round_of(vault, {**keepers, "archive": away}))["archive"] is Standing.WAITING

    assert round_of(vault, keepers) == []  # not at once again
    vault.facility.clock.advance(timedelta(minutes=11))

    assert standings(round_of(vault, keepers))["archive"] is Standing.DONE


@pytest.mark.parametrize("mode", list(LockMode))
def test_a_lock_lasts_until_the_end_of_keeping_and_is_only_made_longer(
    vault: Vault, keepers: Keepers, locking: S3Bucket, mode: LockMode
) -> None:
    dataset = vault.archive(f"locked-{mode.value.lower()}", a=b"alpha")
    clock = vault.facility.clock
    # The store goes by its own clock: the rule's days are those from this test's time to well after today's.
    rule(vault, keep_days=36_500, lock=mode)

    archive, _ = round_of(vault, keepers)

    assert archive.lock is not None
    assert archive.lock.standing is Standing.DONE, archive.lock.words
    with vault.facility.catalogue.begin() as tx:
        ends_at = tx.datasets.versions(dataset)[0].created_at + timedelta(days=36_500)
    assert archive.locked_until is not None
    assert timedelta() <= archive.locked_until - ends_at < timedelta(seconds=1)
    said = locking.client.get_object_retention(Bucket=locking.bucket, Key=versions(vault, locking, dataset)[0][0])
    assert said["Retention"]["Mode"] == mode
    if mode is LockMode.COMPLIANCE:
        assert not any(deletable(locking, one) for one in versions(vault, locking, dataset))
    deferrals = CatalogueEndOfLife(catalogue=vault.facility.catalogue, clock=clock).judge(dataset).deferrals
    assert "lock" in {one.condition for one in deferrals}


def test_what_was_written_before_the_bucket_kept_versions_is_not_said_to_be_held(
    vault: Vault, s3_endpoint: S3Access, new_keeper: Callable[..., S3ObjectKeeper]
) -> None:
    """SeaweedFS answers 200 to a hold on such an object, keeps none, and deletes it."""
    late = S3Store(s3_endpoint, bucket="locking-late", name="archive", patience=SHORT)
    late.create_bucket()
    vault.first = vault.facility.store = late
    dataset = vault.archive("held-9", a=b"alpha")
    client = late.control._bucket.client
    client.put_bucket_versioning(Bucket=late.bucket, VersioningConfiguration={"Status": "Enabled"})
    client.put_object_lock_configuration(Bucket=late.bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    hold(vault, dataset)

    (archive,) = round_of(vault, {"archive": new_keeper(late.bucket)})
    late.close()

    assert archive.hold is not None
    assert archive.hold.standing is Standing.NOT_ENFORCED
    assert "before the bucket kept versions" in archive.hold.words


def test_a_store_that_says_a_hold_and_deletes_all_the_same_is_found_out(
    vault: Vault, locking: S3Bucket, proxied: tuple[FaultProxy, S3ObjectKeeper]
) -> None:
    hold(vault, vault.archive("held-10", a=b"alpha"))
    proxy, lying = proxied
    proxy.tamper = _deletes_whatever_is_asked

    (archive,) = round_of(vault, {"archive": lying})

    assert archive.hold is not None
    assert archive.hold.standing is Standing.NOT_ENFORCED
    assert "it deleted an object of ours that was held" in archive.hold.words


def test_keys_that_may_delete_no_version_prove_no_enforcement(
    vault: Vault, locking: S3Bucket, proxied: tuple[FaultProxy, S3ObjectKeeper]
) -> None:
    hold(vault, vault.archive("held-11", a=b"alpha"))
    proxy, few = proxied
    is_deletion = Rule(
        Effect.ANSWER,
        status=403,
        code="AccessDenied",
        times=100,
        when=lambda one: one.method == "DELETE" and "versionId" in one.query,
    )
    proxy.add(is_deletion)

    (archive,) = round_of(vault, {"archive": few})

    assert archive.hold is not None
    assert archive.hold.standing is Standing.DONE
    assert "could not be tried" in archive.hold.words


def test_keys_that_may_not_hold_leave_it_waiting_and_say_so(
    vault: Vault, locking: S3Bucket, proxied: tuple[FaultProxy, S3ObjectKeeper]
) -> None:
    hold(vault, vault.archive("held-12", a=b"alpha"))
    proxy, few = proxied
    proxy.add(
        Rule(
            Effect.ANSWER,
            status=403,
            code="AccessDenied",
            times=1000,
            when=lambda one: one.method == "PUT" and "legal-hold" in one.query,
        )
    )

    (archive,) = round_of(vault, {"archive": few})

    assert archive.hold is not None
    assert archive.hold.standing is Standing.WAITING
    assert "these keys may not set a legal hold" in archive.hold.words


def test_without_a_lifecycle_rule_nothing_is_marked_and_that_is_said(
    vault: Vault, keepers: Keepers, locking: S3Bucket
) -> None:
    dataset = vault.archive("tier-1", a=b"alpha")
    rule(vault, tier=("GLACIER", 0))

    archive, _ = round_of(vault, keepers)

    assert archive.tier is not None
    assert archive.tier.standing is Standing.NOT_ENFORCED
    assert "cisterna store provision" in archive.tier.words
    assert set(tags(vault, locking, dataset).values()) == {None}


def test_where_the_store_moves_what_is_marked_the_data_are_marked_and_nothing_of_ours(
    vault: Vault, locking: S3Bucket, proxied: tuple[FaultProxy, S3ObjectKeeper]
) -> None:
    """SeaweedFS keeps tags and has no transitions, so the lifecycle rule alone is told by the proxy."""
    dataset = vault.archive("tier-2", a=b"alpha", b=b"beta")
    key = vault.key_of(dataset, b"alpha")
    others = [{"Key": "lab", "Value": "7"}]
    locking.client.put_object_tagging(Bucket=locking.bucket, Key=key, Tagging={"TagSet": others})
    rule(vault, tier=("GLACIER", 30))
    proxy, moving = proxied
    proxy.tamper = _has_our_lifecycle_rule
    assert round_of(vault, {"archive": moving}) == []  # it is not time yet
    vault.facility.clock.advance(timedelta(days=31))

    (archive,) = round_of(vault, {"archive": moving})

    assert archive.tier is not None
    assert archive.tier.standing is Standing.DONE, archive.tier.words
    marked = {one for one, mark in tags(vault, locking, dataset).items() if mark == "GLACIER"}
    assert marked == {key, vault.key_of(dataset, b"beta")}
    kept = locking.client.get_object_tagging(Bucket=locking.bucket, Key=key)["TagSet"]
    assert {"Key": "lab", "Value": "7"} in kept


def tiered(vault: Vault, moving: S3ObjectKeeper, name: str) -> tuple[str, RetentionRule]:
    """Archive data that a rule has marked for another tier, beside a tag of somebody else."""
    dataset = vault.archive(name, a=b"alpha", b=b"beta")
    kept = rule(vault, tier=("GLACIER", 0))
    (archive,) = round_of(vault, {"archive": moving})
    assert archive.tier is not None
    assert archive.tier.standing is Standing.DONE, archive.tier.words
    return dataset, kept


def end(vault: Vault, kept: RetentionRule) -> None:
    facility = vault.facility
    remove_rule(kept.rule_id, person="ada", reason="too far away", catalogue=facility.catalogue, clock=facility.clock)


def test_a_rule_that_no_longer_applies_takes_its_mark_back_and_leaves_the_tags_of_others(
    vault: Vault, locking: S3Bucket, proxied: tuple[FaultProxy, S3ObjectKeeper]
) -> None:
    proxy, moving = proxied
    proxy.tamper = _has_our_lifecycle_rule
    dataset, kept = tiered(vault, moving, "tier-3")
    key = vault.key_of(dataset, b"alpha")
    said = locking.client.get_object_tagging(Bucket=locking.bucket, Key=key)["TagSet"]
    others = [*said, {"Key": "lab", "Value": "7"}]
    locking.client.put_object_tagging(Bucket=locking.bucket, Key=key, Tagging={"TagSet": others})  # type: ignore[typeddict-item]
    end(vault, kept)

    (archive,) = round_of(vault, {"archive": moving})

    assert archive.tier is not None
    assert archive.tier.standing is Standing.DONE
    assert "no mark for a tier is on any of 2 data files, read back" in archive.tier.words
    assert set(tags(vault, locking, dataset).values()) == {None}
    assert locking.client.get_object_tagging(Bucket=locking.bucket, Key=key)["TagSet"] == [{"Key": "lab", "Value": "7"}]
    vault.facility.clock.advance(timedelta(days=2))
    asks = Rule(Effect.ANSWER, status=500, times=1, when=lambda one: "tagging" in one.query)
    proxy.add(asks)
    (again,) = round_of(vault, {"archive": moving})
    assert (again.tier, asks.seen) == (archive.tier, 0)  # it is told on, and no store is asked for tags again


def test_a_mark_that_cannot_be_taken_back_now_waits_and_is_taken_back_later(
    vault: Vault, locking: S3Bucket, proxied: tuple[FaultProxy, S3ObjectKeeper]
) -> None:
    proxy, moving = proxied
    proxy.tamper = _has_our_lifecycle_rule
    dataset, kept = tiered(vault, moving, "tier-4")
    end(vault, kept)
    refused = Rule(
        Effect.ANSWER,
        status=403,
        code="AccessDenied",
        times=2,
        when=lambda one: one.method == "PUT" and "tagging" in one.query,
    )
    proxy.add(refused)

    (waiting,) = round_of(vault, {"archive": moving})

    assert waiting.tier is not None
    assert waiting.tier.standing is Standing.WAITING
    assert "these keys may not tag an object" in waiting.tier.words
    vault.facility.clock.advance(timedelta(minutes=11))
    (done,) = round_of(vault, {"archive": moving})
    assert done.tier is not None
    assert done.tier.standing is Standing.DONE
    assert set(tags(vault, locking, dataset).values()) == {None}


def test_a_store_that_keeps_a_mark_it_was_to_drop_is_not_believed(
    vault: Vault, proxied: tuple[FaultProxy, S3ObjectKeeper]
) -> None:
    proxy, moving = proxied
    proxy.tamper = _has_our_lifecycle_rule
    _, kept = tiered(vault, moving, "tier-5")
    end(vault, kept)
    is_tagging = Rule(
        Effect.ANSWER, status=200, times=100, when=lambda one: one.method == "PUT" and "tagging" in one.query
    )
    proxy.add(is_tagging)

    (archive,) = round_of(vault, {"archive": moving})

    assert archive.tier is not None
    assert archive.tier.standing is Standing.WAITING
    assert "still says a mark for a tier on 2 objects" in archive.tier.words


def test_another_class_that_the_bucket_does_not_move_to_leaves_no_mark_of_the_one_before(
    vault: Vault, locking: S3Bucket, proxied: tuple[FaultProxy, S3ObjectKeeper]
) -> None:
    proxy, moving = proxied
    proxy.tamper = _has_our_lifecycle_rule
    dataset, kept = tiered(vault, moving, "tier-6")
    end(vault, kept)
    rule(vault, tier=("DEEP_ARCHIVE", 0))

    (archive,) = round_of(vault, {"archive": moving})

    assert archive.tier is not None
    assert archive.tier.standing is Standing.NOT_ENFORCED
    assert "no lifecycle rule of ours for DEEP_ARCHIVE" in archive.tier.words
    assert "no mark for a tier is on any of 2 data files" in archive.tier.words
    assert set(tags(vault, locking, dataset).values()) == {None}


def test_one_dataset_is_looked_at_when_a_person_asks(vault: Vault, keepers: Keepers) -> None:
    dataset = vault.archive("held-13", a=b"alpha")
    facility = vault.facility

    def asked() -> list[Protection]:
        return list(
            protect_dataset(
                dataset,
                keepers=keepers,
                stores=stores(vault),
                catalogue=facility.catalogue,
                clock=facility.clock,
                now_please=True,
            )
        )

    assert asked() == []
    hold(vault, dataset)
    assert len(asked()) == len(asked()) == 2


def tags(vault: Vault, raw: S3Bucket, dataset_id: str) -> dict[str, str | None]:
    """Give our mark on each key of an object."""
    found = {}
    for one in vault.first.list(f"{vault.root(dataset_id)}/"):
        said = raw.client.get_object_tagging(Bucket=raw.bucket, Key=one.key)["TagSet"]
        found[one.key] = next((tag["Value"] for tag in said if tag["Key"] == TIER_TAG), None)
    return found


def _deletes_whatever_is_asked(request: Request, answer: Answer) -> Answer:
    if request.method == "DELETE" and answer[0] == 403:
        return 204, [], b""
    return answer


def _has_our_lifecycle_rule(request: Request, answer: Answer) -> Answer:
    if request.method == "GET" and re.match(r"lifecycle\b", request.query):
        body = (
            b"<LifecycleConfiguration><Rule><ID>cisterna-tier-GLACIER</ID><Status>Enabled</Status><Filter><Prefix/>"
            b"</Filter><Transition><Days>0</Days><StorageClass>GLACIER</StorageClass></Transition></Rule>"
            b"</LifecycleConfiguration>"
        )
        return 200, [("Content-Type", "application/xml")], body
    return answer
