"""Any folder that checksum files close: `manifest.sha256`, `md5sum.txt`, `SHA256SUMS`, SFV, a BagIt bag, `*.md5`.

The list is written last and says what belongs to the folder, so it is plan, marker and proof in one: the folder is
complete when every file in the list is there, and each file's digest is compared in the one read. What the list does
not name is archived too, and told.
"""

from __future__ import annotations

from cisterna.domain.acquisition import Evidence
from cisterna.domain.delivered import DeliveredDigests
from cisterna.ports.profile import Described, Look, Plane
from cisterna.services.closing_list import closing_lists, held_against_lists, listed_digests, sidecars


class Folder:
    """Implements `ports.profile.Profile`."""

    name = "folder"
    quiet_seconds = 60.0
    stalled_seconds = 24 * 3600.0

    def claims(self, look: Look) -> bool:
        """Tell a closed folder by the name of its list; before that is there, nothing tells it from any other."""
        return bool(closing_lists(look) or sidecars(look))

    def inspect(self, look: Look) -> Evidence:
        """Hold the list against what is there."""
        return held_against_lists(look)

    def delivered(self, look: Look) -> DeliveredDigests:
        """Give every digest of the lists."""
        return listed_digests(look)

    def describe(self, look: Look) -> Described:
        """Name the folder: nothing in it is known to describe it."""
        return Described(title=look.folder, data_type="folder", fields={"experiment_id": look.folder})

    def is_image(self, path: str) -> bool:
        """Measure nothing: whatever is in such a folder, nobody has said that it is a micrograph."""
        del path
        return False

    def plane(self, path: str) -> Plane | None:
        """Place nothing."""
        del path
        return None
