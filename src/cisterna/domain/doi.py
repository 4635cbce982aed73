"""DOIs that a site gives: made from the dataset's ARK and the version, so that the same version always has the same."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from cisterna.domain.errors import InvalidInput

DoiPrefix = Annotated[str, StringConstraints(pattern=r"^10\.[0-9]{4,5}$")]
"""What DataCite assigns to a repository: `10.1234`."""


def doi_of(pid: str, version: str, *, prefix: str) -> str:
    """Name the DOI of a version, such as `10.1234/18t7hgpc30a84azy2441cv32wf.v1`.

    Nothing is asked or counted for it: whoever makes it again after a crash makes the same one.

    Raises:
        InvalidInput: The identifier is not that of a dataset, which alone is published.
    """
    scheme, _, name = pid.rpartition("/")
    if not scheme.startswith("ark:/") or scheme.count("/") != 1:
        msg = f"'{pid}' is not the ARK of a dataset, and nothing else has a DOI"
        raise InvalidInput(msg, pid=pid)
    return f"{prefix}/{name}.{version}"
