"""Accounts: who may do what, and that nobody gets in who should not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql_text

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.passwords import Argon2Passwords
from cisterna.domain.account import Account, Grant, Role
from cisterna.domain.errors import (
    AlreadyExists,
    CisternaError,
    Forbidden,
    InvalidInput,
    NotFound,
    NotSignedIn,
    Throttled,
)
from cisterna.services import account as people
from cisterna.services import api_token, setup_link
from cisterna.services import sign_in as door
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_account, make_project

PASSWORD = "violet kettle marsh 12"
ADMIN = make_account("root", Role.ADMIN)
STEWARD = make_account("sten", Role.STEWARD)


@pytest.fixture(scope="session")
def passwords() -> Argon2Passwords:
    """The real hash, as cheap as it can be."""
    return Argon2Passwords(time_cost=1, memory_kib=8, lanes=1)


class Desk:
    """The services with their ports filled in."""

    def __init__(self, catalogue: SqlCatalogue, clock: SettableClock, passwords: Argon2Passwords) -> None:
        self.catalogue, self.clock, self.passwords = catalogue, clock, passwords
        self.all: dict[str, Any] = {"catalogue": catalogue, "clock": clock, "passwords": passwords}
        self.known: dict[str, Any] = {"catalogue": catalogue, "clock": clock}

    def create(self, name: str = "ada", **fields: Any) -> Account:
        return people.create_account(name, **{"by": ADMIN, "password": PASSWORD, **self.all, **fields})

    def sign_in(self, name: str = "ada", password: str = PASSWORD, **more: Any) -> tuple[str, door.SignedIn]:
        return door.sign_in(name, password=password, **self.all, **more)


@pytest.fixture
def desk(catalogue: SqlCatalogue, clock: SettableClock, passwords: Argon2Passwords) -> Desk:
    return Desk(catalogue, clock, passwords)


def whole_database(catalogue: SqlCatalogue) -> str:
    """Everything that the catalogue keeps of people, as text."""
    with catalogue._engine.connect() as connection:
        rows = [
            str(row)
            for table in ("accounts", "sessions", "api_tokens", "setup_links", "sign_in_failures")
            for row in connection.execute(sql_text(f"SELECT * FROM {table}"))  # noqa: S608 - names from this line
        ]
    return "\n".join(rows)


def test_signing_in_gives_a_session_that_is_known_by_its_secret_alone(desk: Desk) -> None:
    account = desk.create()

    secret, entered = desk.sign_in(" Ada ")

    assert entered.account == account
    assert door.find_session(secret, **desk.known) == entered
    for wrong in (None, "", "x", secret + "x", entered.session.secret_sha256, "\udcff", "x" * 10_000_000):
        with pytest.raises(NotSignedIn):
            door.find_session(wrong, **desk.known)


def test_a_session_ends_by_signing_out_and_by_time(desk: Desk) -> None:
    desk.create()
    first, _ = desk.sign_in()
    second, _ = desk.sign_in()
    third, _ = desk.sign_in()

    door.sign_out(first, catalogue=desk.catalogue)
    door.sign_out("unknown", catalogue=desk.catalogue)

    with pytest.raises(NotSignedIn):
        door.find_session(first, **desk.known)
    assert door.find_session(second, **desk.known)
    desk.clock.advance(door.SESSION_LIFETIME)
    with pytest.raises(NotSignedIn):
        door.find_session(third, **desk.known)
    desk.sign_in()
    assert whole_database(desk.catalogue).count(door.digest_secret(second)) == 0  # ended ones are swept out


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", "wrong password!"),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("ada", ""),
        ("ada'; --", PASSWORD),
        ("ada\0", PASSWORD),
        ("\udcff", PASSWORD),
        ("ada", "\udcff" * 12),
        ("a" * 1_000_000, "b" * 1_000_000),
        ("robot", PASSWORD),
        ("gone", PASSWORD),
    ],
)
def test_whoever_does_not_belong_gets_one_and_the_same_answer(desk: Desk, name: str, password: str) -> None:
    desk.create()
    desk.create("robot", password=None)
    desk.create("gone")
    people.set_active("gone", active=False, by=ADMIN, catalogue=grounded(desk))

    with pytest.raises(NotSignedIn) as refused:
        desk.sign_in(name, password)

    assert str(refused.value) == door._WRONG


def grounded(desk: Desk) -> SqlCatalogue:
    """The catalogue with an administrator in it, so that others may lose the role."""
    with desk.catalogue.begin() as tx:
        if tx.accounts.find(ADMIN.name) is None:
            tx.accounts.add(ADMIN)
    return desk.catalogue


def test_unknown_names_cost_a_hash_as_known_ones_do(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.create()
    verified: list[str | None] = []
    real = desk.passwords.verify

    def counted(password: str, *, password_hash: str | None) -> bool:
        verified.append(password_hash)
        return real(password, password_hash=password_hash)

    monkeypatch.setattr(desk.passwords, "verify", counted)
    for name in ("ada", "nobody", "\udcff"):
        with pytest.raises(NotSignedIn):
            desk.sign_in(name, "wrong password!")

    assert [found is not None for found in verified] == [True, False, False]


def test_guessing_is_throttled_for_known_and_unknown_names_alike_and_ends(desk: Desk) -> None:
    desk.create()

    for name in ("ada", "nobody"):
        for _ in range(door.FAILURES_OF_A_NAME):
            with pytest.raises(NotSignedIn):
                desk.sign_in(name, "wrong password!")
        with pytest.raises(Throttled) as refused:
            desk.sign_in(name)
        assert refused.value.facts["retry_after_seconds"] == 900

    desk.clock.advance(door.THROTTLE_WINDOW + timedelta(seconds=1))
    assert desk.sign_in()


def test_a_client_that_tries_many_names_is_throttled_and_others_are_not(desk: Desk) -> None:
    desk.create()

    for number in range(door.FAILURES_OF_A_CLIENT):
        with pytest.raises(NotSignedIn):
            desk.sign_in(f"name-{number}", "wrong password!", client="192.0.2.7")
    with pytest.raises(Throttled):
        desk.sign_in(client="192.0.2.7")

    assert desk.sign_in(client="192.0.2.8")


def test_guesses_at_once_are_counted_one_by_one(desk: Desk) -> None:
    desk.create()

    def guess(_: int) -> str:
        try:
            desk.sign_in(password="wrong password!")
        except CisternaError as error:
            return error.code
        return "in"

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(guess, range(30)))

    assert answers.count("not-signed-in") == door.FAILURES_OF_A_NAME
    assert answers.count("throttled") == 30 - door.FAILURES_OF_A_NAME
    with pytest.raises(Throttled):
        desk.sign_in()


def test_a_sign_in_that_works_forgets_the_failures_before_it(desk: Desk) -> None:
    desk.create()

    for _ in range(3):
        for _ in range(door.FAILURES_OF_A_NAME - 1):
            with pytest.raises(NotSignedIn):
                desk.sign_in(password="wrong password!")
        assert desk.sign_in()


def test_the_throttle_keeps_a_bounded_number_of_names(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cisterna.adapters.catalogue_account._MOST_BUCKETS", 5)

    for number in range(12):
        desk.clock.advance(1)
        with pytest.raises(NotSignedIn):
            desk.sign_in(f"name-{number}")

    with desk.catalogue._engine.connect() as connection:
        assert connection.scalar(sql_text("SELECT count(*) FROM sign_in_failures")) == 5


def test_an_old_hash_is_made_anew_at_the_next_sign_in(desk: Desk) -> None:
    account = desk.create()
    desk.passwords = desk.all["passwords"] = Argon2Passwords(time_cost=2, memory_kib=16, lanes=1)

    _, entered = desk.sign_in()

    assert entered.account.password_hash != account.password_hash
    assert desk.sign_in()[1].account == entered.account


def test_a_form_needs_the_sessions_own_csrf_token(desk: Desk) -> None:
    desk.create()
    _, mine = desk.sign_in()
    _, other = desk.sign_in()

    door.require_csrf(mine.session, mine.session.csrf)
    for wrong in (None, "", other.session.csrf, mine.session.csrf + "x", "\udcff"):
        with pytest.raises(Forbidden):
            door.require_csrf(mine.session, wrong)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Ada"},
        {"name": ""},
        {"name": "-ada"},
        {"name": "a" * 64},
        {"name": "ada\n"},
        {"name": "../ada"},
        {"name": "policy:cells"},
        {"password": "short"},
        {"password": "aaaaaaaaaaaaaaaaaaaa"},
        {"password": "ada-ada-ada-"[:11]},
        {"password": "x" * 257},
        {"password": "\ud800" * 20},
        {"name": "administrator", "password": "administrator123"},
        {"email": "no address"},
        {"email": "a@b\nBcc: everybody@example.org"},
        {"full_name": "x" * 201},
        {"full_name": "Ada\x1b[2J"},
    ],
    ids=repr,
)
def test_a_field_that_is_not_what_it_must_be_is_refused(desk: Desk, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        desk.create(**fields)

    with desk.catalogue.begin() as tx:
        assert tx.accounts.list() == []


def test_only_an_administrator_creates_changes_and_deactivates_accounts(desk: Desk) -> None:
    desk.create()
    grant = Grant(role=Role.VIEWER)

    for act in (
        lambda: desk.create("new", by=STEWARD),
        lambda: people.set_password(
            "ada", password=PASSWORD, by=STEWARD, catalogue=desk.catalogue, passwords=desk.passwords
        ),
        lambda: people.add_grant("ada", grant=grant, by=STEWARD, catalogue=desk.catalogue),
        lambda: people.remove_grant("ada", grant=grant, by=STEWARD, catalogue=desk.catalogue),
        lambda: people.set_active("ada", active=False, by=STEWARD, catalogue=desk.catalogue),
    ):
        with pytest.raises(Forbidden):
            act()


def test_a_project_administrator_grants_roles_in_that_project_only(desk: Desk) -> None:
    desk.create()
    with desk.catalogue.begin() as tx:
        tx.projects.add(make_project("cells"))
        tx.projects.add(make_project("other"))
    boss = make_account("boss", grants=(Grant(role=Role.ADMIN, project="cells"),))
    wanted = Grant(role=Role.STEWARD, project="cells")

    for _ in range(2):
        assert people.add_grant("ada", grant=wanted, by=boss, catalogue=desk.catalogue).grants == (wanted,)

    for grant in (Grant(role=Role.VIEWER), Grant(role=Role.VIEWER, project="other")):
        with pytest.raises(Forbidden):
            people.add_grant("ada", grant=grant, by=boss, catalogue=desk.catalogue)
    with pytest.raises(NotFound):
        people.add_grant("ada", grant=Grant(role=Role.VIEWER, project="none"), by=ADMIN, catalogue=desk.catalogue)
    with pytest.raises(NotFound):
        people.add_grant("nobody", grant=wanted, by=ADMIN, catalogue=desk.catalogue)
    assert people.remove_grant("ada", grant=wanted, by=boss, catalogue=grounded(desk)).grants == ()


def test_grants_given_at_once_are_all_kept(desk: Desk) -> None:
    desk.create()
    roles = list(Role)

    with ThreadPoolExecutor(5) as pool:
        list(
            pool.map(
                lambda role: people.add_grant("ada", grant=Grant(role=role), by=ADMIN, catalogue=desk.catalogue), roles
            )
        )

    with desk.catalogue.begin() as tx:
        account = tx.accounts.find("ada")
    assert account is not None
    assert {grant.role for grant in account.grants} == set(roles)


def test_the_last_administrator_cannot_be_lost(desk: Desk) -> None:
    everything = Grant(role=Role.ADMIN)
    first = desk.create("first", grants=(everything,))

    with pytest.raises(Forbidden, match="last administrator"):
        people.set_active("first", active=False, by=first, catalogue=desk.catalogue)
    with pytest.raises(Forbidden, match="last administrator"):
        people.remove_grant("first", grant=everything, by=first, catalogue=desk.catalogue)
    desk.create("second", grants=(everything,))

    def resign(name: str) -> str:
        try:
            people.set_active(name, active=False, by=ADMIN, catalogue=desk.catalogue)
        except Forbidden:
            return "refused"
        return "gone"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(resign, ["first", "second"])) == ["gone", "refused"]


def test_deactivating_ends_sessions_and_tokens_and_can_be_undone(desk: Desk) -> None:
    ada = desk.create()
    secret, _ = desk.sign_in()
    token, _ = api_token.issue_token("ada", label="laptop", by=ada, **desk.all)

    people.set_active("ada", active=False, by=ADMIN, catalogue=grounded(desk))

    with pytest.raises(NotSignedIn):
        door.find_session(secret, **desk.known)
    with pytest.raises(NotSignedIn):
        api_token.authenticate_token(token, **desk.known)
    people.set_active("ada", active=True, by=ADMIN, catalogue=desk.catalogue)
    with pytest.raises(NotSignedIn):
        door.find_session(secret, **desk.known)
    assert api_token.authenticate_token(token, **desk.known) == ada


def test_a_new_password_ends_the_sessions_of_the_old_one(desk: Desk) -> None:
    ada = desk.create()
    secret, _ = desk.sign_in()

    people.set_password(
        "ada", password="another kettle marsh", by=ada, catalogue=desk.catalogue, passwords=desk.passwords
    )

    with pytest.raises(NotSignedIn):
        door.find_session(secret, **desk.known)
    with pytest.raises(NotSignedIn):
        desk.sign_in()
    assert desk.sign_in(password="another kettle marsh")


def test_the_same_password_typed_on_another_keyboard_is_the_same(desk: Desk) -> None:
    desk.create(password="Kräuter über Ödön 7")

    assert desk.sign_in(password="Kra\u0308uter u\u0308ber O\u0308do\u0308n 7")


def test_a_token_acts_as_its_account_until_it_ends(desk: Desk) -> None:
    ada = desk.create()

    secret, token = api_token.issue_token("ada", label=" laptop ", by=ada, lifetime=timedelta(days=1), **desk.all)

    assert secret.startswith("cist_")
    assert token.label == "laptop"
    assert api_token.authenticate_token(secret, **desk.known) == ada
    for wrong in ("", "cist_", secret[5:], secret + "x", secret.upper(), "cist_\udcff", "cist_" + "x" * 10_000_000):
        with pytest.raises(NotSignedIn):
            api_token.authenticate_token(wrong, **desk.known)
    desk.clock.advance(timedelta(days=1))
    with pytest.raises(NotSignedIn):
        api_token.authenticate_token(secret, **desk.known)


def test_a_revoked_token_is_not_good_any_more(desk: Desk) -> None:
    ada = desk.create()
    secret, token = api_token.issue_token("ada", label="laptop", by=ada, **desk.all)

    revoked = [api_token.revoke_token(token.token_id, account="ada", by=ada, **desk.known) for _ in range(2)]

    assert revoked[0] == revoked[1]
    with pytest.raises(NotSignedIn):
        api_token.authenticate_token(secret, **desk.known)
    with pytest.raises(NotFound):
        api_token.revoke_token("unknown", account="ada", by=ada, **desk.known)
    with pytest.raises(Forbidden):
        api_token.revoke_token(token.token_id, account="ada", by=STEWARD, **desk.known)


@pytest.mark.parametrize(
    "fields",
    [
        {"label": ""},
        {"label": "x" * 101},
        {"label": "a\nb"},
        {"lifetime": timedelta(0)},
        {"lifetime": timedelta(days=-1)},
        {"lifetime": timedelta(days=367)},
    ],
    ids=repr,
)
def test_a_token_that_nobody_could_judge_is_refused(desk: Desk, fields: dict[str, Any]) -> None:
    ada = desk.create()

    with pytest.raises(InvalidInput):
        api_token.issue_token("ada", **{"label": "laptop", "by": ada, **desk.all, **fields})


def test_tokens_for_others_and_for_ever_are_an_administrators_business(desk: Desk) -> None:
    ada = desk.create()
    desk.create("robot", password=None)

    with pytest.raises(Forbidden):
        api_token.issue_token("robot", label="x", by=ada, **desk.all)
    with pytest.raises(Forbidden):
        api_token.issue_token("ada", label="x", by=ada, lifetime=None, **desk.all)
    with pytest.raises(NotFound):
        api_token.issue_token("nobody", label="x", by=ADMIN, **desk.all)
    secret, _ = api_token.issue_token("robot", label="x", by=ADMIN, lifetime=None, **desk.all)

    assert api_token.authenticate_token(secret, **desk.known).name == "robot"


def secret_of(path: str | None) -> str:
    assert path is not None
    assert path.startswith("/setup/")
    return path.removeprefix("/setup/")


def test_the_first_administrator_comes_in_by_a_link_that_works_once(desk: Desk) -> None:
    secret = secret_of(setup_link.issue_setup_link(**desk.all))
    setup_link.check_setup_link(secret, **desk.known)

    boss = setup_link.use_setup_link(secret, name="boss", password=PASSWORD, full_name="Bo Ss", **desk.all)

    assert boss.has_role(Role.ADMIN, project=None)
    assert desk.sign_in("boss")[1].account == boss
    with pytest.raises(NotSignedIn):
        setup_link.use_setup_link(secret, name="mallory", password=PASSWORD, **desk.all)
    assert setup_link.issue_setup_link(**desk.all) is None


def test_a_link_is_good_for_a_day_and_until_the_next_start(desk: Desk) -> None:
    first = secret_of(setup_link.issue_setup_link(**desk.all))
    second = secret_of(setup_link.issue_setup_link(**desk.all))

    for wrong in (first, "", "x", "\udcff", "\0", second + "x", "x" * 10_000_000):
        with pytest.raises(NotSignedIn):
            setup_link.check_setup_link(wrong, **desk.known)
    setup_link.check_setup_link(second, **desk.known)
    desk.clock.advance(setup_link.LINK_LIFETIME)
    with pytest.raises(NotSignedIn):
        setup_link.use_setup_link(second, name="boss", password=PASSWORD, **desk.all)


def test_a_link_survives_a_bad_password_and_a_taken_name(desk: Desk) -> None:
    desk.create("taken")
    secret = secret_of(setup_link.issue_setup_link(**desk.all))

    with pytest.raises(InvalidInput):
        setup_link.use_setup_link(secret, name="boss", password="short", **desk.all)
    with pytest.raises(AlreadyExists):
        setup_link.use_setup_link(secret, name="taken", password=PASSWORD, **desk.all)

    assert setup_link.use_setup_link(secret, name="boss", password=PASSWORD, **desk.all).name == "boss"


def test_of_two_who_use_a_link_at_once_one_wins(desk: Desk) -> None:
    secret = secret_of(setup_link.issue_setup_link(**desk.all))

    def use(name: str) -> str:
        try:
            setup_link.use_setup_link(secret, name=name, password=PASSWORD, **desk.all)
        except NotSignedIn:
            return "refused"
        return "in"

    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(use, ["a1", "b2", "c3", "d4"]))

    assert sorted(ends) == ["in", "refused", "refused", "refused"]
    with desk.catalogue.begin() as tx:
        assert len(tx.accounts.list()) == 1


@pytest.mark.parametrize(
    ("user", "name"), [("root", "root"), ("DOMAIN\\Åsa B", "domain-sa-b"), ("___", "operator"), ("a" * 99, "a" * 63)]
)
def test_the_user_of_the_home_is_an_administrator_with_a_name(desk: Desk, user: str, name: str) -> None:
    accounts = [people.ensure_local_account(user, **desk.known) for _ in range(2)]

    assert accounts[0] == accounts[1]
    assert accounts[0].name == name
    assert accounts[0].has_role(Role.ADMIN, project=None)
    with pytest.raises(NotSignedIn):
        desk.sign_in(name, "")


def test_the_command_lines_administrator_may_take_the_link_for_a_password(desk: Desk) -> None:
    people.ensure_local_account("root", **desk.known)
    secret = secret_of(setup_link.issue_setup_link(**desk.all))

    setup_link.use_setup_link(secret, name="root", password=PASSWORD, **desk.all)

    assert desk.sign_in("root")[1].account.has_role(Role.ADMIN, project=None)


def test_the_command_line_lends_the_role_and_does_not_give_it_away(desk: Desk) -> None:
    desk.create("ada", grants=(Grant(role=Role.VIEWER),))

    assert people.ensure_local_account("ada", **desk.known).has_role(Role.ADMIN, project=None)

    assert not desk.sign_in()[1].account.has_role(Role.ADMIN, project=None)
    people.set_active("ada", active=False, by=ADMIN, catalogue=grounded(desk))
    with pytest.raises(Forbidden):
        people.ensure_local_account("ada", **desk.known)


def test_the_catalogue_holds_no_secret_that_lets_anybody_in(desk: Desk) -> None:
    path = secret_of(setup_link.issue_setup_link(**desk.all))
    ada = desk.create()
    session, _ = desk.sign_in()
    token, _ = api_token.issue_token("ada", label="laptop", by=ada, **desk.all)
    with pytest.raises(NotSignedIn):
        desk.sign_in("ada", "mistyped password")

    kept = whole_database(desk.catalogue)

    assert "argon2id" in kept
    for secret in (path, PASSWORD, session, token, token.removeprefix("cist_"), "mistyped password"):
        assert secret not in kept


def test_a_hash_is_argon2id_salted_and_never_verifies_what_is_not_it() -> None:
    made = Argon2Passwords(time_cost=1, memory_kib=8, lanes=1)
    first, second = made.hash(PASSWORD), made.hash(PASSWORD)

    assert first != second
    assert first.startswith("$argon2id$")
    assert made.verify(PASSWORD, password_hash=second)
    for broken in (None, "", "$argon2id$", PASSWORD, first[:-4]):
        assert not made.verify(PASSWORD, password_hash=broken)
    assert not made.is_outdated(first)
    assert Argon2Passwords().is_outdated(first)
    assert len({made.new_secret() for _ in range(100)}) == 100
    assert len(made.new_secret()) >= 43
