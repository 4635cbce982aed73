"""Changes that cannot delete anything that should stay, each with its reason."""

_READ_ONLY = "reading only is what no flag at all says: the value is 0"
_INHERITED = "a program that is started meanwhile has the descriptor, which only reads, as well"
_PIECES = "how much is read at a time"
_NONE_OF_NONE = "a dataset without an id has no versions"
_AS_MANY = "there are as many: a version that changed meanwhile was refused two lines before"

HARMLESS = {
    "judge _about_copies: single is not None and single in counted -> single in counted": "no store's name is None",
    "judge rules_for: project is not None and single is not None -> single is not None": "no project names no store",
    "deletion _FOLDER: os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC -> "
    "os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | 0": _INHERITED,
    "deletion _FOLDER: os.O_RDONLY | os.O_DIRECTORY -> 0 | os.O_DIRECTORY": _READ_ONLY,
    "deletion _FILE: os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY -> "
    "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | 0": "a terminal is no regular file and stays",
    "deletion _FILE: os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC -> "
    "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | 0": _INHERITED,
    "deletion _FILE: os.O_RDONLY | os.O_NOFOLLOW -> 0 | os.O_NOFOLLOW": _READ_ONLY,
    "deletion _CHUNK_BYTES: 1024 -> 1025": _PIECES,
    "deletion _CHUNK_BYTES: 1024 -> 1025 (2)": _PIECES,
    "deletion _remove_empty: sorted(below) -> list(below)": "in which order folders go that must all be empty",
    "execution _begin: case.facts.archive.inventory_sha512 or '' -> "
    "case.facts.archive.inventory_sha512": "the judge allows nothing whose inventory is not known: there is one here",
    "facts gather: step is not Step.ANNOUNCE and (not any((one.problem for one in (archive, *parts)))) -> "
    "not any((one.problem for one in (archive, *parts)))": "an announcement asks twice, and deletes nothing",
    "facts _rows: tx.datasets.versions(acquisition.dataset_id) if acquisition.dataset_id else () -> "
    "tx.datasets.versions(acquisition.dataset_id) if True else ()": _NONE_OF_NONE,
    "facts _rows: acquisition.dataset_id is None or not versions -> not versions": _NONE_OF_NONE,
    "facts _rows: tx.projects.get(dataset.project) if dataset.project else None -> "
    "tx.projects.get(dataset.project) if True else None": "no project has that name, and nothing goes",
    "facts _copies: sorted(stores) -> list(stores)": "in which order stores are told",
    "facts gather: zip(rows.parts, parts, strict=True) -> zip(rows.parts, parts)": _AS_MANY,
    "facts gather: True -> False": _AS_MANY,
    "facts _look_at_source: (file.size_bytes, file.sha512) -> "
    "(file.size_bytes,)": "a deletion that goes on was digested before it began: only names and sizes are compared",
    "facts _CHUNK_BYTES: 1024 -> 1025": _PIECES,
    "facts _CHUNK_BYTES: 1024 -> 1025 (2)": _PIECES,
}
"""Reasons by part and change, as `tools/mutate_release.py` shows them without the line."""
