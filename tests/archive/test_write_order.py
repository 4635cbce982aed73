"""DESIGN's write order at every state that a kill can leave: each prefix of the writes, with any of the unordered ones.

Staged content and deletions have no order among themselves; the commit's writes have. From each state recovery must
come to exactly the bytes of the version before, or exactly those of the new one, and both are valid by ocfl-py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cisterna.domain.work import Attempt
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.services.recover import recover_object
from cisterna.testing.memory_store import WRITES, MemoryStore
from tests.archive.facility import RUN, Facility
from tests.archive.ocfl_judge import judge

ORDER = ["inventory.json", "inventory.json.sha512", "inventory.json", "inventory.json.sha512", "0=ocfl_object_1.1"]
"""The last writes of a commit; the first two are below the version's folder, the declaration is v1's alone."""
JUNK = {
    "content/deadbeef/abc": b"dead",
    "content/deadbeef/s1": b"",
    "inventory.json": b"{",
    "inventory.json.sha512": b"",
}
"""What another attempt, which died earlier, may have left below the version's folder."""

Keys = dict[str, bytes]


class Killed(BaseException):
    """Stands for SIGKILL."""


class Write(NamedTuple):
    """One write that took effect; no body: the key was deleted."""

    key: str
    body: bytes | None


@dataclass
class Scribe(MemoryStore):
    """Writes down every write that takes effect."""

    written: list[Write] = field(default_factory=list)

    def delete(self, keys: Any) -> None:
        for key in keys:
            super().delete([key])
            self.written.append(Write(key, None))

    def _keep(self, key: str, body: bytes, content_type: str | None) -> Any:
        self.written.append(Write(key, body))
        return super()._keep(key, body, content_type)

    def take(self) -> list[Write]:
        taken, self.written = self.written, []
        return taken

    def keys(self) -> Keys:
        return {one.key: self.get(one.key)[0] for one in self.list("")}


class NeverNoted:
    """The real catalogue, to which no commit of a version can be told: the worker is always killed just before."""

    def __init__(self, catalogue: Catalogue, version: str) -> None:
        self._catalogue = catalogue
        self._version = version

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        with self._catalogue.begin() as tx:
            yield tx
            if tx.datasets.get_version(self._version).is_archived:
                raise Killed


@dataclass
class Commit:
    """All writes of one version, from the first staged byte to the last of the commit, and what was there before."""

    facility: Facility
    version: str
    staging: str
    lease: Attempt
    before: Keys
    staged: list[Write]
    committed: list[Write]
    after: Keys

    @property
    def unordered(self) -> list[Write]:
        """The deletions of the purge, which go in one request of which any part may have been done."""
        return [write for write in self.committed if write.body is None]

    @property
    def ordered(self) -> list[Write]:
        return [write for write in self.committed if write.body is not None]

    def reach(self, writes: Sequence[Write], *, junk: Mapping[str, bytes] | None = None) -> None:
        """Bring the store into the state in which exactly these writes have been made."""
        keys = dict(self.before)
        root, folder = self.facility.root_of(self.version), self.staging.split("/")[0]
        keys |= {f"{root}/{folder}/{path}": body for path, body in (junk or {}).items()}
        for write in writes:
            if write.body is None:
                keys.pop(write.key, None)
            else:
                keys[write.key] = write.body
        store = MemoryStore()
        for key, body in keys.items():
            store.put(key, body)
        self.facility.store = store

    def recover(self) -> None:
        dataset = self.facility.version(self.version).dataset_id
        recover_object(dataset, lease=None, catalogue=self.facility.catalogue, store=self.facility.store)

    def resume(self) -> None:
        """Go on as the next worker does, but for the note in the catalogue."""
        whole = self.facility.catalogue
        self.facility.catalogue = NeverNoted(whole, self.version)  # type: ignore[assignment]
        try:
            with pytest.raises(Killed):
                self.facility.archive(self.version, self.lease)
        finally:
            self.facility.catalogue = whole

    def abandon(self) -> None:
        """Let what this version staged be nobody's any more, as when it turns out to be known; harmless twice."""
        with self.facility.catalogue.begin() as tx:
            version = tx.datasets.get_version(self.version)
            tx.datasets.save_version(version.model_copy(update={"staging": None}))

    def object_of(self, keys: Keys) -> Keys:
        root = self.facility.root_of(self.version)
        return {key: body for key, body in keys.items() if key.startswith(f"{root}/")}

    def now(self) -> Keys:
        return self.object_of({one.key: self.facility.store.get(one.key)[0] for one in self.facility.store.list("")})


def record(facility: Facility, number: int) -> Commit:
    """Take a run through all versions up to one, and write down what that one writes."""
    store = Scribe()
    facility.store = store
    for earlier in range(1, number):
        facility.write("run", {**RUN, "0/n.tiff": bytes([earlier]) * 50})
        facility.ingest(facility.detect("run", number=earlier).version_id)
    facility.write("run", {**RUN, "0/n.tiff": bytes([number]) * 50})
    version = facility.detect("run", number=number).version_id
    before, lease = store.keys(), facility.lease(version)
    store.take()
    facility.measure(version, lease)
    facility.describe(version, lease)
    staged = store.take()
    staging = facility.version(version).staging or ""
    commit = Commit(facility, version, staging, lease, before, staged, [], {})
    commit.resume()
    commit.committed, commit.after = store.take(), store.keys()
    return commit


