"""Writes the message of an event, once for a thing and only while it waits for somebody.

Of data that are not open - restricted, embargoed, unclaimed, or of which nobody has said whether they come from people
- a message holds ids, the instrument and the address of the page, and nothing that the data say of themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cisterna.domain.acquisition import Acquisition
from cisterna.domain.alert import AlertKind
from cisterna.domain.alert_message import AlertMessage, MessageKind
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.deposit import DepositState
from cisterna.domain.errors import InvalidInput, NotFound, PublicationRefused
from cisterna.domain.event import Event
from cisterna.domain.finding import Verdict
from cisterna.domain.fixity import Fixity
from cisterna.domain.work import WorkKind, WorkState
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.services.alarm_setting import INSTRUMENT_SECONDS, INSTRUMENT_SILENT, OFF

_OF_VERDICT: Mapping[object, MessageKind] = {
    Verdict.QUARANTINED: MessageKind.QUARANTINED,
    Verdict.NOT_ASSESSED: MessageKind.NOT_ASSESSED,
    Verdict.REVIEW: MessageKind.REVIEW,
}
_LONGEST = 1000
_RESTRICTED = "The data are restricted; what is wrong, and where, stands on the page:"


def alert_message(event: Event, *, catalogue: Catalogue, base_url: str) -> AlertMessage | None:
    """Write the message of an event; None when it is about nothing that anybody is told, or that waits no more.

    Args:
        event: Of the outbox.
        catalogue: What is true now: what was decided, acknowledged or erased since is not told.
        base_url: Of the site.
    """
    write = _WRITERS.get(event.name)
    if write is None or (event.name == "version.stage" and event.data.get("stage") != Stage.IN_REVIEW):
        return None  # most events end here, and cost nothing
    with catalogue.begin() as tx:
        try:
            return write(tx, event, base_url.rstrip("/"))
        except (InvalidInput, NotFound):  # erased meanwhile, or it never was an id
            return None


def _of_review(tx: Transaction, event: Event, base: str) -> AlertMessage | None:
    if str(event.data.get("verdict")) not in _OF_VERDICT:
        return None
    version = tx.datasets.get_version(event.subject)
    if version.stage is not Stage.IN_REVIEW or version.verdict != event.data["verdict"]:
        return None
    if _was_told(tx, event, version):
        return None
    dataset = tx.datasets.get(version.dataset_id)
    kind = _OF_VERDICT[version.verdict]
    words = {
        MessageKind.QUARANTINED: "A dataset is in quarantine",
        MessageKind.NOT_ASSESSED: "A dataset could not be assessed",
        MessageKind.REVIEW: "A dataset waits for a steward",
    }[kind]
    is_open = _is_open(tx, event, dataset.project, dataset_id=dataset.dataset_id)
    told = [dataset.title, version.reason or ""] if is_open else []
    return AlertMessage(
        kind=kind,
        subject=f"{words}: {dataset.instrument or dataset.data_type}",
        lines=_lines([*told, f"Version     {version.version_id}", *_instrument(dataset.instrument)], is_open=is_open),
        address=f"{base}/datasets/{dataset.dataset_id}?version={version.label}",
        instrument=dataset.instrument,
        project=dataset.project,
    )


def _of_alert(tx: Transaction, event: Event, base: str) -> AlertMessage | None:
    alert = tx.alerts.get(str(event.data.get("alert_id")))
    acquisition = tx.acquisitions.get(alert.acquisition_id)
    if not alert.waits:
        return None
    is_open = _is_open(tx, event, acquisition.project)
    numbers = f"{alert.measure}: {alert.observed:.4g}, where the limit is {alert.limit:.4g}"
    told = [alert.words, numbers, alert.advice] if is_open else []
    return AlertMessage(
        kind=MessageKind.SILENT if alert.kind is AlertKind.SILENT else MessageKind.ALERT,
        subject=f"Alert at {alert.instrument}: {alert.kind.value}",
        lines=_lines([*told, *_of_run(acquisition)], is_open=is_open),
        address=f"{base}/acquisitions/{acquisition.acquisition_id}",
        instrument=alert.instrument,
        project=acquisition.project,
    )


def _of_guard(tx: Transaction, event: Event, base: str) -> AlertMessage | None:
    instrument = tx.instruments.get(event.subject)
    if instrument.guard is None:
        return None
    words = "Many runs are gone or changed at once, which is not believed; an operator has to look."
    return AlertMessage(
        kind=MessageKind.GUARDED,
        subject=f"The landing zone of {instrument.name} is guarded",
        lines=(words,),
        address=f"{base}/instruments/{instrument.name}",
        instrument=instrument.name,
    )


def _of_silence(tx: Transaction, event: Event, base: str) -> AlertMessage | None:
    instrument = tx.instruments.get(event.subject)
    silence = instrument.silence
    if silence is None or instrument.in_shadow is not None or not instrument.watched:
        return None
    advice = (
        "Look at the instrument, its computer and its share. If it rests by intent: cisterna instrument set "
        f"{instrument.name} --set {INSTRUMENT_SECONDS}=N, or --set {OFF}={INSTRUMENT_SILENT}, --reason TEXT"
    )
    return AlertMessage(
        kind=MessageKind.INSTRUMENT_SILENT,
        subject=f"Nothing comes from {instrument.name}",
        lines=(silence.words, advice, *_instrument(instrument.name)),
        address=f"{base}/instruments/{instrument.name}",
        instrument=instrument.name,
    )


def _of_fixity(tx: Transaction, event: Event, base: str) -> AlertMessage | None:
    if event.data.get("fixity") != Fixity.DAMAGED or event.data.get("from") == Fixity.DAMAGED:
        return None
    dataset = tx.datasets.get(event.subject.partition(":")[0])
    store = str(event.data.get("store"))
    now = next((one for one in tx.copies.of(dataset.dataset_id) if one.store == store), None)
    if now is None or now.fixity is not Fixity.DAMAGED:
        return None
    is_open = _is_open(tx, event, dataset.project, dataset_id=dataset.dataset_id)
    told = [dataset.title] if is_open else []
    return AlertMessage(
        kind=MessageKind.DAMAGED,
        subject=f"A copy in the store {store} is damaged",
        lines=_lines([*told, f"Dataset     {dataset.dataset_id}"], is_open=is_open),
        address=f"{base}/datasets/{dataset.dataset_id}#stores",
        instrument=dataset.instrument,
        project=dataset.project,
    )


def _of_release(tx: Transaction, event: Event, base: str) -> AlertMessage | None:
    release = event.data.get("release")
    if not isinstance(release, dict):
        return None
    acquisition = tx.acquisitions.get(str(release.get("acquisition_id")))
    verb = "was refused" if event.name == "release.refused" else "was stopped"
    return AlertMessage(
        kind=MessageKind.RELEASE_REFUSED,
        subject=f"The release of a source copy of {acquisition.instrument} {verb}",
        lines=("Nothing more is deleted; why stands on the page:", *_of_run(acquisition)),
        address=f"{base}/acquisitions/{acquisition.acquisition_id}",
        instrument=acquisition.instrument,
        project=acquisition.project,
    )


def _of_publication(tx: Transaction, event: Event, base: str) -> AlertMessage | None:
    version = tx.datasets.get_version(event.subject)
    works = [one for one in tx.inbox.list(subject=event.subject) if one.kind is WorkKind.PUBLISH]
    is_over = (
        version.stage in {Stage.PUBLISHED, Stage.WITHDRAWN} or not works or works[-1].state is not WorkState.FAILED
    )
    if is_over or event.data.get("code") == PublicationRefused.code:  # who asked for what may not be is told why
        return None
    dataset = tx.datasets.get(version.dataset_id)
    is_open = _is_open(tx, event, dataset.project, dataset_id=dataset.dataset_id)
    told = [dataset.title, str(event.data.get("reason") or "")] if is_open else []
    return AlertMessage(
        kind=MessageKind.PUBLICATION_FAILED,
        subject="A version could not be made public",
        lines=_lines([*told, f"Version     {version.version_id}"], is_open=is_open),
        address=f"{base}/datasets/{dataset.dataset_id}?version={version.label}",
        instrument=dataset.instrument,
        project=dataset.project,
    )


def _of_deposit(tx: Transaction, event: Event, base: str) -> AlertMessage | None:
    wish = tx.deposits.find(str(event.data.get("key")))
    if wish is None or wish.state is not DepositState.FAILED:
        return None
    dataset = tx.datasets.get(wish.dataset_id)
    is_open = _is_open(tx, event, dataset.project, dataset_id=dataset.dataset_id)
    told = [dataset.title, wish.problem or ""] if is_open else []
    return AlertMessage(
        kind=MessageKind.DEPOSIT_FAILED,
        subject=f"A version was given up at {wish.target}",
        lines=_lines([*told, f"Version     {wish.version_id}"], is_open=is_open),
        address=f"{base}/datasets/{wish.dataset_id}?version={wish.version}#h-deposits",
        instrument=dataset.instrument,
        project=dataset.project,
    )


def _of_delivery(tx: Transaction, event: Event, base: str) -> AlertMessage | None:
    delivery = tx.deliveries.get(str(event.data.get("delivery_id")))
    if delivery.mail_given_up_at is None or delivery.revoked_at is not None:
        return None  # it was asked for again, or ended
    version = tx.datasets.get_version(delivery.version_id)
    dataset = tx.datasets.get(version.dataset_id)
    is_open = _is_open(tx, event, dataset.project, dataset_id=dataset.dataset_id)
    told = [dataset.title] if is_open else []
    ids = [f"Version     {version.version_id}", f"Delivery    {delivery.delivery_id}", f"By          {delivery.by}"]
    return AlertMessage(
        kind=MessageKind.DELIVERY_UNMAILED,
        subject="A recipient could not be told of a delivery by mail",
        lines=_lines([*told, delivery.mail_problem or "", *ids], is_open=is_open),
        address=f"{base}/datasets/{dataset.dataset_id}/deliveries?version={version.label}",
        instrument=dataset.instrument,
        project=dataset.project,
    )


_WRITERS: Mapping[str, Callable[[Transaction, Event, str], AlertMessage | None]] = {
    "version.stage": _of_review,
    "alert.raised": _of_alert,
    "instrument.guarded": _of_guard,
    "instrument.silent": _of_silence,
    "copy.fixity": _of_fixity,
    "release.refused": _of_release,
    "release.stopped": _of_release,
    "publication.failed": _of_publication,
    "deposit.failed": _of_deposit,
    "delivery.unmailed": _of_delivery,
}


def _was_told(tx: Transaction, event: Event, version: Version) -> bool:
    """Tell whether the same was said before: a review that is opened again is no news.

    Nor is it when the same data were judged anew and nothing came of it: many at once are judged so, and whoever asked
    for it looks at them.
    """
    before = [
        one
        for one in tx.datasets.versions(version.dataset_id)
        if one.number == version.number and one.revision < version.revision
    ]
    last = max(before, key=lambda one: one.revision, default=version)
    subjects = dict.fromkeys([event.subject, *([last.version_id] if last.verdict is version.verdict else [])])
    same = [
        one.event_id
        for one in tx.outbox.history(list(subjects))
        if one.name == event.name
        and (one.data.get("stage"), one.data.get("verdict")) == (event.data["stage"], event.data["verdict"])
    ]
    return bool(same) and same[0] != event.event_id


def _is_open(tx: Transaction, event: Event, project: str | None, *, dataset_id: str | None = None) -> bool:
    """Tell whether data may be named: they were open when it happened, and are now, in every description of them."""
    if event.restricted or project is None or tx.projects.get(project).is_restricted:
        return False
    versions = tx.datasets.versions(dataset_id) if dataset_id else []
    return not any(one.is_restricted for one in versions)


def _lines(told: list[str], *, is_open: bool) -> tuple[str, ...]:
    shown = [_plain(one) for one in told if one]
    return tuple(shown if is_open else [*shown, _RESTRICTED])


def _plain(text: str) -> str:
    """Make somebody else's text printable on one line, and no longer than it may be."""
    plain = "".join(one if one.isprintable() else " " for one in text)
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"


def _instrument(name: str | None) -> list[str]:
    return [f"Instrument  {name}"] if name else []


def _of_run(acquisition: Acquisition) -> list[str]:
    return [f"Run         {acquisition.acquisition_id}", *_instrument(acquisition.instrument)]
