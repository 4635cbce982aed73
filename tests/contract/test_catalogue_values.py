"""What is put into the catalogue comes out as it was, or is refused by name."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text as sql_text

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import Relation, Stage
from cisterna.domain.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from cisterna.domain.finding import Outcome
from cisterna.domain.project import Binding, BindingKind
from cisterna.domain.recovery import ObjectNote, ObjectState
from cisterna.ports.catalogue import Transaction
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.factory import (
    keep_version,
    make_acquisition,
    make_dataset,
    make_decision,
    make_event,
    make_finding,
    make_id,
    make_instrument,
    make_project,
    make_publication,
    make_receipt,
    make_version,
    make_work,
)

LATER = START + timedelta(hours=1)


def test_an_instrument_is_declared_once_and_the_same_again_is_no_error(catalogue: SqlCatalogue) -> None:
    squid = make_instrument(settings={"run_json": "/x/run.json"})

    with catalogue.begin() as tx:
        tx.instruments.add(squid)
        tx.instruments.add(squid.model_copy(update={"created_at": LATER}))
        with pytest.raises(AlreadyExists, match="squid-1"):
            tx.instruments.add(squid.model_copy(update={"path": "/elsewhere"}))

    with catalogue.begin() as tx:
        assert tx.instruments.list() == [squid]


def test_an_instrument_is_changed_by_name(catalogue: SqlCatalogue) -> None:
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument())
        moved = make_instrument(path="/elsewhere")
        tx.instruments.save(moved)

        assert tx.instruments.get("squid-1") == moved
        with pytest.raises(NotFound):
            tx.instruments.save(make_instrument("unknown"))
        with pytest.raises(NotFound):
            tx.instruments.get("unknown")


def test_projects_are_kept_and_changed_by_one_writer_at_a_time(catalogue: SqlCatalogue) -> None:
    with catalogue.begin() as tx:
        tx.projects.add(make_project())
        read = tx.projects.get("cells")
        saved = tx.projects.save(read.model_copy(update={"title": "Cells"}))

        assert tx.projects.list() == [saved]
        with pytest.raises(Conflict):
            tx.projects.save(read.model_copy(update={"title": "Not seen"}))
        with pytest.raises(AlreadyExists):
            tx.projects.add(make_project())
        with pytest.raises(NotFound):
            tx.projects.save(make_project("unknown"))


def test_bindings_keep_their_order_and_a_rule_is_kept_once(catalogue: SqlCatalogue) -> None:
    rules = [
        Binding(kind=BindingKind.FIELD, pattern="experiment_id=7", project="cells"),
        Binding(kind=BindingKind.BOOKING, pattern="/srv/bookings.csv"),
        Binding(kind=BindingKind.PATH, pattern="/landing/*", project="cells"),
    ]

    with catalogue.begin() as tx:
        tx.projects.add(make_project())
        for rule in [*rules, *rules]:
            tx.projects.bind(rule)
        with pytest.raises(NotFound):
            tx.projects.bind(Binding(kind=BindingKind.PATH, pattern="/x", project="unknown"))

        assert tx.projects.bindings() == rules
        for rule in (rules[1], rules[0]):
            tx.projects.unbind(rule)
            with pytest.raises(NotFound):
                tx.projects.unbind(rule)
        assert tx.projects.bindings() == rules[2:]


def test_an_acquisition_is_inserted_once_and_updated_by_the_one_who_read_it(catalogue: SqlCatalogue) -> None:
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument())
        first = tx.acquisitions.save(make_acquisition())
        second = tx.acquisitions.save(first.model_copy(update={"state": AcquisitionState.COMPLETE, "held": "why"}))

        assert (first.record, second.record) == (1, 2)
        assert tx.acquisitions.get(first.acquisition_id) == second
        for stale in (make_acquisition(), first):
            with pytest.raises(Conflict):
                tx.acquisitions.save(stale)
        assert tx.acquisitions.find("acq-unknown") is None
        with pytest.raises(NotFound):
            tx.acquisitions.get("acq-unknown")


def test_acquisitions_are_listed_newest_first_by_what_is_asked(catalogue: SqlCatalogue) -> None:
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument("squid-1"))
        tx.instruments.add(make_instrument("squid-2"))
        old = tx.acquisitions.save(make_acquisition("old"))
        new = tx.acquisitions.save(make_acquisition("new", first_seen=LATER, held="no project"))
        done = tx.acquisitions.save(make_acquisition("x", instrument="squid-2", state=AcquisitionState.COMPLETE))

        assert tx.acquisitions.list(instrument="squid-1") == [new, old]
        assert tx.acquisitions.list(state=AcquisitionState.COMPLETE) == [done]
        assert tx.acquisitions.list(held=True) == [new]
        assert set(tx.acquisitions.list(held=False)) == {old, done}
        assert tx.acquisitions.list(limit=1) == [new]


def test_only_what_changed_is_read_again(catalogue: SqlCatalogue) -> None:
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument())
        still, moved = (tx.acquisitions.save(make_acquisition(folder)) for folder in ("still", "moved"))
        stale = still.model_copy(update={"held": "as it was known, and as nobody wrote it"})
        written = tx.acquisitions.save(moved.model_copy(update={"held": "why"}))
        added = tx.acquisitions.save(make_acquisition("added"))
        known = {one.acquisition_id: one for one in (stale, moved)} | {"gone": still}

        found = tx.acquisitions.refresh(known, instrument=still.instrument)

        assert found == {one.acquisition_id: one for one in (stale, written, added)}
        assert tx.acquisitions.refresh({}, instrument="another") == {}


def test_an_acquisition_of_an_unknown_instrument_or_project_is_refused(catalogue: SqlCatalogue) -> None:
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument())

    with pytest.raises(NotFound), catalogue.begin() as tx:
        tx.acquisitions.save(make_acquisition(instrument="unknown"))
    with pytest.raises(NotFound), catalogue.begin() as tx:
        tx.acquisitions.save(make_acquisition(project="unknown"))


def test_a_dataset_is_the_same_for_the_same_origin(catalogue: SqlCatalogue) -> None:
    first = make_dataset(title="first")

    with catalogue.begin() as tx:
        assert tx.datasets.add(first) == first
        assert tx.datasets.add(make_dataset(title="again")) == first
        assert tx.datasets.by_pid(first.pid) == first
        assert tx.datasets.by_pid("ark:/99999/none") is None
        with pytest.raises(AlreadyExists):
            tx.datasets.add(first.model_copy(update={"origin": "another"}))


def test_a_dataset_may_change_its_title_but_never_its_pid(catalogue: SqlCatalogue) -> None:
    with catalogue.begin() as tx:
        dataset = tx.datasets.add(make_dataset())
        renamed = tx.datasets.save(dataset.model_copy(update={"title": "renamed"}))

        assert tx.datasets.get(dataset.dataset_id) == renamed
        with pytest.raises(NotFound):
            tx.datasets.save(dataset.model_copy(update={"pid": "ark:/12345/other"}))
        with pytest.raises(NotFound):
            tx.datasets.get("ds-unknown")


def test_derived_datasets_are_found_by_what_they_were_made_from(catalogue: SqlCatalogue) -> None:
    source = make_dataset("source")
    relation = Relation(kind="IsDerivedFrom", dataset_id=source.dataset_id, version="v1")
    other = Relation(kind="IsVersionOf", dataset_id=source.dataset_id, version="v1")

    with catalogue.begin() as tx:
        tx.datasets.add(source)
        labels = tx.datasets.add(make_dataset("labels", relations=(other, relation)))
        tx.datasets.add(make_dataset("copy", relations=(other,)))

        assert tx.datasets.derived_from(source.dataset_id) == [labels]
        assert tx.datasets.derived_from(labels.dataset_id) == []


def test_datasets_are_listed_newest_first_by_project_and_acquisition(catalogue: SqlCatalogue) -> None:
    keep_version(catalogue, "run-1")
    keep_version(catalogue, "run-2", project=None)

    with catalogue.begin() as tx:
        newest = tx.datasets.add(make_dataset("newest", created_at=LATER))
        acquired = tx.datasets.list(acquisition_id=make_acquisition("run-2").acquisition_id)

        assert [dataset.title for dataset in tx.datasets.list(project="cells")] == ["run-1"]
        assert [dataset.title for dataset in acquired] == ["run-2"]
        assert tx.datasets.list(limit=1) == [newest]


def test_a_version_is_changed_by_one_writer_at_a_time(catalogue: SqlCatalogue) -> None:
    version = keep_version(catalogue)

    with catalogue.begin() as tx:
        saved = tx.datasets.save_version(version.model_copy(update={"stage": Stage.MEASURED, "file_count": 24}))

        assert tx.datasets.get_version(version.version_id) == saved
        with pytest.raises(Conflict) as refused:
            tx.datasets.save_version(version)
        assert refused.value.facts["found"] == saved.record
        with pytest.raises(AlreadyExists):
            tx.datasets.add_version(version)
        with pytest.raises(NotFound):
            tx.datasets.save_version(make_version(make_dataset("unknown")))


def test_versions_are_listed_by_number_and_by_newest_change(catalogue: SqlCatalogue) -> None:
    first = keep_version(catalogue)
    with catalogue.begin() as tx:
        dataset = tx.datasets.get(first.dataset_id)
        tenth = tx.datasets.add_version(make_version(dataset, number=10, stage_at=LATER))
        edit = tx.datasets.add_version(make_version(dataset, number=1, revision=2))
        second = tx.datasets.add_version(make_version(dataset, number=2, stage=Stage.IN_REVIEW))

        assert [version.label for version in tx.datasets.versions(first.dataset_id)] == ["v1", "v1.2", "v2", "v10"]
        assert tx.datasets.list_versions(limit=1) == [tenth]
        assert tx.datasets.list_versions(stage=Stage.IN_REVIEW) == [second]
        assert edit in tx.datasets.list_versions(stage=Stage.DETECTED)


def test_a_version_that_was_never_archived_goes_with_its_findings(catalogue: SqlCatalogue) -> None:
    version = keep_version(catalogue)

    with catalogue.begin() as tx:
        tx.datasets.set_findings(version.version_id, [make_finding()])
        changed = tx.datasets.save_version(version)
        with pytest.raises(Conflict):
            tx.datasets.remove_version(version)
        tx.datasets.remove_version(changed)

        assert tx.datasets.versions(version.dataset_id) == []
        assert tx.datasets.findings(version.version_id) == []


def test_a_version_that_was_archived_or_judged_is_never_removed(catalogue: SqlCatalogue) -> None:
    archived, decided = keep_version(catalogue, "archived"), keep_version(catalogue, "decided")

    with catalogue.begin() as tx:
        archived = tx.datasets.save_version(archived.model_copy(update={"ocfl_version": 1}))
        tx.datasets.add_decision(make_decision(decided))
        for version in (archived, decided):
            with pytest.raises(Conflict):
                tx.datasets.remove_version(version)


def test_findings_are_replaced_and_keep_their_order(catalogue: SqlCatalogue) -> None:
    version = keep_version(catalogue)
    found = [make_finding("b", Outcome.FAILED, files=("a.tiff",), observed=1.5), make_finding("a"), make_finding("c")]

    with catalogue.begin() as tx:
        tx.datasets.set_findings(version.version_id, [make_finding("old")] * 5)
        tx.datasets.set_findings(version.version_id, found)

        assert tx.datasets.findings(version.version_id) == found
        tx.datasets.set_findings(version.version_id, [])
        assert tx.datasets.findings(version.version_id) == []


def test_evidence_is_kept_once_and_in_order(catalogue: SqlCatalogue) -> None:
    version = keep_version(catalogue)
    key = version.version_id

    with catalogue.begin() as tx:
        later = make_receipt(version, "later", verified_at=LATER)
        for receipt in (later, make_receipt(version), later):
            tx.datasets.add_receipt(receipt)
        decision = make_decision(version)
        tx.datasets.add_decision(decision)
        tx.datasets.add_decision(decision.model_copy(update={"reason": "another"}))

        assert tx.datasets.receipts(key) == [make_receipt(version), later]
        assert tx.datasets.decisions(key) == [decision]


def test_a_withdrawal_replaces_its_publication(catalogue: SqlCatalogue) -> None:
    version = keep_version(catalogue)
    public = make_publication(version)
    withdrawn = public.model_copy(update={"withdrawn_at": LATER, "withdrawn_reason": "wrong specimen"})

    with catalogue.begin() as tx:
        tx.datasets.put_publication(public)
        tx.datasets.put_publication(withdrawn)

        assert tx.datasets.publications(version.version_id) == [withdrawn]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE decisions SET person = 'mallory'",
        "DELETE FROM receipts",
        "UPDATE events SET name = 'x'",
        "TRUNCATE decisions",
        "DELETE FROM retention_rules",
    ],
)
def test_the_database_refuses_to_rewrite_history(catalogue: SqlCatalogue, statement: str) -> None:
    version = keep_version(catalogue)
    with catalogue.begin() as tx:
        tx.datasets.add_decision(make_decision(version))
        tx.datasets.add_receipt(make_receipt(version))
        tx.outbox.append(make_event())

    with pytest.raises(InvalidInput, match="never changed or removed"), catalogue.begin() as tx:
        tx.datasets._sql.run(sql_text(statement))  # type: ignore[attr-defined]

    with catalogue.begin() as tx:
        assert tx.datasets.decisions(version.version_id) == [make_decision(version)]


def test_a_transaction_that_fails_leaves_neither_the_change_nor_its_event(catalogue: SqlCatalogue) -> None:
    version = keep_version(catalogue)

    def change_and_fail(tx: Transaction) -> None:
        tx.outbox.register(["lineage"])
        tx.datasets.save_version(version.model_copy(update={"stage": Stage.MEASURED}))
        tx.outbox.append(make_event(subject=version.version_id))
        tx.inbox.request(make_work())
        raise RuntimeError

    with pytest.raises(RuntimeError), catalogue.begin() as tx:
        change_and_fail(tx)

    with catalogue.begin() as tx:
        assert tx.datasets.get_version(version.version_id) == version
        assert tx.outbox.history([version.version_id]) == []
        assert tx.outbox.undelivered() == {}
        assert tx.inbox.list() == []


class FakeStage(StrEnum):
    UNKNOWN = "unknown"


HOSTILE = {
    "half a surrogate": {"reason": "a\ud800b"},
    "half a surrogate in metadata": {"metadata": {"title": "\udcff"}},
    "a number that no column holds": {"number": 2**40},
    "an unknown stage": {"stage": FakeStage.UNKNOWN},
}


@pytest.mark.parametrize("fields", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_the_database_cannot_hold_is_refused_and_nothing_is_written(
    catalogue: SqlCatalogue, fields: dict[str, object]
) -> None:
    version = keep_version(catalogue)

    with pytest.raises(InvalidInput), catalogue.begin() as tx:
        tx.datasets.save_version(version.model_copy(update=fields))

    with catalogue.begin() as tx:
        assert tx.datasets.get_version(version.version_id) == version


@pytest.mark.parametrize("data", [{"x": float("nan")}, {"x": "\udcff"}, {"x": object()}])
def test_an_event_that_is_not_json_is_refused(catalogue: SqlCatalogue, data: dict[str, object]) -> None:
    with pytest.raises(InvalidInput), catalogue.begin() as tx:
        tx.outbox.append(make_event().model_copy(update={"data": data}))


def test_a_name_with_nul_is_refused(catalogue: SqlCatalogue) -> None:
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument())

    with pytest.raises(InvalidInput), catalogue.begin() as tx:
        tx.acquisitions.save(make_acquisition("a\0b"))
    with pytest.raises(InvalidInput), catalogue.begin() as tx:
        tx.accounts.find("a\0b")


def test_statements_in_values_are_values(catalogue: SqlCatalogue) -> None:
    hostile = "'; DROP TABLE versions; -- %s :now"

    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument())
        saved = tx.acquisitions.save(make_acquisition(hostile))
        tx.inbox.request(make_work(hostile, fairness=hostile))

        assert tx.acquisitions.get(saved.acquisition_id).folder == hostile
        assert tx.inbox.list(subject=hostile)[0].fairness == hostile
        assert tx.outbox.history([hostile]) == []


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)  # see _text.py for NUL
contents = st.recursive(
    st.none() | st.booleans() | texts | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.dictionaries(texts, contents, max_size=5), reason=texts)
def test_any_json_and_any_text_come_back_as_they_were(
    catalogue: SqlCatalogue, clock: SettableClock, content: dict[str, object], reason: str
) -> None:
    name = clock.new_id()
    version = keep_version(catalogue, name, metadata=content, reason=reason)

    with catalogue.begin() as tx:
        tx.inbox.request(make_work(name, parameters=content))
        event = make_event(name, subject=name, data=content)
        tx.outbox.append(event)

        assert tx.datasets.get_version(version.version_id) == version
        assert tx.inbox.get(make_id(name)).parameters == content
        assert tx.outbox.history([name]) == [event]


def test_what_is_noted_of_an_object_is_replaced_and_forgotten(catalogue: SqlCatalogue) -> None:
    refused = ObjectNote(
        object_root="0ab/1cd/2ef/x",
        dataset_id=None,
        state=ObjectState.REFUSED,
        reason="it is damaged",
        recoveries=0,
        noted_at=START,
    )
    recovered = refused.model_copy(update={"state": ObjectState.RECOVERED, "recoveries": 1})
    other = refused.model_copy(update={"object_root": "(elsewhere)"})

    with catalogue.begin() as tx:
        for note in (refused, recovered, other):
            tx.recoveries.put(note)

    with catalogue.begin() as tx:
        assert tx.recoveries.list() == [other, recovered]
        assert tx.recoveries.list(state=ObjectState.REFUSED) == [other]
        assert tx.recoveries.find(recovered.object_root) == recovered
        tx.recoveries.forget(recovered.object_root)
        tx.recoveries.forget(recovered.object_root)
        assert tx.recoveries.find(recovered.object_root) is None
