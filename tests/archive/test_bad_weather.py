"""Bad weather between worker and store, on the real path: each fault ends in a retry or a resume, not in a wrong byte.

A real SeaweedFS stands behind a proxy that breaks requests. A worker's error must be one that is tried again; what the
next attempt comes to is what an undisturbed one would have, and the source is not touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.dataset import Stage
from cisterna.domain.errors import CisternaError, StoreUnavailable
from cisterna.services.attempt import is_retryable
from cisterna.services.recovery_round import survey_archive
from cisterna.testing.fault_proxy import Effect, FaultProxy, Request, Rule
from tests.archive.facility import Facility
from tests.archive.torture import LARGE, is_write, what_of
from tests.archive.whole import require_no_strangers, require_whole

pytestmark = pytest.mark.timeout(120)

HASTY = Patience(answer_seconds=1.0, connect_seconds=1.0, attempts=3, pause_seconds=0.01)
FOR_GOOD = 10_000
COMMIT = (
    "version's inventory.json",
    "version's inventory.json.sha512",
    "root inventory.json",
    "root inventory.json.sha512",
    "root 0=ocfl_object_1.1",
)
EVERY_WRITE = ("content", "upload", "part", "completion", *COMMIT)


@dataclass
class Weather:
    """A facility whose worker reaches its store through the proxy."""

    facility: Facility
    proxy: FaultProxy
    calm: S3Store
    version: str
    source: dict[str, str]

    def attempt(self) -> bool:
        """Let a worker try, and tell whether it came through; what stops it must be worth another try."""
        try:
            self.facility.ingest(self.version)
        except CisternaError as error:
            if not is_retryable(error):
                raise
            return False
        return True

    def come_through(self, *, attempts: int) -> int:
        """Try as a dispatcher would, and tell how many attempts it took."""
        for number in range(1, attempts + 1):
            if self.attempt():
                return number
        pytest.fail(f"not archived in {attempts} attempts")

    def require_all_well(self) -> None:
        self.proxy.heal()
        self.facility.store = self.calm
        # An upload whose beginning was answered to nobody is known to nobody: the survey finds it.
        survey_archive(
            catalogue=self.facility.catalogue,
            store=self.calm,
            clock=self.facility.clock,
            upload_grace=timedelta(hours=24),
        )
        require_whole(self.facility, self.version)
        require_no_strangers(self.facility)
        assert digests(self.facility) == self.source

    def stage(self) -> Stage:
        return self.facility.version(self.version).stage


def digests(facility: Facility) -> dict[str, str]:
    """Give what lies in the landing zone."""
    files = (file for file in facility.landing.rglob("*") if file.is_file())
    return {str(file): hashlib.sha512(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture
def weather(
    facility: Facility, seaweedfs: EmbeddedSeaweedFS, object_store: S3Store, s3_endpoint: S3Access
) -> Iterator[Weather]:
    facility.write("run", LARGE)
    version = facility.detect("run").version_id
    with FaultProxy(seaweedfs.endpoint) as proxy:
        store = S3Store(
            s3_endpoint.model_copy(update={"endpoint": proxy.url}),
            bucket=object_store.bucket,
            name=object_store.name,
            patience=HASTY,
        )
        facility.store = store
        yield Weather(facility, proxy, object_store, version, digests(facility))
        store.close()


def writing(what: str) -> Callable[[Request], bool]:
    return lambda one: is_write(one) and what_of(one) == what


def reading_content(one: Request) -> bool:
    return one.method == "GET" and "/content/" in one.path


@pytest.mark.parametrize("what", EVERY_WRITE)
def test_a_response_that_is_lost_after_the_write_took_place_is_known_as_ours(weather: Weather, what: str) -> None:
    lost = weather.proxy.add(Rule(Effect.LOSE, when=writing(what)))

    assert weather.come_through(attempts=1) == 1

    assert lost.fired == 1
    weather.require_all_well()


@pytest.mark.parametrize("what", ["content", "part", "completion", "root inventory.json"])
@pytest.mark.parametrize(
    "rule",
    [Rule(Effect.TORN), Rule(Effect.ANSWER, status=500, code="InternalError"), Rule(Effect.RESET)],
    ids=["reset mid-body", "500", "reset"],
)
def test_a_short_fault_of_a_write_is_outlived(weather: Weather, what: str, rule: Rule) -> None:
    fault = weather.proxy.add(Rule(rule.effect, when=writing(what), status=rule.status, code=rule.code))

    assert weather.come_through(attempts=1) == 1

    assert fault.fired == 1
    weather.require_all_well()


SLOW_DOWN = Rule(Effect.ANSWER, status=503, code="SlowDown")
LOST = Rule(Effect.LOSE)
SILENT = Rule(Effect.SILENCE, seconds=30.0)


@pytest.mark.parametrize(
    ("what", "rule"),
    [
        *((what, SLOW_DOWN) for what in ("content", "upload", "part", "completion", "root inventory.json")),
        *((what, LOST) for what in ("content", "completion", "root inventory.json")),
        *(
            pytest.param(what, rule, marks=pytest.mark.torture)  # `test_kill.py` kills at each write
            for what in COMMIT
            if what != "root inventory.json"
            for rule in (SLOW_DOWN, LOST)
        ),
        *((what, SILENT) for what in ("content", "part", "root inventory.json")),
    ],
    ids=lambda one: one if isinstance(one, str) else one.effect.value,
)
def test_a_fault_that_stays_ends_the_attempt_and_the_next_one_in_good_weather_comes_through(
    weather: Weather, what: str, rule: Rule
) -> None:
    fault = weather.proxy.add(
        Rule(rule.effect, when=writing(what), times=FOR_GOOD, status=rule.status, code=rule.code, seconds=rule.seconds)
    )

    came_through = weather.attempt()

    assert fault.fired >= 1
    assert came_through == (weather.stage() is Stage.VERIFIED)
    weather.proxy.heal()
    weather.come_through(attempts=1)
    weather.require_all_well()


@pytest.mark.parametrize("nth", [1, 4, 9, 14, 20, 24])
def test_keys_that_expire_midway_say_so_and_renewed_ones_carry_on(weather: Weather, nth: int) -> None:
    seen: list[Request] = []

    def from_the_nth_write(one: Request) -> bool:
        seen.extend([one] if is_write(one) else [])
        return len(seen) >= nth

    expired = Rule(Effect.ANSWER, status=403, code="ExpiredToken", when=from_the_nth_write, times=FOR_GOOD)
    weather.proxy.add(expired)

    with pytest.raises(StoreUnavailable, match="refused our access keys") as refusal:
        weather.facility.ingest(weather.version)

    assert is_retryable(refusal.value)
    weather.proxy.heal()
    weather.come_through(attempts=1)
    weather.require_all_well()


@pytest.mark.parametrize(
    "rule",
    [Rule(Effect.CUT), Rule(Effect.LOSE), Rule(Effect.ANSWER, status=500), Rule(Effect.SILENCE, seconds=30.0)],
    ids=["cut", "lost", "500", "silence"],
)
@pytest.mark.parametrize("times", [1, FOR_GOOD], ids=["once", "for good"])
def test_what_cannot_be_read_back_is_not_verified(weather: Weather, rule: Rule, times: int) -> None:
    fault = weather.proxy.add(
        Rule(rule.effect, when=reading_content, times=times, status=rule.status, seconds=rule.seconds)
    )

    came_through = weather.attempt()

    assert fault.fired >= 1
    assert (weather.stage() is Stage.VERIFIED) == came_through
    assert not (came_through and times == FOR_GOOD)
    weather.proxy.heal()
    weather.come_through(attempts=1)
    weather.require_all_well()


def test_a_trickle_is_slow_and_right(weather: Weather) -> None:
    trickle = weather.proxy.add(Rule(Effect.TRICKLE, seconds=0.01, times=FOR_GOOD))

    assert weather.come_through(attempts=1) == 1

    assert trickle.fired > 20
    weather.require_all_well()


def test_a_day_of_rain_is_outlived(weather: Weather) -> None:
    """Of all requests every seventh fails, in turn in every way."""
    ways = [Effect.RESET, Effect.LOSE, Effect.TORN, Effect.CUT, Effect.ANSWER]
    for number, effect in enumerate(ways):
        for burst in range(40):
            at = burst * 7 * len(ways) + 7 * number
            weather.proxy.add(Rule(effect, skip=at, status=503, code="SlowDown"))

    weather.come_through(attempts=8)

    weather.require_all_well()
