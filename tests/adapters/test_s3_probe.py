"""A store that lacks a guarantee is refused by name: a proxy before the real store lies about one thing at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.proven_store import ProvenStore
from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_boto import S3BotoStore
from cisterna.adapters.s3_obstore import S3Store
from cisterna.bootstrap import Parts
from cisterna.domain.errors import StoreUnavailable, StoreUnfit
from cisterna.domain.probe_key import PROBE_PREFIX
from cisterna.settings import Settings
from cisterna.testing.fault_proxy import Answer, Effect, FaultProxy, Request, Rule
from cisterna.testing.memory_store import MemoryStore
from tests.store_fixtures import SHORT

Lie = Callable[[Request, Answer], Answer]
_DONE = [("ETag", '"00000000000000000000000000000000"')]


def admit(when: Callable[[Request], bool]) -> Lie:
    """Say yes where the server said no."""
    return lambda request, answer: (200, _DONE, b"") if when(request) and 400 <= answer[0] < 500 else answer


@dataclass
class Stale:
    """Give the first good answer to a request again, whatever has happened since."""

    when: Callable[[Request], bool]
    first: dict[tuple[str, str, str], Answer] = field(default_factory=dict)

    def __call__(self, request: Request, answer: Answer) -> Answer:
        if not self.when(request):
            return answer
        return self.first.setdefault((request.method, request.path, request.query), answer)


@dataclass
class Undead:
    """Give what was last read of something that is gone."""

    last: Answer | None = None

    def __call__(self, request: Request, answer: Answer) -> Answer:
        if request.method != "GET" or "-read" not in request.path:
            return answer
        if answer[0] == 200:
            self.last = answer
        return self.last or answer


def impatient(request: Request, answer: Answer) -> Answer:
    """Show an upload that is not complete."""
    is_look = request.method == "GET" and "-upload" in request.path
    plain = [(name, value) for name, value in answer[1] if "checksum" not in name.lower()]
    return (200, plain, b"second") if is_look else answer


def is_put(request: Request, part: str, header: str = "") -> bool:
    return request.method == "PUT" and f"-{part}" in request.path and (not header or header in request.headers)


LIES: dict[str, tuple[Callable[[], Lie], str]] = {
    "If-None-Match": (lambda: admit(lambda one: is_put(one, "condition", "if-none-match")), "If-None-Match does not"),
    "If-Match": (lambda: admit(lambda one: is_put(one, "condition", "if-match")), "If-Match does not hold"),
    "creation race": (lambda: admit(lambda one: is_put(one, "race", "if-none-match")), "If-None-Match let 4 of 4"),
    "replacement race": (lambda: admit(lambda one: is_put(one, "race", "if-match")), "If-Match let 4 of 4"),
    "stale read": (lambda: Stale(lambda one: one.method == "GET" and "-read" in one.path), "read after a write"),
    "read of the dead": (Undead, "read after a deletion"),
    "checksum": (lambda: admit(lambda one: is_put(one, "checksum")), "a wrong x-amz-checksum-sha256"),
    "early upload": (lambda: impatient, "seen before it is complete"),
}


@pytest.fixture
def proxy(seaweedfs: EmbeddedSeaweedFS) -> Iterator[FaultProxy]:
    with FaultProxy(seaweedfs.endpoint) as made:
        yield made


@pytest.fixture
def access(proxy: FaultProxy, s3_endpoint: S3Access) -> S3Access:
    return s3_endpoint.model_copy(update={"endpoint": proxy.url})


@pytest.mark.parametrize("kind", [S3Store, S3BotoStore], ids=["obstore", "boto3"])
@pytest.mark.parametrize("lie", LIES)
def test_a_store_that_lies_is_refused_and_the_lie_is_named(
    proxy: FaultProxy, access: S3Access, object_store: S3Store, kind: type[S3Store | S3BotoStore], lie: str
) -> None:
    make, said = LIES[lie]
    store = kind(access, bucket=object_store.bucket, name="liar", patience=SHORT)
    proxy.tamper = make()

    with pytest.raises(StoreUnfit, match=said) as caught:
        store.probe()
    proxy.tamper = None
    store.close()

    assert "liar" in str(caught.value)
    assert list(object_store.list(PROBE_PREFIX)) == [], "what was tried is cleaned up"
    assert list(object_store.unfinished_uploads(PROBE_PREFIX)) == []


def test_the_proxy_alone_makes_no_store_unfit(access: S3Access, object_store: S3Store) -> None:
    store = S3Store(access, bucket=object_store.bucket, patience=SHORT)

    store.probe()
    store.close()


@pytest.fixture
def copy(proxy: FaultProxy, access: S3Access, object_store: S3Store) -> Iterator[ProvenStore]:
    store = S3Store(access, bucket=object_store.bucket, patience=SHORT)
    yield ProvenStore(store)
    proxy.tamper = None
    store.close()


@pytest.mark.parametrize("write", ["put", "begin_upload"])
def test_a_store_that_is_to_be_proven_first_gets_no_byte_while_it_is_unfit(
    proxy: FaultProxy, copy: ProvenStore, object_store: S3Store, write: str
) -> None:
    proxy.tamper = LIES["checksum"][0]()

    for _ in range(2):
        with pytest.raises(StoreUnfit):
            copy.put("a", b"bytes") if write == "put" else copy.begin_upload("a")

    assert list(object_store.list("")) == []
    assert list(object_store.unfinished_uploads("")) == []


def test_a_store_that_was_away_is_proven_when_it_is_back_and_then_no_more(proxy: FaultProxy, copy: ProvenStore) -> None:
    proxy.add(Rule(Effect.ANSWER, status=503, times=1_000_000))
    with pytest.raises(StoreUnavailable):
        copy.put("a", b"bytes")
    proxy.heal()

    copy.put("a", b"bytes")
    proven = len([one for one in proxy.requests if PROBE_PREFIX.strip("/") in one.path])
    copy.put("b", b"bytes")

    assert len([one for one in proxy.requests if PROBE_PREFIX.strip("/") in one.path]) == proven
    assert {one.key for one in copy.list("")} == {"a", "b"}


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """Give the parts of a process whose archive and public bucket are fit and that has one copy's store."""
    with ExitStack() as stack:
        made = Parts(Settings(home=tmp_path), stack)
        made.__dict__ |= {"archive_store": MemoryStore(), "public_store": MemoryStore(), "copy_stores": {}}
        yield made


def test_a_dispatcher_does_not_start_on_an_unfit_copy_and_does_while_it_is_away(
    parts: Parts, proxy: FaultProxy, copy: ProvenStore
) -> None:
    parts.__dict__["copy_stores"] = {"copy": copy}
    parts.prove_stores()

    proxy.tamper = LIES["If-Match"][0]()
    with pytest.raises(StoreUnfit, match="If-Match does not hold"):
        parts.prove_stores()
    proxy.add(Rule(Effect.ANSWER, status=503, times=1_000_000))

    parts.prove_stores()


@pytest.mark.parametrize("name", ["archive_store", "public_store"])
def test_a_dispatcher_does_not_start_on_an_unfit_archive_or_public_bucket(parts: Parts, name: str) -> None:
    unfit = parts.__dict__[name]
    assert isinstance(unfit, MemoryStore)
    unfit.make_unfit("If-Match lets two win")

    with pytest.raises(StoreUnfit, match="lets two win"):
        parts.prove_stores()
