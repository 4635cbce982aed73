"""What quarantine keeps from happening: models do not run on it, and nothing made of it becomes public."""

from __future__ import annotations

from collections.abc import Sequence

from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.errors import NotFound, Quarantined
from cisterna.domain.quarantine import is_discarded, is_quarantined
from cisterna.ports.catalogue import Transaction


def require_free(tx: Transaction, version: Version) -> None:
    """Refuse to run a model on what is in quarantine or was discarded.

    Raises:
        Quarantined: It is; the message says what would have to happen first.
    """
    require_not_given_up(tx, version)
    if not is_quarantined(version, tx.datasets.decisions(version.version_id)):
        return
    verdict = version.verdict.value if version.verdict else "missing"
    msg = (
        f"no model runs on {version.version_id}: its verdict is {verdict} and no steward has accepted it as it is; "
        f"ask one to (`cisterna review accept {version.version_id} --reason TEXT --inside`), or have it judged again "
        f"(`cisterna reprocess {version.version_id} --from gated --reason TEXT`)"
    )
    raise Quarantined(msg, version_id=version.version_id, verdict=verdict)


def require_not_given_up(tx: Transaction, version: Version) -> None:
    """Refuse to make anything of data that were discarded. Raises `Quarantined`."""
    if is_given_up(tx, version):
        msg = (
            f"the data of {version.version_id} were discarded, and nothing is made of them any more; they stay "
            "archived until retention lets them go, and `cisterna restore` brings them"
        )
        raise Quarantined(msg, version_id=version.version_id)


def is_given_up(tx: Transaction, version: Version) -> bool:
    """Tell whether the data were discarded, in this version or in another revision of the same data."""
    return any(
        is_discarded(tx.datasets.decisions(one.version_id))
        for one in tx.datasets.versions(version.dataset_id)
        if one.number == version.number
    )


def kept_back_sources(tx: Transaction, dataset: Dataset) -> Sequence[str]:
    """Name the versions in quarantine, or discarded, that a dataset was derived from, however far back."""
    waiting, seen, found = [dataset], {dataset.dataset_id}, []
    while waiting:
        for relation in waiting.pop().relations:
            source = f"{relation.dataset_id}:{relation.version}"
            if relation.kind != "IsDerivedFrom" or source in seen:
                continue
            seen.add(source)
            if _is_kept_back(tx, source):
                found.append(source)
            waiting.append(tx.datasets.get(relation.dataset_id))
    return found


def _is_kept_back(tx: Transaction, version_id: str) -> bool:
    try:
        version = tx.datasets.get_version(version_id)
    except NotFound:
        return False  # erased: whether its derivatives stay was that decision's to say
    return is_quarantined(version, tx.datasets.decisions(version_id)) or is_given_up(tx, version)