def prefixes(commit: Commit) -> Iterator[tuple[list[Write], bool]]:
    """Give each prefix of the commit's writes, after all that was staged, and whether it makes the new version."""
    root = f"{commit.facility.root_of(commit.version)}/inventory.json"
    for length in range(len(commit.committed) + 1):
        made = commit.committed[:length]
        yield [*commit.staged, *made], root in {write.key for write in made}


@pytest.fixture(params=[1, 2, 3], ids=["v1", "v2", "v3"])
def commit(facility: Facility, request: pytest.FixtureRequest) -> Commit:
    return record(facility, request.param)


def test_the_order_is_the_one_that_was_designed(commit: Commit) -> None:
    root = commit.facility.root_of(commit.version)
    folder = commit.staging.split("/")[0]

    keys = [write.key.removeprefix(f"{root}/") for write in commit.ordered if write.key.startswith(root)]

    assert all(f"/{folder}/content/" in write.key for write in commit.staged)
    assert [key.rsplit("/", 1)[-1] for key in keys] == ORDER[: len(keys)]
    assert [key.startswith(folder) for key in keys] == [True, True, False, False, False][: len(keys)]
    assert len(keys) == (5 if folder == "v1" else 4)
    assert all(f"/{folder}/content/" in write.key for write in commit.unordered)


def test_from_every_prefix_the_next_worker_comes_to_the_new_version(commit: Commit) -> None:
    for writes, _ in prefixes(commit):
        for recovers_first in (False, True):
            commit.reach(writes)
            if recovers_first:
                commit.recover()
            commit.resume()

            assert commit.now() == commit.object_of(commit.after)


def test_from_every_prefix_that_is_abandoned_recovery_comes_to_the_version_before_or_to_the_new_one(
    commit: Commit, ocfl_validate: list[str], tmp_path: Path
) -> None:
    commit.abandon()
    for writes, is_made in prefixes(commit):
        commit.reach(writes)
        commit.recover()

        assert commit.now() == commit.object_of(commit.after if is_made else commit.before)

    for name, keys in (("before", commit.object_of(commit.before)), ("after", commit.object_of(commit.after))):
        for key, body in keys.items():
            file = tmp_path / name / key
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)
        if keys:
            said = judge(ocfl_validate, tmp_path / name / commit.facility.root_of(commit.version))
            assert said.count("is VALID") == 1


def test_from_every_prefix_a_recovery_that_is_killed_at_any_write_is_finished_by_the_next(commit: Commit) -> None:
    commit.abandon()
    for writes, is_made in prefixes(commit):
        for after in (False, True):
            step, struck = 0, True
            while struck:
                step += 1
                commit.reach(writes, junk={} if is_made else JUNK if len(writes) == len(commit.staged) else {})
                store = commit.facility.store
                assert isinstance(store, MemoryStore)
                fault = store.fail_on(WRITES, nth=step, after=after, error=Killed())
                with suppress(Killed):
                    commit.recover()
                struck = fault.fired > 0
                store.heal()
                commit.recover()

                assert commit.now() == commit.object_of(commit.after if is_made else commit.before)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_part_of_the_unordered_writes_may_be_missing(commit: Commit, data: st.DataObject) -> None:
    staged = data.draw(st.sets(st.sampled_from(range(len(commit.staged)))), label="staged")
    junk = data.draw(st.sets(st.sampled_from(sorted(JUNK))), label="left by another attempt")
    purged = data.draw(
        st.sets(st.sampled_from(commit.unordered)) if commit.unordered else st.just(set()), label="purged"
    )
    is_whole = data.draw(st.booleans(), label="all is staged")
    writes = [write for at, write in enumerate(commit.staged) if is_whole or at in staged]
    writes += purged if is_whole else []
    commit.reach(writes, junk={path: JUNK[path] for path in junk})
    before = commit.now()

    commit.recover()  # beside a version on its way nothing of that version's is touched

    kept = {key: body for key, body in before.items() if commit.staging in key}
    assert {key: body for key, body in commit.now().items() if commit.staging in key} == kept
    if is_whole:
        commit.resume()
        assert commit.now() == commit.object_of(commit.after)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_part_of_what_was_staged_and_abandoned_is_removed(commit: Commit, data: st.DataObject) -> None:
    commit.abandon()
    staged = data.draw(st.sets(st.sampled_from(range(len(commit.staged)))), label="staged")
    junk = data.draw(st.sets(st.sampled_from(sorted(JUNK))), label="left by another attempt")
    commit.reach([commit.staged[at] for at in sorted(staged)], junk={path: JUNK[path] for path in junk})

    commit.recover()

    assert commit.now() == commit.object_of(commit.before)
