"""What a reader of files says against one."""

from __future__ import annotations

from cisterna.domain.errors import InvalidInput


class Fault(InvalidInput):
    """The file is not what it must be, in words for a technician. What is only not read here is `InvalidInput`."""

    code = "unreadable-file"
